//! Logging to stderr: text on a terminal, JSON lines elsewhere (`docs/logging.md`).

use std::{
    backtrace::{Backtrace, BacktraceStatus},
    io::{self, IsTerminal as _},
    panic,
};

use saem::internal::store::panic_is_expected;
#[cfg(feature = "otlp")]
use saem::internal::telemetry::Recording;
use tracing::{Subscriber, debug, error, field::display};
use tracing_subscriber::{
    EnvFilter, Layer, filter::ParseError, layer::SubscriberExt as _, registry::LookupSpan,
    util::SubscriberInitExt as _,
};

use super::Failure;

/// Filter unless `SAEM_LOG` or `RUST_LOG` is set.
const DEFAULT_FILTER: &str = "info,actix_server=warn";

#[must_use]
pub(crate) struct Log {
    #[cfg(feature = "otlp")]
    spans: Option<Recording>,
}

/// Installs the log subscriber and the panic hook.
pub(crate) fn start() -> Result<Log, Failure> {
    let directives = ["SAEM_LOG", "RUST_LOG"].into_iter().find_map(|name| std::env::var(name).ok());
    let filter = EnvFilter::builder()
        .parse(directives.as_deref().unwrap_or(DEFAULT_FILTER))
        .map_err(|error: ParseError| format!("bad setting: SAEM_LOG: {error}"))?;
    let log = start_with(filter)?;
    panic::set_hook(Box::new(log_panic));
    Ok(log)
}

#[cfg(not(feature = "otlp"))]
fn start_with(filter: EnvFilter) -> Result<Log, Failure> {
    tracing_subscriber::registry().with(filter).with(lines()).init();
    if std::env::var_os("OTEL_EXPORTER_OTLP_ENDPOINT").is_some() {
        tracing::warn!("OTEL_EXPORTER_OTLP_ENDPOINT is set, but this server was built without feature otlp");
    }
    Ok(Log {})
}

#[cfg(feature = "otlp")]
fn start_with(filter: EnvFilter) -> Result<Log, Failure> {
    let spans = Recording::start(saem::internal::gateways::client()?)?;
    let registry = tracing_subscriber::registry();
    match spans.as_ref().map(Recording::layer) {
        // The log filter must not apply to spans.
        Some(recorded) => registry.with(recorded).with(lines().with_filter(filter)).init(),
        None => registry.with(filter).with(lines()).init(),
    }
    Ok(Log { spans })
}

fn lines<S: Subscriber + for<'a> LookupSpan<'a>>() -> Box<dyn Layer<S> + Send + Sync> {
    // A closed stderr must neither end the server nor keep it from shutting down.
    let lines = tracing_subscriber::fmt::layer().with_writer(io::stderr).log_internal_errors(false);
    if io::stderr().is_terminal() {
        lines.with_target(false).boxed()
    } else {
        lines.json().flatten_event(true).boxed()
    }
}

impl Log {
    pub(crate) fn end(self) {
        #[cfg(feature = "otlp")]
        if let Some(spans) = self.spans {
            spans.end();
        }
    }
}

/// Logs a panic as a regular line: plain text between JSON lines breaks log readers.
fn log_panic(info: &panic::PanicHookInfo<'_>) {
    let payload = info.payload();
    let reason =
        payload.downcast_ref::<&str>().copied().or(payload.downcast_ref::<String>().map(String::as_str));
    let location = info.location().map(display);
    // A damaged file made the backend panic. The store catches that and reports it as an error.
    if panic_is_expected() {
        debug!(location, reason, "an expected panic");
        return;
    }
    let backtrace = Backtrace::capture();
    let backtrace = (backtrace.status() == BacktraceStatus::Captured).then(|| display(backtrace));
    error!(location, backtrace, reason, "a panic");
}
