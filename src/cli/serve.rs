//! `saem serve`: runs the shop until it is told to stop.
//!
//! SIGTERM and SIGINT drain, close the journal, and exit with 0.

use std::{io, net::TcpListener, path::PathBuf, sync::Arc, time::Duration};

use clap::Args;
use saem::{actors::shop::Shop, config::Settings, demo, http::limits::ServerSettings, open};
use tracing::{info, warn};

use super::{Failure, Signals, data_flag, listen};

#[derive(Args)]
pub(crate) struct Serve {
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

impl Serve {
    /// Flags, as settings.
    fn flags(&self) -> Result<Vec<(&'static str, String)>, Failure> {
        let mut flags = Vec::new();
        flags.extend(self.listen.clone().map(|listen| ("http.listen", listen)));
        flags.extend(data_flag(self.data.as_deref())?);
        Ok(flags)
    }

    pub(super) async fn run(self) -> Result<(), Failure> {
        let signals = Signals::expected()?;
        let settings = Settings::load(self.config.as_deref(), &self.flags()?)?;
        // The port is taken before the data: whoever cannot listen should not touch the store.
        let listener = listen(&settings.http.listen)?;
        let mut server = settings.server();
        if let Some(descriptors) = server.fit_descriptors()? {
            let (wanted, served) = (settings.http.connections, server.connections);
            warn!(descriptors, wanted, served, "too few descriptors (ulimit -n) for http.connections");
        }
        let shop = open::open(&settings).await?;
        let samples = if self.demo { demo::fill(&shop).await? } else { 0 };
        welcome(&settings, &listener, samples)?;
        let served = serve_until_told(&shop, listener, &server, settings.http.drain_ms, signals).await;
        shop.close().await;
        info!("closed");
        Ok(served?)
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
