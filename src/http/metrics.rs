//! `/metrics`: what the server does, in Prometheus' text format (0.0.4).
//!
//! Requests are counted as they are answered. The rest is asked of the shop when somebody looks, so that
//! it costs nothing in between; what is gone by then is not shown any more.

use std::time::Instant;

use actix_web::{
    Error, HttpResponse,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    http::Method,
    middleware::Next,
    web,
};
use prometheus::{
    CounterVec, Encoder as _, GaugeVec, HistogramOpts, HistogramVec, Opts, Registry, TextEncoder,
};

use super::{App, problem::Problem, problem_kinds::Kind};

/// The bounds of a request's duration, in seconds. A payment's deadline is 0.9.
const DURATION_BOUNDS_S: [f64; 12] = [0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];

/// What is counted while requests are answered.
pub struct Metrics {
    registry: Registry,
    requests: CounterVec,
    duration: HistogramVec,
}

impl Default for Metrics {
    fn default() -> Self {
        let registry = Registry::new();
        let requests = counter(
            &registry,
            "saem_http_requests_total",
            "Requests answered, by method, route and status",
            &["method", "route", "status"],
        );
        let opts = HistogramOpts::new(
            "saem_http_request_duration_seconds",
            "From a request's head to its answer's, by method and route",
        );
        let duration = HistogramVec::new(opts.buckets(DURATION_BOUNDS_S.into()), &["method", "route"]);
        let duration = duration.expect("its name and labels are well formed");
        registry.register(Box::new(duration.clone())).expect("nothing else has its name");
        Self { registry, requests, duration }
    }
}

/// Counts every request.
///
/// # Errors
/// None of its own.
pub async fn count<B: MessageBody + 'static>(
    metrics: web::Data<Metrics>,
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, Error> {
    let began = now();
    let method = known(request.method());
    let answered = next.call(request).await;
    let (route, status) = match &answered {
        // A path that is none of ours must not become a label: anybody could make up more.
        Ok(response) => (response.request().match_pattern(), response.status()),
        Err(error) => (None, error.as_response_error().status_code()),
    };
    let route = route.as_deref().unwrap_or("none");
    metrics.requests.with_label_values(&[method, route, status.as_str()]).inc();
    metrics.duration.with_label_values(&[method, route]).observe(began.elapsed().as_secs_f64());
    answered
}

/// The method, if it is one that is served.
fn known(method: &Method) -> &'static str {
    const KNOWN: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
    KNOWN.into_iter().find(|known| method == known).unwrap_or("other")
}

#[expect(clippy::disallowed_methods, reason = "how long an answer took is no part of what is decided")]
fn now() -> Instant {
    Instant::now()
}

/// Shows what the server does, for Prometheus.
#[utoipa::path(
    get, path = "/metrics", tag = "health", operation_id = "metrics",
    responses((status = 200, description = "Prometheus text, 0.0.4", body = String,
        content_type = "text/plain", example = "saem_ready 1\n")),
    extensions(("x-problems" = json!(["actor-restarting"]))),
)]
pub async fn metrics(app: web::Data<App>, metrics: web::Data<Metrics>) -> Result<HttpResponse, Problem> {
    let mut families = metrics.registry.gather();
    families.extend(state_of(&app).await?.gather());
    let (encoder, mut text) = (TextEncoder::new(), Vec::new());
    let unwritable = |error| Problem::hidden(Kind::Internal, "something went wrong on our side", &error);
    encoder.encode(&families, &mut text).map_err(unwritable)?;
    Ok(HttpResponse::Ok().content_type(encoder.format_type()).body(text))
}

/// The shop as it is now.
async fn state_of(app: &App) -> Result<Registry, Problem> {
    let registry = Registry::new();
    let single =
        |name, help, value: f64| gauge(&registry, name, help, &[]).with_label_values(NONE).set(value);
    let ready = app.shop.ready().is_ok() && !app.draining();
    single("saem_ready", "Whether the server takes commands", f64::from(u8::from(ready)));
    single("saem_journal_events", "Events in the journal", app.shop.head().0 as f64);
    add_contexts(&registry, app);
    add_actors(&registry, app).await?;
    let desk = app.shop.payment_desk().await;
    let breaker = gauge(&registry, "saem_payment_breaker", "1 for the state the breaker is in", &["state"]);
    for state in ["CLOSED", "OPEN", "HALF_OPEN"] {
        breaker.with_label_values(&[state]).set(f64::from(u8::from(desk.breaker.state.as_str() == state)));
    }
    let total = |name, help, value: u64| {
        counter(&registry, name, help, &[]).with_label_values(NONE).inc_by(value as f64);
    };
    total("saem_payment_breaker_openings_total", "How often the breaker has opened", desk.breaker.openings);
    let refused = desk.breaker.not_permitted;
    total("saem_payment_breaker_not_permitted_total", "Calls that the breaker has refused", refused);
    single("saem_payment_permits", "Calls at the gateway there may be at once", desk.permits as f64);
    single("saem_payment_permits_in_use", "Calls at the gateway", desk.permits_in_use as f64);
    single("saem_payment_queue_capacity", "Requests that may wait for a permit", desk.queue_capacity as f64);
    single("saem_payment_queue_depth", "Requests that wait for a permit", desk.queue_depth as f64);
    total("saem_payment_shed_total", "Requests turned away by the payment actor", desk.shed);
    Ok(registry)
}

fn add_contexts(registry: &Registry, app: &App) {
    let of = |name, help| gauge(registry, name, help, &["context"]);
    let paused = of("saem_context_paused", "Whether a context is under maintenance");
    let backlog = of("saem_context_backlog_events", "Events a context has not got to");
    let held = of("saem_context_held_targets", "Targets held after reactions that kept failing");
    for context in app.shop.contexts() {
        let name = [context.context.as_str()];
        paused.with_label_values(&name).set(f64::from(u8::from(context.paused)));
        backlog.with_label_values(&name).set(context.backlog as f64);
        held.with_label_values(&name).set(context.held as f64);
    }
}

async fn add_actors(registry: &Registry, app: &App) -> Result<(), Problem> {
    let labels = ["kind", "name"];
    let live = gauge(registry, "saem_actors_live", "Actors in memory", &labels);
    let quarantined = gauge(registry, "saem_actors_quarantined", "Actors left alone until revived", &labels);
    let mailbox = gauge(registry, "saem_actor_mailbox_depth", "Messages not answered yet", &labels);
    let restarts = counter(registry, "saem_actor_restarts_total", "Restarts of failed actors", &labels);
    for kind in app.shop.actors().await?.items {
        let labels = [kind.kind.as_str(), kind.name.as_deref().unwrap_or_default()];
        live.with_label_values(&labels).set(kind.status.live as f64);
        quarantined.with_label_values(&labels).set(kind.status.quarantined as f64);
        mailbox.with_label_values(&labels).set(kind.mailbox_depth as f64);
        restarts.with_label_values(&labels).inc_by(kind.status.restarted as f64);
    }
    Ok(())
}

const NONE: &[&str] = &[];

fn gauge(registry: &Registry, name: &str, help: &str, labels: &[&str]) -> GaugeVec {
    let gauge = GaugeVec::new(Opts::new(name, help), labels).expect("its name and labels are well formed");
    registry.register(Box::new(gauge.clone())).expect("nothing else has its name");
    gauge
}

fn counter(registry: &Registry, name: &str, help: &str, labels: &[&str]) -> CounterVec {
    let counter =
        CounterVec::new(Opts::new(name, help), labels).expect("its name and labels are well formed");
    registry.register(Box::new(counter.clone())).expect("nothing else has its name");
    counter
}
