//! Providers `http` and `toss` over real connections: the first against `saem gateway`, a process that dies
//! and comes back, the second against a strict double of Toss Payments.
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
