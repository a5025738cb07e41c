//! Metrics and traces. Log lines are written with `tracing` where they arise.

pub mod metrics;
#[cfg(not(feature = "otlp"))]
mod no_otlp;
#[cfg(feature = "otlp")]
pub mod otlp;
pub mod trace;
