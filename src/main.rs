//! The command line of `saem`.
//!
//! What goes wrong is one clear line on stderr, and exit code 1 (2 for a command line that cannot be read).

mod cli;

use std::process::ExitCode;

use clap::Parser as _;
use tikv_jemallocator::Jemalloc;

use self::cli::{Cli, log, say};

/// Commands cross threads many times on their way: the system's allocator took a fifth of the time. This one
/// gives back what a load took, by a thread of its own, within seconds.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

fn main() -> ExitCode {
    let command = Cli::parse().command;
    let done = log::start().and_then(|log| {
        let done = command.run();
        log.end();
        done
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            say::tell_failure(&failure);
            ExitCode::FAILURE
        }
    }
}
