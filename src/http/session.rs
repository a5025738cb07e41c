//! Who looks at a page, and whether what was sent comes from one of our pages.
//!
//! The session is a cookie that scripts cannot read and that other sites' pages do not send along with
//! forms. A form also holds a token that only a page of the same session can know; and whatever a browser
//! says comes from another site is refused, also where nobody is logged in yet.

use std::{collections::BTreeMap, pin::Pin};

use actix_web::{
    FromRequest, HttpMessage as _, HttpRequest,
    dev::Payload,
    http::{Uri, header, header::HeaderValue, uri::PathAndQuery},
    web,
};
use sha2::{Digest as _, Sha256};

use super::{
    App,
    api::body::Body,
    correlation::Cause,
    limits::Limits,
    pages::{
        layout::{Instead, OrPage as _},
        text::Lang,
    },
    problem::{Problem, kinds::Kind},
};
use crate::{actors::entity::ask::RequestContext, domain::CustomerId, shop::Principal};

/// The cookie of a session.
pub const SESSION: &str = "saem_session";
/// How long a browser keeps it, in s; the session itself ends on the server.
const SESSION_AGE_S: u64 = 24 * 60 * 60;
/// How long it keeps what is no secret.
const CHOICE_AGE_S: u64 = 365 * SESSION_AGE_S;
/// The header in which a script of ours shows that it is one.
pub const CSRF_HEADER: &str = "X-CSRF-Token";
/// A body that is a form.
const FORM: Body = Body { name: "form", max: (64 * 1_024, "64 KiB"), broken: Kind::MalformedJson };

/// A cookie's value.
#[must_use]
pub fn cookie<'a>(request: &'a HttpRequest, name: &str) -> Option<&'a str> {
    let lines = request.headers().get_all(header::COOKIE).filter_map(|line| line.to_str().ok());
    let pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let mut values = pairs.filter(|(of, _)| *of == name).map(|(_, value)| value);
    // Of two, one was planted.
    values.next().filter(|_| values.next().is_none())
}

/// Whether the client came by TLS: here, or to a proxy that says so.
fn is_secure(request: &HttpRequest) -> bool {
    let limits = request.app_data::<web::Data<Limits>>();
    limits.is_some_and(|limits| limits.tls())
        || request.headers().get("X-Forwarded-Proto").is_some_and(|proto| proto == "https")
}

/// The header that sets a cookie; an empty value removes it.
#[must_use]
pub fn set_cookie(
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

/// What a form of this session holds to show that it is ours.
#[must_use]
pub fn csrf_of(token: &str) -> String {
    let hash = Sha256::digest([b"saem csrf ".as_slice(), token.as_bytes()].concat());
    hash[..16].iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Whether a browser says that this comes from a page of ours, or no browser says anything.
#[must_use]
pub fn is_same_origin(request: &HttpRequest) -> bool {
    let text = |name: header::HeaderName| request.headers().get(name).map(HeaderValue::to_str);
    if let Some(site) = text(header::HeaderName::from_static("sec-fetch-site")) {
        return matches!(site, Ok("same-origin" | "none"));
    }
    let Some(origin) = text(header::ORIGIN) else { return true };
    let authority = origin.ok().and_then(|origin| origin.parse::<Uri>().ok()?.authority().cloned());
    let host = text(header::HOST).and_then(Result::ok);
    authority.is_some_and(|authority| host == Some(authority.as_str()))
}

/// The page of ours that a form was sent from, if the browser says so: a form's own address shows nothing.
fn came_from(request: &HttpRequest) -> Option<PathAndQuery> {
    let text = |name: header::HeaderName| request.headers().get(name)?.to_str().ok();
    let referer: Uri = text(header::REFERER)?.parse().ok()?;
    let ours = referer.authority().map(|authority| authority.as_str()) == text(header::HOST);
    referer.path_and_query().filter(|_| ours).cloned()
}

/// The part of the site that a path belongs to, for a browser that does not say where a form was.
fn part_of(path: &str) -> &'static str {
    let parts = ["/admin/rentals", "/admin/deliveries", "/admin", "/console", "/my"];
    parts.into_iter().find(|part| path.starts_with(part)).unwrap_or("/")
}

/// Compares without telling by the time it takes how much was right.
#[must_use]
pub fn is_same(given: &str, expected: &str) -> bool {
    Sha256::digest(given) == Sha256::digest(expected)
}

/// Whoever looks at a page.
#[derive(Clone, Debug)]
pub struct Visitor {
    /// In which language.
    pub lang: Lang,
    /// Who it is, if they are logged in.
    pub principal: Option<Principal>,
    /// Where they are, with the query.
    pub path: String,
    /// Whether they sent a form, from there.
    pub was_sent: bool,
    /// What their forms hold.
    pub csrf: String,
    token: Option<String>,
}

impl Visitor {
    /// Whoever sent this.
    #[must_use]
    pub fn of(request: &HttpRequest) -> Self {
        let app = request.app_data::<web::Data<App>>().expect("the server is configured with its app");
        let token = cookie(request, SESSION).map(str::to_owned);
        let principal = token.as_ref().and_then(|token| app.shop.authenticate(token));
        let was_sent = !request.method().is_safe();
        let path = if was_sent { came_from(request) } else { request.uri().path_and_query().cloned() };
        let path = path.map_or_else(|| part_of(request.path()).to_owned(), |path| path.as_str().to_owned());
        let csrf = token.as_deref().map(csrf_of).unwrap_or_default();
        Self { lang: Lang::of(request), principal, path, was_sent, csrf, token }
    }

    /// The Korean or the English of two texts.
    #[must_use]
    pub const fn t<'a>(&self, korean: &'a str, english: &'a str) -> &'a str {
        self.lang.t(korean, english)
    }

    /// The session's token, if there is one.
    #[must_use]
    pub fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    /// The customer.
    ///
    /// # Errors
    /// Anybody else is led to where customers log in; the operator, who is no customer, to their own pages.
    pub fn customer(&self) -> Result<CustomerId, Instead> {
        match self.principal {
            Some(Principal::Customer(customer)) => Ok(customer),
            Some(Principal::Operator) => Err(Instead::SeeOther("/admin".to_owned())),
            None => Err(Instead::log_in(&self.path)),
        }
    }

    /// The operator.
    ///
    /// # Errors
    /// Anybody else is led to where the operator logs in.
    pub fn operator(&self) -> Result<(), Instead> {
        match self.principal {
            Some(Principal::Operator) => Ok(()),
            Some(Principal::Customer(_)) | None => Err(Instead::operator_log_in(&self.path)),
        }
    }

    /// Whether this is the operator.
    #[must_use]
    pub const fn is_operator(&self) -> bool {
        matches!(self.principal, Some(Principal::Operator))
    }
}

impl FromRequest for Visitor {
    type Error = Instead;
    type Future = std::future::Ready<Result<Self, Instead>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        std::future::ready(Ok(Self::of(request)))
    }
}

/// What stands in a form.
#[derive(Clone, Debug, Default)]
pub struct Fields(BTreeMap<String, String>);

impl Fields {
    /// These fields.
    #[must_use]
    pub fn of(fields: &[(&str, &String)]) -> Self {
        Self(fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).clone())).collect())
    }

    /// Whether a field was sent, be it empty.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// A field; empty if it is not there.
    #[must_use]
    pub fn get(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }
}

/// A form that was filled in on a page of ours, and by whom.
pub struct Filled {
    /// Who.
    pub visitor: Visitor,
    /// Why, and under which key: a form that is sent twice is done once.
    pub context: RequestContext,
    /// What.
    pub fields: Fields,
}

/// A form that took some typing: of an earlier session it is not acted upon, but may be shown again.
pub enum Typed {
    /// It is of this session.
    Ours(Filled),
    /// It is of another one: who has this session, and what was typed.
    Stale(Visitor, Fields),
}

impl FromRequest for Filled {
    type Error = Instead;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Instead>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let typed = Typed::from_request(request, payload);
        Box::pin(async move {
            match typed.await? {
                Typed::Ours(filled) => Ok(filled),
                Typed::Stale(visitor, _) => Err(foreign()).or_page(&visitor),
            }
        })
    }
}

impl FromRequest for Typed {
    type Error = Instead;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Instead>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, payload) = (request.clone(), payload.take());
        Box::pin(async move {
            let visitor = Visitor::of(&request);
            let fields = read(&request, payload).await.or_page(&visitor)?;
            let expected = cookie(&request, SESSION).map(csrf_of);
            if expected.is_some_and(|expected| !is_same(fields.get("csrf"), &expected)) {
                return Ok(Self::Stale(visitor, fields));
            }
            let Cause(context) = Cause::extract(&request).await.or_page(&visitor)?;
            let app = request.app_data::<web::Data<App>>().expect("the server is configured with its app");
            let scope = format!("{} {}", request.method(), request.path());
            let mut said = fields.0.clone();
            said.retain(|name, _| name != "csrf");
            let digest = Sha256::digest(format!("{said:?}")).into();
            let key = Some(fields.get("key")).filter(|key| !key.is_empty());
            let key = key.map(|key| app.shop.request_key(visitor.principal, &scope, key, digest));
            Ok(Self::Ours(Filled { visitor, context: RequestContext { key, ..context }, fields }))
        })
    }
}

fn foreign() -> Problem {
    Problem::new(Kind::Forbidden, "the form comes from elsewhere, or from an earlier session")
}

/// Reads a form, and refuses one from elsewhere.
async fn read(request: &HttpRequest, payload: Payload) -> Result<Fields, Problem> {
    if !is_same_origin(request) {
        return Err(foreign());
    }
    let is_form = request.content_type().eq_ignore_ascii_case("application/x-www-form-urlencoded");
    if !is_form {
        return Err(Problem::new(Kind::UnsupportedMediaType, "the body must be a form"));
    }
    let body = FORM.read(payload, Limits::body_timeout(request)).await?;
    let body = std::str::from_utf8(&body).map_err(|_| Problem::invalid_field("", "must be UTF-8"))?;
    let pairs = web::Query::<Vec<(String, String)>>::from_query(body);
    let pairs = pairs.map_err(|_| Problem::invalid_field("", "is not a form"))?.into_inner();
    Ok(Fields(pairs.into_iter().collect()))
}
