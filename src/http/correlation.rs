//! Outermost work on every request: correlation, log span, problems and panics.
//!
//! A W3C `traceparent` is continued; without one, a trace begins here. Every response carries
//! `X-Correlation-Id`, and every failure is an RFC 9457 problem, those of the framework included.

use std::{future::Future, panic::AssertUnwindSafe, pin::Pin};

use actix_web::{
    Error, HttpMessage as _, HttpRequest, HttpResponse, ResponseError,
    body::{BoxBody, EitherBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::{
        StatusCode,
        header::{self, HeaderValue},
    },
    middleware::Next,
    web,
};
use futures_util::FutureExt as _;
use tracing::{Instrument as _, error, field, info_span};

use super::{
    app::{App, from_request},
    cors,
    headers::{CORRELATION_ID, HTML},
    limits::Limits,
    problem::{PROBLEM_JSON, Problem, ProblemKind},
};
use crate::{
    actors::request::RequestContext,
    telemetry::trace::{self, TraceContext},
};

/// Renders a problem as a page for clients that accept HTML; `None` for all others.
#[derive(Clone, Copy)]
pub(crate) struct ErrorPage(pub fn(&HttpRequest, &Problem) -> Option<HttpResponse>);

from_request! {
    RequestContext, Problem: request => {
        let context = request.extensions().get::<Self>().copied();
        context.ok_or_else(|| Problem::new(ProblemKind::Internal, "internal error"))
    };
}

/// Middleware that gives each request its context and renders problems.
pub(crate) async fn correlate<B: MessageBody + 'static>(
    app: web::Data<App>,
    limits: web::Data<Limits>,
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B, BoxBody>>, Error> {
    let header = request.headers().get("traceparent").and_then(|value| value.to_str().ok());
    let continued = header.and_then(TraceContext::parse);
    let context = continued.map_or_else(|| app.shop.new_request(), RequestContext::new);
    let correlation = context.correlation.to_string();
    let instance = request.path().to_owned();
    let method = request.method();
    let span = info_span!("request", %method, path = instance, correlation, on_behalf_of = field::Empty);
    let from = trace::start_request(&span, context.trace(), continued.is_some());
    request.extensions_mut().insert(context.at(from));
    // A panic drops the request, but the client still gets a response.
    let call: Pin<Box<dyn Future<Output = _>>> = Box::pin(next.call(request));
    let answered = AssertUnwindSafe(call).catch_unwind().instrument(span.clone()).await;
    let _in_span = span.enter();
    let mut response = match answered {
        Ok(answered) => finish(answered?, &limits, &instance, &correlation),
        Err(_panic) => {
            error!("a handler panicked");
            return Err(Panicked { instance, correlation }.into());
        }
    };
    trace::record_response(&span, response.status().as_u16(), || response.request().match_pattern());
    if let Ok(value) = HeaderValue::from_str(&correlation) {
        response.headers_mut().insert(CORRELATION_ID, value);
    }
    // After a body that timed out, later bytes on this connection are not the next request.
    if app.draining() || response.status() == StatusCode::REQUEST_TIMEOUT {
        response.response_mut().head_mut().set_connection_type(actix_web::http::ConnectionType::Close);
    }
    Ok(response)
}

fn finish<B: MessageBody + 'static>(
    response: ServiceResponse<B>,
    limits: &Limits,
    instance: &str,
    correlation: &str,
) -> ServiceResponse<EitherBody<B, BoxBody>> {
    let status = response.status();
    if status.is_success() || status.is_informational() || status.is_redirection() {
        return response.map_into_left_body();
    }
    // An error page renders its own problem.
    if response.headers().get(header::CONTENT_TYPE).is_some_and(|t| t == PROBLEM_JSON || t == HTML) {
        return response.map_into_left_body();
    }
    let problem = response.response().extensions().get::<Problem>().cloned();
    let problem = problem.or_else(|| cors::refusal(response.response()));
    let problem = problem.unwrap_or_else(|| Problem::new(ProblemKind::of_status(status), detail_of(status)));
    if problem.kind.status().is_server_error() {
        log(&problem, limits);
    }
    let (request, response) = response.into_parts();
    let page = request.app_data().and_then(|ErrorPage(render)| render(&request, &problem));
    let mut rendered = page.unwrap_or_else(|| problem.render(instance, correlation));
    let kept = response.headers().iter().filter(|(name, _)| {
        [header::ALLOW, header::VARY].contains(name) || name.as_str().starts_with("access-control-")
    });
    for (name, value) in kept {
        rendered.headers_mut().append(name.clone(), value.clone());
    }
    ServiceResponse::new(request, rendered).map_into_right_body()
}

fn log(problem: &Problem, limits: &Limits) {
    let reason = problem.internal.as_deref().unwrap_or(&problem.detail);
    if problem.kind.status() == StatusCode::INTERNAL_SERVER_ERROR {
        error!(slug = problem.kind.slug(), reason, "a request failed");
    } else if let Some(unlogged) = limits.refusals.admit() {
        tracing::warn!(slug = problem.kind.slug(), reason, unlogged, "a request was turned away");
    }
}

fn detail_of(status: StatusCode) -> &'static str {
    match status {
        StatusCode::NOT_FOUND => "the path does not exist",
        StatusCode::METHOD_NOT_ALLOWED => "the path does not support this method",
        StatusCode::PAYLOAD_TOO_LARGE => "the body has more than 64 KiB",
        StatusCode::BAD_REQUEST => "the request cannot be parsed",
        _ => "the request failed",
    }
}

#[derive(Debug, thiserror::Error)]
#[error("a handler panicked")]
struct Panicked {
    instance: String,
    correlation: String,
}

impl ResponseError for Panicked {
    fn error_response(&self) -> HttpResponse {
        let problem = Problem::new(ProblemKind::Internal, "internal error");
        let mut response = problem.render(&self.instance, &self.correlation);
        if let Ok(value) = HeaderValue::from_str(&self.correlation) {
            response.headers_mut().insert(CORRELATION_ID, value);
        }
        response
    }
}
