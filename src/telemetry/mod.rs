//! Metrics and traces. Log lines are written with `tracing` where they arise.

mod context;
pub(crate) mod metrics;
#[cfg(not(feature = "otlp"))]
mod no_otlp;
#[cfg(feature = "otlp")]
pub(crate) mod otlp;

/// Trace contexts and spans. Spans are recorded in builds with feature `otlp`.
pub(crate) mod trace {
    pub use super::context::TraceContext;
    #[cfg(not(feature = "otlp"))]
    pub(crate) use super::no_otlp::{context_of, join};
    #[cfg(all(feature = "server", not(feature = "otlp")))]
    pub(crate) use super::no_otlp::{record_response, start_request};
    #[cfg(feature = "otlp")]
    pub(crate) use super::otlp::{context_of, join, record_response, start_request};
}
