//! Provider `http` and `saem gateway`: both sides of one protocol, over real connections, and a shop whose
//! gateway is a process that dies and comes back.
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
mod toss_shop;
mod unclear;
