//! Providers `http` and `toss` over real connections: the first against `saem gateway`, a process that dies
//! and comes back, the second against a strict double of Toss Payments.
#![allow(unreachable_pub, reason = "a test binary exports nothing")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../api/app.rs"]
#[allow(dead_code, unused_imports, reason = "other test binaries use other parts of it")]
mod app;
mod peer;
mod protocol;
mod shop;
mod stripe;
#[path = "../support/mod.rs"]
mod support;
mod toss;
mod toss_process;
mod toss_shop;
mod unclear;
