//! What `saem` can be told to do, and what its commands share.

mod config;
mod data;
mod demo;
mod gateway;
pub(crate) mod log;
pub(crate) mod say;
mod serve;
mod systemd;
mod tools;

use std::{io, net::TcpListener, path::Path};

use clap::{Args, CommandFactory as _, Parser, Subcommand};
use tokio::signal::unix::{Signal, SignalKind, signal};

use self::{
    config::Config,
    data::{Backup, Compact, Restore},
    gateway::Gateway,
    say::say,
    serve::Serve,
    tools::{Export, Import, Verify},
};

/// Why a command failed: shown as one line.
pub(crate) type Failure = Box<dyn std::error::Error>;

/// Saem (샘): a rental-commerce server for water purifiers.
#[derive(Parser)]
#[command(version)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Run the shop.
    Serve(Serve),
    /// Run the payment simulator as a process of its own, for provider `http`.
    Gateway(Gateway),
    /// Check settings, show them, or list what there is.
    Config(Config),
    /// Copy all data to a new directory; the server, if one runs, goes on.
    Backup(Backup),
    /// Make a data directory of a backup.
    Restore(Restore),
    /// Write the store anew, without what was erased; no server may run.
    Compact(Compact),
    /// Read all data, and compare what is derived with the journal; no server may run.
    Verify(Verify),
    /// Write all data as JSON lines; no server may run.
    Export(Export),
    /// Make a data directory of such lines, read from stdin.
    Import(Import),
    /// Write completions for a shell to stdout.
    Completions(Completions),
    /// Write the manual page to stdout: `saem manual | man -l -`.
    Manual,
}

/// Writes completions for a shell.
#[derive(Args)]
pub(crate) struct Completions {
    /// Which shell.
    shell: clap_complete::Shell,
}

impl Completions {
    fn run(self) -> Result<(), Failure> {
        let mut written = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "saem", &mut written);
        say(String::from_utf8_lossy(&written))
    }
}

/// The manual page, as roff.
fn manual() -> Result<(), Failure> {
    let mut written = Vec::new();
    clap_mangen::Man::new(Cli::command()).render(&mut written)?;
    say(String::from_utf8_lossy(&written))
}

impl Command {
    /// Does it.
    pub(crate) fn run(self) -> Result<(), Failure> {
        let system = actix_web::rt::System::new;
        match self {
            Self::Serve(serve) => system().block_on(serve.run()),
            Self::Gateway(gateway) => system().block_on(gateway.run()),
            Self::Backup(backup) => system().block_on(backup.run()),
            Self::Verify(verify) => system().block_on(verify.run()),
            Self::Export(export) => system().block_on(export.run()),
            Self::Import(import) => system().block_on(import.run()),
            Self::Config(config) => config.run(),
            Self::Restore(restore) => restore.run(),
            Self::Compact(compact) => compact.run(),
            Self::Completions(completions) => completions.run(),
            Self::Manual => manual(),
        }
    }
}

/// How many connections may wait to be accepted; the system may allow fewer.
const BACKLOG: i32 = 4_096;

fn listen(address: &str) -> Result<TcpListener, Failure> {
    let listening = || -> io::Result<TcpListener> {
        let listener = TcpListener::bind(address)?;
        // With std's 128, customers who come in a crowd have to knock again, a second later.
        rustix::net::listen(&listener, BACKLOG)?;
        Ok(listener)
    };
    Ok(listening().map_err(|error| format!("cannot listen on {address}: {error}"))?)
}

/// What tells the server to stop. Whoever reads the welcome may send it.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn expected() -> io::Result<Self> {
        let (terminate, interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        Ok(Self { terminate, interrupt })
    }

    /// Waits for one; answers whether it is impatient.
    async fn at_once(&mut self) -> bool {
        tokio::select! {
            _ = self.terminate.recv() => false,
            _ = self.interrupt.recv() => true,
        }
    }
}

/// `--data`, as a setting.
fn data_flag(data: Option<&Path>) -> Result<Option<(&'static str, String)>, Failure> {
    let Some(data) = data else { return Ok(None) };
    let data = data.to_str().ok_or("bad setting: store.path: must be UTF-8")?;
    Ok(Some(("store.path", data.to_owned())))
}
