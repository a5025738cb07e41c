//! The store in sled: the default backend.
//!
//! Everything durable is in one tree, by prefix, since batches on several trees are not atomic:
//!
//! | key | value |
//! | --- | --- |
//! | `j` position of its first event | a *chunk*: the commits of one batch, packed, ≤ 16 KiB |
//! | `g` id of a rental | index records of the rental, its payment and its delivery; *written behind* |
//! | `e` any other entity | its index record: version, snapshot, timeline; *written behind* |
//! | `m` `checkpoint` | start-up folds the journal after this position |
//! | `m` `mark` | a number that the file `journal.mark` repeats, see [`mark`] |
//! | `v` key | the vault |
//!
//! A key costs sled memory, disk and time, so a commit has none of its own. Index records stay in memory for
//! a while after each commit, and are written with a later batch, oldest first, a few at a time. A crash
//! loses nothing, since start-up folds the end of the journal.
//!
//! One thread writes: it takes the queued requests, applies them as one batch, flushes, syncs the file, and
//! replies (see `super::writer`). A few threads read what is not in memory.

mod aside;
mod backing_up;
mod compacting;
mod copying;
mod db;
mod format;
mod index;
mod log;
mod mark;
mod message;
mod opening;
mod reads;
mod row;
mod snapshot;
mod surveying;
mod writer;

use std::{
    convert::Infallible,
    path::{Path, PathBuf},
    sync::Arc,
};

use tokio::sync::watch;

use self::{
    backing_up::Handover,
    format::{Files, Opened, Tree, unavailable},
    index::{Found, Index},
    mark::Mark,
    writer::SledEngine,
};
use super::{
    BackUpError, BackedUp, Commit, CommitError, Committed, Compacted, FaultMode, Journal, KnownEntity,
    ListedRow, Loaded, OpenError, Pending, RecordedCommit, StoreError, StoreFigures, VaultRow, VaultWrite,
    ViewRow, ViewWrite, at_once, backups,
    open_error::damaged,
    pool::ReadPool,
    queue::{Queue, Request},
    record,
    status::Status,
    survey,
    writer::Writer,
};
use crate::domain::{EntityId, Position, Recorded, RentalId};

/// Options of a store in sled.
#[derive(Clone, Copy, Debug)]
pub struct SledOptions {
    /// Size of sled's cache, in bytes.
    pub cache_bytes: u64,
    /// True if index records are written behind. False for reading a store at rest, and for tests: then
    /// start-up folds what is missing.
    pub write_behind: bool,
    /// With less free space than this on its disk, the store takes no commits.
    pub min_free_bytes: u64,
}

impl Default for SledOptions {
    fn default() -> Self {
        Self { cache_bytes: 48 * 1_024 * 1_024, write_behind: true, min_free_bytes: 0 }
    }
}

/// A store in sled.
pub struct SledJournal {
    shared: Arc<Shared>,
    queue: Queue<Infallible>,
    pool: ReadPool,
}

struct Shared {
    status: Arc<Status>,
    files: Arc<Files>,
    handover: Handover,
    index: Index,
}

impl SledJournal {
    /// Opens the store in `directory`, or creates one.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(directory: &Path, options: SledOptions) -> Result<Arc<Self>, OpenError> {
        Self::opened(directory, options).map_err(|error| aside::refused(directory, error))
    }

    fn opened(directory: &Path, options: SledOptions) -> Result<Arc<Self>, OpenError> {
        let opened = opening::open(directory, options)?;
        let damaged = damaged(directory);
        let files = Arc::new(Files::new(opened));
        let index = Index::new(Arc::clone(&files), options.write_behind);
        let head = reads::recover(&files, &index).map_err(&damaged)?;
        let mark = files.with(|opened| Ok(Mark::open(directory, &opened.tree, head))).map_err(&damaged)??;
        aside::settle(&directory.join(format::STORE));
        let status = Arc::new(Status::new(directory.to_owned(), options.min_free_bytes, head));
        let handover = Handover::default();
        let shared = Arc::new(Shared { status: Arc::clone(&status), files, handover, index });
        let engine = SledEngine::new(Arc::clone(&shared), mark);
        let queue = Queue::new(Writer::start(engine, status));
        Ok(Arc::new(Self { shared, queue, pool: ReadPool::start() }))
    }

    /// Rewrites the closed store in `directory`, so that its files no longer hold what was erased. After a
    /// crash at any point there is the old store or the new one.
    ///
    /// # Errors
    /// [`OpenError`]; then nothing has changed.
    pub fn compact(directory: &Path, options: SledOptions) -> Result<Compacted, OpenError> {
        compacting::compact(directory, options)
    }

    /// Makes the next flush fail, as a failing disk would.
    #[doc(hidden)]
    pub fn fail_next_flush(&self) {
        self.queue.request(Request::FailNextFlush);
    }

    /// Changes [`SledOptions::min_free_bytes`].
    #[doc(hidden)]
    pub fn require_free(&self, bytes: u64) {
        self.shared.status.space.require(bytes);
    }

    /// Runs `read` on a reader thread.
    fn run<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Shared) -> Result<T, StoreError> + Send + 'static,
    ) -> Pending<Result<T, StoreError>> {
        let shared = Arc::clone(&self.shared);
        self.pool.run(move || read(&shared))
    }
}

fn loaded(found: Found) -> Result<Loaded, StoreError> {
    found.map(|known| known.map_or_else(Loaded::default, |known| known.loaded()))
}

impl Journal for SledJournal {
    fn load(&self, entity: EntityId) -> Pending<Result<Loaded, StoreError>> {
        if let Some(known) = self.shared.index.in_memory(entity) {
            return at_once(loaded(known));
        }
        self.run(move |shared| loaded(shared.index.get(entity)))
    }

    fn commit(&self, commit: Commit) -> Pending<Result<Committed, CommitError>> {
        self.queue.commit(&self.shared.status, commit)
    }

    fn read(&self, after: Position, max: usize) -> Pending<Result<Vec<Arc<Recorded>>, StoreError>> {
        if let Some(events) = self.shared.status.tail.read(after, max) {
            return at_once(Ok(events));
        }
        self.run(move |shared| {
            let head = *shared.status.head.borrow();
            let commits = |files: &Opened| reads::commits_after(&files.tree, after);
            shared.files.with(|files| record::events(commits(files)?, after, head, max))
        })
    }

    fn timeline(&self, rental: RentalId) -> Pending<Result<Vec<Arc<Recorded>>, StoreError>> {
        if let Some(Ok(Some(known))) = self.shared.index.in_memory(rental.into())
            && let Some(events) = self.shared.status.tail.at(&known.timeline)
        {
            return at_once(Ok(events));
        }
        self.run(move |shared| {
            let known = shared.index.get(rental.into())?;
            let positions = known.map_or_else(Vec::new, |known| known.timeline.clone());
            shared.files.with(|files| reads::at(&files.tree, &positions))
        })
    }

    fn head(&self) -> watch::Receiver<Position> {
        self.shared.status.head.subscribe()
    }

    fn vault_write(&self, writes: Vec<VaultWrite>) -> Pending<Result<(), CommitError>> {
        self.queue.vault_write(&self.shared.status, writes)
    }

    fn vault_get_all(&self, keys: Vec<String>) -> Pending<Result<Vec<Option<Vec<u8>>>, StoreError>> {
        self.run(move |shared| {
            let keys = keys.iter().map(|key| format::vault_key(key));
            shared.files.with(|files| reads::values(&files.tree, keys))
        })
    }

    fn vault_scan(&self, prefix: String) -> Pending<Result<Vec<VaultRow>, StoreError>> {
        self.vault_first(prefix, usize::MAX)
    }

    fn vault_first(&self, prefix: String, limit: usize) -> Pending<Result<Vec<VaultRow>, StoreError>> {
        self.run(move |shared| surveying::vault_first(shared, &prefix, limit))
    }

    fn vault_after(&self, after: Option<String>, max: usize) -> Pending<Result<Vec<VaultRow>, StoreError>> {
        self.run(move |shared| surveying::vault_after(shared, after.as_deref(), max))
    }

    fn view_apply(&self, writes: Vec<ViewWrite>) -> Pending<Result<(), StoreError>> {
        self.run(move |shared| {
            shared.status.space.look();
            if let Some(reason) = shared.status.poisoned().or_else(|| shared.status.space.fullness()) {
                return Err(StoreError::Unavailable(reason));
            }
            let mut batch = sled::Batch::default();
            for (key, value) in writes {
                match value {
                    Some(value) => batch.insert(key, value),
                    None => batch.remove(key),
                }
            }
            shared.files.with(|files| shared.handover.apply(files, Tree::Views, batch).map_err(unavailable))
        })
    }

    fn view_get_all(&self, keys: Vec<Vec<u8>>) -> Pending<Result<Vec<Option<Vec<u8>>>, StoreError>> {
        self.run(move |shared| shared.files.with(|files| reads::values(&files.views, keys)))
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
        self.run(move |shared| shared.files.with(|files| reads::rows(&files.views, from..to, limit)))
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
        self.run(move |shared| {
            shared.files.with(|files| {
                let listed = reads::rows(&files.views, from..to, limit)?;
                let keys: Vec<Vec<u8>> = listed.into_iter().map(|(key, _)| key).collect();
                let rows = reads::values(&files.views, keys.iter().map(|key| leads_to(key)))?;
                Ok(keys.into_iter().zip(rows).collect())
            })
        })
    }

    fn commits(&self, after: Position, max: usize) -> Pending<Result<Vec<RecordedCommit>, StoreError>> {
        self.run(move |shared| {
            let head = *shared.status.head.borrow();
            let commits = |files: &Opened| reads::commits_after(&files.tree, after);
            shared.files.with(|files| survey::commits(commits(files)?, after, head, max))
        })
    }

    fn entities(&self, after: Option<EntityId>, max: usize) -> Pending<Result<Vec<KnownEntity>, StoreError>> {
        self.run(move |shared| surveying::entities(shared, after, max))
    }

    fn health(&self) -> Result<(), String> {
        self.shared.status.health()
    }

    fn is_poisoned(&self) -> bool {
        self.shared.status.poisoned().is_some()
    }

    fn figures(&self) -> Pending<Result<StoreFigures, StoreError>> {
        self.run(|shared| Ok(shared.status.figures()))
    }

    fn turns(&self) -> Option<u64> {
        Some(self.shared.status.turns())
    }

    fn sabotage(&self, mode: FaultMode) -> bool {
        self.queue.request(Request::Fault(mode))
    }

    fn back_up(&self, to: PathBuf, beside: Vec<PathBuf>) -> Pending<Result<BackedUp, BackUpError>> {
        let shared = Arc::clone(&self.shared);
        backups::on_own_thread(move || backing_up::back_up(&shared, &to, &beside))
    }

    fn close(&self) -> Pending<()> {
        self.queue.close(&self.shared.status)
    }
}
