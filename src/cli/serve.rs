//! `saem serve`: runs the server until SIGTERM or SIGINT.
//!
//! Both signals stop the listeners, close the journal, and exit with 0.

use std::{io, path::PathBuf, sync::Arc, time::Duration};

use clap::Args;
use saem::{
    Shop,
    internal::{
        config::{Http, Settings, open},
        http::{Listeners, ServerSettings, Tls},
    },
};
use sd_notify::NotifyState;
use tokio::signal::unix::{SignalKind, signal};
use tracing::{error, info, warn};

use super::{Failure, Shutdown, Signals, data_flag, demo, listen, output::print, systemd};

#[derive(Args)]
pub(crate) struct Serve {
    /// Register three sample purifiers if there are no products.
    #[arg(long)]
    demo: bool,
    /// Read settings from this TOML file.
    #[arg(long, value_name = "FILE")]
    config: Option<String>,
    /// Listen on this address and port (`http.listen`; default 127.0.0.1:8080).
    #[arg(long, value_name = "ADDR")]
    listen: Option<String>,
    /// Keep data in this directory (`store.path`; default ./saem-data).
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

impl Serve {
    fn overrides(&self) -> Result<Vec<(&'static str, String)>, Failure> {
        let listen = self.listen.clone().map(|listen| ("http.listen", listen));
        Ok(listen.into_iter().chain(data_flag(self.data.as_deref())?).collect())
    }

    pub(super) async fn run(self) -> Result<(), Failure> {
        let signals = Signals::install()?;
        let settings = Settings::load(self.config.as_deref(), &self.overrides()?)?;
        // Bind before opening the store: a server that cannot listen must not touch the data.
        let (listeners, socket_activated) = listeners(&settings.http)?;
        let mut server = settings.server();
        server.tls = open::tls(&settings)?;
        if let Some(descriptors) = server.fit_descriptors()? {
            let (wanted, served) = (settings.http.connections, server.connections);
            warn!(descriptors, wanted, served, "too few file descriptors (ulimit -n) for http.connections");
        }
        let shop = open::open_shop(&settings).await?;
        let samples = if self.demo { demo::fill(&shop).await? } else { 0 };
        if let Err(failure) = print_welcome(&settings, &listeners, samples) {
            shop.close().await;
            return Err(failure);
        }
        let draining = Draining { drain_ms: settings.http.drain_ms, socket_activated };
        let served = serve_until_signal(&shop, listeners, &server, draining, signals).await;
        shop.close().await;
        info!("closed");
        Ok(served?)
    }
}

/// Returns the listeners, and true if systemd passed their sockets.
fn listeners(http: &Http) -> Result<(Listeners, bool), Failure> {
    let mut passed = systemd::sockets()?.into_iter();
    let socket_activated = passed.len() > 0;
    let operations = http.operations_listen.as_deref();
    let listeners = Listeners {
        http: passed.next().map_or_else(|| listen(&http.listen), Ok)?,
        operations: operations.map(|at| passed.next().map_or_else(|| listen(at), Ok)).transpose()?,
    };
    match passed.len() {
        0 => Ok((listeners, socket_activated)),
        extra => Err(format!("LISTEN_FDS: {extra} more sockets than listeners").into()),
    }
}

struct Draining {
    /// Time in which connections are still served and asked to close, in ms.
    drain_ms: u64,
    /// True if systemd holds the sockets: then new clients wait for the next process.
    socket_activated: bool,
}

async fn serve_until_signal(
    shop: &Arc<Shop>,
    listeners: Listeners,
    server: &ServerSettings,
    draining: Draining,
    mut signals: Signals,
) -> io::Result<()> {
    let serving = saem::internal::http::serve(Arc::clone(shop), listeners, server)?;
    let (handle, drain) = (serving.server.handle(), serving.draining());
    systemd::notify(NotifyState::Ready);
    let watchdog = actix_web::rt::spawn(systemd::feed_watchdog(Arc::clone(shop)));
    let reload = actix_web::rt::spawn(reload_on_hangup(server.tls.clone()));
    let shutdown = actix_web::rt::spawn(async move {
        let kind = signals.recv().await;
        info!("draining");
        systemd::notify(NotifyState::Stopping);
        drain.begin();
        if draining.socket_activated {
            handle.pause().await;
        }
        if kind == Shutdown::Drain {
            // `stop` cuts idle connections. Until then, responses ask their clients to close.
            tokio::time::sleep(Duration::from_millis(draining.drain_ms)).await;
        }
        handle.stop(true).await;
    });
    let served = serving.server.await;
    [shutdown, watchdog, reload].iter().for_each(|task| task.abort());
    served
}

async fn reload_on_hangup(tls: Option<Arc<Tls>>) {
    let Ok(mut hangup) = signal(SignalKind::hangup()) else { return };
    while hangup.recv().await.is_some() {
        match tls.as_ref().map(|tls| tls.reload()) {
            Some(Ok(())) => info!("certificate reloaded"),
            Some(Err(error)) => error!(%error, "certificate not reloaded: the current one stays in use"),
            None => info!("SIGHUP ignored: TLS is not configured"),
        }
    }
}

/// Prints where everything is, and a first request to try.
fn print_welcome(settings: &Settings, listeners: &Listeners, samples: usize) -> Result<(), Failure> {
    let scheme = if settings.http.tls_cert.is_some() { "https" } else { "http" };
    let url = format!("{scheme}://{}", listeners.http.local_addr()?);
    let mut lines = vec![format!("Saem {} listens on {url}", env!("CARGO_PKG_VERSION"))];
    if let Some(operations) = &listeners.operations {
        lines.push(format!("  operations    {scheme}://{}", operations.local_addr()?));
    }
    let directory = &settings.store.path;
    lines.push(match settings.store.backend.as_str() {
        "memory" => "  data          in memory only: lost when the process ends".to_owned(),
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
    print(lines.join("\n"))
}
