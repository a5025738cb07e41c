//! Entry point of the command `saem`.
//!
//! An error is one line on stderr and exit code 1, or 2 for an invalid command line.

mod cli;

use std::process::ExitCode;

use clap::Parser as _;
use tikv_jemallocator::Jemalloc;

use self::cli::{Cli, log, output};

/// Commands cross threads many times, and the system's allocator took a fifth of the CPU time. A background
/// thread of jemalloc returns unused memory to the system within seconds after a load.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

fn main() -> ExitCode {
    let command = Cli::parse().command;
    let result = log::start().and_then(|log| {
        let result = command.run();
        log.end();
        result
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            output::print_failure(&failure);
            ExitCode::FAILURE
        }
    }
}
