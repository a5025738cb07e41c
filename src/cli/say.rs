//! What a command says: its result on stdout, how far it has got on stderr.
//!
//! Whoever reads may have gone, or the disk behind stdout be full: that is a failure like any other, and
//! never a panic. Somebody who stopped reading is told nothing more.

use std::{
    fmt, fs,
    io::{self, ErrorKind, Write as _},
    path::Path,
    sync::mpsc::{self, RecvTimeoutError},
    time::Duration,
};

use super::Failure;

/// So long a copy is made without a word, and so long again until the next one.
const SAY_EVERY: Duration = Duration::from_secs(3);

/// The work is done, but its result could not be said.
#[derive(Debug)]
pub(crate) struct Unsaid(pub(crate) io::Error);

impl fmt::Display for Unsaid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "what there is to say cannot be written: {}", self.0)
    }
}

impl std::error::Error for Unsaid {}

impl Unsaid {
    /// Whether that is because nobody reads it: then nobody misses it.
    fn is_for_nobody(&self) -> bool {
        self.0.kind() == ErrorKind::BrokenPipe
    }
}

/// Says this on stdout.
pub(super) fn say(text: impl fmt::Display) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    let said = write!(out, "{text}").and_then(|()| out.flush());
    said.map_err(|error| Unsaid(error).into())
}

/// Says how far long work has got, if anybody hears it.
pub(super) fn tell(line: impl fmt::Display) {
    let _ = writeln!(io::stderr(), "saem: {line}");
}

/// Says why a command failed.
pub(crate) fn tell_failure(failure: &Failure) {
    if !failure.downcast_ref::<Unsaid>().is_some_and(Unsaid::is_for_nobody) {
        tell(failure);
    }
}

/// Does `work`, which fills the directory `to`, and says now and then how far it has got.
pub(super) fn telling<T>(what: &str, to: &Path, work: impl FnOnce() -> T) -> T {
    let (done, ended) = mpsc::channel::<()>();
    let telling = move || {
        while ended.recv_timeout(SAY_EVERY) == Err(RecvTimeoutError::Timeout) {
            tell_progress(what, to);
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(telling);
        let worked = work();
        drop(done);
        worked
    })
}

fn tell_progress(what: &str, to: &Path) {
    let mebibytes = bytes_below(to) / (1_024 * 1_024);
    tell(format_args!("{what}: {mebibytes} MiB so far"));
}

/// How many bytes are in a directory, as far as it can be seen.
fn bytes_below(directory: &Path) -> u64 {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let bytes = entries.map(|entry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => bytes_below(&entry.path()),
        Ok(metadata) => metadata.len(),
        Err(_) => 0,
    });
    bytes.sum()
}

/// The same for work that is waited for.
pub(super) async fn telling_of<F: Future>(what: &str, to: &Path, work: F) -> F::Output {
    let mut work = std::pin::pin!(work);
    loop {
        tokio::select! {
            done = &mut work => return done,
            () = tokio::time::sleep(SAY_EVERY) => tell_progress(what, to),
        }
    }
}
