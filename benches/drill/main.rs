//! Drills: the whole server under trouble that is made on purpose, before and after its protection.
//!
//! `scripts/drill` starts them; `docs/drills.md` tells what came of them.
#![allow(unreachable_pub, reason = "a benchmark exports nothing")]

mod breaker;
#[path = "../http/calls.rs"]
mod calls;
#[path = "../http/clock.rs"]
mod clock;
mod crowd;
mod gateway;
mod hang;
#[path = "../http/load.rs"]
#[expect(dead_code, reason = "a drill has loads of its own")]
mod load;
#[path = "../http/process.rs"]
#[expect(dead_code, reason = "the bare server is the benchmark's")]
mod process;
mod redeploy;
mod shop;
mod siege;

use std::process::ExitCode;

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
}

fn main() -> ExitCode {
    let Some(drill) = Cli::parse().drill else {
        println!("drills are no benchmarks: scripts/drill runs them");
        return ExitCode::SUCCESS;
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let drilled = runtime.map_err(Into::into).and_then(|runtime| match drill {
        Drill::Breaker { seconds } => runtime.block_on(breaker::drill(seconds)),
        Drill::Redeploy { seconds } => runtime.block_on(redeploy::drill(seconds)),
        Drill::Hang => runtime.block_on(hang::drill()),
        Drill::Load { seconds } => runtime.block_on(crowd::drill(seconds)),
    });
    match drilled {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("the drill failed: {error}");
            ExitCode::FAILURE
        }
    }
}
