//! Provider `stripe` against `localstripe`, an independent peer: `scripts/localstripe` installs and starts
//! it, and runs these. They are no part of `cargo test`, which cannot start it (`test = false`).
//!
//! Not everything can be shown there. `localstripe` ignores `Idempotency-Key`, so that a repeated call is
//! a new one, and has no tokens (`tok_…`): for those there is the double in `tests/gateways/stripe/`. Two
//! things that it lacks are made up for by [`bridge`], from what it does have.
#![allow(unreachable_pub, reason = "a test binary exports nothing")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod bridge;
mod contract;
#[path = "../kit/mod.rs"]
mod kit;
mod shop;
