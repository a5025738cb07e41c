//! Problems shown as pages.

use actix_web::{ResponseError as _, http::header};

use super::{admin, prelude::*};

/// Renders `problem` as a page if the client accepts HTML and the path belongs to no API.
pub(crate) fn error_page(request: &HttpRequest, problem: &Problem) -> Option<HttpResponse> {
    let accepted = request.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok());
    let accepts_html = accepted.is_some_and(|accepted| accepted.contains("text/html"));
    if !accepts_html || request.path().starts_with("/v1/") {
        return None;
    }
    let page = Err::<(), _>(problem.clone()).or_error_page(&Visitor::of(request)).err()?;
    Some(page.error_response())
}

pub(crate) trait OrErrorPage<T> {
    fn or_error_page(self, visitor: &Visitor) -> Result<T, PageError>;
}

impl<T, E: Into<Problem>> OrErrorPage<T> for Result<T, E> {
    fn or_error_page(self, visitor: &Visitor) -> Result<T, PageError> {
        self.map_err(|error| {
            let problem: Problem = error.into();
            if admin::is_within(visitor) {
                let page = admin::error_page_of(visitor, &problem);
                return PageError::Page(problem.kind.status(), page.whole());
            }
            let error = error_text(visitor.lang, &problem);
            let content = html! {
                div class="wide narrow stack" {
                    h1 { (error.title) }
                    p { (error.text) }
                    p { a class="button quiet" href="/" { (visitor.t("처음으로", "To the shop")) } }
                }
            };
            let page =
                Page { visitor, section: Section::Elsewhere, title: error.title, script: None, content };
            PageError::Page(problem.kind.status(), page.whole())
        })
    }
}
