//! The journal in redb: beside sled, and behind the same promises.
//!
//! One file, `journal.redb`, with four tables; one transaction writes to all of them:
//!
//! | table | key | value |
//! | --- | --- | --- |
//! | `journal` | position of its first event | a commit, as a frame |
//! | `entities` | entity | what is known of it: version, snapshot, timeline |
//! | `vault` | key | the vault |
//! | `views` | key | rows of views |
//!
//! Each value stands behind a seal (`sealing`): redb itself checks few of the bytes that it reads.
//!
//! One thread writes: it takes what has queued, writes it in one transaction, commits that, which waits for
//! the disk, and answers all (see `super::writer`). redb never overwrites a page that can be reached: after
//! a crash, the newest commit whose checksums are right counts. So nothing is written behind, and nothing is
//! folded at start-up. A few threads read what is not in memory, each time of one moment.

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
    writer::{Moment, Own, RedbEngine},
};
use super::{
    BackUpError, BackedUp, Commit, CommitError, Committed, Compacted, FaultMode, Journal, KnownEntity,
    ListedRow, Loaded, OpenError, Pending, RecordedCommit, StoreError, StoreFigures, VaultRow, VaultWrite,
    ViewRow, ViewWrite, at_once, backups,
    pool::ReadPool,
    queue::{Queue, Request},
    record::IndexRecord,
    status::Status,
    writer::Writer,
};
use crate::domain::{EntityId, Position, Recorded, RentalId};

/// How a store is opened.
#[derive(Clone, Copy, Debug)]
pub struct RedbOptions {
    /// How much redb may keep in memory, in bytes.
    pub cache_bytes: u64,
    /// With fewer bytes left on its disk, it takes no commits.
    pub min_free_bytes: u64,
}

impl Default for RedbOptions {
    fn default() -> Self {
        Self { cache_bytes: 48 * 1_024 * 1_024, min_free_bytes: 0 }
    }
}

/// A journal in redb.
pub struct RedbJournal {
    shared: Arc<Shared>,
    queue: Queue<Own>,
    pool: ReadPool,
}

/// What the writer, the readers and the front share.
struct Shared {
    status: Arc<Status>,
    files: Files,
    /// Whoever makes a backup has it.
    copying: Mutex<()>,
}

impl RedbJournal {
    /// Opens the store in `directory`, or begins one.
    ///
    /// # Errors
    /// [`OpenError`], one clear line each.
    pub fn open(directory: &Path, options: RedbOptions) -> Result<Arc<Self>, OpenError> {
        let files = Files::new(format::open(directory, options)?);
        let head = format::reading(|| files.with(|opened| reads::last(&opened.snapshot()?)));
        let head = head.map_err(|error| OpenError::Damaged {
            path: directory.display().to_string(),
            error: error.to_string(),
        })?;
        let status = Arc::new(Status::new(directory.to_owned(), options.min_free_bytes, head));
        let shared = Arc::new(Shared { status: Arc::clone(&status), files, copying: Mutex::default() });
        let queue = Queue::new(Writer::start(RedbEngine::new(Arc::clone(&shared)), status));
        Ok(Arc::new(Self { shared, queue, pool: ReadPool::start() }))
    }

    /// Writes the store in `directory`, which nobody may have open, anew: what was erased is gone then.
    /// A crash at any point leaves what was there, or what was written anew.
    ///
    /// # Errors
    /// [`OpenError`]; then nothing has changed.
    pub fn compact(directory: &Path, options: RedbOptions) -> Result<Compacted, OpenError> {
        copying::compact(directory, options)
    }

    /// Makes the next flush fail, as a disk would.
    #[doc(hidden)]
    pub fn fail_next_flush(&self) {
        self.queue.request(Request::FailNextFlush);
    }

    /// Makes the n-th operation from now that changes the file fail, 1 for the next.
    #[doc(hidden)]
    pub fn fail_operation(&self, nth: u64) {
        // Closed, it does none.
        let _ = self.shared.files.with(|opened| {
            opened.faults.fail_operation(nth);
            Ok(())
        });
    }

    /// Changes how many bytes its disk must have left.
    #[doc(hidden)]
    pub fn require_free(&self, bytes: u64) {
        self.shared.status.room.require(bytes);
    }

    /// Reads the store as it is now, on a thread that may wait for the disk.
    fn reading<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Shared, &redb::ReadTransaction) -> Result<T, StoreError> + Send + 'static,
    ) -> Pending<Result<T, StoreError>> {
        let shared = Arc::clone(&self.shared);
        self.pool
            .run(move || format::reading(|| shared.files.with(|opened| read(&shared, &opened.snapshot()?))))
    }
}

impl Journal for RedbJournal {
    fn load(&self, entity: EntityId) -> Pending<Result<Loaded, StoreError>> {
        self.reading(move |_, store| {
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
        self.reading(move |_, store| reads::events(store, after, head, max))
    }

    fn timeline(&self, rental: RentalId) -> Pending<Result<Vec<Arc<Recorded>>, StoreError>> {
        self.reading(move |shared, store| {
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
        self.reading(move |_, store| reads::values(store, VAULT, keys))
    }

    fn vault_scan(&self, prefix: String) -> Pending<Result<Vec<VaultRow>, StoreError>> {
        self.vault_first(prefix, usize::MAX)
    }

    fn vault_first(&self, prefix: String, limit: usize) -> Pending<Result<Vec<VaultRow>, StoreError>> {
        self.reading(move |_, store| reads::vault(store, &prefix, limit))
    }

    fn vault_after(&self, after: Option<String>, max: usize) -> Pending<Result<Vec<VaultRow>, StoreError>> {
        self.reading(move |_, store| surveying::vault_after(store, after.as_deref(), max))
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
        self.reading(move |_, store| reads::values(store, VIEWS, keys))
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
        self.reading(move |_, store| reads::views(store, &from, &to, limit))
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
        self.reading(move |_, store| reads::listed(store, (&from, &to), limit, leads_to))
    }

    fn commits(&self, after: Position, max: usize) -> Pending<Result<Vec<RecordedCommit>, StoreError>> {
        let head = *self.shared.status.head.borrow();
        self.reading(move |_, store| surveying::commits(store, after, head, max))
    }

    fn entities(&self, after: Option<EntityId>, max: usize) -> Pending<Result<Vec<KnownEntity>, StoreError>> {
        self.reading(move |_, store| surveying::entities(store, after, max))
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
        let (asked, told) = mpsc::channel();
        self.queue.request(Request::Own(Own::Moment { beside: beside.clone(), reply: asked }));
        let moment = move || -> Result<Moment, StoreError> {
            let ended = || StoreError::Unavailable("the writer ended".to_owned());
            told.recv().map_err(|_| ended())?
        };
        let shared = Arc::clone(&self.shared);
        backups::apart(move || copying::back_up(&shared, &to, &beside, moment))
    }

    fn close(&self) -> Pending<()> {
        self.queue.close(&self.shared.status)
    }
}
