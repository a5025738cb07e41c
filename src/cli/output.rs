//! Output of commands: results on stdout, progress and errors on stderr.
//!
//! A failed write to stdout is an error like any other, never a panic. A reader that closed the pipe is no
//! error worth a message.

use std::{
    fmt, fs,
    io::{self, ErrorKind, Write as _},
    path::Path,
    time::Duration,
};

use thiserror::Error;

use super::Failure;

/// Interval between progress lines, and delay of the first one.
const PROGRESS_EVERY: Duration = Duration::from_secs(3);

#[derive(Debug, Error)]
#[error("the output cannot be written: {0}")]
pub(crate) struct OutputError(pub(crate) io::Error);

pub(super) fn print(text: impl fmt::Display) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    let written = write!(out, "{text}").and_then(|()| out.flush());
    written.map_err(|error| OutputError(error).into())
}

/// Prints a line on stderr, if that is possible.
pub(super) fn print_progress(line: impl fmt::Display) {
    let _ = writeln!(io::stderr(), "saem: {line}");
}

/// Prints the error of a command on stderr, unless the reader of stdout closed the pipe.
pub(crate) fn print_failure(failure: &Failure) {
    let closed = |OutputError(error): &OutputError| error.kind() == ErrorKind::BrokenPipe;
    if !failure.downcast_ref::<OutputError>().is_some_and(closed) {
        print_progress(failure);
    }
}

/// Runs `work`, which fills directory `to`, and prints every few seconds how much it has written.
pub(super) async fn with_progress<F: Future>(label: &str, to: &Path, work: F) -> F::Output {
    let mut work = std::pin::pin!(work);
    loop {
        tokio::select! {
            result = &mut work => return result,
            () = tokio::time::sleep(PROGRESS_EVERY) => {
                let mebibytes = bytes_below(to) / (1_024 * 1_024);
                print_progress(format_args!("{label}: {mebibytes} MiB so far"));
            }
        }
    }
}

/// Size of all readable files below a directory, in bytes.
fn bytes_below(directory: &Path) -> u64 {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let bytes = entries.map(|entry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => bytes_below(&entry.path()),
        Ok(metadata) => metadata.len(),
        Err(_) => 0,
    });
    bytes.sum()
}
