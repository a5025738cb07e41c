//! Spans for OpenTelemetry, sent to a collector by OTLP over HTTP, configured by the standard environment
//! variables (`docs/logging.md`).
//!
//! Only spans are sent, no log lines. Code elsewhere uses [`super::trace`] and no OpenTelemetry types. A span
//! joins its trace by the correlation, on any thread and at any later time.

use std::{
    cell::Cell,
    env, fmt,
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

use super::context::TraceContext;
use crate::domain::Correlation;

/// Variables that name the collector. Spans are recorded only if one of them is set.
const ENDPOINTS: [&str; 2] = ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"];

pub struct Recording {
    provider: SdkTracerProvider,
}

impl Recording {
    /// Starts recording if the environment names a collector. `client` sends the spans.
    ///
    /// # Errors
    /// One line that names the variable that cannot be used.
    pub fn start(client: reqwest::Client) -> Result<Option<Self>, String> {
        let is = |name: &str, value: &str| env::var(name).is_ok_and(|set| set.eq_ignore_ascii_case(value));
        let asked_for = ENDPOINTS.iter().any(|name| env::var(name).is_ok_and(|set| !set.is_empty()));
        if !asked_for || is("OTEL_SDK_DISABLED", "true") || is("OTEL_TRACES_EXPORTER", "none") {
            return Ok(None);
        }
        let wrong = |error: &dyn fmt::Display| format!("bad setting: {}: {error}", ENDPOINTS[0]);
        let client = SpanClient::new(client).map_err(|error| wrong(&error))?;
        let exporter = SpanExporter::builder().with_http().with_http_client(client).build();
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter.map_err(|error| wrong(&error))?)
            .with_id_generator(Ids(RandomIdGenerator::default()))
            .with_sampler(Box::new(Sampler(Config::default().sampler)) as Box<dyn ShouldSample>)
            .with_resource(resource())
            .build();
        Ok(Some(Self { provider }))
    }

    /// Subscriber layer that records the spans of this crate.
    pub fn layer(&self) -> impl Layer<Registry> + Send + Sync + use<> {
        let saem_spans = filter_fn(|metadata| metadata.is_span() && metadata.target().starts_with("saem"));
        tracing_opentelemetry::layer()
            .with_tracer(self.provider.tracer("saem"))
            .with_location(false)
            .with_threads(false)
            .with_tracked_inactivity(false)
            .with_filter(saem_spans.with_max_level_hint(LevelFilter::DEBUG))
    }

    /// Sends the remaining spans and stops recording.
    pub fn end(self) {
        if let Err(error) = self.provider.shutdown() {
            warn!(%error, "the last spans could not be sent");
        }
    }
}

/// Resource attributes. The environment overrides the service name.
fn resource() -> Resource {
    let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
    let resource = Resource::builder().with_attribute(version);
    let named = env::var("OTEL_SERVICE_NAME").is_ok_and(|name| !name.is_empty())
        || env::var("OTEL_RESOURCE_ATTRIBUTES").is_ok_and(|set| set.contains("service.name="));
    if named { resource.build() } else { resource.with_service_name("saem").build() }
}

thread_local! {
    /// Passes the kind of the span being started to [`Ids`] and [`Sampler`], which get no span.
    static STARTING: Cell<Option<SpanStart>> = const { Cell::new(None) };
}

#[derive(Clone, Copy)]
enum SpanStart {
    /// First span of a trace, with the ids that it must get.
    Root(TraceContext),
    /// Span that joins a trace of which the sampling decision is unknown.
    Resumed,
}

/// Starts a span: this assigns its id and decides whether it is sampled.
fn start(span: &Span, kind: Option<SpanStart>) -> SpanContext {
    STARTING.set(kind);
    let context = span.context().span().span_context().clone();
    STARTING.set(None);
    context
}

/// Generates ids: from the correlation for the first span of a trace, random ones for all others.
#[derive(Debug)]
struct Ids(RandomIdGenerator);

impl IdGenerator for Ids {
    fn new_trace_id(&self) -> TraceId {
        match STARTING.get() {
            Some(SpanStart::Root(context)) => TraceId::from(context.correlation.0),
            _ => self.0.new_trace_id(),
        }
    }

    fn new_span_id(&self) -> SpanId {
        match STARTING.get() {
            Some(SpanStart::Root(context)) => SpanId::from(context.span),
            _ => self.0.new_span_id(),
        }
    }
}

/// Samples as configured in the environment. A resumed span is sampled without a parent, by its trace id,
/// and so gets the same decision as the first span of its trace.
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
        let parent = if matches!(STARTING.get(), Some(SpanStart::Resumed)) { None } else { parent };
        self.0.should_sample(parent, with_random_low_bits(trace), name, kind, attributes, links)
    }
}

/// Trace id for ratio sampling, which compares the last eight bytes with a threshold. A correlation id made
/// here is a UUID of version 8, whose variant fixes the two highest bits of these bytes: rotate them away.
fn with_random_low_bits(trace: TraceId) -> TraceId {
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

/// Makes `span` a child of `parent`, unless the surrounding span is in the same trace already. A surrounding
/// span of another trace is linked: a cancel request has its own trace, and the work that follows from it
/// belongs to the rental's trace.
pub(crate) fn join(span: Span, parent: TraceContext) -> Span {
    if span.is_disabled() {
        return span;
    }
    let surrounding = Span::current().context().span().span_context().clone();
    if surrounding.trace_id() == TraceId::from(parent.correlation.0) {
        return span;
    }
    // Fails only for spans that are not recorded.
    let _ = span.set_parent(remote(parent));
    if surrounding.is_valid() {
        span.add_link(surrounding);
    }
    start(&span, parent.sampled.is_none().then_some(SpanStart::Resumed));
    span
}

/// Starts a request's span and returns its context. With `continued`, `from` is the caller's span and
/// becomes the parent; otherwise `from` is the context of the span itself, which begins the trace.
pub(crate) fn start_request(span: &Span, from: TraceContext, continued: bool) -> TraceContext {
    if continued {
        let _ = span.set_parent(remote(from));
        start(span, None);
    } else {
        start(span, Some(SpanStart::Root(from)));
    }
    context_of(span, from)
}

/// Context of `span` if it is recorded, else `fallback`.
pub(crate) fn context_of(span: &Span, fallback: TraceContext) -> TraceContext {
    let context = span.context().span().span_context().clone();
    let correlation = Correlation(u128::from_be_bytes(context.trace_id().to_bytes()));
    if correlation != fallback.correlation {
        return fallback;
    }
    let span = u64::from_be_bytes(context.span_id().to_bytes());
    TraceContext { correlation, span, sampled: Some(context.is_sampled()) }
}

/// Adds the response's status and route to a request's span.
pub(crate) fn record_response(span: &Span, status: u16, route: impl FnOnce() -> Option<String>) {
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

/// HTTP client of the exporter. It has its own runtime and runs on the thread of the batch processor, so that
/// the last batch can be sent after the server's runtime has ended.
#[derive(Debug)]
struct SpanClient {
    client: reqwest::Client,
    runtime: Runtime,
    /// True if the last batch was sent. Only changes are logged.
    sending: AtomicBool,
}

impl SpanClient {
    fn new(client: reqwest::Client) -> std::io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(Self { client, runtime, sending: AtomicBool::new(true) })
    }

    fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let request = reqwest::Request::try_from(request)?;
        let (status, body) = self.runtime.block_on(async {
            let answer = self.client.execute(request).await.map_err(reqwest::Error::without_url)?;
            let answer = answer.error_for_status().map_err(reqwest::Error::without_url)?;
            Ok::<_, reqwest::Error>((answer.status(), answer.bytes().await?))
        })?;
        Ok(Response::builder().status(status).body(body)?)
    }
}

impl HttpClient for SpanClient {
    fn send_bytes<'a, 'sending>(
        &'a self,
        request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'sending>>
    where
        'a: 'sending,
        Self: 'sending,
    {
        Box::pin(async move {
            let response = self.send(request);
            let sent = response.is_ok();
            if self.sending.swap(sent, Ordering::Relaxed) != sent {
                match &response {
                    Ok(_) => tracing::info!("spans are sent to the collector again"),
                    Err(error) => warn!(%error, "spans cannot be sent to the collector and are dropped"),
                }
            }
            response
        })
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry_sdk::trace::{Sampler as Ratio, SamplingDecision};

    use super::*;

    #[test]
    fn ratio_sampling_keeps_its_ratio_for_local_correlation_ids() {
        let sampler = Sampler(Box::new(Ratio::ParentBased(Box::new(Ratio::TraceIdRatioBased(0.1)))));
        // Well-mixed bits, in the form of a UUID of version 8.
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
