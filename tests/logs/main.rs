//! What the server tells of itself while it works: log lines that can be followed, that hold no personal
//! data, and one trace from the caller to the payment gateway.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(unreachable_pub, reason = "a test binary exports nothing")]

mod canary;
mod lines;
#[cfg(feature = "otlp")]
mod otlp;
#[path = "../gateway/peer.rs"]
#[allow(dead_code, reason = "other tests use other parts of it")]
mod peer;
#[path = "../support/mod.rs"]
mod support;
mod traced;
mod works;
