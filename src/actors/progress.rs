//! Progress of a consumer of the journal: watched in memory, and stored from time to time as its cursor.

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use tokio::sync::Notify;

use super::{supervision::watchdog::Pulse, waiting::found};
use crate::{
    domain::Position,
    store::{Journal, StoreError, codec},
};

#[derive(Default)]
pub(crate) struct Progress {
    position: Watermark,
    /// Highest position that a reader waits for.
    wanted: Watermark,
    rebuilt: AtomicBool,
    /// Damaged record that the consumer cannot get past.
    damage: OnceLock<String>,
    damage_found: Notify,
    pulse: Pulse,
}

/// A position that only grows, and can be waited for.
#[derive(Default)]
struct Watermark {
    position: AtomicU64,
    raised: Notify,
}

impl Watermark {
    fn get(&self) -> Position {
        Position(self.position.load(Ordering::Acquire))
    }

    fn raise(&self, to: Position) {
        if self.position.fetch_max(to.0, Ordering::AcqRel) < to.0 {
            self.raised.notify_waiters();
        }
    }

    async fn at(&self, position: Position) {
        found(&self.raised, || (self.get() >= position).then_some(())).await;
    }
}

impl Progress {
    /// Pulse of the consumer; it also beats for work that fails.
    pub(crate) const fn pulse(&self) -> &Pulse {
        &self.pulse
    }

    pub(crate) fn reached(&self, position: Position) {
        self.pulse.beat();
        self.position.raise(position);
    }

    /// Returns `true` once per process: the consumer may then rebuild its rows.
    pub(crate) fn may_rebuild(&self) -> bool {
        !self.rebuilt.swap(true, Ordering::Relaxed)
    }

    pub(crate) fn damaged(&self, what: &str) {
        // The first record is reported.
        let _ = self.damage.set(what.to_owned());
        self.damage_found.notify_waiters();
    }

    /// Like [`Self::at`], but returns [`StoreError::Corrupt`] if a damaged record is in the way.
    pub(crate) async fn at_or_damaged(&self, position: Position) -> Result<(), StoreError> {
        tokio::select! {
            biased;
            () = self.at(position) => Ok(()),
            what = found(&self.damage_found, || self.damage.get().cloned()) => Err(StoreError::Corrupt(what)),
        }
    }

    pub(crate) fn position(&self) -> Position {
        self.position.get()
    }

    pub(crate) async fn at(&self, position: Position) {
        if self.position() >= position {
            return;
        }
        self.wanted.raise(position);
        self.position.at(position).await;
    }

    /// Waits until a reader waits for a position beyond this one.
    pub(crate) async fn wanted_beyond(&self, position: Position) {
        self.wanted.at(Position(position.0.saturating_add(1))).await;
    }
}

pub(crate) struct Cursor {
    journal: Arc<dyn Journal>,
    key: Vec<u8>,
}

impl Cursor {
    pub(crate) fn new(journal: Arc<dyn Journal>, name: &str) -> Self {
        Self { journal, key: format!("cursor/{name}").into_bytes() }
    }

    pub(crate) async fn load(&self) -> Result<Option<Position>, StoreError> {
        let row = self.journal.view_get(self.key.clone()).await?;
        row.map(|row| codec::decode(&row)).transpose()
    }

    pub(crate) async fn store(&self, position: Position) -> Result<(), StoreError> {
        let write = (self.key.clone(), Some(codec::encode(&position)?));
        self.journal.view_apply(vec![write]).await
    }
}
