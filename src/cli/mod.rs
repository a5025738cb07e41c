//! Commands of `saem` and their shared parts.

mod config;
mod data;
mod demo;
mod gateway;
pub(crate) mod log;
pub(crate) mod output;
mod serve;
mod systemd;
mod tools;

use std::{io, net::TcpListener, path::Path};

use clap::{CommandFactory as _, Parser, Subcommand};
use tokio::signal::unix::{Signal, SignalKind, signal};

use self::{
    config::Config,
    data::{Backup, Data, Restore},
    gateway::Gateway,
    output::print,
    serve::Serve,
    tools::Export,
};

/// Error of a command, shown as one line.
pub(crate) type Failure = Box<dyn std::error::Error>;

/// Saem (샘): a rental-commerce server for water purifiers.
#[derive(Parser)]
#[command(version)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Run the server.
    Serve(Serve),
    /// Run the payment simulator in its own process, for payment provider `http`.
    Gateway(Gateway),
    /// Check, show or list settings.
    #[command(subcommand)]
    Config(Config),
    /// Back up all data to a new directory, from a running server or without one.
    Backup(Backup),
    /// Create a data directory from a backup.
    Restore(Restore),
    /// Rewrite the store without erased data. The server must be stopped.
    Compact(Data),
    /// Read all data and compare derived data with the journal. The server must be stopped.
    Verify(Data),
    /// Write all data as JSON lines. The server must be stopped.
    Export(Export),
    /// Create a data directory from an export on stdin.
    Import(Data),
    /// Print shell completions.
    Completions {
        /// Shell to print completions for.
        shell: clap_complete::Shell,
    },
    /// Print the manual page: `saem manual | man -l -`.
    Manual,
}

impl Command {
    pub(crate) fn run(self) -> Result<(), Failure> {
        let system = actix_web::rt::System::new;
        match self {
            Self::Serve(serve) => system().block_on(serve.run()),
            Self::Gateway(gateway) => system().block_on(gateway.run()),
            Self::Backup(backup) => system().block_on(backup.run()),
            Self::Verify(data) => system().block_on(tools::verify(&data)),
            Self::Export(export) => system().block_on(export.run()),
            Self::Import(data) => system().block_on(tools::import(&data)),
            Self::Config(config) => config.run(),
            Self::Restore(restore) => system().block_on(restore.run()),
            Self::Compact(data) => data::compact(&data),
            Self::Completions { shell } => {
                let mut written = Vec::new();
                clap_complete::generate(shell, &mut Cli::command(), "saem", &mut written);
                print(String::from_utf8_lossy(&written))
            }
            Self::Manual => {
                let mut written = Vec::new();
                clap_mangen::Man::new(Cli::command()).render(&mut written)?;
                print(String::from_utf8_lossy(&written))
            }
        }
    }
}

/// Maximum connections that wait to be accepted; the system may lower it.
const BACKLOG: i32 = 4_096;

fn listen(address: &str) -> Result<TcpListener, Failure> {
    let listening = || -> io::Result<TcpListener> {
        let listener = TcpListener::bind(address)?;
        // std's backlog of 128 overflows in bursts, and refused clients retry only a second later.
        rustix::net::listen(&listener, BACKLOG)?;
        Ok(listener)
    };
    Ok(listening().map_err(|error| format!("cannot listen on {address}: {error}"))?)
}

/// Shutdown signals. Installed before the first output, since its reader may send one at once.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Shutdown {
    /// SIGTERM: serve open connections for `http.drain_ms` first.
    Drain,
    /// SIGINT: skip the drain time.
    Immediate,
}

impl Signals {
    fn install() -> io::Result<Self> {
        let (terminate, interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        Ok(Self { terminate, interrupt })
    }

    async fn recv(&mut self) -> Shutdown {
        tokio::select! {
            _ = self.terminate.recv() => Shutdown::Drain,
            _ = self.interrupt.recv() => Shutdown::Immediate,
        }
    }
}

/// Setting for flag `--data`.
fn data_flag(data: Option<&Path>) -> Result<Option<(&'static str, String)>, Failure> {
    let Some(data) = data else { return Ok(None) };
    let data = data.to_str().ok_or("bad setting: store.path: must be UTF-8")?;
    Ok(Some(("store.path", data.to_owned())))
}
