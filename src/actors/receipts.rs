//! Receipts: results of requests with an `Idempotency-Key`, so that a repeated request happens once and gets
//! the same answer.
//!
//! A receipt is a record of the vault, under the day and the hash of its key. If a request is one command to
//! one entity, its receipt is part of that command's commit: either both are on disk, or neither is. A
//! receipt holds no personal data.
//!
//! **Invariant:** from [`Receipts::begin`] until the request's result is decided, its key is marked as in
//! use, in memory. The [`KeyGuard`] travels with the command, so it stays if the caller goes away.
//!
//! A receipt is kept for at least 24 hours: it is found on the day it was written and on the next, and swept
//! after that.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{request::RequestKey, sources::Sources, vault::sweep_regularly};
use crate::{
    domain::{EntityId, Journaled, RentalId, Timestamp, payment::Attempt},
    store::{CommitError, Journal, StoreError, VaultWrite, codec},
};

const RECEIPTS: &str = "receipt/";
const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ReceiptError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the first request with this Idempotency-Key is still running")]
    InProgress,
    #[error("this Idempotency-Key was used for another request")]
    Reused,
}

/// Result of a request with a key. Stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    pub fingerprint: [u8; 16],
    pub at: Timestamp,
    pub outcome: ReceiptOutcome,
}

/// Result of a request. Stored: append variants only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReceiptOutcome {
    State {
        entity: EntityId,
        /// State after the decision, written by [`codec::encode_snapshot`].
        snapshot: Vec<u8>,
    },
    /// A payment attempt began; its end is in the rental's timeline.
    Attempt { rental: RentalId, attempt: Attempt },
    Session {
        /// Input of the token, beside the key.
        nonce: [u8; 16],
    },
    /// Other work was done; this is its answer.
    Answer(Vec<u8>),
}

impl ReceiptOutcome {
    /// Returns the entity that decided, and its state after that.
    pub fn state<A: Journaled>(&self) -> Result<(EntityId, A), StoreError> {
        match self {
            Self::State { entity, snapshot } if entity.kind == A::KIND => {
                Ok((*entity, codec::decode_snapshot(snapshot)?))
            }
            _ => Err(Receipt::of_something_else()),
        }
    }
}

impl Receipt {
    /// Error for a receipt that cannot be this request's, whose hash covers method and path.
    pub(crate) fn of_something_else() -> StoreError {
        StoreError::Corrupt("a receipt is about something else".to_owned())
    }
}

pub(crate) struct Receipts {
    journal: Arc<dyn Journal>,
    sources: Sources,
    /// Fingerprints by hash.
    running: Mutex<HashMap<u128, [u8; 16]>>,
    /// Newest day seen: a clock that is set back must not hide new receipts.
    newest_day: AtomicU64,
}

pub(crate) enum KeyLookup {
    /// The request is the first with its key, or has none.
    New(KeyGuard),
    /// An earlier request with this key and body has a receipt.
    Seen(Receipt),
}

/// Marks a key as in use until the last clone is dropped; empty for a request without a key.
#[derive(Clone)]
pub(crate) struct KeyGuard(Option<Arc<KeyInUse>>);

struct KeyInUse {
    key: RequestKey,
    receipts: Arc<Receipts>,
}

impl Drop for KeyInUse {
    fn drop(&mut self) {
        self.receipts.lock().remove(&self.key.hash);
    }
}

/// A receipt that is written with a command's commit.
pub struct PendingReceipt {
    mark: Arc<KeyInUse>,
    attempt: Option<(RentalId, Attempt)>,
}

impl Receipts {
    pub(crate) fn new(journal: Arc<dyn Journal>, sources: Sources) -> Self {
        Self { journal, sources, running: Mutex::default(), newest_day: AtomicU64::new(0) }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u128, [u8; 16]>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a request: returns a guard for the first with its key, the receipt for a repetition.
    pub(crate) async fn begin(self: &Arc<Self>, key: Option<RequestKey>) -> Result<KeyLookup, ReceiptError> {
        let Some(key) = key else { return Ok(KeyLookup::New(KeyGuard::unkeyed())) };
        if let Some(receipt) = self.find(key).await? {
            // The receipt may not be durable before the first request has ended.
            return self
                .lock()
                .get(&key.hash)
                .map_or(Ok(KeyLookup::Seen(receipt)), |first| in_use(*first, key));
        }
        let guard = self.mark(key)?;
        // The first request may have ended between the lookup and the mark.
        Ok(self.find(key).await?.map_or(KeyLookup::New(guard), KeyLookup::Seen))
    }

    /// Begins a request whose receipt has lost its meaning, such as that of an expired session.
    pub(crate) fn begin_anew(self: &Arc<Self>, key: Option<RequestKey>) -> Result<KeyGuard, ReceiptError> {
        key.map_or(Ok(KeyGuard::unkeyed()), |key| self.mark(key))
    }

    fn mark(self: &Arc<Self>, key: RequestKey) -> Result<KeyGuard, ReceiptError> {
        match self.lock().entry(key.hash) {
            Entry::Occupied(first) => in_use(*first.get(), key),
            Entry::Vacant(free) => {
                free.insert(key.fingerprint);
                Ok(KeyGuard(Some(Arc::new(KeyInUse { key, receipts: Arc::clone(self) }))))
            }
        }
    }

    async fn find(&self, key: RequestKey) -> Result<Option<Receipt>, ReceiptError> {
        let today = self.today();
        let look = |day| self.journal.vault_get(receipt_key(day, key.hash));
        let (today, yesterday) = futures_util::join!(look(today), look(today.saturating_sub(1)));
        let Some(row) = today?.or(yesterday?) else { return Ok(None) };
        let receipt = codec::decode::<Receipt>(&row)?;
        if receipt.fingerprint == key.fingerprint { Ok(Some(receipt)) } else { Err(ReceiptError::Reused) }
    }

    fn today(&self) -> u64 {
        let day = u64::try_from(self.sources.now().0).unwrap_or_default() / DAY_MS;
        self.newest_day.fetch_max(day, Ordering::Relaxed).max(day)
    }

    /// Erases receipts that are too old to be found, until dropped.
    pub(crate) async fn run(self: Arc<Self>) -> Result<(), String> {
        let kept_from = || receipt_key(self.today().saturating_sub(1), 0);
        sweep_regularly(&self.journal, "receipts", RECEIPTS, kept_from).await
    }
}

fn in_use<T>(first: [u8; 16], key: RequestKey) -> Result<T, ReceiptError> {
    Err(if first == key.fingerprint { ReceiptError::InProgress } else { ReceiptError::Reused })
}

/// Keys sort by day, so the oldest come first.
fn receipt_key(day: u64, hash: u128) -> String {
    format!("{RECEIPTS}{day:08}/{hash:032x}")
}

impl KeyGuard {
    pub(crate) const fn unkeyed() -> Self {
        Self(None)
    }

    pub(crate) fn of_state(&self) -> Option<PendingReceipt> {
        self.0.as_ref().map(|mark| PendingReceipt { mark: Arc::clone(mark), attempt: None })
    }

    /// Returns a receipt that names a payment attempt, for the commit that begins it.
    pub(crate) fn of_attempt(&self, rental: RentalId, attempt: Attempt) -> Option<PendingReceipt> {
        Some(PendingReceipt { attempt: Some((rental, attempt)), ..self.of_state()? })
    }

    /// Returns the write of a receipt; `None` without a key.
    pub(crate) fn receipt(&self, outcome: ReceiptOutcome) -> Result<Option<VaultWrite>, StoreError> {
        self.0.as_ref().map(|mark| mark.receipt(outcome)).transpose()
    }

    /// Writes the receipt of a request that made no commit.
    pub(crate) async fn remember(&self, outcome: ReceiptOutcome) -> Result<(), CommitError> {
        let Some(mark) = &self.0 else { return Ok(()) };
        let write = mark.receipt(outcome).map_err(|error| CommitError::Refused(error.to_string()))?;
        mark.receipts.journal.vault_write(vec![write]).await
    }
}

impl KeyInUse {
    fn receipt(&self, outcome: ReceiptOutcome) -> Result<VaultWrite, StoreError> {
        let (receipts, fingerprint) = (&self.receipts, self.key.fingerprint);
        let receipt = Receipt { fingerprint, at: receipts.sources.now(), outcome };
        let key = receipt_key(receipts.today(), self.key.hash);
        Ok(VaultWrite { key, value: Some(codec::encode(&receipt)?) })
    }
}

impl PendingReceipt {
    /// Returns the write of the receipt, for the commit that leaves `entity` in `state`.
    pub(crate) fn write<A: Journaled>(&self, entity: EntityId, state: &A) -> Result<VaultWrite, StoreError> {
        self.mark.receipt(match self.attempt {
            Some((rental, attempt)) => ReceiptOutcome::Attempt { rental, attempt },
            None => ReceiptOutcome::State { entity, snapshot: codec::encode_snapshot(state)? },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::EntityKind,
        store::{SNAPSHOT_BYTES_MAX, VAULT_BYTES_MAX},
    };

    #[test]
    fn largest_receipt_fits_into_the_vault() {
        let entity = EntityId { kind: EntityKind::Context, id: u128::MAX };
        let outcome = ReceiptOutcome::State { entity, snapshot: vec![0xff; SNAPSHOT_BYTES_MAX] };
        let receipt = Receipt { fingerprint: [0xff; 16], at: Timestamp(i64::MAX), outcome };
        assert!(codec::encode(&receipt).unwrap().len() <= VAULT_BYTES_MAX);
    }
}
