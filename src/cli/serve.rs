//! `saem serve`: runs the shop until it is told to stop.
//!
//! SIGTERM and SIGINT drain, close the journal, and exit with 0.

use std::{io, path::PathBuf, sync::Arc, time::Duration};

use clap::Args;
use saem::{
    config::{Http, Settings, open},
    http::{Listeners, settings::ServerSettings, tls::Tls},
    shop::Shop,
};
use tokio::signal::unix::{SignalKind, signal};
use tracing::{error, info, warn};

use super::{Failure, Signals, data_flag, demo, listen, say::say, systemd};

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
        let (listeners, held) = listeners(&settings.http)?;
        let mut server = settings.server();
        server.tls = open::tls(&settings)?;
        if let Some(descriptors) = server.fit_descriptors()? {
            let (wanted, served) = (settings.http.connections, server.connections);
            warn!(descriptors, wanted, served, "too few descriptors (ulimit -n) for http.connections");
        }
        let shop = open::open_shop(&settings).await?;
        let samples = if self.demo { demo::fill(&shop).await? } else { 0 };
        if let Err(unsaid) = welcome(&settings, &listeners, samples) {
            shop.close().await;
            return Err(unsaid);
        }
        let stopping = Stopping { drain_ms: settings.http.drain_ms, held };
        let served = serve_until_told(&shop, listeners, &server, stopping, signals).await;
        shop.close().await;
        info!("closed");
        Ok(served?)
    }
}

/// Where the server listens, and whether somebody else holds that open.
fn listeners(http: &Http) -> Result<(Listeners, bool), Failure> {
    let mut passed = systemd::sockets()?.into_iter();
    let held = passed.len() > 0;
    let operations = http.operations_listen.as_deref();
    let listeners = Listeners {
        http: passed.next().map_or_else(|| listen(&http.listen), Ok)?,
        operations: operations.map(|at| passed.next().map_or_else(|| listen(at), Ok)).transpose()?,
    };
    match passed.len() {
        0 => Ok((listeners, held)),
        more => Err(format!("LISTEN_FDS: {more} sockets more were passed than there are listeners").into()),
    }
}

/// How the server stops.
struct Stopping {
    /// For so long, in ms, connections are still served, and told to end.
    drain_ms: u64,
    /// Whether somebody else holds the sockets: then whoever connects waits for the next process.
    held: bool,
}

async fn serve_until_told(
    shop: &Arc<Shop>,
    listeners: Listeners,
    server: &ServerSettings,
    stopping: Stopping,
    mut signals: Signals,
) -> io::Result<()> {
    let serving = saem::http::serve(Arc::clone(shop), listeners, server)?;
    let (handle, drain) = (serving.server.handle(), serving.draining());
    systemd::ready();
    let fed = actix_web::rt::spawn(systemd::feed_watchdog(Arc::clone(shop)));
    let reloaded = actix_web::rt::spawn(reload_on_hangup(server.tls.clone()));
    let told = actix_web::rt::spawn(async move {
        let at_once = signals.at_once().await;
        info!("draining");
        systemd::stopping();
        drain.begin();
        if stopping.held {
            handle.pause().await;
        }
        if !at_once {
            // Stopping closes idle connections: clients that are told so on an answer go by themselves.
            tokio::time::sleep(Duration::from_millis(stopping.drain_ms)).await;
        }
        handle.stop(true).await;
    });
    let served = serving.server.await;
    [told, fed, reloaded].iter().for_each(|task| task.abort());
    served
}

/// Reads the certificate again whenever SIGHUP comes.
async fn reload_on_hangup(tls: Option<Arc<Tls>>) {
    let Ok(mut hangup) = signal(SignalKind::hangup()) else { return };
    while hangup.recv().await.is_some() {
        match tls.as_ref().map(|tls| tls.reload()) {
            Some(Ok(())) => info!("the certificate was read again"),
            Some(Err(error)) => error!(%error, "the certificate stays as it was"),
            None => info!("SIGHUP: there is nothing to read again"),
        }
    }
}

/// Says where everything is, and what to try first.
fn welcome(settings: &Settings, listeners: &Listeners, samples: usize) -> Result<(), Failure> {
    let scheme = if settings.http.tls_cert.is_some() { "https" } else { "http" };
    let url = format!("{scheme}://{}", listeners.http.local_addr()?);
    let mut lines = vec![format!("Saem {} listens on {url}", env!("CARGO_PKG_VERSION"))];
    if let Some(operations) = &listeners.operations {
        lines.push(format!("  operations    {scheme}://{}", operations.local_addr()?));
    }
    let directory = &settings.store.path;
    lines.push(match settings.store.backend.as_str() {
        "memory" => "  data          nowhere: the memory backend forgets".to_owned(),
        _ => format!("  data          {}", directory.display()),
    });
    lines.push(match &settings.operator.key {
        Some(_) => "  operator key  as set by operator.key".to_owned(),
        None => format!("  operator key  {}", open::operator_key_path(directory).display()),
    });
    if samples > 0 {
        lines.push(format!("  demo          {samples} sample purifiers registered"));
    }
    lines.push(format!("  shop          {url}/ (and {url}/admin)"));
    lines.push(format!("  contract      {url}/docs"));
    lines.push(format!("  try first     curl {url}/v1/products\n"));
    say(lines.join("\n"))
}
