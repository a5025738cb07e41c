//! Spans where feature `otlp` is not built in: nobody records them.

use tracing::Span;

use super::TraceContext;

pub(super) const fn join(_: &Span, _: TraceContext) {}

pub(super) const fn begin(_: &Span, from: TraceContext, _: bool) -> TraceContext {
    from
}

pub(super) const fn place_of(_: &Span, otherwise: TraceContext) -> TraceContext {
    otherwise
}

pub(super) fn answered(_: &Span, _: u16, _: impl FnOnce() -> Option<String>) {}
