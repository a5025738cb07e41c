//! Spans, recorded by OpenTelemetry and sent to a collector by OTLP over HTTP, as the standard environment
//! variables say (`docs/logging.md`).
//!
//! Spans only: what is logged stays in the log. The rest of the code names none of this. Its spans join a
//! trace by their correlation, on whatever thread, however much later.

use std::{
    cell::Cell,
    env, fmt,
    future::Future,
    pin::Pin,
    sync::atomic::{AtomicBool, Ordering},
};

use opentelemetry::{
    Context, KeyValue,
    trace::{
        Link, SpanContext, SpanId, SpanKind, Status, TraceContextExt as _, TraceFlags, TraceId, TraceState,
        TracerProvider as _,
    },
};
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{SpanExporter, WithHttpConfig as _};
use opentelemetry_sdk::{
    Resource,
    trace::{Config, IdGenerator, RandomIdGenerator, SamplingResult, SdkTracerProvider, ShouldSample},
};
use tokio::runtime::Runtime;
use tracing::{Span, level_filters::LevelFilter, warn};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use tracing_subscriber::{Layer, filter::filter_fn, registry::Registry};

use super::TraceContext;
use crate::domain::Correlation;

/// Where spans are sent, if anywhere: without one of these, none are recorded.
const ENDPOINTS: [&str; 2] = ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"];

/// Recording, until it is ended.
pub struct Recording {
    provider: SdkTracerProvider,
}

impl Recording {
    /// Starts it, if the environment asks for it. What is recorded is sent by `client`.
    ///
    /// # Errors
    /// What is wrong with the environment.
    pub fn start(client: reqwest::Client) -> Result<Option<Self>, String> {
        let is = |name: &str, value: &str| env::var(name).is_ok_and(|set| set.eq_ignore_ascii_case(value));
        let asked_for = ENDPOINTS.iter().any(|name| env::var(name).is_ok_and(|set| !set.is_empty()));
        if !asked_for || is("OTEL_SDK_DISABLED", "true") || is("OTEL_TRACES_EXPORTER", "none") {
            return Ok(None);
        }
        let wrong = |error: &dyn fmt::Display| format!("bad setting: {}: {error}", ENDPOINTS[0]);
        let post = Post::by(client).map_err(|error| wrong(&error))?;
        let exporter = SpanExporter::builder().with_http().with_http_client(post).build();
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter.map_err(|error| wrong(&error))?)
            .with_id_generator(Ids(RandomIdGenerator::default()))
            .with_sampler(Box::new(Sampler(Config::default().sampler)) as Box<dyn ShouldSample>)
            .with_resource(resource())
            .build();
        Ok(Some(Self { provider }))
    }

    /// What makes spans of this crate's spans.
    #[must_use]
    pub fn layer(&self) -> impl Layer<Registry> + Send + Sync + use<> {
        let spans_of_ours = filter_fn(|metadata| metadata.is_span() && metadata.target().starts_with("saem"));
        tracing_opentelemetry::layer()
            .with_tracer(self.provider.tracer("saem"))
            .with_location(false)
            .with_threads(false)
            .with_tracked_inactivity(false)
            .with_filter(spans_of_ours.with_max_level_hint(LevelFilter::DEBUG))
    }

    /// Sends what was recorded last, and ends.
    pub fn end(self) {
        if let Err(error) = self.provider.shutdown() {
            warn!(%error, "the last spans could not be sent");
        }
    }
}

/// Who says all this. What the environment says of it counts more.
fn resource() -> Resource {
    let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
    let resource = Resource::builder().with_attribute(version);
    let named = env::var("OTEL_SERVICE_NAME").is_ok_and(|name| !name.is_empty())
        || env::var("OTEL_RESOURCE_ATTRIBUTES").is_ok_and(|set| set.contains("service.name="));
    if named { resource.build() } else { resource.with_service_name("saem").build() }
}

thread_local! {
    /// How the span that is being started on this thread begins.
    static BEGINNING: Cell<Option<Beginning>> = const { Cell::new(None) };
}

#[derive(Clone, Copy)]
enum Beginning {
    /// With it, a trace begins: these are their ids.
    Trace(TraceContext),
    /// It joins a trace of which nobody knows here whether it is recorded.
    Later,
}

/// Starts a span, so that it has its id, and whether it is recorded is decided.
fn start(span: &Span, beginning: Option<Beginning>) -> SpanContext {
    BEGINNING.set(beginning);
    let context = span.context().span().span_context().clone();
    BEGINNING.set(None);
    context
}

/// Ids from the correlation where a trace begins, random ones elsewhere.
#[derive(Debug)]
struct Ids(RandomIdGenerator);

impl IdGenerator for Ids {
    fn new_trace_id(&self) -> TraceId {
        match BEGINNING.get() {
            Some(Beginning::Trace(context)) => TraceId::from(context.correlation.0),
            _ => self.0.new_trace_id(),
        }
    }

    fn new_span_id(&self) -> SpanId {
        match BEGINNING.get() {
            Some(Beginning::Trace(context)) => SpanId::from(context.span),
            _ => self.0.new_span_id(),
        }
    }
}

/// Decides as the environment says. What joins its trace later is judged as the beginning of the trace was:
/// by the trace's id, which both know.
#[derive(Clone, Debug)]
struct Sampler(Box<dyn ShouldSample>);

impl ShouldSample for Sampler {
    fn should_sample(
        &self,
        parent: Option<&Context>,
        trace: TraceId,
        name: &str,
        kind: &SpanKind,
        attributes: &[KeyValue],
        links: &[Link],
    ) -> SamplingResult {
        let parent = if matches!(BEGINNING.get(), Some(Beginning::Later)) { None } else { parent };
        self.0.should_sample(parent, evened(trace), name, kind, attributes, links)
    }
}

/// An id by whose last eight bytes a share of all can be told. A correlation that was made here is a UUID
/// of version 8: two bits of these bytes are always the same, the ones that count most.
fn evened(trace: TraceId) -> TraceId {
    let bits = u128::from_be_bytes(trace.to_bytes());
    let (high, low) = ((bits >> 64) as u64, bits as u64);
    let made_here = high >> 12 & 0xf == 8 && low >> 62 == 0b10;
    if made_here { TraceId::from(u128::from(high) << 64 | u128::from(low.rotate_left(8))) } else { trace }
}

fn remote(context: TraceContext) -> Context {
    let flags = TraceFlags::default().with_sampled(context.sampled.unwrap_or(true));
    let (trace, span) = (TraceId::from(context.correlation.0), SpanId::from(context.span));
    Context::new().with_remote_span_context(SpanContext::new(trace, span, flags, true, TraceState::NONE))
}

/// Has `span` belong to this place, unless it is in the same trace already. What it is then taken out of is
/// linked to it: a cancel's request has a trace of its own, what comes of it is the rental's.
pub(super) fn join(span: &Span, to: TraceContext) {
    if span.is_disabled() {
        return;
    }
    let around = Span::current().context().span().span_context().clone();
    if around.trace_id() == TraceId::from(to.correlation.0) {
        return;
    }
    // It fails where nothing is recorded: then it does not matter.
    let _ = span.set_parent(remote(to));
    if around.is_valid() {
        span.add_link(around);
    }
    start(span, to.sampled.is_none().then_some(Beginning::Later));
}

/// Has a request's span continue the caller's trace, or begin one. Answers its place.
pub(super) fn begin(span: &Span, from: TraceContext, continued: bool) -> TraceContext {
    if continued {
        let _ = span.set_parent(remote(from));
        start(span, None);
    } else {
        start(span, Some(Beginning::Trace(from)));
    }
    place_of(span, from)
}

/// The place of `span`, if it is recorded.
pub(super) fn place_of(span: &Span, otherwise: TraceContext) -> TraceContext {
    let context = span.context().span().span_context().clone();
    let correlation = Correlation(u128::from_be_bytes(context.trace_id().to_bytes()));
    if correlation != otherwise.correlation {
        return otherwise;
    }
    let span = u64::from_be_bytes(context.span_id().to_bytes());
    TraceContext { correlation, span, sampled: Some(context.is_sampled()) }
}

/// Says how a request was answered, by which route.
pub(super) fn answered(span: &Span, status: u16, route: impl FnOnce() -> Option<String>) {
    let context = span.context();
    let recorded = context.span();
    if !recorded.is_recording() {
        return;
    }
    recorded.set_attribute(KeyValue::new("http.response.status_code", i64::from(status)));
    if let Some(route) = route() {
        recorded.update_name(route.clone());
        recorded.set_attribute(KeyValue::new("http.route", route));
    }
    if status >= 500 {
        recorded.set_status(Status::error(""));
    }
}

/// Sends batches: on the thread of whoever batches them, with a runtime of its own, so that the last one is
/// sent when all else has ended.
struct Post {
    client: reqwest::Client,
    runtime: Runtime,
    /// Whether the last one arrived: that it does not is said once.
    arriving: AtomicBool,
}

impl Post {
    fn by(client: reqwest::Client) -> std::io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(Self { client, runtime, arriving: AtomicBool::new(true) })
    }

    fn post(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let request = reqwest::Request::try_from(request)?;
        let (status, body) = self.runtime.block_on(async {
            let answer = self.client.execute(request).await.map_err(reqwest::Error::without_url)?;
            let answer = answer.error_for_status().map_err(reqwest::Error::without_url)?;
            Ok::<_, reqwest::Error>((answer.status(), answer.bytes().await?))
        })?;
        Ok(Response::builder().status(status).body(body)?)
    }
}

impl fmt::Debug for Post {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Post")
    }
}

impl HttpClient for Post {
    fn send_bytes<'a, 'sending>(
        &'a self,
        request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'sending>>
    where
        'a: 'sending,
        Self: 'sending,
    {
        Box::pin(async move {
            let answer = self.post(request);
            let arrived = answer.is_ok();
            if self.arriving.swap(arrived, Ordering::Relaxed) != arrived {
                match &answer {
                    Ok(_) => tracing::info!("spans arrive at the collector again"),
                    Err(error) => warn!(%error, "spans do not arrive at the collector, and are lost"),
                }
            }
            answer
        })
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry_sdk::trace::{Sampler as Ratio, SamplingDecision};

    use super::*;

    #[test]
    fn a_tenth_of_the_traces_that_begin_here_is_a_tenth() {
        let sampler = Sampler(Box::new(Ratio::ParentBased(Box::new(Ratio::TraceIdRatioBased(0.1)))));
        // Random bits as good as any, in the form of a UUID of version 8.
        let made_here = |n: u128| {
            let bits = n.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
            bits & !(0xf << 76 | 3 << 62) | 8 << 76 | 2 << 62
        };
        let sampled = (1..10_000).filter(|n| {
            let trace = TraceId::from(made_here(*n));
            let result = sampler.should_sample(None, trace, "", &SpanKind::Internal, &[], &[]);
            result.decision == SamplingDecision::RecordAndSample
        });
        let sampled = sampled.count();
        assert!((800..1_200).contains(&sampled), "{sampled}");
    }
}
