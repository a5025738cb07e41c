//! The session cookie of the pages, and protection from cross-site request forgery (CSRF).
//!
//! The cookie is `HttpOnly` and `SameSite=Lax`. A form also carries a token derived from the session, and a
//! request that the browser marks as cross-site is refused, even without a session.

use actix_web::{
    HttpRequest,
    http::{Uri, header, header::HeaderValue},
    web,
};
use sha2::{Digest as _, Sha256};

use super::limits::Limits;
use crate::domain::hex::to_hex;

pub(crate) const SESSION: &str = "saem_session";
/// Lifetime of the session cookie in the browser, in s. The server ends the session by itself.
const SESSION_AGE_S: u64 = 24 * 60 * 60;
/// Lifetime of cookies that hold a preference, such as the language, in s.
const CHOICE_AGE_S: u64 = 365 * SESSION_AGE_S;
/// Header by which a script of a page sends its CSRF token.
pub(crate) const CSRF_HEADER: &str = "X-CSRF-Token";

pub(crate) fn cookie<'a>(request: &'a HttpRequest, name: &str) -> Option<&'a str> {
    let lines = request.headers().get_all(header::COOKIE).filter_map(|line| line.to_str().ok());
    let pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let mut values = pairs.filter(|(of, _)| *of == name).map(|(_, value)| value);
    // Of two cookies with one name, one may have been planted by an attacker: neither is trusted.
    values.next().filter(|_| values.next().is_none())
}

/// Returns true if the client used TLS, to this server or to a proxy that says so.
fn is_secure(request: &HttpRequest) -> bool {
    let limits = request.app_data::<web::Data<Limits>>();
    limits.is_some_and(|limits| limits.tls)
        || request.headers().get("X-Forwarded-Proto").is_some_and(|proto| proto == "https")
}

/// Returns the header that sets a cookie; an empty value removes it.
pub(crate) fn set_cookie(
    request: &HttpRequest,
    name: &str,
    value: &str,
    for_scripts: bool,
) -> (header::HeaderName, String) {
    let age = match value {
        "" => 0,
        _ if for_scripts => CHOICE_AGE_S,
        _ => SESSION_AGE_S,
    };
    let secure = if is_secure(request) { "; Secure" } else { "" };
    let hidden = if for_scripts { "" } else { "; HttpOnly" };
    (header::SET_COOKIE, format!("{name}={value}; Path=/; Max-Age={age}; SameSite=Lax{hidden}{secure}"))
}

pub(crate) fn csrf_token(token: &str) -> String {
    to_hex(&Sha256::digest([b"saem csrf ".as_slice(), token.as_bytes()].concat())[..16])
}

/// Returns true if the browser says that the request comes from a page of this server, or if no browser says
/// anything.
pub(crate) fn is_same_origin(request: &HttpRequest) -> bool {
    let text = |name: header::HeaderName| request.headers().get(name).map(HeaderValue::to_str);
    if let Some(site) = text(header::HeaderName::from_static("sec-fetch-site")) {
        return matches!(site, Ok("same-origin" | "none"));
    }
    let Some(origin) = text(header::ORIGIN) else { return true };
    let authority = origin.ok().and_then(|origin| origin.parse::<Uri>().ok()?.authority().cloned());
    let host = text(header::HOST).and_then(Result::ok);
    authority.is_some_and(|authority| host == Some(authority.as_str()))
}

/// Compares in constant time.
pub(crate) fn is_same(given: &str, expected: &str) -> bool {
    Sha256::digest(given) == Sha256::digest(expected)
}
