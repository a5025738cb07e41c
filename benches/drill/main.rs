//! Drills: the whole server under trouble that is made on purpose, before and after its protection.
//!
//! `scripts/drill` starts them; `docs/drills.md` tells what came of them.
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
#[expect(dead_code, reason = "several rounds are the benchmark's")]
mod figures;
mod gateway;
mod hang;
#[path = "../http/load.rs"]
#[expect(dead_code, reason = "most drills have loads of their own")]
mod load;
#[path = "../http/machine.rs"]
#[expect(dead_code, reason = "the raw disk is the benchmark's")]
mod machine;
#[path = "../http/market.rs"]
#[expect(dead_code, reason = "reading and restocking are the benchmark's")]
mod market;
#[path = "../http/process.rs"]
#[expect(dead_code, reason = "counting instructions is the benchmark's")]
mod process;
mod redeploy;
mod shop;
mod siege;
#[path = "../http/stored.rs"]
#[expect(dead_code, reason = "memory is the benchmark's")]
mod stored;

use std::{path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};

/// Makes trouble, and tells what came of it.
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    drill: Option<Drill>,
    /// What cargo passes to every benchmark.
    #[arg(long, hide = true, global = true)]
    bench: bool,
}

#[derive(Subcommand)]
enum Drill {
    /// An overloaded payment gateway, without the breaker and its bounds, and with them.
    Breaker {
        /// How many seconds each of the four runs lasts.
        #[arg(long, default_value_t = 30)]
        seconds: u64,
    },
    /// What many rentals take: disk, the start after SIGKILL; and the overloaded gateway beside its target.
    Capacity {
        /// How many rentals are stored.
        #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1..))]
        rentals: u64,
        /// How many seconds each of the three runs with the overloaded gateway lasts.
        #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..))]
        seconds: u64,
    },
    /// A new version put in three times, under the source's siege.
    Redeploy {
        /// How many seconds each of the two sieges lasts.
        #[arg(long, default_value_t = 150)]
        seconds: u64,
    },
    /// A reactor, an arbiter and the store's writer that hang, and a watchdog that replaces the process.
    Hang,
    /// The source's 110 users.
    Load {
        /// How many seconds each of the two sieges lasts.
        #[arg(long, default_value_t = 30)]
        seconds: u64,
    },
    /// Be the server that Saem is compared with.
    #[command(hide = true)]
    Bare { directory: PathBuf },
}

fn main() -> ExitCode {
    let Some(drill) = Cli::parse().drill else {
        println!("drills are no benchmarks: scripts/drill runs them");
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
