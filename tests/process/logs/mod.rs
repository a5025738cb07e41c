//! The log and the traces of a server: lines that can be followed, without personal data, and one trace from
//! the caller to the payment gateway.

mod canary;
mod lines;
#[cfg(feature = "otlp")]
mod otlp;
mod traced;
