//! The log: to stderr, for people on a terminal, as JSON lines elsewhere (`docs/logging.md`).

use std::{backtrace::Backtrace, backtrace::BacktraceStatus, io, io::IsTerminal as _, panic};

use tracing::{error, field::display};
use tracing_subscriber::{EnvFilter, filter::ParseError};

use super::Failure;

/// What is logged unless `SAEM_LOG` or `RUST_LOG` says otherwise.
const DEFAULT: &str = "info,actix_server=warn";

/// Starts it.
pub(crate) fn start() -> Result<(), Failure> {
    let directives = ["SAEM_LOG", "RUST_LOG"].into_iter().find_map(|name| std::env::var(name).ok());
    let filter = EnvFilter::builder()
        .parse(directives.as_deref().unwrap_or(DEFAULT))
        .map_err(|error: ParseError| format!("bad setting: SAEM_LOG: {error}"))?;
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    // Whoever read stderr may be gone: that must neither end the server nor keep it from ending.
    let log = log.log_internal_errors(false);
    if io::stderr().is_terminal() {
        log.with_target(false).init();
    } else {
        log.json().flatten_event(true).init();
    }
    panic::set_hook(Box::new(log_panic));
    Ok(())
}

/// A panic is a line like any other: what reads JSON lines trips over plain text between them.
fn log_panic(info: &panic::PanicHookInfo<'_>) {
    let words = info.payload();
    let reason = words.downcast_ref::<&str>().copied().or(words.downcast_ref::<String>().map(String::as_str));
    let location = info.location().map(display);
    let backtrace = Backtrace::capture();
    let backtrace = (backtrace.status() == BacktraceStatus::Captured).then(|| display(backtrace));
    error!(location, backtrace, reason, "a panic");
}
