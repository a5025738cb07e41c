//! Header names, values and media types that several modules share.

use actix_web::{HttpRequest, http::header::HeaderName};

/// Correlation id of a request, on every response.
pub(crate) const CORRELATION_ID: HeaderName = HeaderName::from_static("x-correlation-id");
/// Journal position of a command's newest event.
pub(crate) const POSITION: HeaderName = HeaderName::from_static("saem-position");
/// `true` if the response is that of an earlier request with the same key.
pub(crate) const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// `Cache-Control` of a file whose address changes with its content.
pub(crate) const FOREVER: &str = "public, max-age=31536000, immutable";
pub(crate) const HTML: &str = "text/html; charset=utf-8";

/// Returns the text of a header that may be given once; `Some(None)` if it is given twice, or is no text.
pub(crate) fn only(request: &HttpRequest, name: HeaderName) -> Option<Option<&str>> {
    let mut values = request.headers().get_all(name);
    let first = values.next()?;
    Some(first.to_str().ok().filter(|_| values.next().is_none()))
}
