//! `saem` as an operator meets it: what it says, how it fails, and how it is looked after.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(unreachable_pub, reason = "a test binary exports nothing")]

mod commands;
mod damage;
mod fixtures;
mod importing;
mod listeners;
mod lost;
mod redeploy;
mod running;
mod saying;
#[path = "../kit/mod.rs"]
mod support;
mod systemd;
mod tools;
mod verifying;
