//! The visitor of a page: language, session and location.

use actix_web::{
    HttpRequest,
    http::{Uri, header, uri::PathAndQuery},
};
use maud::{Markup, html};

use super::{
    response::{PageError, encoded},
    text::Lang,
};
use crate::{
    domain::CustomerId,
    http::{
        app::{App, from_request},
        session::{SESSION, cookie, csrf_token},
    },
    shop::{Brand, Principal},
};

/// Returns path and query of the page of this server that a form was sent from, by its `Referer`.
fn sent_from(request: &HttpRequest) -> Option<PathAndQuery> {
    let text = |name: header::HeaderName| request.headers().get(name)?.to_str().ok();
    let referer: Uri = text(header::REFERER)?.parse().ok()?;
    let ours = referer.authority().map(|authority| authority.as_str()) == text(header::HOST);
    referer.path_and_query().filter(|_| ours).cloned()
}

/// Returns the section that a path belongs to, for browsers that send no `Referer`.
fn section_of(path: &str) -> &'static str {
    let parts = ["/admin/rentals", "/admin/deliveries", "/admin", "/console", "/my"];
    parts.into_iter().find(|part| path.starts_with(part)).unwrap_or("/")
}

#[derive(Clone, Debug)]
pub(crate) struct Visitor {
    pub lang: Lang,
    pub principal: Option<Principal>,
    /// Path and query of the page, or of the page that the form was sent from.
    pub path: String,
    pub was_sent: bool,
    pub csrf: String,
    pub brand: Brand,
    token: Option<String>,
}

impl Visitor {
    pub(crate) fn of(request: &HttpRequest) -> Self {
        let app = App::of(request);
        let token = cookie(request, SESSION).map(str::to_owned);
        let principal = token.as_ref().and_then(|token| app.shop.authenticate(token));
        let was_sent = !request.method().is_safe();
        let path = if was_sent { sent_from(request) } else { request.uri().path_and_query().cloned() };
        let path =
            path.map_or_else(|| section_of(request.path()).to_owned(), |path| path.as_str().to_owned());
        let csrf = token.as_deref().map(csrf_token).unwrap_or_default();
        let brand = app.shop.brand().clone();
        Self { lang: Lang::of(request), principal, path, was_sent, csrf, brand, token }
    }

    pub(crate) fn shop_name(&self) -> &str {
        self.brand.name.as_deref().unwrap_or(self.t("샘", "Saem"))
    }

    /// Renders `text`, with its language if that is not the page's.
    pub(crate) fn marked(&self, text: &str) -> Markup {
        match self.lang.foreign(text) {
            Some(lang) => html! { span lang=(lang) { (text) } },
            None => html! { (text) },
        }
    }

    pub(crate) const fn t<'a>(&self, korean: &'a str, english: &'a str) -> &'a str {
        self.lang.t(korean, english)
    }

    pub(crate) fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    /// Returns the customer. Redirects others to the log-in, and the operator to the admin pages.
    pub(crate) fn customer(&self) -> Result<CustomerId, PageError> {
        match self.principal {
            Some(Principal::Customer(customer)) => Ok(customer),
            Some(Principal::Operator) => Err(PageError::SeeOther("/admin".to_owned())),
            None => Err(PageError::SeeOther(format!("/log-in?to={}", encoded(&self.path)))),
        }
    }

    /// Redirects everybody but the operator to the operator's log-in.
    pub(crate) fn operator(&self) -> Result<(), PageError> {
        let log_in = || PageError::SeeOther(format!("/admin/log-in?to={}", encoded(&self.path)));
        if self.is_operator() { Ok(()) } else { Err(log_in()) }
    }

    pub(crate) const fn is_operator(&self) -> bool {
        matches!(self.principal, Some(Principal::Operator))
    }
}

from_request! {
    Visitor, PageError: request => Ok(Self::of(request));
}
