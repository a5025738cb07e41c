//! Outbox: new messages whose rows are not applied yet.
//!
//! Writes are what a message costs: the row of a message that is sent at once is written only once, with its
//! final status. The projection puts messages in; the courier sends them meanwhile; and the projection takes
//! their status from here when it writes their rows. A message that is not sent by then is written as
//! pending, and is sent from its row.
//!
//! ```text
//! FRESH ──take──▶ SENDING ──tried──▶ TRIED
//!   └────────────────┴─────settle──────┴──▶ its row is applied, with this status
//! ```
//!
//! **Invariant:** a message is removed only after its row was applied. If projection or courier fail, the
//! message is still here, or is made again from the journal.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

use super::record::Record;
use crate::{actors::waiting::found, domain::Position};

/// Maximum number of messages; further ones are sent from their rows.
const MESSAGES_MAX: usize = 4 * 1_024;

#[derive(Clone, Default)]
pub(crate) struct Outbox {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    inner: Mutex<Inner>,
    news: Notify,
    applied: Notify,
}

struct Inner {
    messages: BTreeMap<Position, OutboxMessage>,
    rows_wait: bool,
    /// True once the projection has begun; before, rows may be of an older format.
    open: bool,
}

impl Default for Inner {
    fn default() -> Self {
        Self { messages: BTreeMap::new(), rows_wait: true, open: false }
    }
}

struct OutboxMessage {
    record: Record,
    stage: SendState,
    row: RowState,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum SendState {
    Fresh,
    Sending,
    Tried,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum RowState {
    None,
    /// The status is taken; the row is being applied.
    Settled,
    Applied,
}

impl Outbox {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.shared.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Called when the projection begins at `stand`: it folds all later events again.
    pub(crate) fn opened(&self, stand: Position) {
        let mut inner = self.lock();
        inner.messages.retain(|position, message| {
            message.row = if *position <= stand { RowState::Applied } else { RowState::None };
            message.row == RowState::None || message.stage == SendState::Sending
        });
        (inner.rows_wait, inner.open) = (true, true);
        drop(inner);
        self.shared.news.notify_one();
        self.shared.applied.notify_waiters();
    }

    pub(crate) fn is_open(&self) -> bool {
        self.lock().open
    }

    pub(crate) fn add(&self, position: Position, record: &Record) {
        let mut inner = self.lock();
        if inner.messages.len() < MESSAGES_MAX {
            let message =
                || OutboxMessage { record: record.clone(), stage: SendState::Fresh, row: RowState::None };
            inner.messages.entry(position).or_insert_with(message);
            drop(inner);
            self.shared.news.notify_one();
        }
    }

    /// Returns the message as its row is to be written; `None` if it is not here.
    pub(crate) fn settle(&self, position: Position) -> Option<Record> {
        let mut inner = self.lock();
        let message = inner.messages.get_mut(&position)?;
        message.row = RowState::Settled;
        Some(message.record.clone())
    }

    /// Called when all settled rows are applied; `rows_wait` says whether some are pending.
    pub(crate) fn applied(&self, rows_wait: bool) {
        let mut inner = self.lock();
        inner.messages.retain(|_, message| {
            if message.row == RowState::Settled {
                message.row = RowState::Applied;
            }
            message.row == RowState::None || message.stage == SendState::Sending
        });
        inner.rows_wait |= rows_wait;
        drop(inner);
        self.shared.news.notify_one();
        self.shared.applied.notify_waiters();
    }

    /// Called when the courier begins: messages that it had taken may not have been sent.
    pub(crate) fn courier_begins(&self) {
        let mut inner = self.lock();
        inner.messages.retain(|_, message| {
            if message.stage == SendState::Sending {
                message.stage =
                    if message.row == RowState::None { SendState::Fresh } else { SendState::Tried };
            }
            message.row != RowState::Applied
        });
        inner.rows_wait = true;
    }

    /// Returns and clears whether there may be rows of pending messages.
    pub(crate) fn take_rows_wait(&self) -> bool {
        std::mem::take(&mut self.lock().rows_wait)
    }

    pub(crate) fn rows_still_wait(&self) {
        self.lock().rows_wait = true;
    }

    pub(crate) fn take(&self, max: usize) -> Vec<(Position, Record)> {
        let mut inner = self.lock();
        let fresh =
            inner.messages.iter_mut().filter(|(_, m)| m.stage == SendState::Fresh && m.row == RowState::None);
        let taken = fresh.take(max).map(|(position, message)| {
            message.stage = SendState::Sending;
            (*position, message.record.clone())
        });
        taken.collect()
    }

    /// Records the status after an attempt to send. Returns whether a row with another status exists.
    pub(crate) fn tried(&self, position: Position, record: &Record) -> bool {
        let mut inner = self.lock();
        let Some(message) = inner.messages.get_mut(&position) else { return true };
        message.stage = SendState::Tried;
        message.record = record.clone();
        if message.row == RowState::Applied {
            inner.messages.remove(&position);
            return true;
        }
        message.row == RowState::Settled
    }

    /// Waits until none of these rows is being applied.
    pub(crate) async fn are_applied(&self, positions: &[Position]) {
        let settled = |inner: &Inner, position| {
            inner.messages.get(position).is_some_and(|message| message.row == RowState::Settled)
        };
        found(&self.shared.applied, || {
            let inner = self.lock();
            (!positions.iter().any(|position| settled(&inner, position))).then_some(())
        })
        .await;
    }

    pub(crate) async fn news(&self) {
        self.shared.news.notified().await;
    }
}

#[cfg(test)]
#[path = "outbox_tests.rs"]
mod tests;
