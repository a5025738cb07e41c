//! Authentication and roles: bearer tokens, or the session cookie of the pages.
//!
//! Browsers send the cookie with any request that any page makes. With the cookie alone, a request that
//! changes something must therefore come from a page of this server and carry that page's token in
//! `X-CSRF-Token`.

use actix_web::{HttpRequest, http::header};

use super::{
    app::{App, from_request},
    headers::only,
    problem::{Problem, ProblemKind},
    session::{CSRF_HEADER, SESSION, cookie, csrf_token, is_same, is_same_origin},
};
use crate::{domain::CustomerId, shop::Principal};

/// A caller who need not be logged in.
pub(crate) struct Anyone;

pub(crate) struct Customer(pub CustomerId);

pub(crate) struct Operator;

#[derive(Clone, Copy)]
pub(crate) struct AnyRole(pub Principal);

pub(crate) struct Token(pub String);

impl AnyRole {
    /// Allows the owner and the operator. Other customers get a 404, as if it did not exist.
    pub(crate) fn may_see(self, owner: CustomerId, what: &str) -> Result<(), Problem> {
        match self.0 {
            Principal::Operator => Ok(()),
            Principal::Customer(customer) if customer == owner => Ok(()),
            Principal::Customer(_) => Err(Problem::not_found(what)),
        }
    }

    pub(crate) const fn customer(self) -> Option<CustomerId> {
        match self.0 {
            Principal::Customer(customer) => Some(customer),
            Principal::Operator => None,
        }
    }
}

fn token(request: &HttpRequest) -> Result<&str, Problem> {
    if !request.headers().contains_key(header::AUTHORIZATION)
        && let Some(token) = cookie(request, SESSION)
    {
        return from_our_page(request, token).map(|()| token);
    }
    let token = only(request, header::AUTHORIZATION).and_then(|value| {
        let (scheme, token) = value?.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
    });
    token.ok_or_else(|| Problem::new(ProblemKind::Unauthorized, "a bearer token is required"))
}

/// Allows a request with the cookie alone if its method is safe, or if a page of this server sent it.
fn from_our_page(request: &HttpRequest, token: &str) -> Result<(), Problem> {
    let shown = request.headers().get(CSRF_HEADER).and_then(|value| value.to_str().ok());
    let ours = || is_same_origin(request) && shown.is_some_and(|shown| is_same(shown, &csrf_token(token)));
    let detail =
        "with the session cookie, the call must come from a page of this server, with its X-CSRF-Token";
    let foreign = || Problem::new(ProblemKind::Unauthorized, detail);
    if request.method().is_safe() || ours() { Ok(()) } else { Err(foreign()) }
}

fn principal(request: &HttpRequest) -> Result<Principal, Problem> {
    let app = App::of(request);
    let refused = || Problem::new(ProblemKind::Unauthorized, "the bearer token is invalid or expired");
    app.shop.authenticate(token(request)?).ok_or_else(refused)
}

from_request! {
    Anyone, Problem: _request => Ok(Self);
    AnyRole, Problem: request => principal(request).map(Self);
    Token, Problem: request => token(request).map(|token| Self(token.to_owned()));
    Customer, Problem: request => principal(request).and_then(|principal| match principal {
        Principal::Customer(customer) => Ok(Self(customer)),
        Principal::Operator => Err(Problem::new(ProblemKind::Forbidden, "this call is for customers")),
    });
    Operator, Problem: request => principal(request).and_then(|principal| match principal {
        Principal::Operator => Ok(Self),
        Principal::Customer(_) => Err(Problem::new(ProblemKind::Forbidden, "this call is for the operator")),
    });
}
