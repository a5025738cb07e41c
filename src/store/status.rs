//! How a durable store fares: what whoever writes, reads and asks shares, whatever the backend.

use std::{
    path::PathBuf,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::sync::watch;

use super::{StoreFigures, files, room::Room, tail::Tail};
use crate::{
    domain::Position,
    telemetry::metrics::{Counter, Histogram},
};

/// How a store fares.
pub(super) struct Status {
    pub directory: PathBuf,
    pub room: Room,
    pub tail: Tail,
    pub head: watch::Sender<Position>,
    pub done: Done,
    poisoned: Mutex<Option<String>>,
    /// How often the writer has looked for something to do.
    turns: AtomicU64,
}

impl Status {
    /// That of a store which was just opened.
    pub(super) fn new(directory: PathBuf, min_free_bytes: u64, head: Position) -> Self {
        Self {
            room: Room::new(directory.clone(), min_free_bytes),
            directory,
            tail: Tail::after(head),
            head: watch::Sender::new(head),
            done: Done::default(),
            poisoned: Mutex::default(),
            turns: AtomicU64::new(0),
        }
    }

    /// Why nothing is written until the store is opened anew, if that is so.
    pub(super) fn poisoned(&self) -> Option<String> {
        self.poisoned.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn poison(&self, reason: &str) {
        let mut poisoned = self.poisoned.lock().unwrap_or_else(PoisonError::into_inner);
        poisoned.get_or_insert_with(|| reason.to_owned());
    }

    pub(super) fn health(&self) -> Result<(), String> {
        self.poisoned().or_else(|| self.room.shortage()).map_or(Ok(()), Err)
    }

    /// The writer looks for something to do.
    pub(super) fn turn(&self) {
        self.turns.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn turns(&self) -> u64 {
        self.turns.load(Ordering::Relaxed)
    }

    /// What was done so far. Reads the disk.
    pub(super) fn figures(&self) -> StoreFigures {
        StoreFigures {
            bytes: files::size(&self.directory).ok(),
            free_bytes: self.room.free_bytes(),
            ..self.done.so_far()
        }
    }
}

/// What the writer has done.
pub(super) struct Done {
    commits: Counter,
    batches: Histogram,
    syncs: Histogram,
}

impl Default for Done {
    fn default() -> Self {
        Self {
            commits: Counter::default(),
            batches: Histogram::new(&[0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 1_024.0]),
            syncs: Histogram::new(&[0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0]),
        }
    }
}

impl Done {
    /// So many commits are on disk, and that took so long.
    pub(super) fn synced(&self, commits: u64, within: Duration) {
        self.commits.add(commits);
        self.batches.observe(commits as f64);
        self.syncs.observe_duration(within);
    }

    fn so_far(&self) -> StoreFigures {
        let Self { commits, batches, syncs } = self;
        let (commits, batches, syncs) = (commits.get(), batches.snapshot(), syncs.snapshot());
        StoreFigures { commits, batches, syncs, ..StoreFigures::default() }
    }
}
