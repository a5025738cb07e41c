//! Stubs for `telemetry::otlp` in builds without feature `otlp`: no span is recorded.

use tracing::Span;

use super::context::TraceContext;

pub(crate) const fn join(span: Span, _: TraceContext) -> Span {
    span
}

pub(crate) const fn context_of(_: &Span, fallback: TraceContext) -> TraceContext {
    fallback
}

#[cfg(feature = "server")]
pub(crate) const fn start_request(_: &Span, from: TraceContext, _: bool) -> TraceContext {
    from
}

#[cfg(feature = "server")]
pub(crate) fn record_response(_: &Span, _: u16, _: impl FnOnce() -> Option<String>) {}
