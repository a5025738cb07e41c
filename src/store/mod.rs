//! The store: the journal, which is an append-only log of commits, and beside it the vault and views.
//!
//! A commit belongs to one entity and is all or nothing; `Ok` means that it is on disk.
//!
//! | part | holds | durable | derived |
//! | --- | --- | --- | --- |
//! | journal | commits | before `Ok` | no |
//! | vault | personal data, sessions, secrets | before `Ok` | no, but erasable |
//! | views | rows of projections, cursors | later, each batch as a whole | from the journal |
//!
//! **Invariant:** only this module knows sled and redb, and the bytes on disk.

mod backend;
mod backups;
mod closable;
pub mod codec;
mod directory;
mod expected;
mod files;
mod follower;
pub(crate) mod images;
pub(crate) mod memory;
mod open;
mod open_error;
mod pool;
mod queue;
mod record;
pub(crate) mod redb;
pub(crate) mod sled;
mod space;
mod status;
mod survey;
mod tail;
mod writer;

use std::{future::Future, path::PathBuf, pin::Pin, sync::Arc};

use serde::{Deserialize, Serialize};
use thiserror::Error;
use tokio::sync::watch;

#[cfg(feature = "server")]
pub(crate) use self::record::IndexRecord;
pub use self::{
    backend::Backend,
    backups::restore,
    expected::panic_is_expected,
    follower::Follower,
    open::StoreOptions,
    open_error::{Aside, Compacted, OpenError},
    survey::{KnownEntity, RecordedCommit},
};
use crate::{
    domain::{EntityId, NewEvent, Position, Recorded, RentalId, Version},
    telemetry::metrics::HistogramSnapshot,
};

/// Future of a journal's call.
pub type Pending<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Identity of a commit: a commit with the same id is the same commit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CommitId(pub u128);

/// Events of one entity, recorded together or not at all.
#[derive(Clone, Debug)]
pub struct Commit {
    /// The entity.
    pub entity: EntityId,
    /// Version of the entity that the events were decided at.
    pub expected: Version,
    /// Its id.
    pub commit_id: CommitId,
    /// One to [`MAX_EVENTS`] events of the entity.
    pub events: Vec<NewEvent>,
    /// State of the entity after `events`, encoded by [`codec::encode_snapshot`]; at most
    /// [`SNAPSHOT_BYTES_MAX`] bytes.
    pub snapshot: Arc<[u8]>,
    /// Personal data that `events` refer to: durable together with them.
    pub vault: Vec<VaultWrite>,
}

/// Maximal number of events of a commit.
pub const MAX_EVENTS: usize = 256;

/// Maximal length of a commit in the journal, in bytes.
pub const COMMIT_BYTES_MAX: usize = 12 * 1_024;

/// Maximal length of a snapshot, in bytes.
pub const SNAPSHOT_BYTES_MAX: usize = 24 * 1_024;

/// Maximal length of a value of the vault, in bytes: a snapshot and some fields fit, and so does a page of
/// sled (see `sled/format.rs`).
pub const VAULT_BYTES_MAX: usize = SNAPSHOT_BYTES_MAX + 1_024;

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

fn check_vault(writes: &[VaultWrite]) -> Result<(), CommitError> {
    let is_too_large = |write: &&VaultWrite| write.value.as_ref().is_some_and(|v| v.len() > VAULT_BYTES_MAX);
    let Some(VaultWrite { key, .. }) = writes.iter().find(is_too_large) else { return Ok(()) };
    Err(CommitError::Refused(format!("the vault takes at most {VAULT_BYTES_MAX} bytes for {key}")))
}

/// A commit that is on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Committed {
    /// Position of its last event.
    pub position: Position,
    /// New version of the entity.
    pub version: Version,
}

/// Error of a commit or of a vault write.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CommitError {
    /// The entity has another version, `current`: load it and decide again. Nothing was written.
    #[error("the entity is at version {}, not at the expected one", current.0)]
    Conflict { current: Version },
    /// The commit is invalid, for example too large. Nothing was written.
    #[error("the commit is refused: {0}")]
    Refused(String),
    /// The store takes no commits now. Nothing was written.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    /// The commit may or may not be on disk: load the entity, and compare [`Loaded::last_commit_id`].
    #[error("the commit may or may not be on disk: {0}")]
    Unknown(String),
}

/// Error of a read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum StoreError {
    /// The store cannot be read now.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    /// The checksum, the length or the format of a record is wrong.
    #[error("a record is damaged: {0}")]
    Corrupt(String),
}

/// Metrics of a store since it was opened, and its disk space. Zero or none where a backend has no value.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StoreFigures {
    pub commits: u64,
    /// Commits per batch.
    pub batches: HistogramSnapshot,
    /// Time to make a batch durable, in s.
    pub syncs: HistogramSnapshot,
    /// Size of the data directory, in bytes.
    pub bytes: Option<u64>,
    /// Free space on its disk, in bytes.
    pub free_bytes: Option<u64>,
}

/// Result of a backup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BackedUp {
    /// Position of the newest event in it.
    pub position: Position,
    pub bytes: u64,
}

/// Error of a backup. An incomplete one is removed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BackUpError {
    /// The directory or the store is unsuitable. Nothing was written.
    #[error("{0}")]
    Refused(String),
    #[error("another backup is in progress")]
    Running,
    #[error("the backup failed: {0}")]
    Failed(String),
}

impl From<StoreError> for BackUpError {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.to_string())
    }
}

/// An injected fault, for tests and demonstrations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum FaultMode {
    Panic,
    Stop,
    /// Makes no progress any more.
    Hang,
}

/// An entity, loaded: a snapshot, if there is one, and the events since.
#[derive(Clone, Debug, Default)]
pub struct Loaded {
    /// Version after `tail`; 0 if the entity does not exist.
    pub version: Version,
    /// Id of the newest commit.
    pub last_commit_id: CommitId,
    /// State at this or an earlier version, from [`Commit::snapshot`].
    pub snapshot: Option<Arc<[u8]>>,
    /// Events since the snapshot, oldest first.
    pub tail: Vec<Arc<Recorded>>,
}

/// A write to the vault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VaultWrite {
    /// Key, such as `person/customer_…`.
    pub key: String,
    /// Value of at most [`VAULT_BYTES_MAX`] bytes; none to erase the record.
    pub value: Option<Vec<u8>>,
}

/// Key and value of a record of the vault.
pub type VaultRow = (String, Vec<u8>);

/// A write to a view: key, and value, or none to remove the row.
pub type ViewWrite = (Vec<u8>, Option<Vec<u8>>);

/// Key and value of a row of a view.
pub type ViewRow = (Vec<u8>, Vec<u8>);

/// A key of a listing, and the row that it refers to, if it exists.
pub type ListedRow = (Vec<u8>, Option<Vec<u8>>);

/// A store: journal, vault and views. Every backend passes the conformance suite `tests/journal/`.
///
/// ```
/// use saem::{Journal as _, Position, SledJournal, SledOptions};
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
    /// Loads an entity: its snapshot, and the events since.
    fn load(&self, entity: EntityId) -> Pending<Result<Loaded, StoreError>>;

    /// Records `commit`, and returns once it is on disk. Commits are queued in the order of the calls, not of
    /// the polls; dropping the future does not undo the commit. If the newest commit of the entity has the
    /// same id, nothing is written and the result of that commit is returned.
    fn commit(&self, commit: Commit) -> Pending<Result<Committed, CommitError>>;

    /// Reads durable events after `after`, oldest first: about `max`. The last commit may be cut in two.
    fn read(&self, after: Position, max: usize) -> Pending<Result<Vec<Arc<Recorded>>, StoreError>>;

    /// Reads all events of a rental, of every context, oldest first.
    fn timeline(&self, rental: RentalId) -> Pending<Result<Vec<Arc<Recorded>>, StoreError>>;

    /// Watches the position of the newest durable event.
    fn head(&self) -> watch::Receiver<Position>;

    /// Puts or erases records of the vault, all or none, and returns once that is on disk.
    fn vault_write(&self, writes: Vec<VaultWrite>) -> Pending<Result<(), CommitError>>;

    /// Reads records of the vault, in the order of the keys.
    fn vault_get_all(&self, keys: Vec<String>) -> Pending<Result<Vec<Option<Vec<u8>>>, StoreError>>;

    /// Reads a record of the vault.
    fn vault_get(&self, key: String) -> Pending<Result<Option<Vec<u8>>, StoreError>> {
        single(self.vault_get_all(vec![key]))
    }

    /// Reads all records of the vault whose key starts with `prefix`, in the order of their keys.
    fn vault_scan(&self, prefix: String) -> Pending<Result<Vec<VaultRow>, StoreError>>;

    /// Reads the first records of [`Self::vault_scan`], at most `limit`. Durable backends read no others.
    fn vault_first(&self, prefix: String, limit: usize) -> Pending<Result<Vec<VaultRow>, StoreError>> {
        let all = self.vault_scan(prefix);
        Box::pin(async move {
            let mut rows = all.await?;
            rows.truncate(limit);
            Ok(rows)
        })
    }

    /// Reads at most `max` records of the vault after the key `after`, in the order of their keys.
    fn vault_after(&self, after: Option<String>, max: usize) -> Pending<Result<Vec<VaultRow>, StoreError>>;

    /// Puts or removes rows of views, all or none: visible at once, on disk later, and never before the
    /// events that were visible when this was called.
    fn view_apply(&self, writes: Vec<ViewWrite>) -> Pending<Result<(), StoreError>>;

    /// Reads rows of views, in the order of the keys. A durable backend does so with one switch to a reader
    /// thread, which costs more than reading a row.
    fn view_get_all(&self, keys: Vec<Vec<u8>>) -> Pending<Result<Vec<Option<Vec<u8>>>, StoreError>>;

    /// Reads a row of a view.
    fn view_get(&self, key: Vec<u8>) -> Pending<Result<Option<Vec<u8>>, StoreError>> {
        single(self.view_get_all(vec![key]))
    }

    /// Reads at most `limit` rows with `from <= key < to`, in the order of their keys.
    fn view_scan(
        &self,
        from: Vec<u8>,
        to: Vec<u8>,
        limit: usize,
    ) -> Pending<Result<Vec<ViewRow>, StoreError>>;

    /// Reads the keys of [`Self::view_scan`], each with the row under the key that `leads_to` makes of it. A
    /// durable backend does so with one switch to a reader thread.
    fn view_list(
        &self,
        from: Vec<u8>,
        to: Vec<u8>,
        limit: usize,
        leads_to: fn(&[u8]) -> Vec<u8>,
    ) -> Pending<Result<Vec<ListedRow>, StoreError>>;

    /// Reads durable commits whose first event is after `after`, oldest first: about `max`, none at the end.
    /// A damaged commit ends the result; it is an error if it comes first.
    fn commits(&self, after: Position, max: usize) -> Pending<Result<Vec<RecordedCommit>, StoreError>>;

    /// Reads at most `max` index entries of entities after `after`, in the order of entities.
    fn entities(&self, after: Option<EntityId>, max: usize) -> Pending<Result<Vec<KnownEntity>, StoreError>>;

    /// `Ok` if the store takes commits, or the reason why it does not.
    fn health(&self) -> Result<(), String>;

    /// Metrics since the store was opened, and its disk space.
    fn figures(&self) -> Pending<Result<StoreFigures, StoreError>> {
        at_once(Ok(StoreFigures::default()))
    }

    /// True if the store takes no commits until it is reopened.
    fn is_poisoned(&self) -> bool {
        self.health().is_err()
    }

    /// A counter that grows at least once a second while the writer makes progress; none for a backend
    /// without a writer thread.
    fn turns(&self) -> Option<u64> {
        None
    }

    /// Injects a fault into the writer; returns false if there is none.
    #[doc(hidden)]
    fn sabotage(&self, _mode: FaultMode) -> bool {
        false
    }

    /// Copies the store as of one moment to the directory `to`, while commits go on, together with the files
    /// and directories `beside` that exist. `to` must be new or empty, and is a data directory afterwards.
    /// Dropping the future does not end the backup.
    fn back_up(&self, to: PathBuf, beside: Vec<PathBuf>) -> Pending<Result<BackedUp, BackUpError>>;

    /// Stops taking commits, writes what is pending, and closes the files.
    fn close(&self) -> Pending<()>;
}

fn at_once<T: Send + 'static>(value: T) -> Pending<T> {
    Box::pin(std::future::ready(value))
}

fn single(
    found: Pending<Result<Vec<Option<Vec<u8>>>, StoreError>>,
) -> Pending<Result<Option<Vec<u8>>, StoreError>> {
    Box::pin(async move { Ok(found.await?.pop().flatten()) })
}
