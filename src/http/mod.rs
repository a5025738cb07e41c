//! HTTP: the one listener and the one route table. Handlers parse, ask the shop, and map its answer.

pub mod api;
pub mod auth;
pub mod clients;
pub mod connection;
pub mod correlation;
pub mod cors;
pub mod limits;
pub mod metrics;
pub mod pages;
pub mod problem;
pub mod session;
pub mod simulator_server;
pub mod tls;

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

use self::{
    api::table::Part,
    connection::{Connection, Patience},
    limits::{Limits, ServerSettings},
    metrics::Metrics,
};
use crate::{domain::Position, shop::Shop};

/// How long a connection that is closed waits for the client to close it, too.
const DISCONNECT_WITHIN: Duration = Duration::from_secs(1);
/// How long requests under way may take to end when the server stops, in s.
const DRAIN_WITHIN_S: u64 = 15;

/// What handlers share.
pub struct App {
    /// The shop.
    pub shop: Arc<Shop>,
    draining: watch::Receiver<bool>,
}

impl App {
    /// Whether the server is stopping.
    #[must_use]
    pub fn draining(&self) -> bool {
        *self.draining.borrow()
    }

    /// Tells when the server begins to stop: answers that have no end of their own end then.
    #[must_use]
    pub fn drain(&self) -> watch::Receiver<bool> {
        self.draining.clone()
    }

    /// Waits, at most a second, until reads show what stands at `position`.
    pub async fn caught_up(&self, position: Option<Position>) {
        if let Some(position) = position {
            self.shop.my_page_at(position).await;
        }
    }
}

/// A server that serves, and how to stop it.
pub struct Serving {
    /// Ends when the server has stopped.
    pub server: Server,
    draining: watch::Sender<bool>,
}

impl Serving {
    /// The way to drain it.
    #[must_use]
    pub fn draining(&self) -> Draining {
        Draining(self.draining.clone())
    }
}

/// A server that is about to stop.
pub struct Draining(watch::Sender<bool>);

impl Draining {
    /// Says on every answer that the connection ends, and on `/readyz` that the server does. Streams end.
    pub fn begin(&self) {
        self.0.send_replace(true);
    }
}

/// Where a server listens.
pub struct Listeners {
    /// For customers; for everybody, unless there is one for operations.
    pub http: TcpListener,
    /// For whoever operates the server.
    pub operations: Option<TcpListener>,
}

impl From<TcpListener> for Listeners {
    fn from(http: TcpListener) -> Self {
        Self { http, operations: None }
    }
}

/// Serves `shop` on `listeners`, as `settings` say.
///
/// # Errors
/// When a listener cannot be used.
pub fn serve(
    shop: Arc<Shop>,
    listeners: impl Into<Listeners>,
    settings: &ServerSettings,
) -> std::io::Result<Serving> {
    let Listeners { http, operations } = listeners.into();
    let draining = watch::Sender::new(false);
    let app = web::Data::new(App { shop, draining: draining.subscribe() });
    let builder = Server::build()
        .workers(settings.workers)
        .max_concurrent_connections((settings.connections / settings.workers).max(1))
        .shutdown_timeout(DRAIN_WITHIN_S)
        .disable_signals();
    let served = Served {
        app,
        limits: web::Data::new(Limits::of(settings)),
        counted: web::Data::new(Metrics::default()),
        stopping: builder.graceful_shutdown_signal(),
        settings: settings.clone(),
    };
    let part = if operations.is_some() { Part::Shop } else { Part::All };
    let mut builder = served.listen(builder, part, http)?;
    if let Some(operations) = operations {
        builder = served.listen(builder, Part::Operations, operations)?;
    }
    Ok(Serving { server: builder.run(), draining })
}

/// What the listeners of a server share.
#[derive(Clone)]
struct Served {
    app: web::Data<App>,
    limits: web::Data<Limits>,
    counted: web::Data<Metrics>,
    stopping: GracefulShutdownSignal,
    settings: ServerSettings,
}

impl Served {
    /// Serves a part on a listener: what actix-web's HttpServer does, but with connections of our own.
    fn listen(
        &self,
        builder: ServerBuilder,
        part: Part,
        listener: TcpListener,
    ) -> std::io::Result<ServerBuilder> {
        let served = self.clone();
        let patience = Patience::of(&self.settings);
        let head_timeout = Duration::from_millis(self.settings.head_timeout_ms);
        let keep_alive = Duration::from_millis(self.settings.keep_alive_ms);
        builder.listen(format!("{part:?}"), listener, move || {
            let origins = &served.settings.cors_origins;
            // The last is the first to see a request, and the last to see its answer.
            let application = Application::new()
                .app_data(served.app.clone())
                .app_data(served.limits.clone())
                .app_data(served.counted.clone())
                .wrap(from_fn(limits::limit))
                .wrap(Condition::new(!origins.is_empty(), cors::allowing(origins)))
                .wrap(from_fn(correlation::correlate))
                .wrap(from_fn(metrics::count))
                .configure(|config| api::table::serve(part, config))
                .configure(|config| pages::serve(part, config));
            let (stopping, tls) = (served.stopping.clone(), served.settings.tls.clone());
            let service = HttpService::build()
                .graceful_shutdown_signal(move || {
                    let stopping = stopping.clone();
                    async move { stopping.notified().await }
                })
                .client_request_timeout(head_timeout)
                .client_disconnect_timeout(DISCONNECT_WITHIN)
                .keep_alive(keep_alive)
                .on_connect_ext(Connection::introduce)
                .finish(map_config(application.into_factory(), |()| AppConfig::default()));
            fn_service(move |stream| {
                let tls = tls.as_ref().map(|tls| tls.acceptor());
                async move { Connection::accept(stream, patience, tls).await.map_err(DispatchError::Io) }
            })
            .and_then(service)
        })
    }
}
