//! W3C Trace Context: what is handed from caller to callee, so that one trace shows a whole rental.
//!
//! The id of a trace *is* the correlation id. A trace that begins here has its first span named after the
//! last eight bytes of that: so whatever comes later, after a restart too, knows where it belongs, though
//! events keep the correlation alone.

#[cfg(feature = "otlp")]
pub mod otlp;
#[cfg(not(feature = "otlp"))]
mod unrecorded;

use std::future::Future;

use tokio::task::futures::TaskLocalFuture;
use tracing::Span;

#[cfg(feature = "otlp")]
use self::otlp as spans;
#[cfg(not(feature = "otlp"))]
use self::unrecorded as spans;
use crate::domain::Correlation;

/// A place in a trace: what is called from here belongs below it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceContext {
    /// Which trace.
    pub correlation: Correlation,
    /// Which of its spans.
    pub span: u64,
    /// Whether the caller records the trace, as far as that is known.
    pub sampled: Option<bool>,
}

tokio::task_local! {
    static CURRENT: TraceContext;
}

impl TraceContext {
    /// The beginning of a trace: where all belongs of which only the correlation is known.
    #[must_use]
    pub const fn root(correlation: Correlation) -> Self {
        let span = correlation.0 as u64;
        Self { correlation, span: if span == 0 { 1 } else { span }, sampled: None }
    }

    /// Reads `version-traceid-parentid-flags`, as a `traceparent` header has it.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.trim().split('-');
        let (version, trace, parent, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let hex = |text: &str, len| {
            text.len() == len && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
        };
        if !hex(version, 2) || version == "ff" || !hex(parent, 16) || !hex(flags, 2) {
            return None;
        }
        if version == "00" && parts.next().is_some() {
            return None;
        }
        let span = u64::from_str_radix(parent, 16).ok().filter(|&span| span != 0)?;
        let flags = u8::from_str_radix(flags, 16).ok()?;
        Some(Self { correlation: Correlation::parse(trace)?, span, sampled: Some(flags & 1 == 1) })
    }

    /// The place that the work at hand was called from, if it was called [`Self::within`] one.
    #[must_use]
    pub fn current() -> Option<Self> {
        CURRENT.try_with(|context| *context).ok()
    }

    /// Does `work` on behalf of this place.
    pub fn within<F: Future>(self, work: F) -> TaskLocalFuture<Self, F> {
        CURRENT.scope(self, work)
    }
}

/// `span`, as part of this trace. It stays where it is if that is in the same one.
#[must_use]
pub fn joined(span: Span, to: TraceContext) -> Span {
    spans::join(&span, to);
    span
}

/// Has a request's span continue the caller's trace, or begin the trace. Answers its place in it.
pub fn begun(span: &Span, from: TraceContext, continued: bool) -> TraceContext {
    spans::begin(span, from, continued)
}

/// The place of a span, if it is recorded: what it calls belongs below it.
#[must_use]
pub fn place_of(span: &Span, otherwise: TraceContext) -> TraceContext {
    spans::place_of(span, otherwise)
}

/// Has a request's span tell how it was answered.
pub fn answered(span: &Span, status: u16, route: impl FnOnce() -> Option<String>) {
    spans::answered(span, status, route);
}

/// A `traceparent`. Where nobody knows whether the trace is recorded, it may well be.
impl std::fmt::Display for TraceContext {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let flags = u8::from(self.sampled.unwrap_or(true));
        write!(f, "00-{}-{:016x}-{flags:02x}", self.correlation, self.span)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_well_formed_trace_contexts_are_continued() {
        let good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let context = TraceContext::parse(good).unwrap();
        assert_eq!(context.correlation.to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!((context.span, context.sampled), (0x00f0_67aa_0ba9_02b7, Some(true)));
        assert_eq!(context.to_string(), good);
        for bad in [
            "",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
        ] {
            assert!(TraceContext::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_caller_that_does_not_record_is_believed_and_one_that_says_nothing_may_do_so() {
        let unrecorded = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";
        let context = TraceContext::parse(unrecorded).unwrap();
        assert_eq!((context.sampled, context.to_string().as_str()), (Some(false), unrecorded));
        let root = TraceContext::root(context.correlation);
        assert_eq!(root.to_string(), "00-4bf92f3577b34da6a3ce929d0e0e4736-a3ce929d0e0e4736-01");
    }
}
