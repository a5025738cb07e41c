//! The store in redb: an alternative to sled with the same guarantees.
//!
//! One file, `journal.redb`, has four tables; one transaction writes to all of them:
//!
//! | table | key | value |
//! | --- | --- | --- |
//! | `journal` | position of its first event | a commit, as a frame |
//! | `entities` | entity | its index record: version, snapshot, timeline |
//! | `vault` | key | the vault |
//! | `views` | key | rows of views |
//!
//! Each value comes after a seal (`sealing`), since redb itself checks few of the bytes that it reads.
//!
//! One thread writes: it takes the queued requests, writes them in one transaction, commits it, which waits
//! for the disk, and replies (see `super::writer`). redb never overwrites a page that can be reached: after a
//! crash, the newest commit with right checksums counts. So nothing is written behind, and start-up folds
//! nothing. A few threads read, each call from one snapshot.

mod copying;
mod disk;
mod format;
mod reads;
mod sealing;
mod surveying;
mod writer;

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, mpsc},
};

use tokio::sync::watch;

use self::{
    format::{Files, VAULT, VIEWS},
    writer::{Own, RedbEngine, Snapshot},
};
use super::{
    BackUpError, BackedUp, Commit, CommitError, Committed, Compacted, FaultMode, Journal, KnownEntity,
    ListedRow, Loaded, OpenError, Pending, RecordedCommit, StoreError, StoreFigures, VaultRow, VaultWrite,
    ViewRow, ViewWrite, at_once, backups,
    open_error::damaged,
    pool::ReadPool,
    queue::{Queue, Request},
    record::{self, IndexRecord},
    status::Status,
    survey,
    writer::Writer,
};
use crate::domain::{EntityId, Position, Recorded, RentalId};

/// Options of a store in redb.
#[derive(Clone, Copy, Debug)]
pub struct RedbOptions {
    /// Size of redb's cache, in bytes.
    pub cache_bytes: u64,
    /// With less free space than this on its disk, the store takes no commits.
    pub min_free_bytes: u64,
}

impl Default for RedbOptions {
    fn default() -> Self {
        Self { cache_bytes: 48 * 1_024 * 1_024, min_free_bytes: 0 }
    }
}

/// A store in redb.
pub struct RedbJournal {
    shared: Arc<Shared>,
    queue: Queue<Own>,
    pool: ReadPool,
}

struct Shared {
    status: Arc<Status>,
    files: Files,
    /// Held while a backup is made.
    copying: Mutex<()>,
}

impl RedbJournal {
    /// Opens the store in `directory`, or creates one.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(directory: &Path, options: RedbOptions) -> Result<Arc<Self>, OpenError> {
        let files = Files::new(format::open(directory, options)?);
        let head = format::catching(|| files.with(|opened| reads::last(&opened.snapshot()?)));
        let head = head.map_err(damaged(directory))?;
        let status = Arc::new(Status::new(directory.to_owned(), options.min_free_bytes, head));
        let shared = Arc::new(Shared { status: Arc::clone(&status), files, copying: Mutex::default() });
        let queue = Queue::new(Writer::start(RedbEngine::new(Arc::clone(&shared)), status));
        Ok(Arc::new(Self { shared, queue, pool: ReadPool::start() }))
    }

    /// Rewrites the closed store in `directory`, so that its file no longer holds what was erased. After a
    /// crash at any point there is the old store or the new one.
    ///
    /// # Errors
    /// [`OpenError`]; then nothing has changed.
    pub fn compact(directory: &Path, options: RedbOptions) -> Result<Compacted, OpenError> {
        copying::compact(directory, options)
    }

    /// Makes the next flush fail, as a failing disk would.
    #[doc(hidden)]
    pub fn fail_next_flush(&self) {
        self.queue.request(Request::FailNextFlush);
    }

    /// Makes the n-th operation from now that changes the file fail; 1 is the next one.
    #[doc(hidden)]
    pub fn fail_operation(&self, nth: u64) {
        // A closed store has no operations.
        let _ = self.shared.files.with(|opened| {
            opened.faults.fail_operation(nth);
            Ok(())
        });
    }

    /// Changes [`RedbOptions::min_free_bytes`].
    #[doc(hidden)]
    pub fn require_free(&self, bytes: u64) {
        self.shared.status.space.require(bytes);
    }

    /// Runs `read` with a snapshot of the store, on a reader thread.
    fn read_with<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Shared, &redb::ReadTransaction) -> Result<T, StoreError> + Send + 'static,
    ) -> Pending<Result<T, StoreError>> {
        let shared = Arc::clone(&self.shared);
        self.pool
            .run(move || format::catching(|| shared.files.with(|opened| read(&shared, &opened.snapshot()?))))
    }
}

impl Journal for RedbJournal {
    fn load(&self, entity: EntityId) -> Pending<Result<Loaded, StoreError>> {
        self.read_with(move |_, store| {
            Ok(reads::known(store, entity)?.as_ref().map_or_else(Loaded::default, IndexRecord::loaded))
        })
    }

    fn commit(&self, commit: Commit) -> Pending<Result<Committed, CommitError>> {
        self.queue.commit(&self.shared.status, commit)
    }

    fn read(&self, after: Position, max: usize) -> Pending<Result<Vec<Arc<Recorded>>, StoreError>> {
        if let Some(events) = self.shared.status.tail.read(after, max) {
            return at_once(Ok(events));
        }
        let head = *self.shared.status.head.borrow();
        self.read_with(move |_, store| record::events(reads::commits_after(store, after)?, after, head, max))
    }

    fn timeline(&self, rental: RentalId) -> Pending<Result<Vec<Arc<Recorded>>, StoreError>> {
        self.read_with(move |shared, store| {
            let known = reads::known(store, rental.into())?.unwrap_or_default();
            match shared.status.tail.at(&known.timeline) {
                Some(events) => Ok(events),
                None => reads::at(store, &known.timeline),
            }
        })
    }

    fn head(&self) -> watch::Receiver<Position> {
        self.shared.status.head.subscribe()
    }

    fn vault_write(&self, writes: Vec<VaultWrite>) -> Pending<Result<(), CommitError>> {
        self.queue.vault_write(&self.shared.status, writes)
    }

    fn vault_get_all(&self, keys: Vec<String>) -> Pending<Result<Vec<Option<Vec<u8>>>, StoreError>> {
        self.read_with(move |_, store| reads::values(store, VAULT, keys))
    }

    fn vault_scan(&self, prefix: String) -> Pending<Result<Vec<VaultRow>, StoreError>> {
        self.vault_first(prefix, usize::MAX)
    }

    fn vault_first(&self, prefix: String, limit: usize) -> Pending<Result<Vec<VaultRow>, StoreError>> {
        self.read_with(move |_, store| reads::vault(store, &prefix, limit))
    }

    fn vault_after(&self, after: Option<String>, max: usize) -> Pending<Result<Vec<VaultRow>, StoreError>> {
        self.read_with(move |_, store| surveying::vault_after(store, after.as_deref(), max))
    }

    fn view_apply(&self, writes: Vec<ViewWrite>) -> Pending<Result<(), StoreError>> {
        let applied =
            self.queue.written(&self.shared.status, |reply| Request::Own(Own::Views { writes, reply }));
        Box::pin(async move {
            applied.await.map_err(|error| match error {
                CommitError::Unavailable(reason) | CommitError::Unknown(reason) => {
                    StoreError::Unavailable(reason)
                }
                error => StoreError::Unavailable(error.to_string()),
            })
        })
    }

    fn view_get_all(&self, keys: Vec<Vec<u8>>) -> Pending<Result<Vec<Option<Vec<u8>>>, StoreError>> {
        self.read_with(move |_, store| reads::values(store, VIEWS, keys))
    }

    fn view_scan(
        &self,
        from: Vec<u8>,
        to: Vec<u8>,
        limit: usize,
    ) -> Pending<Result<Vec<ViewRow>, StoreError>> {
        if from >= to {
            return at_once(Ok(Vec::new()));
        }
        self.read_with(move |_, store| reads::views(store, &from, &to, limit))
    }

    fn view_list(
        &self,
        from: Vec<u8>,
        to: Vec<u8>,
        limit: usize,
        leads_to: fn(&[u8]) -> Vec<u8>,
    ) -> Pending<Result<Vec<ListedRow>, StoreError>> {
        if from >= to {
            return at_once(Ok(Vec::new()));
        }
        self.read_with(move |_, store| reads::listed(store, (&from, &to), limit, leads_to))
    }

    fn commits(&self, after: Position, max: usize) -> Pending<Result<Vec<RecordedCommit>, StoreError>> {
        let head = *self.shared.status.head.borrow();
        self.read_with(move |_, store| survey::commits(reads::commits_after(store, after)?, after, head, max))
    }

    fn entities(&self, after: Option<EntityId>, max: usize) -> Pending<Result<Vec<KnownEntity>, StoreError>> {
        self.read_with(move |_, store| surveying::entities(store, after, max))
    }

    fn health(&self) -> Result<(), String> {
        self.shared.status.health()
    }

    fn is_poisoned(&self) -> bool {
        self.shared.status.poisoned().is_some()
    }

    fn figures(&self) -> Pending<Result<StoreFigures, StoreError>> {
        let shared = Arc::clone(&self.shared);
        self.pool.run(move || Ok(shared.status.figures()))
    }

    fn turns(&self) -> Option<u64> {
        Some(self.shared.status.turns())
    }

    fn sabotage(&self, mode: FaultMode) -> bool {
        self.queue.request(Request::Fault(mode))
    }

    fn back_up(&self, to: PathBuf, beside: Vec<PathBuf>) -> Pending<Result<BackedUp, BackUpError>> {
        let (reply, taken) = mpsc::channel();
        self.queue.request(Request::Own(Own::Snapshot { beside: beside.clone(), reply }));
        let snapshot = move || -> Result<Snapshot, StoreError> {
            let ended = || StoreError::Unavailable("the writer ended".to_owned());
            taken.recv().map_err(|_| ended())?
        };
        let shared = Arc::clone(&self.shared);
        backups::on_own_thread(move || copying::back_up(&shared, &to, &beside, snapshot))
    }

    fn close(&self) -> Pending<()> {
        self.queue.close(&self.shared.status)
    }
}
