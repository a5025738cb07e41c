//! The contract of operators: the commands of the binary, and a server that is killed, fills its disk,
//! writes its log, and is run as the documents describe.
#![allow(unreachable_pub, reason = "a test binary exports nothing")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../kit/mod.rs"]
mod kit;

mod cli;
mod crash;
mod disk;
mod logs;
mod readme;
