//! Whole requests: Saem as a process of its own, under the load of 64 connections from this one.
//!
//! `cargo bench --bench http` prints figures P1 to P6 and P8 as a table, each beside what the same
//! machine does without a shop in the same run: only the ratios mean anything elsewhere. `-- --rentals
//! 1000000` fills the store as the targets say. `-- curves` draws them against connections and rentals.
//! Others who use the machine end both without figures; `-- instructions` counts what they cannot touch.
#![allow(unreachable_pub, reason = "a benchmark exports nothing")]

mod bare;
mod calls;
mod clock;
mod curves;
mod figures;
mod instructions;
mod load;
mod machine;
mod market;
mod measures;
mod plot;
#[expect(dead_code, reason = "gateway and new versions are the drills'")]
mod process;
mod stored;

use std::{error::Error, path::PathBuf, process::ExitCode, time::Duration};

use clap::{Parser, Subcommand};

/// Measures Saem over HTTP.
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    role: Option<Role>,
    /// How many rentals are stored before reading, memory, disk and start are measured.
    #[arg(long, default_value_t = 100_000)]
    rentals: u64,
    /// How many rounds each figure is the median of.
    #[arg(long, default_value_t = 5, value_parser = positive)]
    rounds: usize,
    /// How many seconds a round lasts.
    #[arg(long, default_value_t = 4)]
    seconds: u64,
    /// What cargo passes to every benchmark.
    #[arg(long, hide = true, global = true)]
    bench: bool,
}

#[derive(Subcommand)]
enum Role {
    /// Count the instructions of a whole saga, a My Page and a restock; needs valgrind, and no quiet machine.
    Instructions {
        /// How many sagas a round has, and as many reads and restocks.
        #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..))]
        sagas: u64,
        /// How many rounds each figure is the median of.
        #[arg(long, default_value_t = 5, value_parser = positive)]
        rounds: usize,
        /// How many connections the load has.
        #[arg(long, default_value_t = 32, value_parser = positive)]
        connections: usize,
    },
    /// Draw sagas and latency against connections; memory, disk and start against rentals.
    Curves {
        /// How many rentals are stored in the end.
        #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1..))]
        rentals: u64,
        /// How many rounds each figure of a load is the median of.
        #[arg(long, default_value_t = 3, value_parser = positive)]
        rounds: usize,
        /// How many seconds a round lasts.
        #[arg(long, default_value_t = 2)]
        seconds: u64,
        /// Where the plots go.
        #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/performance"))]
        plots: PathBuf,
    },
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
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build();
    match cli.role {
        Some(Role::Bare { directory }) => bare::serve(&directory),
        Some(Role::Instructions { sagas, rounds, connections }) => {
            runtime()?.block_on(instructions::all(&instructions::Plan { sagas, rounds, connections }))
        }
        Some(Role::Curves { rentals, rounds, seconds, plots }) => {
            let (length, plots) = (Duration::from_secs(seconds), &*plots);
            runtime()?.block_on(curves::all(&curves::Plan { rentals, rounds, length, plots }))
        }
        None => {
            let Cli { rentals, rounds, seconds, .. } = cli;
            let length = Duration::from_secs(seconds);
            runtime()?.block_on(measures::all(&measures::Plan { rentals, rounds, length }))
        }
    }
}

/// A median needs a round, and a load a connection.
fn positive(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("1 at least".to_owned()),
        Ok(number) => Ok(number),
        Err(error) => Err(error.to_string()),
    }
}
