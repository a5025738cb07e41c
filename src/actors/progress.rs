//! How far a consumer of the journal got: watched in memory, and stored lazily as its cursor.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use tokio::sync::watch;

use super::watchdog::Pulse;
use crate::{
    domain::Position,
    store::{Journal, StoreError, ViewWrite, codec},
};

/// How far a consumer got, for all to see and to wait for.
pub struct Progress {
    position: watch::Sender<Position>,
    /// What somebody waits for.
    wanted: watch::Sender<Position>,
    begun_anew: AtomicBool,
    pulse: Pulse,
}

impl Default for Progress {
    fn default() -> Self {
        Self {
            position: watch::Sender::default(),
            wanted: watch::Sender::default(),
            begun_anew: AtomicBool::new(false),
            pulse: Pulse::default(),
        }
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
        raise(&self.position, position);
    }

    /// Whether it may begin anew by itself: once, as long as the process lives.
    #[must_use]
    pub fn may_begin_anew(&self) -> bool {
        !self.begun_anew.swap(true, Ordering::Relaxed)
    }

    /// How far it got.
    #[must_use]
    pub fn position(&self) -> Position {
        *self.position.borrow()
    }

    /// Returns once everything up to `position` is handled.
    pub async fn at(&self, position: Position) {
        if self.position() >= position {
            return;
        }
        raise(&self.wanted, position);
        // The senders are this struct's own: waiting cannot fail while `self` is borrowed.
        let _ = self.position.subscribe().wait_for(|reached| *reached >= position).await;
    }

    /// Returns once somebody waits for more than what is handled up to `position`.
    pub async fn wanted_beyond(&self, position: Position) {
        let _ = self.wanted.subscribe().wait_for(|wanted| *wanted > position).await;
    }
}

fn raise(watched: &watch::Sender<Position>, to: Position) {
    watched.send_if_modified(|position| {
        let further = to > *position;
        *position = to.max(*position);
        further
    });
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
