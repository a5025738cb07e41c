//! Whole requests: Saem as a process of its own, under the load of 64 connections from this one.
//!
//! `cargo bench --bench http` prints figures P1 to P6 and P8 as a table, each beside what the same
//! machine does without a shop in the same run: only the ratios mean anything elsewhere. `-- --rentals
//! 1000000` fills the store as the targets say. Others who use the machine end it without figures.
#![allow(unreachable_pub, reason = "a benchmark exports nothing")]

mod bare;
mod calls;
mod clock;
mod figures;
mod load;
mod machine;
mod measures;
#[expect(dead_code, reason = "gateway and new versions are the drills'")]
mod process;
mod shop;

use std::{error::Error, path::PathBuf, process::ExitCode, time::Duration};

use clap::{Parser, Subcommand};
use mimalloc::MiMalloc;

/// The same as the server's: neither the load nor what is compared with is to be slower by it.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Measures Saem over HTTP.
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    role: Option<Role>,
    /// How many rentals are stored before reading, memory, disk and start are measured.
    #[arg(long, default_value_t = 100_000)]
    rentals: u64,
    /// How many rounds each figure is the median of.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// How many seconds a round lasts.
    #[arg(long, default_value_t = 4)]
    seconds: u64,
    /// What cargo passes to every benchmark.
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Subcommand)]
enum Role {
    /// Be the server that Saem is compared with.
    #[command(hide = true)]
    Bare { directory: PathBuf },
}

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("no figures: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> Result<(), Box<dyn Error>> {
    if let Some(Role::Bare { directory }) = cli.role {
        return bare::serve(&directory);
    }
    let plan =
        measures::Plan { rentals: cli.rentals, rounds: cli.rounds, length: Duration::from_secs(cli.seconds) };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(measures::all(&plan))
}
