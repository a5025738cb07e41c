//! Responses of pages: HTML with its security headers, redirects, and both as errors of handlers.

use actix_web::{
    HttpResponse, ResponseError,
    http::{
        StatusCode,
        header::{self, HeaderName},
    },
};

use crate::http::headers::HTML;

/// Scripts, styles and pictures of this server alone, and none within a page.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
                      connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// What goes along with everything that is shown to one person.
const HEADERS: [(HeaderName, &str); 5] = [
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "same-origin"),
    (header::CACHE_CONTROL, "no-store"),
    (header::VARY, "Accept-Language, Cookie"),
];

pub(super) fn html_response(status: StatusCode, body: String) -> HttpResponse {
    let mut response = HttpResponse::build(status);
    for header in HEADERS {
        response.insert_header(header);
    }
    response.content_type(HTML).body(body)
}

/// Percent-encoded for a query.
pub(crate) fn encoded(text: &str) -> String {
    let encode = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
            char::from(byte).to_string()
        }
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(encode).collect()
}

/// What is answered instead of a page.
#[derive(Debug)]
pub(crate) enum PageError {
    /// Another page.
    Page(StatusCode, String),
    /// The way to another page.
    SeeOther(String),
}

impl PageError {
    /// Where a customer logs in, to come back here.
    pub(crate) fn log_in(path: &str) -> Self {
        Self::SeeOther(format!("/log-in?to={}", encoded(path)))
    }

    /// Where the operator logs in, to come back here.
    pub(crate) fn operator_log_in(path: &str) -> Self {
        Self::SeeOther(format!("/admin/log-in?to={}", encoded(path)))
    }
}

impl std::fmt::Display for PageError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("another page")
    }
}

impl ResponseError for PageError {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::Page(status, _) => *status,
            Self::SeeOther(_) => StatusCode::SEE_OTHER,
        }
    }

    fn error_response(&self) -> HttpResponse {
        match self {
            Self::Page(status, body) => html_response(*status, body.clone()),
            Self::SeeOther(to) => see_other(to),
        }
    }
}

/// The way to another page, to be got anew.
pub(crate) fn see_other(to: &str) -> HttpResponse {
    HttpResponse::SeeOther().insert_header((header::LOCATION, to)).finish()
}
