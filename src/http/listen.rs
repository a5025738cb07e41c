//! Runs the HTTP server: its listeners, its middleware and its graceful stop.

use std::{net::TcpListener, sync::Arc, time::Duration};

use actix_http::{HttpService, error::DispatchError};
use actix_server::{GracefulShutdownSignal, Server, ServerBuilder};
use actix_service::{IntoServiceFactory as _, ServiceFactoryExt as _, fn_service, map_config};
use actix_web::{
    App as Application,
    dev::AppConfig,
    middleware::{Condition, from_fn},
    web,
};
use tokio::sync::watch;

use super::{
    api::{docs::Contract, openapi, table},
    app::App,
    connection::{Connection, Timeouts},
    correlation::{self, ErrorPage},
    cors,
    limits::{self, Limits},
    metrics::{self, Metrics},
    pages,
    routing::Listener,
    settings::ServerSettings,
};
use crate::shop::Shop;

/// Time for a client to close its end of a connection that the server closes.
const DISCONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// Time for requests in progress to finish when the server stops, in s.
const SHUTDOWN_TIMEOUT_S: u64 = 15;

/// A running server.
pub struct RunningServer {
    /// Completes when the server has stopped.
    pub server: Server,
    draining: watch::Sender<bool>,
}

impl RunningServer {
    /// Returns the handle that begins draining.
    #[must_use]
    pub fn draining(&self) -> Draining {
        Draining(self.draining.clone())
    }
}

/// Begins the graceful stop of a server.
pub struct Draining(watch::Sender<bool>);

impl Draining {
    /// Begins draining: every response closes its connection, `/readyz` fails, and streams end.
    pub fn begin(&self) {
        self.0.send_replace(true);
    }
}

/// Sockets of a server.
pub struct Listeners {
    /// Serves customers; serves everything if there is no socket for operations.
    pub http: TcpListener,
    /// Serves the console, `/v1/operations` and `/metrics`.
    pub operations: Option<TcpListener>,
}

impl From<TcpListener> for Listeners {
    fn from(http: TcpListener) -> Self {
        Self { http, operations: None }
    }
}

/// Serves `shop` on `listeners`.
///
/// # Errors
/// [`std::io::Error`] if a listener cannot be used.
pub fn serve(
    shop: Arc<Shop>,
    listeners: impl Into<Listeners>,
    settings: &ServerSettings,
) -> std::io::Result<RunningServer> {
    let Listeners { http, operations } = listeners.into();
    let draining = watch::Sender::new(false);
    let builder = Server::build()
        .workers(settings.workers)
        .max_concurrent_connections((settings.connections / settings.workers).max(1))
        .shutdown_timeout(SHUTDOWN_TIMEOUT_S)
        .disable_signals();
    let state = ListenerState {
        app: web::Data::new(App::new(shop, draining.subscribe())),
        limits: web::Data::new(Limits::of(settings)),
        metrics: web::Data::new(Metrics::default()),
        contract: web::Data::new(Contract::new(|| openapi::document().to_string().into())),
        stopping: builder.graceful_shutdown_signal(),
        settings: settings.clone(),
    };
    let main = if operations.is_some() { Listener::Shop } else { Listener::All };
    let mut builder = state.listen(builder, main, http)?;
    if let Some(operations) = operations {
        builder = state.listen(builder, Listener::Operations, operations)?;
    }
    Ok(RunningServer { server: builder.run(), draining })
}

#[derive(Clone)]
struct ListenerState {
    app: web::Data<App>,
    limits: web::Data<Limits>,
    metrics: web::Data<Metrics>,
    contract: web::Data<Contract>,
    stopping: GracefulShutdownSignal,
    settings: ServerSettings,
}

impl ListenerState {
    /// Adds a listener. actix-web's `HttpServer` does the same, but does not take a [`Connection`].
    fn listen(
        &self,
        builder: ServerBuilder,
        listener: Listener,
        socket: TcpListener,
    ) -> std::io::Result<ServerBuilder> {
        let state = self.clone();
        let timeouts = Timeouts::of(&self.settings);
        let head_timeout = Duration::from_millis(self.settings.head_timeout_ms);
        let keep_alive = Duration::from_millis(self.settings.keep_alive_ms);
        builder.listen(format!("{listener:?}"), socket, move || {
            let origins = &state.settings.cors_origins;
            // The last middleware sees a request first, and its response last.
            let application = Application::new()
                .app_data(state.app.clone())
                .app_data(state.limits.clone())
                .app_data(state.metrics.clone())
                .app_data(state.contract.clone())
                .app_data(ErrorPage(pages::error_page))
                .wrap(from_fn(limits::limit))
                .wrap(Condition::new(!origins.is_empty(), cors::allowing(origins)))
                .wrap(from_fn(correlation::correlate))
                .wrap(from_fn(metrics::count))
                .configure(|config| table::serve(listener, config))
                .configure(|config| pages::serve(listener, config));
            let (stopping, tls) = (state.stopping.clone(), state.settings.tls.clone());
            let service = HttpService::build()
                .graceful_shutdown_signal(move || {
                    let stopping = stopping.clone();
                    async move { stopping.notified().await }
                })
                .client_request_timeout(head_timeout)
                .client_disconnect_timeout(DISCONNECT_TIMEOUT)
                .keep_alive(keep_alive)
                .on_connect_ext(Connection::introduce)
                .finish(map_config(application.into_factory(), |()| AppConfig::default()));
            fn_service(move |stream| {
                let tls = tls.as_ref().map(|tls| tls.acceptor());
                async move { Connection::accept(stream, timeouts, tls).await.map_err(DispatchError::Io) }
            })
            .and_then(service)
        })
    }
}
