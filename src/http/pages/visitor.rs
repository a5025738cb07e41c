//! The visitor of a page: language, session and location.

use actix_web::{
    FromRequest, HttpRequest,
    dev::Payload,
    http::{Uri, header, uri::PathAndQuery},
};

use super::{response::PageError, text::Lang};
use crate::{
    domain::CustomerId,
    http::{
        app::App,
        session::{SESSION, cookie, csrf_token},
    },
    shop::Principal,
};

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

/// Whoever looks at a page.
#[derive(Clone, Debug)]
pub(crate) struct Visitor {
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
    pub(crate) fn of(request: &HttpRequest) -> Self {
        let app = App::of(request);
        let token = cookie(request, SESSION).map(str::to_owned);
        let principal = token.as_ref().and_then(|token| app.shop.authenticate(token));
        let was_sent = !request.method().is_safe();
        let path = if was_sent { came_from(request) } else { request.uri().path_and_query().cloned() };
        let path = path.map_or_else(|| part_of(request.path()).to_owned(), |path| path.as_str().to_owned());
        let csrf = token.as_deref().map(csrf_token).unwrap_or_default();
        Self { lang: Lang::of(request), principal, path, was_sent, csrf, token }
    }

    /// The Korean or the English of two texts.
    pub(crate) const fn t<'a>(&self, korean: &'a str, english: &'a str) -> &'a str {
        self.lang.t(korean, english)
    }

    /// The session's token, if there is one.
    pub(crate) fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    /// The customer.
    pub(crate) fn customer(&self) -> Result<CustomerId, PageError> {
        match self.principal {
            Some(Principal::Customer(customer)) => Ok(customer),
            Some(Principal::Operator) => Err(PageError::SeeOther("/admin".to_owned())),
            None => Err(PageError::log_in(&self.path)),
        }
    }

    /// The operator.
    pub(crate) fn operator(&self) -> Result<(), PageError> {
        match self.principal {
            Some(Principal::Operator) => Ok(()),
            Some(Principal::Customer(_)) | None => Err(PageError::operator_log_in(&self.path)),
        }
    }

    /// Whether this is the operator.
    pub(crate) const fn is_operator(&self) -> bool {
        matches!(self.principal, Some(Principal::Operator))
    }
}

impl FromRequest for Visitor {
    type Error = PageError;
    type Future = std::future::Ready<Result<Self, PageError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        std::future::ready(Ok(Self::of(request)))
    }
}
