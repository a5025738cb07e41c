//! Header names and media types that several modules share.

use actix_web::http::header::HeaderName;

/// Correlation id of a request, on every response.
pub(crate) const CORRELATION_ID: HeaderName = HeaderName::from_static("x-correlation-id");
/// Journal position of a command's newest event.
pub(crate) const POSITION: HeaderName = HeaderName::from_static("saem-position");
/// `true` if the response is that of an earlier request with the same key.
pub(crate) const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// Media type of a page.
pub(crate) const HTML: &str = "text/html; charset=utf-8";
