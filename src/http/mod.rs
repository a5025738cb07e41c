//! HTTP: the one listener and the one route table. Handlers parse, ask the shop, and map its answer.

pub mod auth;
pub mod correlation;
pub mod extract;
pub mod idempotency;
pub mod json;
pub mod problem;
pub mod problem_kinds;
pub mod routes;

use std::{
    net::TcpListener,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use actix_web::{
    App as Application, HttpServer, Resource, Route,
    dev::Server,
    guard,
    middleware::from_fn,
    web::{self, ServiceConfig, delete, patch, post, put},
};

use self::routes::{customers, deliveries, mypage, operations, products, rentals};
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

fn at(path: &str) -> Resource {
    web::resource(path)
}

/// GET, and HEAD, which is GET without the body.
fn get() -> Route {
    web::route().guard(guard::Any(guard::Get()).or(guard::Head()))
}

/// The route table.
#[rustfmt::skip]
pub fn routes(config: &mut ServiceConfig) {
    config
        .service(at("/v1/customers").route(post().to(customers::sign_up)))
        .service(at("/v1/customers/me").route(get().to(customers::me)).route(patch().to(customers::change)))
        .service(at("/v1/sessions").route(post().to(customers::log_in)))
        .service(at("/v1/sessions/current").route(delete().to(customers::log_out)))

        .service(at("/v1/products").route(get().to(products::list)).route(post().to(products::register)))
        .service(at("/v1/products/{id}").route(get().to(products::get)).route(patch().to(products::change)))
        .service(at("/v1/products/{id}/restock").route(post().to(products::restock)))
        .service(at("/v1/products/{id}/withdraw").route(post().to(products::withdraw)))

        .service(at("/v1/rentals").route(get().to(rentals::list)).route(post().to(rentals::place)))
        .service(at("/v1/rentals/{id}").route(get().to(rentals::get)))
        .service(at("/v1/rentals/{id}/payment").route(post().to(rentals::pay)))
        .service(at("/v1/rentals/{id}/cancel").route(post().to(rentals::cancel)))
        .service(at("/v1/rentals/{id}/timeline").route(get().to(rentals::timeline)))

        .service(at("/v1/payments").route(get().to(deliveries::payments)))
        .service(at("/v1/payments/{id}").route(get().to(deliveries::payment)))
        .service(at("/v1/deliveries").route(get().to(deliveries::deliveries)))
        .service(at("/v1/deliveries/{id}").route(get().to(deliveries::delivery)))
        .service(at("/v1/deliveries/{id}/dispatch").route(post().to(deliveries::dispatch)))
        .service(at("/v1/deliveries/{id}/complete").route(post().to(deliveries::complete)))

        .service(at("/v1/mypage").route(get().to(mypage::list)))
        .service(at("/v1/mypage/{id}").route(get().to(mypage::get)))
        .service(at("/v1/notifications").route(get().to(mypage::notifications)))

        .service(at("/v1/operations/actors").route(get().to(operations::actors)))
        .service(at("/v1/operations/actors/{kind}/{id}/revive").route(post().to(operations::revive)))
        .service(at("/v1/operations/contexts").route(get().to(operations::contexts)))
        .service(at("/v1/operations/contexts/{name}/pause").route(post().to(operations::pause)))
        .service(at("/v1/operations/contexts/{name}/resume").route(post().to(operations::resume)))
        .service(at("/v1/operations/held").route(get().to(operations::held)))
        .service(at("/v1/operations/held/{id}/retry").route(post().to(operations::retry)))
        .service(at("/v1/operations/held/{id}/dismiss").route(post().to(operations::dismiss)))
        .service(at("/v1/operations/ledger").route(get().to(operations::ledger)))
        .service(at("/v1/operations/payment").route(get().to(operations::payment)))
        .service(at("/v1/operations/payment/breaker").route(put().to(operations::breaker)))
        .service(at("/v1/operations/faults").route(post().to(operations::fault)))

        .service(at("/healthz").route(get().to(operations::healthz)))
        .service(at("/readyz").route(get().to(operations::readyz)))
        .service(at("/problems/{slug}").route(get().to(problem_kinds::page)));
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
        Application::new().app_data(app.clone()).wrap(from_fn(correlation::correlate)).configure(routes)
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
