//! Provider `stripe` against `localstripe`, an independent peer. `scripts/localstripe` installs it, starts it
//! and runs these tests; `cargo test` does not (`test = false`).
//!
//! `localstripe` ignores `Idempotency-Key`, and has no tokens (`tok_…`): the double of Stripe covers those,
//! in `tests/gateways/stripe/`. [`bridge`] supplies two calls that it lacks.
#![allow(unreachable_pub, reason = "a test binary exports nothing")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod bridge;
mod contract;
#[path = "../kit/mod.rs"]
mod kit;
mod shop;
