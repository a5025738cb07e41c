//! The journal: one append-only log of commits, and beside it a vault for personal data and views.
//!
//! A commit belongs to one entity and is all or nothing; `Ok` means it is on disk. Everything else in
//! here is derived from the log or may be erased without harming it:
//!
//! | part | holds | durable | derived |
//! | --- | --- | --- | --- |
//! | journal | commits: the truth | before `Ok` | no |
//! | vault | personal data, sessions, secrets | before `Ok` | no, but erasable |
//! | views | rows of projections, cursors | lazily, each batch whole | yes, from the journal |
//!
//! **Invariant:** only this module knows sled and redb; only it knows bytes on disk.

mod backend;
mod backups;
pub mod codec;
mod directory;
mod expected;
mod files;
mod follower;
mod held;
pub mod images;
pub mod memory;
mod opening;
mod pool;
mod queue;
mod record;
pub mod redb;
mod room;
pub mod sled;
mod status;
mod survey;
mod tail;
mod writer;

use std::{future::Future, path::PathBuf, pin::Pin, sync::Arc};

use serde::{Deserialize, Serialize};
use thiserror::Error;
use tokio::sync::watch;

pub use self::{
    backend::{Backend, StoreOptions},
    backups::restore,
    directory::FORMAT,
    expected::panic_is_expected,
    follower::Follower,
    opening::{Aside, Compacted, OpenError},
    survey::{Known, KnownEntity, RecordedCommit},
};
use crate::{
    domain::{EntityId, NewEvent, Position, Recorded, RentalId, Version},
    telemetry::metrics::HistogramSnapshot,
};

/// Something under way in a store.
pub type Pending<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Names one commit for ever: the same id again is the same commit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct CommitId(pub u128);

/// Events of one entity to be recorded together.
#[derive(Clone, Debug)]
pub struct Commit {
    /// Whose.
    pub entity: EntityId,
    /// The version they were decided at.
    pub expected: Version,
    /// Names this commit.
    pub commit_id: CommitId,
    /// What happened; at least one, at most [`MAX_EVENTS`].
    pub events: Vec<NewEvent>,
    /// The entity's state after `events`, as [`codec::encode_snapshot`] wrote it; at most
    /// [`SNAPSHOT_BYTES_MAX`].
    pub snapshot: Arc<[u8]>,
    /// Personal data that `events` refer to, durable no later than they are.
    pub vault: Vec<VaultWrite>,
}

/// The most events one commit may hold.
pub const MAX_EVENTS: usize = 256;

/// The most bytes the events of one commit may take in the journal.
pub const COMMIT_BYTES_MAX: usize = 12 * 1_024;

/// The most bytes a snapshot may have.
pub const SNAPSHOT_BYTES_MAX: usize = 24 * 1_024;

/// The most bytes one value of the vault may have: any snapshot fits into one, with something to say of
/// it, and sled's pages hold it (see `sled/format.rs`).
pub const VAULT_BYTES_MAX: usize = SNAPSHOT_BYTES_MAX + 1_024;

/// Refuses a commit that no backend takes.
fn check(commit: &Commit) -> Result<(), CommitError> {
    let (events, snapshot) = (commit.events.len(), commit.snapshot.len());
    if !(1..=MAX_EVENTS).contains(&events) {
        return Err(CommitError::Refused(format!("a commit holds 1 to {MAX_EVENTS} events, not {events}")));
    }
    if snapshot > SNAPSHOT_BYTES_MAX {
        return Err(CommitError::Refused(format!("a snapshot of {snapshot} bytes is too large")));
    }
    check_vault(&commit.vault)
}

/// Refuses vault writes that no backend takes.
fn check_vault(writes: &[VaultWrite]) -> Result<(), CommitError> {
    let too_large =
        writes.iter().find(|write| write.value.as_ref().is_some_and(|v| v.len() > VAULT_BYTES_MAX));
    too_large.map_or(Ok(()), |write| {
        Err(CommitError::Refused(format!(
            "the vault takes at most {VAULT_BYTES_MAX} bytes for {}",
            write.key
        )))
    })
}

/// A commit that is on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Committed {
    /// Where its last event stands.
    pub position: Position,
    /// The entity's version from now on.
    pub version: Version,
}

/// Why a commit did not happen, or may not have.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CommitError {
    /// The entity has moved on: load it and decide again. Nothing was written.
    #[error("the entity is at version {}, not at the expected one", current.0)]
    Conflict {
        /// Where it is now.
        current: Version,
    },
    /// No store takes this commit, now or later. Nothing was written.
    #[error("the commit is refused: {0}")]
    Refused(String),
    /// The store takes no commits. Nothing was written.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    /// The commit may or may not be on disk: load, and compare [`Loaded::last_commit_id`].
    #[error("whether the commit is on disk is unknown: {0}")]
    Unknown(String),
}

/// Why something could not be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum StoreError {
    /// The store answers nothing now.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    /// A record is damaged: its checksum, length or format is wrong.
    #[error("a record is damaged: {0}")]
    Corrupt(String),
}

/// What a store has done since it was opened, and how much room there is. What a backend does not know is
/// zero, or none.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StoreFigures {
    /// Commits that are on disk.
    pub commits: u64,
    /// How many commits were made durable together.
    pub batches: HistogramSnapshot,
    /// How long making a batch durable took, in s.
    pub syncs: HistogramSnapshot,
    /// How many bytes the store has on disk.
    pub bytes: Option<u64>,
    /// How many bytes its disk has left.
    pub free_bytes: Option<u64>,
}

/// A backup that was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BackedUp {
    /// Where its newest event stands.
    pub position: Position,
    /// How many bytes it has.
    pub bytes: u64,
}

/// Why there is no backup. What was begun of it is removed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BackUpError {
    /// Not there, or not of this store. Nothing was written.
    #[error("{0}")]
    Refused(String),
    /// Another one is being made.
    #[error("another backup is being made")]
    Running,
    /// It could not be read, or not be written.
    #[error("the backup failed: {0}")]
    Failed(String),
}

impl From<StoreError> for BackUpError {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.to_string())
    }
}

/// Faults on purpose, to see what keeps a shop going at work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum FaultMode {
    /// It panics.
    Panic,
    /// It stops.
    Stop,
    /// It makes no progress any more.
    Hang,
}

/// An entity as the journal knows it: a snapshot, if there is one, and the events since.
#[derive(Clone, Debug, Default)]
pub struct Loaded {
    /// The version after `tail`; 0 for an entity that does not exist.
    pub version: Version,
    /// The newest commit of this entity.
    pub last_commit_id: CommitId,
    /// Its state at some earlier version, as a [`Commit::snapshot`] gave it.
    pub snapshot: Option<Arc<[u8]>>,
    /// The events since the snapshot, oldest first.
    pub tail: Vec<Arc<Recorded>>,
}

/// A record of the vault, put or (without a value) erased.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VaultWrite {
    /// Where, such as `customer/customer_…`.
    pub key: String,
    /// What; at most [`VAULT_BYTES_MAX`].
    pub value: Option<Vec<u8>>,
}

/// A record of the vault, and its key.
pub type VaultRow = (String, Vec<u8>);

/// A row of a view, put or (without a value) removed.
pub type ViewWrite = (Vec<u8>, Option<Vec<u8>>);

/// A row of a view.
pub type ViewRow = (Vec<u8>, Vec<u8>);

/// A key of a listing, and the row that it leads to, if there is one.
pub type ListedRow = (Vec<u8>, Option<Vec<u8>>);

/// The journal and what stands beside it. Every backend passes the same conformance suite,
/// `tests/journal/`.
///
/// ```
/// use saem::{
///     domain::Position,
///     store::{
///         Journal as _,
///         sled::{SledJournal, SledOptions},
///     },
/// };
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let directory = tempfile::tempdir()?;
/// # let directory = directory.path();
/// let journal = SledJournal::open(directory, SledOptions::default())?;
/// assert_eq!(*journal.head().borrow(), Position(0));
/// assert!(journal.health().is_ok());
/// # actix_rt::System::new().block_on(journal.close());
/// # Ok(())
/// # }
/// ```
pub trait Journal: Send + Sync + 'static {
    /// The entity's snapshot and the events since.
    fn load(&self, entity: EntityId) -> Pending<Result<Loaded, StoreError>>;

    /// Records `commit`, and answers once it is on disk. Commits are queued in the order of the calls,
    /// not of the polls; dropping the future does not undo the commit. When the entity's newest commit
    /// has the same id, this *is* that commit: the answer is the same, and nothing is written.
    fn commit(&self, commit: Commit) -> Pending<Result<Committed, CommitError>>;

    /// Durable events after `after`, oldest first: at most about `max` (whole commits are not
    /// promised), none when there are none yet.
    fn read(&self, after: Position, max: usize) -> Pending<Result<Vec<Arc<Recorded>>, StoreError>>;

    /// Every event of one rental, over all contexts, oldest first.
    fn timeline(&self, rental: RentalId) -> Pending<Result<Vec<Arc<Recorded>>, StoreError>>;

    /// The position of the newest durable event, watched.
    fn head(&self) -> watch::Receiver<Position>;

    /// Puts or erases records of the vault, all or none, and answers once that is on disk.
    fn vault_write(&self, writes: Vec<VaultWrite>) -> Pending<Result<(), CommitError>>;

    /// The records of the vault under these keys, in their order.
    fn vault_get_all(&self, keys: Vec<String>) -> Pending<Result<Vec<Option<Vec<u8>>>, StoreError>>;

    /// A record of the vault.
    fn vault_get(&self, key: String) -> Pending<Result<Option<Vec<u8>>, StoreError>> {
        single(self.vault_get_all(vec![key]))
    }

    /// All records of the vault whose key starts with `prefix`, by key.
    fn vault_scan(&self, prefix: String) -> Pending<Result<Vec<VaultRow>, StoreError>>;

    /// The first records of [`Self::vault_scan`], at most `limit`. A durable backend reads no others.
    fn vault_first(&self, prefix: String, limit: usize) -> Pending<Result<Vec<VaultRow>, StoreError>> {
        let all = self.vault_scan(prefix);
        Box::pin(async move {
            let mut rows = all.await?;
            rows.truncate(limit);
            Ok(rows)
        })
    }

    /// At most `max` records of the vault behind the key `after`, by key.
    fn vault_after(&self, after: Option<String>, max: usize) -> Pending<Result<Vec<VaultRow>, StoreError>>;

    /// Puts or removes rows of views, all or none: visible at once, on disk some time later, and never
    /// before the journal's events that were visible when this was called.
    fn view_apply(&self, writes: Vec<ViewWrite>) -> Pending<Result<(), StoreError>>;

    /// The rows of views under these keys, in their order. A durable backend goes to its readers once,
    /// which costs more than what they do for one row.
    fn view_get_all(&self, keys: Vec<Vec<u8>>) -> Pending<Result<Vec<Option<Vec<u8>>>, StoreError>>;

    /// A row of a view.
    fn view_get(&self, key: Vec<u8>) -> Pending<Result<Option<Vec<u8>>, StoreError>> {
        single(self.view_get_all(vec![key]))
    }

    /// At most `limit` rows with `from <= key < to`, by key.
    fn view_scan(
        &self,
        from: Vec<u8>,
        to: Vec<u8>,
        limit: usize,
    ) -> Pending<Result<Vec<ViewRow>, StoreError>>;

    /// The keys of [`Self::view_scan`], each with the row under the key that `leads_to` makes of it. A
    /// durable backend goes to its readers once for all of them.
    fn view_list(
        &self,
        from: Vec<u8>,
        to: Vec<u8>,
        limit: usize,
        leads_to: fn(&[u8]) -> Vec<u8>,
    ) -> Pending<Result<Vec<ListedRow>, StoreError>>;

    /// Durable commits whose first event stands after `after`, oldest first: about `max`, none at the end.
    /// What is damaged is an error once nothing stands before it.
    fn commits(&self, after: Position, max: usize) -> Pending<Result<Vec<RecordedCommit>, StoreError>>;

    /// At most `max` of the entities behind `after`, in their order, each with what is known of it.
    fn entities(&self, after: Option<EntityId>, max: usize) -> Pending<Result<Vec<KnownEntity>, StoreError>>;

    /// Whether the store takes commits; the reason when it does not.
    fn health(&self) -> Result<(), String>;

    /// What was done so far, and how much room there is.
    fn figures(&self) -> Pending<Result<StoreFigures, StoreError>> {
        Box::pin(std::future::ready(Ok(StoreFigures::default())))
    }

    /// Whether it takes no commits any more until it is opened anew.
    fn is_poisoned(&self) -> bool {
        self.health().is_err()
    }

    /// Grows, at least once a second, for as long as whoever writes gets on; none where nobody could hang.
    fn turns(&self) -> Option<u64> {
        None
    }

    /// Makes whoever writes fail, to see what happens; answers whether there is anybody.
    fn sabotage(&self, _mode: FaultMode) -> bool {
        false
    }

    /// Copies the store as of one moment, and the files `beside` that are there, to the directory `to`, while
    /// commits go on. The directory is new or empty, and a data directory afterwards. Dropping the future
    /// does not end it.
    fn back_up(&self, to: PathBuf, beside: Vec<PathBuf>) -> Pending<Result<BackedUp, BackUpError>>;

    /// Takes no more commits, writes out what is pending, and lets go of the files.
    fn close(&self) -> Pending<()>;
}

/// What needs no waiting.
fn at_once<T: Send + 'static>(value: T) -> Pending<T> {
    Box::pin(std::future::ready(value))
}

/// What was found under the only key that was asked for.
fn single(
    found: Pending<Result<Vec<Option<Vec<u8>>>, StoreError>>,
) -> Pending<Result<Option<Vec<u8>>, StoreError>> {
    Box::pin(async move { Ok(found.await?.pop().flatten()) })
}
