//! HTTP: the one listener and the one route table. Handlers parse, ask the shop, and map its answer.

pub mod auth;
pub mod clients;
pub mod connection;
pub mod correlation;
pub mod cors;
pub mod docs;
pub mod extract;
pub mod gateway;
pub mod idempotency;
pub mod limits;
pub mod metrics;
pub mod openapi;
pub mod posted;
pub mod problem;
pub mod problem_kinds;
pub mod repeats;
pub mod resources;
pub mod routes;
pub mod schema;
pub mod table;

use std::{
    net::TcpListener,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use actix_http::HttpService;
use actix_server::Server;
use actix_service::{IntoServiceFactory as _, ServiceFactoryExt as _, fn_service, map_config};
use actix_web::{
    App as Application,
    dev::AppConfig,
    middleware::{Condition, from_fn},
    web,
};

use self::{
    connection::{Connection, Patience},
    limits::{Limits, ServerSettings},
    metrics::Metrics,
};
use crate::{actors::shop::Shop, domain::Position};

/// How long a connection that is closed waits for the client to close it, too.
const DISCONNECT_WITHIN: Duration = Duration::from_secs(1);
/// How long requests under way may take to end when the server stops, in s.
const DRAIN_WITHIN_S: u64 = 15;

/// What handlers share.
pub struct App {
    /// The shop.
    pub shop: Arc<Shop>,
    draining: Arc<AtomicBool>,
}

impl App {
    /// Whether the server is stopping.
    #[must_use]
    pub fn draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
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
    draining: Arc<AtomicBool>,
}

impl Serving {
    /// The way to drain it.
    #[must_use]
    pub fn draining(&self) -> Draining {
        Draining(Arc::clone(&self.draining))
    }
}

/// A server that is about to stop.
pub struct Draining(Arc<AtomicBool>);

impl Draining {
    /// Says on every answer that the connection ends, and on `/readyz` that the server does.
    pub fn begin(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Serves `shop` on `listener`, as `settings` say.
///
/// # Errors
/// When the listener cannot be used.
pub fn serve(shop: Arc<Shop>, listener: TcpListener, settings: &ServerSettings) -> std::io::Result<Serving> {
    let draining = Arc::new(AtomicBool::new(false));
    let app = web::Data::new(App { shop, draining: Arc::clone(&draining) });
    let limits = web::Data::new(Limits::of(settings));
    let counted = web::Data::new(Metrics::default());
    let origins = settings.cors_origins.clone();
    let patience = Patience::of(settings);
    let head_timeout = Duration::from_millis(settings.head_timeout_ms);
    let keep_alive = Duration::from_millis(settings.keep_alive_ms);
    let builder = Server::build()
        .workers(settings.workers)
        .max_concurrent_connections((settings.connections / settings.workers).max(1))
        .shutdown_timeout(DRAIN_WITHIN_S)
        .disable_signals();
    let stopping = builder.graceful_shutdown_signal();
    // What actix-web's HttpServer does, but with connections of our own.
    let builder = builder.listen("http", listener, move || {
        // The last is the first to see a request, and the last to see its answer.
        let application = Application::new()
            .app_data(app.clone())
            .app_data(limits.clone())
            .app_data(counted.clone())
            .wrap(from_fn(limits::limit))
            .wrap(Condition::new(!origins.is_empty(), cors::allowing(&origins)))
            .wrap(from_fn(correlation::correlate))
            .wrap(from_fn(metrics::count))
            .configure(table::serve);
        let stopping = stopping.clone();
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
        fn_service(move |stream| async move { Ok(Connection::accept(stream, patience)) }).and_then(service)
    })?;
    Ok(Serving { server: builder.run(), draining })
}
