//! State of a durable store that its writer, its readers and its callers share.

use std::{
    path::PathBuf,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::sync::watch;

use super::{StoreFigures, files, space::DiskSpace, tail::Tail};
use crate::{
    domain::Position,
    telemetry::metrics::{Counter, Histogram},
};

pub(super) struct Status {
    pub directory: PathBuf,
    pub space: DiskSpace,
    pub tail: Tail,
    pub head: watch::Sender<Position>,
    pub metrics: WriterMetrics,
    poisoned: Mutex<Option<String>>,
    /// Number of times that the writer has looked for requests.
    turns: AtomicU64,
}

impl Status {
    pub(super) fn new(directory: PathBuf, min_free_bytes: u64, head: Position) -> Self {
        Self {
            space: DiskSpace::new(directory.clone(), min_free_bytes),
            directory,
            tail: Tail::after(head),
            head: watch::Sender::new(head),
            metrics: WriterMetrics::default(),
            poisoned: Mutex::default(),
            turns: AtomicU64::new(0),
        }
    }

    /// Reason why the store takes no writes until it is reopened; none if it does.
    pub(super) fn poisoned(&self) -> Option<String> {
        self.poisoned.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn poison(&self, reason: &str) {
        let mut poisoned = self.poisoned.lock().unwrap_or_else(PoisonError::into_inner);
        poisoned.get_or_insert_with(|| reason.to_owned());
    }

    pub(super) fn health(&self) -> Result<(), String> {
        self.poisoned().or_else(|| self.space.shortage()).map_or(Ok(()), Err)
    }

    pub(super) fn turn(&self) {
        self.turns.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn turns(&self) -> u64 {
        self.turns.load(Ordering::Relaxed)
    }

    /// Reads the size of the store from disk.
    pub(super) fn figures(&self) -> StoreFigures {
        let WriterMetrics { commits, batches, syncs } = &self.metrics;
        StoreFigures {
            commits: commits.get(),
            batches: batches.snapshot(),
            syncs: syncs.snapshot(),
            bytes: files::size(&self.directory).ok(),
            free_bytes: self.space.free_bytes(),
        }
    }
}

pub(super) struct WriterMetrics {
    commits: Counter,
    batches: Histogram,
    syncs: Histogram,
}

impl Default for WriterMetrics {
    fn default() -> Self {
        Self {
            commits: Counter::default(),
            batches: Histogram::new(&[0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 1_024.0]),
            syncs: Histogram::new(&[0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0]),
        }
    }
}

impl WriterMetrics {
    /// Records a batch that was made durable.
    pub(super) fn synced(&self, commits: u64, took: Duration) {
        self.commits.add(commits);
        self.batches.observe(commits as f64);
        self.syncs.observe_duration(took);
    }
}
