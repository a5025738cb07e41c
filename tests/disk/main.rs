//! A disk that is really full: the server on a small file system of its own, which something else fills.
//!
//! The file system is a tmpfs in a mount namespace that ends with the test, so that nothing is left behind
//! and nobody has to be root. Where the kernel does not permit that, these tests check nothing, and say so
//! on stderr past the test harness, which would hide it: `SKIPPED`, and why.
#![allow(unreachable_pub, reason = "a test binary exports nothing")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod full;
mod small;
#[path = "../support/mod.rs"]
mod support;
