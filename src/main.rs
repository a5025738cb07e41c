//! The command line of `saem`.
//!
//! What goes wrong is one clear line on stderr, and exit code 1 (2 for a command line that cannot be read).

mod cli;

use std::{
    io::{self, IsTerminal as _},
    process::ExitCode,
};

use clap::Parser as _;
use mimalloc::MiMalloc;
use tracing_subscriber::{EnvFilter, filter::ParseError};

use self::cli::{Cli, Failure};

/// Commands cross threads many times on their way: the system's allocator took a fifth of the time.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    let command = Cli::parse().command;
    match start_log().and_then(|()| command.run()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("saem: {failure}");
            ExitCode::FAILURE
        }
    }
}

/// Logs to stderr: for people on a terminal, as JSON lines elsewhere. `SAEM_LOG` (or `RUST_LOG`) filters.
fn start_log() -> Result<(), Failure> {
    let directives = ["SAEM_LOG", "RUST_LOG"].into_iter().find_map(|name| std::env::var(name).ok());
    let filter = EnvFilter::builder()
        .parse(directives.as_deref().unwrap_or("info,actix_server=warn"))
        .map_err(|error: ParseError| format!("bad setting: SAEM_LOG: {error}"))?;
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    // Whoever read stderr may be gone: that must neither end the server nor keep it from ending.
    let log = log.log_internal_errors(false);
    if io::stderr().is_terminal() {
        log.with_target(false).init();
    } else {
        log.json().flatten_event(true).init();
    }
    Ok(())
}
