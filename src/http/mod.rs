//! HTTP: the one listener and the one route table. Handlers parse, ask the shop, and map its answer.

pub mod auth;
pub mod correlation;
pub mod docs;
pub mod extract;
pub mod idempotency;
pub mod openapi;
pub mod posted;
pub mod problem;
pub mod problem_kinds;
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

use actix_web::{App as Application, HttpServer, dev::Server, middleware::from_fn, web};

use crate::{actors::shop::Shop, domain::Position};

/// Connections a worker serves at once.
const CONNECTIONS_MAX: usize = 2_000;
/// How long a request's head may take to arrive.
const HEAD_WITHIN: Duration = Duration::from_secs(5);
/// How long an idle connection is kept.
const KEEP_ALIVE: Duration = Duration::from_secs(75);
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

/// Serves `shop` on `listener`, with so many threads.
///
/// # Errors
/// When the listener cannot be used.
pub fn serve(shop: Arc<Shop>, listener: TcpListener, workers: usize) -> std::io::Result<Serving> {
    let draining = Arc::new(AtomicBool::new(false));
    let app = web::Data::new(App { shop, draining: Arc::clone(&draining) });
    let server = HttpServer::new(move || {
        Application::new().app_data(app.clone()).wrap(from_fn(correlation::correlate)).configure(table::serve)
    });
    let server = server
        .workers(workers)
        .max_connections(CONNECTIONS_MAX)
        .client_request_timeout(HEAD_WITHIN)
        .keep_alive(KEEP_ALIVE)
        .shutdown_timeout(DRAIN_WITHIN_S)
        .disable_signals()
        .listen(listener)?
        .run();
    Ok(Serving { server, draining })
}
