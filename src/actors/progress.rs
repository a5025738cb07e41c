//! How far a consumer of the journal got: watched in memory, and stored lazily as its cursor.

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use tokio::sync::Notify;

use super::{supervision::watchdog::Pulse, waiting::found};
use crate::{
    domain::Position,
    store::{Journal, StoreError, ViewWrite, codec},
};

/// How far a consumer got, for all to see and to wait for.
#[derive(Default)]
pub struct Progress {
    position: Watermark,
    /// What somebody waits for.
    wanted: Watermark,
    begun_anew: AtomicBool,
    /// What it cannot read, and so does not get past.
    damage: OnceLock<String>,
    told: Notify,
    pulse: Pulse,
}

/// A position that only ever grows, and that can be waited for.
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

    /// Returns once it is at `position`, or further.
    async fn at(&self, position: Position) {
        found(&self.raised, || (self.get() >= position).then_some(())).await;
    }
}

impl Progress {
    /// Beats whenever the consumer gets anything done, be it in vain.
    #[must_use]
    pub const fn pulse(&self) -> &Pulse {
        &self.pulse
    }

    /// Up to `position`, everything is handled.
    pub fn reached(&self, position: Position) {
        self.pulse.beat();
        self.position.raise(position);
    }

    /// Whether it may begin anew by itself: once, as long as the process lives.
    #[must_use]
    pub fn may_begin_anew(&self) -> bool {
        !self.begun_anew.swap(true, Ordering::Relaxed)
    }

    /// It does not get past something that is damaged.
    pub fn damaged(&self, what: &str) {
        // The first time is told.
        let _ = self.damage.set(what.to_owned());
        self.told.notify_waiters();
    }

    /// As [`Self::at`], but for a consumer that has to get there.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when something damaged is in its way.
    pub async fn at_or_damaged(&self, position: Position) -> Result<(), StoreError> {
        tokio::select! {
            biased;
            () = self.at(position) => Ok(()),
            what = found(&self.told, || self.damage.get().cloned()) => Err(StoreError::Corrupt(what)),
        }
    }

    /// How far it got.
    #[must_use]
    pub fn position(&self) -> Position {
        self.position.get()
    }

    /// Returns once everything up to `position` is handled.
    pub async fn at(&self, position: Position) {
        if self.position() >= position {
            return;
        }
        self.wanted.raise(position);
        self.position.at(position).await;
    }

    /// Returns once somebody waits for more than what is handled up to `position`.
    pub async fn wanted_beyond(&self, position: Position) {
        self.wanted.at(Position(position.0.saturating_add(1))).await;
    }
}

/// The stored cursor of a consumer: a row among the views.
pub struct Cursor {
    journal: Arc<dyn Journal>,
    key: Vec<u8>,
}

impl Cursor {
    /// The cursor of the consumer of this name.
    #[must_use]
    pub fn new(journal: Arc<dyn Journal>, name: &str) -> Self {
        Self { journal, key: format!("cursor/{name}").into_bytes() }
    }

    /// Where it was stored last.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn load(&self) -> Result<Option<Position>, StoreError> {
        let row = self.journal.view_get(self.key.clone()).await?;
        row.map(|row| codec::decode(&row)).transpose()
    }

    /// Stores it by itself.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn store(&self, position: Position) -> Result<(), StoreError> {
        let write = self.write(position)?;
        self.journal.view_apply(vec![write]).await
    }

    /// The write that stores it, to go along with what it stands for.
    ///
    /// # Errors
    /// [`StoreError`]
    pub fn write(&self, position: Position) -> Result<ViewWrite, StoreError> {
        Ok((self.key.clone(), Some(codec::encode(&position)?)))
    }
}
