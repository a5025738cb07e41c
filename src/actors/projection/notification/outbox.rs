//! Messages on their way that no row tells of yet.
//!
//! Rows are what a message costs: one that is sent at once has its row written once, when it is known how
//! far it got. The projection puts messages in, and takes from here how far they got when it writes their
//! rows; meanwhile the courier sends them. What is not sent by then gets its row as it is, with a mark, and
//! is sent from there.
//!
//! ```text
//! FRESH ──take──▶ SENDING ──tried──▶ TRIED
//!   └────────────────┴─────settle──────┴──▶ its row is applied, as far as it got
//! ```
//!
//! **Invariant:** a message leaves only once its row is applied. Whoever of the two fails finds it here, or
//! makes it anew from the journal.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

use super::record::Record;
use crate::{actors::waiting::found, domain::Position};

/// With more messages than this, those that come are sent from their rows.
const MESSAGES_MAX: usize = 4 * 1_024;

/// Messages on their way. Cheap to clone.
#[derive(Clone, Default)]
pub struct Outbox {
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
    /// Whether there may be rows of messages that are to be sent.
    rows_wait: bool,
    /// Whether the projection has begun: before, rows may be of an older format.
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

/// How far the courier is with a message.
#[derive(Clone, Copy, PartialEq, Eq)]
enum SendState {
    Fresh,
    Sending,
    Tried,
}

/// How far the projection is with its row.
#[derive(Clone, Copy, PartialEq, Eq)]
enum RowState {
    None,
    /// What it says is settled; it is on its way to the store.
    Settled,
    Applied,
}

impl Outbox {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.shared.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The projection begins, with all rows up to `stand` applied: it makes what comes after that anew.
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

    /// Whether the projection has begun.
    pub(crate) fn is_open(&self) -> bool {
        self.lock().open
    }

    /// A new message. One that is here already stays as it is.
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

    /// How far a message got: what its row is to say. None if it is not here.
    pub(crate) fn settle(&self, position: Position) -> Option<Record> {
        let mut inner = self.lock();
        let message = inner.messages.get_mut(&position)?;
        message.row = RowState::Settled;
        Some(message.record.clone())
    }

    /// The rows of all that was settled are applied; whether some of them are of messages to be sent.
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

    /// The courier begins: what it had taken before may not have been sent.
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

    /// Whether there may be rows of messages that are to be sent; from now on there are none, unless the
    /// projection writes some, or the courier [says](Self::rows_still_wait) that there are more.
    pub(crate) fn take_rows_wait(&self) -> bool {
        std::mem::take(&mut self.lock().rows_wait)
    }

    /// There may be more such rows.
    pub(crate) fn rows_still_wait(&self) {
        self.lock().rows_wait = true;
    }

    /// The oldest fresh messages, at most `max`: the courier is about to send them.
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

    /// The courier has tried to send a message: `record` says how far it got. Answers whether it has a row
    /// that says otherwise.
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

    /// Returns once none of these rows is on its way to the store any more.
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

    /// Returns when there is something new to send.
    pub(crate) async fn news(&self) {
        self.shared.news.notified().await;
    }
}

#[cfg(test)]
#[path = "outbox_tests.rs"]
mod tests;
