//! W3C Trace Context, passed from caller to callee, so that one trace shows a whole rental.
//!
//! The trace id is the correlation id. In a trace that begins here, the id of the first span is the last
//! eight bytes of the correlation id. Events store only the correlation, and yet work that resumes after a
//! restart can name its parent span.

use tokio::task::futures::TaskLocalFuture;

use crate::domain::Correlation;

/// Parent of new spans: a span of a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceContext {
    /// Trace id.
    pub correlation: Correlation,
    pub span: u64,
    /// True if the caller records the trace; none if that is unknown.
    pub sampled: Option<bool>,
}

tokio::task_local! {
    static CURRENT: TraceContext;
}

impl TraceContext {
    /// First span of a trace of which only the correlation is known.
    pub const fn root(correlation: Correlation) -> Self {
        let span = correlation.0 as u64;
        Self { correlation, span: if span == 0 { 1 } else { span }, sampled: None }
    }

    /// Parses a `traceparent` header: `version-traceid-parentid-flags`.
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

    /// Context of the current task, if it runs [`Self::within`] one.
    pub fn current() -> Option<Self> {
        CURRENT.try_with(|context| *context).ok()
    }

    /// Runs `work` with this context as the current one.
    pub fn within<F: Future>(self, work: F) -> TaskLocalFuture<Self, F> {
        CURRENT.scope(self, work)
    }
}

/// A `traceparent` header. The sampled flag is set unless the caller is known not to record the trace.
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
    fn malformed_trace_contexts_are_ignored() {
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
    fn sampled_flag_of_the_caller_is_kept_and_defaults_to_set() {
        let unrecorded = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";
        let context = TraceContext::parse(unrecorded).unwrap();
        assert_eq!((context.sampled, context.to_string().as_str()), (Some(false), unrecorded));
        let root = TraceContext::root(context.correlation);
        assert_eq!(root.to_string(), "00-4bf92f3577b34da6a3ce929d0e0e4736-a3ce929d0e0e4736-01");
    }
}
