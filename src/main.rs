//! The command line: `saem serve`, `saem gateway`, `saem compact`.
//!
//! What goes wrong before the server listens is one clear line on stderr, and exit code 1 (2 for a
//! command line that cannot be read). SIGTERM and SIGINT drain, close the journal, and exit with 0.

use std::{
    io::{self, IsTerminal as _},
    net::TcpListener,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use clap::{Args, Parser, Subcommand};
use mimalloc::MiMalloc;
use saem::{
    actors::{shop::Shop, sources::Sources},
    config::Settings,
    demo,
    gateways::ledger::Ledger,
    http::limits::ServerSettings,
    open,
    store::sled::{Compacted, SledJournal, SledOptions},
};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{info, warn};
use tracing_subscriber::{EnvFilter, filter::ParseError};

/// Commands cross threads many times on their way: the system's allocator took a fifth of the time.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// What ended the server before its time: shown as one line.
type Failure = Box<dyn std::error::Error>;

/// Saem (샘): a rental-commerce server for water purifiers.
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the shop.
    Serve(Serve),
    /// Run the payment simulator as a process of its own, for provider `http`.
    Gateway(Gateway),
    /// Write the store anew, without what was erased; no server may run.
    Compact(Compact),
}

#[derive(Args)]
struct Compact {
    /// Read settings from a TOML file.
    #[arg(long, value_name = "FILE")]
    config: Option<String>,
    /// The data directory, instead of ./saem-data (`store.path`).
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

#[derive(Args)]
struct Gateway {
    /// Read settings from a TOML file: `payment.simulator` and `payment.key` are used.
    #[arg(long, value_name = "FILE")]
    config: Option<String>,
    /// Listen here.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:9090")]
    listen: String,
    /// Keep the record of what was taken here.
    #[arg(long, value_name = "FILE", default_value = "./gateway.ledger")]
    ledger: PathBuf,
}

#[derive(Args)]
struct Serve {
    /// Register three sample purifiers if there are no products.
    #[arg(long)]
    demo: bool,
    /// Read settings from a TOML file.
    #[arg(long, value_name = "FILE")]
    config: Option<String>,
    /// Listen here instead of 127.0.0.1:8080 (`http.listen`).
    #[arg(long, value_name = "ADDR")]
    listen: Option<String>,
    /// Keep data here instead of ./saem-data (`store.path`).
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

fn main() -> ExitCode {
    let command = Cli::parse().command;
    let done = start_log().and_then(|()| match command {
        Command::Serve(serve) => actix_web::rt::System::new().block_on(run(serve)),
        Command::Gateway(gateway) => actix_web::rt::System::new().block_on(gateway.run()),
        Command::Compact(compact) => compact.run(),
    });
    match done {
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
    if io::stderr().is_terminal() {
        log.with_target(false).init();
    } else {
        log.json().flatten_event(true).init();
    }
    Ok(())
}

async fn run(serve: Serve) -> Result<(), Failure> {
    let signals = Signals::expected()?;
    let settings = Settings::load(serve.config.as_deref(), &serve.flags()?)?;
    // The port is taken before the data: whoever cannot listen should not touch the store.
    let listener = listen(&settings.http.listen)?;
    let mut server = settings.server();
    if let Some(descriptors) = server.fit_descriptors()? {
        let (wanted, served) = (settings.http.connections, server.connections);
        warn!(descriptors, wanted, served, "too few descriptors (ulimit -n) for http.connections");
    }
    let shop = open::open(&settings).await?;
    let samples = if serve.demo { demo::fill(&shop).await? } else { 0 };
    welcome(&settings, &listener, samples)?;
    let served = serve_until_told(&shop, listener, &server, settings.http.drain_ms, signals).await;
    shop.close().await;
    info!("closed");
    Ok(served?)
}

fn listen(address: &str) -> Result<TcpListener, Failure> {
    Ok(TcpListener::bind(address).map_err(|error| format!("cannot listen on {address}: {error}"))?)
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

async fn serve_until_told(
    shop: &Arc<Shop>,
    listener: TcpListener,
    server: &ServerSettings,
    drain_ms: u64,
    mut signals: Signals,
) -> io::Result<()> {
    let serving = saem::http::serve(Arc::clone(shop), listener, server)?;
    let (handle, drain) = (serving.server.handle(), serving.draining());
    let told = actix_web::rt::spawn(async move {
        let at_once = signals.at_once().await;
        info!("draining");
        drain.begin();
        if !at_once {
            // Stopping closes idle connections: clients that are told so on an answer go by themselves.
            tokio::time::sleep(Duration::from_millis(drain_ms)).await;
        }
        handle.stop(true).await;
    });
    let served = serving.server.await;
    told.abort();
    served
}

impl Gateway {
    async fn run(self) -> Result<(), Failure> {
        let mut signals = Signals::expected()?;
        let payment = Settings::load(self.config.as_deref(), &[])?.payment;
        let listener = listen(&self.listen)?;
        let ledger = Ledger::open(&self.ledger)?;
        let simulator = open::simulator(&payment.simulator, ledger, &Sources::system());
        let address = listener.local_addr()?;
        let server = saem::http::gateway::serve(simulator, listener, payment.key.map(|key| key.0))?;
        println!("Saem's payment simulator listens on http://{address}");
        println!("  ledger        {}", self.ledger.display());
        let handle = server.handle();
        actix_web::rt::spawn(async move {
            // Whoever waits for an answer waits in vain, as at any gateway that goes away.
            signals.at_once().await;
            handle.stop(false).await;
        });
        Ok(server.await?)
    }
}

impl Compact {
    fn run(self) -> Result<(), Failure> {
        let data = data_flag(self.data.as_deref())?;
        let store = Settings::load(self.config.as_deref(), &data.into_iter().collect::<Vec<_>>())?.store;
        if store.backend != "sled" {
            return Err(format!("store.backend = {}: there is nothing to compact", store.backend).into());
        }
        let options = SledOptions { cache_bytes: store.cache_mb * 1_024 * 1_024, ..SledOptions::default() };
        let Compacted { bytes_before, bytes_after } = SledJournal::compact(&store.path, options)?;
        println!("{}: {bytes_before} bytes before, {bytes_after} bytes after", store.path.display());
        Ok(())
    }
}

/// `--data`, as a setting.
fn data_flag(data: Option<&Path>) -> Result<Option<(&'static str, String)>, Failure> {
    let Some(data) = data else { return Ok(None) };
    let data = data.to_str().ok_or("bad setting: store.path: must be UTF-8")?;
    Ok(Some(("store.path", data.to_owned())))
}

impl Serve {
    /// Flags, as settings.
    fn flags(&self) -> Result<Vec<(&'static str, String)>, Failure> {
        let mut flags = Vec::new();
        flags.extend(self.listen.clone().map(|listen| ("http.listen", listen)));
        flags.extend(data_flag(self.data.as_deref())?);
        Ok(flags)
    }
}

/// Says where everything is, and what to try first.
fn welcome(settings: &Settings, listener: &TcpListener, samples: usize) -> io::Result<()> {
    let url = format!("http://{}", listener.local_addr()?);
    println!("Saem {} listens on {url}", env!("CARGO_PKG_VERSION"));
    let directory = &settings.store.path;
    match settings.store.backend.as_str() {
        "memory" => println!("  data          nowhere: the memory backend forgets"),
        _ => println!("  data          {}", directory.display()),
    }
    match &settings.operator.key {
        Some(_) => println!("  operator key  as set by operator.key"),
        None => println!("  operator key  {}", open::operator_key_path(directory).display()),
    }
    if samples > 0 {
        println!("  demo          {samples} sample purifiers registered");
    }
    println!("  contract      {url}/docs");
    println!("  try first     curl {url}/v1/products");
    Ok(())
}
