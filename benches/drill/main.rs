//! Drills: the whole server under faults made on purpose, without and with its protection.
//!
//! `scripts/drill` starts them; `docs/drills.md` has the results.
#![allow(unreachable_pub, reason = "a benchmark exports nothing")]

#[path = "../http/bare.rs"]
mod bare;
mod breaker;
#[path = "../http/calls.rs"]
mod calls;
mod capacity;
#[path = "../http/clock.rs"]
mod clock;
mod crowd;
#[path = "../http/figures.rs"]
#[expect(dead_code, reason = "only the benchmark has several rounds")]
mod figures;
mod gateway;
mod hang;
#[path = "../http/load.rs"]
#[expect(dead_code, reason = "most drills make their own load")]
mod load;
#[path = "../http/machine.rs"]
#[expect(dead_code, reason = "only the benchmark measures the raw disk")]
mod machine;
#[path = "../http/market.rs"]
#[expect(dead_code, reason = "only the benchmark reads and restocks")]
mod market;
#[path = "../http/process.rs"]
#[expect(dead_code, reason = "only the benchmark counts instructions")]
mod process;
mod redeploy;
mod shop;
mod siege;
#[path = "../http/stored.rs"]
#[expect(dead_code, reason = "only the benchmark measures memory")]
mod stored;

use std::{path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};

/// Runs a drill and prints its results.
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    drill: Option<Drill>,
    /// Passed by cargo to every benchmark; ignored.
    #[arg(long, hide = true, global = true)]
    bench: bool,
}

#[derive(Subcommand)]
enum Drill {
    /// An overloaded payment gateway, with and without the breaker and its limits.
    Breaker {
        /// Duration of each of the four runs, in seconds.
        #[arg(long, default_value_t = 30)]
        seconds: u64,
    },
    /// Disk use and start after SIGKILL with many rentals; the overloaded gateway beside its target.
    Capacity {
        /// Number of rentals to store.
        #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1..))]
        rentals: u64,
        /// Duration of each of the three runs with the overloaded gateway, in seconds.
        #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..))]
        seconds: u64,
    },
    /// Three deployments of a new version under siege with 10 customers.
    Redeploy {
        /// Duration of each of the two sieges, in seconds.
        #[arg(long, default_value_t = 150)]
        seconds: u64,
    },
    /// A reactor, an arbiter and the store's writer that hang, and a watchdog that replaces the process.
    Hang,
    /// siege with 110 users, browsing and renting.
    Load {
        /// Duration of each of the two sieges, in seconds.
        #[arg(long, default_value_t = 30)]
        seconds: u64,
    },
    /// Run the bare server that Saem is compared with.
    #[command(hide = true)]
    Bare { directory: PathBuf },
}

fn main() -> ExitCode {
    let Some(drill) = Cli::parse().drill else {
        println!("drills are not benchmarks: run scripts/drill");
        return ExitCode::SUCCESS;
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let drilled = runtime.map_err(Into::into).and_then(|runtime| match drill {
        Drill::Breaker { seconds } => runtime.block_on(breaker::drill(seconds)),
        Drill::Capacity { rentals, seconds } => runtime.block_on(capacity::drill(rentals, seconds)),
        Drill::Redeploy { seconds } => runtime.block_on(redeploy::drill(seconds)),
        Drill::Hang => runtime.block_on(hang::drill()),
        Drill::Load { seconds } => runtime.block_on(crowd::drill(seconds)),
        Drill::Bare { directory } => bare::serve(&directory),
    });
    match drilled {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("the drill failed: {error}");
            ExitCode::FAILURE
        }
    }
}
