//! `/metrics` in Prometheus' text format (0.0.4); `docs/metrics.md` lists the metrics.
//!
//! Requests are counted when they are answered. Everything else is read from the shop on each scrape.

mod state;

use actix_web::{
    Error, HttpResponse,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    http::Method,
    middleware::Next,
    web,
};
use prometheus::{CounterVec, Encoder as _, HistogramOpts, HistogramVec, Opts, Registry, TextEncoder};

use super::{
    App,
    problem::{Problem, ProblemKind},
};
use crate::telemetry::metrics;

/// Upper bounds of the duration histogram, in s. A payment times out after 0.9 s.
const DURATION_BOUNDS_S: [f64; 12] = [0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];

pub(crate) struct Metrics {
    registry: Registry,
    requests: CounterVec,
    duration: HistogramVec,
}

impl Default for Metrics {
    fn default() -> Self {
        let registry = Registry::new();
        let opts = Opts::new("saem_http_requests_total", "Requests by method, route and status");
        let requests = CounterVec::new(opts, &["method", "route", "status"]);
        let requests = requests.expect("its name and labels are well formed");
        registry.register(Box::new(requests.clone())).expect("nothing else has its name");
        let help = "Time from a request's head to its response's, by method and route";
        let opts = HistogramOpts::new("saem_http_request_duration_seconds", help);
        let duration = HistogramVec::new(opts.buckets(DURATION_BOUNDS_S.into()), &["method", "route"]);
        let duration = duration.expect("its name and labels are well formed");
        registry.register(Box::new(duration.clone())).expect("nothing else has its name");
        Self { registry, requests, duration }
    }
}

pub(crate) async fn count<B: MessageBody + 'static>(
    metrics: web::Data<Metrics>,
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, Error> {
    let began = metrics::now();
    let method = label_of(request.method());
    let answered = next.call(request).await;
    let (route, status) = match &answered {
        // Unknown paths share one label: a client could make up any number of them.
        Ok(response) => (response.request().match_pattern(), response.status()),
        Err(error) => (None, error.as_response_error().status_code()),
    };
    let route = route.as_deref().unwrap_or("none");
    metrics.requests.with_label_values(&[method, route, status.as_str()]).inc();
    metrics.duration.with_label_values(&[method, route]).observe(began.elapsed().as_secs_f64());
    answered
}

fn label_of(method: &Method) -> &'static str {
    const KNOWN: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
    KNOWN.into_iter().find(|known| method == known).unwrap_or("other")
}

/// Exposes the metrics of the server, for Prometheus.
#[utoipa::path(
    get, path = "/metrics", tag = "health", operation_id = "metrics",
    responses((status = 200, description = "Prometheus text, 0.0.4", body = String,
        content_type = "text/plain", example = "saem_ready 1\n")),
    extensions(("x-problems" = json!(["actor-restarting"]))),
)]
pub(crate) async fn metrics(
    app: web::Data<App>,
    metrics: web::Data<Metrics>,
) -> Result<HttpResponse, Problem> {
    let mut families = metrics.registry.gather();
    families.extend(state::of(&app).await?);
    let (encoder, mut text) = (TextEncoder::new(), Vec::new());
    let unwritable = |error| Problem::hidden(ProblemKind::Internal, "internal error", &error);
    encoder.encode(&families, &mut text).map_err(unwritable)?;
    Ok(HttpResponse::Ok().content_type(encoder.format_type()).body(text))
}
