//! Payment providers over real connections: `http` against `saem gateway`, which is killed and comes back;
//! `toss` and `stripe` against strict doubles.
#![allow(unreachable_pub, reason = "a test binary exports nothing")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../kit/mod.rs"]
mod kit;

mod protocol;
mod shop;
mod stripe;
mod toss;
mod toss_process;
mod toss_shop;
mod unclear;
