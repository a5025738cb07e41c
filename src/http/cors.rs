//! Cross-origin requests from browsers (CORS), by `http.cors_origins`.
//!
//! Preflight requests are answered here, before limits and routes. Refusals are problems.

use actix_cors::{Cors, CorsError};
use actix_web::{
    HttpResponse,
    http::{
        Uri,
        header::{self, HeaderName},
    },
};

use super::{
    headers::{CORRELATION_ID, POSITION, REPLAYED},
    problem::Problem,
};

pub(crate) const RULE: &str =
    "must be origins as browsers send them, such as https://shop.example, or * alone";

const METHODS: [&str; 6] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"];
/// Time that a browser may cache a preflight, in s.
const REMEMBERED_S: usize = 3_600;

/// Returns true for an origin as browsers send it: scheme, lower-case host, and port unless it is the
/// default.
pub(crate) fn is_origin(text: &str) -> bool {
    let Ok(uri) = text.parse::<Uri>() else { return false };
    let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else { return false };
    let usual = if scheme == "https" { 443 } else { 80 };
    matches!(scheme, "http" | "https")
        && !authority.host().is_empty()
        && !authority.as_str().contains('@')
        && authority.port_u16() != Some(usual)
        && text == format!("{scheme}://{authority}")
        && !text.bytes().any(|byte| byte.is_ascii_uppercase())
}

/// Returns the middleware. `*` allows any origin, but no credentials.
pub(crate) fn allowing(origins: &[String]) -> Cors {
    let request = ["idempotency-key", "last-event-id", "traceparent"].map(HeaderName::from_static);
    let standard = [header::AUTHORIZATION, header::CONTENT_TYPE, header::IF_MATCH, header::IF_NONE_MATCH];
    let answer = [CORRELATION_ID, POSITION, REPLAYED];
    let cors = Cors::default()
        .allowed_methods(METHODS)
        .allowed_headers(request.into_iter().chain(standard).chain([POSITION]))
        .expose_headers(answer.into_iter().chain([header::LOCATION, header::ETAG, header::RETRY_AFTER]))
        .max_age(REMEMBERED_S);
    if origins == ["*"] {
        return cors.allow_any_origin().send_wildcard();
    }
    origins.iter().fold(cors.supports_credentials(), |cors, origin| cors.allowed_origin(origin))
}

pub(crate) fn refusal<B>(answer: &HttpResponse<B>) -> Option<Problem> {
    let (header, rule) = match answer.error()?.as_error::<CorsError>()? {
        CorsError::MissingOrigin | CorsError::OriginNotAllowed => {
            ("Origin", "must be one that http.cors_origins allows".to_owned())
        }
        CorsError::BadRequestHeaders | CorsError::HeadersNotAllowed => {
            ("Access-Control-Request-Headers", "must be headers that this server reads".to_owned())
        }
        _ => ("Access-Control-Request-Method", format!("must be {}", METHODS.join(" or "))),
    };
    Some(Problem::invalid_field(&format!("/headers/{header}"), rule))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_origins_as_browsers_send_them_are_accepted() {
        for good in ["https://shop.example", "http://localhost:3000", "http://[::1]:8080", "http://10.0.0.1"]
        {
            assert!(is_origin(good), "{good}");
        }
        let bad = "* null shop.example https:// https://shop.example/ https://shop.example?x \
                   https://shop.example/path https://Shop.example HTTPS://shop.example \
                   https://me@shop.example https://shop.example:443 ftp://shop.example https://*.example/";
        for bad in bad.split(' ') {
            assert!(!is_origin(bad), "{bad}");
        }
    }
}
