//! What every request passes through: its correlation, its log lines, its problems written out.
//!
//! A W3C `traceparent` is continued, else a trace begins here. Every answer carries
//! `X-Correlation-Id`, and every failure is an RFC 9457 problem, the framework's own included.

use std::{future::Future, panic::AssertUnwindSafe, pin::Pin};

use actix_web::{
    Error, FromRequest, HttpMessage as _, HttpRequest, HttpResponse, ResponseError,
    body::{BoxBody, EitherBody, MessageBody},
    dev::{Payload, ServiceRequest, ServiceResponse},
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
    app::App,
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

impl FromRequest for RequestContext {
    type Error = Problem;
    type Future = std::future::Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let context = request.extensions().get::<Self>().copied();
        std::future::ready(
            context.ok_or_else(|| Problem::new(ProblemKind::Internal, "something went wrong on our side")),
        )
    }
}

/// The middleware.
///
/// # Errors
/// Only after a panic: a problem that is written out already.
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
    // A panic leaves no request to answer; it must not leave the client without an answer.
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
    // After a body that never came, whatever still comes is not the next request.
    if app.draining() || response.status() == StatusCode::REQUEST_TIMEOUT {
        response.response_mut().head_mut().set_connection_type(actix_web::http::ConnectionType::Close);
    }
    Ok(response)
}

/// Writes a problem out, if the answer is one.
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
    let written = response.headers().get(header::CONTENT_TYPE);
    // A page tells by itself what went wrong.
    let written = written.is_some_and(|t| t == PROBLEM_JSON || t == HTML);
    if written {
        return response.map_into_left_body();
    }
    let problem = response.response().extensions().get::<Problem>().cloned();
    let problem = problem.or_else(|| cors::refusal(response.response()));
    let problem = problem.unwrap_or_else(|| Problem::new(ProblemKind::of_status(status), explained(status)));
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
    } else if let Some(unlogged) = limits.turned_away.one_more() {
        tracing::warn!(slug = problem.kind.slug(), reason, unlogged, "a request was turned away");
    }
}

fn explained(status: StatusCode) -> &'static str {
    match status {
        StatusCode::NOT_FOUND => "there is nothing under this path",
        StatusCode::METHOD_NOT_ALLOWED => "this path is not served by this method",
        StatusCode::PAYLOAD_TOO_LARGE => "the body has more than 64 KiB",
        StatusCode::BAD_REQUEST => "the request cannot be read",
        _ => "the request failed",
    }
}

/// A handler panicked: what is left to say.
#[derive(Debug)]
struct Panicked {
    instance: String,
    correlation: String,
}

impl std::fmt::Display for Panicked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a handler panicked")
    }
}

impl ResponseError for Panicked {
    fn error_response(&self) -> HttpResponse {
        let problem = Problem::new(ProblemKind::Internal, "something went wrong on our side");
        let mut response = problem.render(&self.instance, &self.correlation);
        if let Ok(value) = HeaderValue::from_str(&self.correlation) {
            response.headers_mut().insert(CORRELATION_ID, value);
        }
        response
    }
}
