//! Whole requests: Saem as a separate process, under the load of 64 connections from this one.
//!
//! `cargo bench --bench http` prints figures P1 to P6 and P8 as a table, beside those of the bare server in
//! the same run. Only the ratios are comparable across machines. `-- --rentals 1000000` fills the store as
//! the targets require. `-- curves` draws plots against connections and rentals. Both end without figures if
//! other processes use the machine. `-- instructions` counts instructions, which other processes do not
//! change.
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
#[expect(dead_code, reason = "only the drills start gateways and new versions")]
mod process;
mod stored;

use std::{error::Error, path::PathBuf, process::ExitCode, time::Duration};

use clap::{Parser, Subcommand};

/// Measures Saem over HTTP.
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    role: Option<Role>,
    /// Number of rentals stored before reading, memory, disk and start are measured.
    #[arg(long, default_value_t = 100_000)]
    rentals: u64,
    /// Number of rounds; each figure is their median.
    #[arg(long, default_value_t = 5, value_parser = positive)]
    rounds: usize,
    /// Duration of a round, in seconds.
    #[arg(long, default_value_t = 4)]
    seconds: u64,
    /// Passed by cargo to every benchmark; ignored.
    #[arg(long, hide = true, global = true)]
    bench: bool,
}

#[derive(Subcommand)]
enum Role {
    /// Count the instructions of a whole saga, a My Page and a restock. Needs valgrind; the machine may be
    /// busy.
    Instructions {
        /// Number of sagas in a round, and of reads and restocks.
        #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..))]
        sagas: u64,
        /// Number of rounds; each figure is their median.
        #[arg(long, default_value_t = 5, value_parser = positive)]
        rounds: usize,
        /// Number of connections.
        #[arg(long, default_value_t = 32, value_parser = positive)]
        connections: usize,
    },
    /// Draw sagas and latency against connections; memory, disk and start against rentals.
    Curves {
        /// Number of rentals stored in the end.
        #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1..))]
        rentals: u64,
        /// Number of rounds; each figure of a load is their median.
        #[arg(long, default_value_t = 3, value_parser = positive)]
        rounds: usize,
        /// Duration of a round, in seconds.
        #[arg(long, default_value_t = 2)]
        seconds: u64,
        /// Directory for the plots.
        #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/performance"))]
        plots: PathBuf,
    },
    /// Run the bare server that Saem is compared with.
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

/// Parses a number of rounds or connections, which must be at least 1.
fn positive(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("must be at least 1".to_owned()),
        Ok(number) => Ok(number),
        Err(error) => Err(error.to_string()),
    }
}
