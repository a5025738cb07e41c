//! Receipts: what a request with an `Idempotency-Key` led to, so that the same request again is answered
//! alike and happens once.
//!
//! A receipt is a record of the vault, under the day and the hash of its key. Where a request is one
//! command to one entity, the receipt is part of that command's commit: both are on disk or neither is,
//! whatever happens before the answer. It holds no personal data.
//!
//! **Invariant:** between [`Receipts::begin`] and the moment it is decided what became of the request, its
//! key is marked as in use, in memory: the mark travels with the question, so that a caller who goes away
//! does not take it along.
//!
//! Kept for at least 24 hours: a receipt is found on the day it was written and on the next, and swept
//! after that, oldest first, a few at a time.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{
    request::RequestKey,
    sources::Sources,
    vault::{VaultError, erase_before, sweep_regularly},
};
use crate::{
    domain::{EntityId, Journaled, RentalId, Timestamp, payment::Attempt},
    store::{CommitError, Journal, StoreError, VaultWrite, codec},
};

const RECEIPTS: &str = "receipt/";
const DAY_MS: u64 = 24 * 60 * 60 * 1_000;
/// How many receipts are swept at once.
const SWEEP_MAX: usize = 256;

/// A request with a key cannot begin.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ReceiptError {
    /// The vault could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The first request with this key is still running.
    #[error("the first request with this Idempotency-Key is still running")]
    InProgress,
    /// The key was used with another body.
    #[error("this Idempotency-Key was used for another request")]
    Reused,
}

/// What a request with a key led to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// A hash of the request's body.
    pub fingerprint: [u8; 16],
    /// When it was written.
    pub at: Timestamp,
    /// What came of it.
    pub outcome: ReceiptOutcome,
}

/// What came of a request. Part of the format: append only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReceiptOutcome {
    /// An entity decided.
    State {
        /// Which.
        entity: EntityId,
        /// Its state right after, as [`codec::encode_snapshot`] wrote it.
        snapshot: Vec<u8>,
    },
    /// A payment's attempt began; how it ended is on the rental's timeline.
    Attempt {
        /// Whose.
        rental: RentalId,
        /// Which.
        attempt: Attempt,
    },
    /// A session was opened.
    Session {
        /// What its token was derived from, with the key.
        nonce: [u8; 16],
    },
    /// Something was done, and this was the answer.
    Answer(Vec<u8>),
}

impl ReceiptOutcome {
    /// The entity that decided, and its state right after.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when it is about something else, or cannot be read.
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
    /// See [`ReceiptOutcome::state`].
    ///
    /// # Errors
    /// [`StoreError::Corrupt`]
    pub fn state<A: Journaled>(&self) -> Result<(EntityId, A), StoreError> {
        self.outcome.state()
    }

    /// What is said of a receipt that cannot be this request's: a hash stands for method and path.
    pub(crate) fn of_something_else() -> StoreError {
        StoreError::Corrupt("a receipt is about something else".to_owned())
    }
}

/// The receipts, and which keys are in use.
pub struct Receipts {
    journal: Arc<dyn Journal>,
    sources: Sources,
    /// By hash: the fingerprint.
    running: Mutex<HashMap<u128, [u8; 16]>>,
    /// The newest day seen: a clock that is set back must not hide what was written just now.
    newest_day: AtomicU64,
}

/// Result of looking up a request's key.
pub enum KeyLookup {
    /// The request is the first with its key, or has none.
    New(KeyGuard),
    /// An earlier request with this key and body has a receipt.
    Seen(Receipt),
}

/// The right to do what a request asks for. Cheap to clone: its key is in use until the last one is dropped.
#[derive(Clone)]
pub struct KeyGuard(Option<Arc<KeyInUse>>);

struct KeyInUse {
    key: RequestKey,
    receipts: Arc<Receipts>,
}

impl Drop for KeyInUse {
    fn drop(&mut self) {
        self.receipts.lock().remove(&self.key.hash);
    }
}

/// A receipt to be written with a command's commit.
pub struct PendingReceipt {
    mark: Arc<KeyInUse>,
    attempt: Option<(RentalId, Attempt)>,
}

impl Receipts {
    /// Receipts in this journal's vault.
    #[must_use]
    pub fn new(journal: Arc<dyn Journal>, sources: Sources) -> Self {
        Self { journal, sources, running: Mutex::default(), newest_day: AtomicU64::new(0) }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u128, [u8; 16]>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a request: the first with its key gets its turn, a repetition what came of the first.
    ///
    /// # Errors
    /// [`ReceiptError::InProgress`] while the first is running; [`ReceiptError::Reused`] if the first
    /// had another body; [`ReceiptError::Store`]
    pub async fn begin(self: &Arc<Self>, key: Option<RequestKey>) -> Result<KeyLookup, ReceiptError> {
        let Some(key) = key else { return Ok(KeyLookup::New(KeyGuard::unkeyed())) };
        if let Some(receipt) = self.find(key).await? {
            // What can be found may not be durable before the first has ended.
            return self
                .lock()
                .get(&key.hash)
                .map_or(Ok(KeyLookup::Seen(receipt)), |first| in_use(*first, key));
        }
        let turn = self.mark(key)?;
        // The first may have ended between the look and the mark.
        Ok(self.find(key).await?.map_or(KeyLookup::New(turn), KeyLookup::Seen))
    }

    /// Like [`Self::begin`] for a request whose receipt does not count any more.
    ///
    /// # Errors
    /// [`ReceiptError::InProgress`], [`ReceiptError::Reused`]
    pub fn begin_anew(self: &Arc<Self>, key: Option<RequestKey>) -> Result<KeyGuard, ReceiptError> {
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

    /// Erases receipts that are too old to be found, at most a few; answers how many.
    ///
    /// # Errors
    /// [`VaultError`]
    pub async fn sweep(&self) -> Result<usize, VaultError> {
        let kept_from = receipt_key(self.today().saturating_sub(1), 0);
        erase_before(&self.journal, RECEIPTS, &kept_from, SWEEP_MAX).await
    }

    /// Sweeps until dropped; see [`sweep_regularly`].
    ///
    /// # Errors
    /// None.
    pub async fn run(self: Arc<Self>) -> Result<(), String> {
        sweep_regularly("receipts", SWEEP_MAX, async || self.sweep().await).await
    }
}

fn in_use<T>(first: [u8; 16], key: RequestKey) -> Result<T, ReceiptError> {
    Err(if first == key.fingerprint { ReceiptError::InProgress } else { ReceiptError::Reused })
}

/// Days first: so the oldest come first.
fn receipt_key(day: u64, hash: u128) -> String {
    format!("{RECEIPTS}{day:08}/{hash:032x}")
}

impl KeyGuard {
    /// The turn of a request that came without a key.
    #[must_use]
    pub const fn unkeyed() -> Self {
        Self(None)
    }

    /// A receipt of the entity's state after a command, for that command's commit.
    #[must_use]
    pub fn of_state(&self) -> Option<PendingReceipt> {
        self.0.as_ref().map(|mark| PendingReceipt { mark: Arc::clone(mark), attempt: None })
    }

    /// A receipt of a payment's attempt, for the commit that begins it.
    #[must_use]
    pub fn of_attempt(&self, rental: RentalId, attempt: Attempt) -> Option<PendingReceipt> {
        let attempt = Some((rental, attempt));
        self.0.as_ref().map(|mark| PendingReceipt { mark: Arc::clone(mark), attempt })
    }

    /// What the vault is to be told of this outcome; nothing without a key.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when it is too large.
    pub fn receipt(&self, outcome: ReceiptOutcome) -> Result<Option<VaultWrite>, StoreError> {
        self.0.as_ref().map(|mark| mark.receipt(outcome)).transpose()
    }

    /// Writes the receipt of a request that made no commit.
    ///
    /// # Errors
    /// [`CommitError`]
    pub async fn remember(&self, outcome: ReceiptOutcome) -> Result<(), CommitError> {
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
    /// What is to be written with the commit that leaves `entity` in `state`.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when the state cannot be written.
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
    fn a_receipt_of_the_largest_state_fits_into_the_vault() {
        let entity = EntityId { kind: EntityKind::Context, id: u128::MAX };
        let outcome = ReceiptOutcome::State { entity, snapshot: vec![0xff; SNAPSHOT_BYTES_MAX] };
        let receipt = Receipt { fingerprint: [0xff; 16], at: Timestamp(i64::MAX), outcome };
        assert!(codec::encode(&receipt).unwrap().len() <= VAULT_BYTES_MAX);
    }
}
