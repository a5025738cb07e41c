//! What the server tells of itself while it works: log lines that can be followed, that hold no personal
//! data, and one trace from the caller to the payment gateway.

mod canary;
mod lines;
#[cfg(feature = "otlp")]
mod otlp;
mod traced;
mod works;
