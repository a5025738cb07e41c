//! The server as a process: killed at any moment, read by its log, and run as the documents tell to.
#![allow(unreachable_pub, reason = "a test binary exports nothing")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../kit/mod.rs"]
mod kit;

mod crash;
mod logs;
mod readme;
