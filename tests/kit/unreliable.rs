//! A journal in memory whose loads and timelines fail on demand, and whose commits take a given time: faults
//! that the memory backend's own fault plan does not have.

use std::{
    collections::VecDeque,
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use saem::{
    BackUpError, BackedUp, Commit, CommitError, Committed, EntityId, Journal, KnownEntity, ListedRow, Loaded,
    MemoryJournal, Pending, Position, Recorded, RecordedCommit, RentalId, StoreError, VaultRow, VaultWrite,
    ViewRow, ViewWrite,
};
use tokio::sync::{Mutex as Queue, watch};

/// Fault of the next load.
#[derive(Clone, Copy)]
pub enum LoadFault {
    Damaged,
    Panic,
    Never,
}

pub struct Unreliable {
    pub inner: Arc<MemoryJournal>,
    pub loads: Mutex<VecDeque<LoadFault>>,
    /// `true` while reads of timelines never end.
    pub timelines_hang: AtomicBool,
    /// Duration of the next commit.
    pub commit_takes: Mutex<Duration>,
    /// Writes wait for earlier ones, even if the callers of those have gone.
    queue: Arc<Queue<()>>,
}

impl Unreliable {
    pub fn over(inner: Arc<MemoryJournal>) -> Self {
        let (timelines_hang, commit_takes, queue) = (AtomicBool::default(), Mutex::default(), Arc::default());
        Self { inner, loads: Mutex::default(), timelines_hang, commit_takes, queue }
    }

    fn in_turn<T: Send + 'static>(
        &self,
        takes: Duration,
        write: impl FnOnce(&MemoryJournal) -> Pending<T> + 'static,
    ) -> Pending<T> {
        if takes.is_zero() && self.queue.try_lock().is_ok() {
            return write(&self.inner);
        }
        let (queue, inner) = (Arc::clone(&self.queue), Arc::clone(&self.inner));
        let written = actix_rt::spawn(async move {
            let _turn = queue.lock().await;
            tokio::time::sleep(takes).await;
            write(&inner).await
        });
        Box::pin(async { written.await.unwrap() })
    }
}

impl Journal for Unreliable {
    fn load(&self, entity: EntityId) -> Pending<Result<Loaded, StoreError>> {
        match self.loads.lock().unwrap().pop_front() {
            None => self.inner.load(entity),
            Some(LoadFault::Damaged) => {
                Box::pin(std::future::ready(Err(StoreError::Corrupt("on demand".to_owned()))))
            }
            Some(LoadFault::Panic) => Box::pin(async { panic!("while loading") }),
            Some(LoadFault::Never) => Box::pin(std::future::pending()),
        }
    }

    fn commit(&self, commit: Commit) -> Pending<Result<Committed, CommitError>> {
        let takes = std::mem::take(&mut *self.commit_takes.lock().unwrap());
        self.in_turn(takes, |inner| inner.commit(commit))
    }

    fn read(&self, after: Position, max: usize) -> Pending<Result<Vec<Arc<Recorded>>, StoreError>> {
        self.inner.read(after, max)
    }

    fn timeline(&self, rental: RentalId) -> Pending<Result<Vec<Arc<Recorded>>, StoreError>> {
        if self.timelines_hang.load(Ordering::Relaxed) {
            return Box::pin(std::future::pending());
        }
        self.inner.timeline(rental)
    }

    fn head(&self) -> watch::Receiver<Position> {
        self.inner.head()
    }

    fn vault_write(&self, writes: Vec<VaultWrite>) -> Pending<Result<(), CommitError>> {
        self.in_turn(Duration::ZERO, |inner| inner.vault_write(writes))
    }

    fn vault_get_all(&self, keys: Vec<String>) -> Pending<Result<Vec<Option<Vec<u8>>>, StoreError>> {
        self.inner.vault_get_all(keys)
    }

    fn vault_scan(&self, prefix: String) -> Pending<Result<Vec<VaultRow>, StoreError>> {
        self.inner.vault_scan(prefix)
    }

    fn vault_after(&self, after: Option<String>, max: usize) -> Pending<Result<Vec<VaultRow>, StoreError>> {
        self.inner.vault_after(after, max)
    }

    fn view_apply(&self, writes: Vec<ViewWrite>) -> Pending<Result<(), StoreError>> {
        self.inner.view_apply(writes)
    }

    fn view_get_all(&self, keys: Vec<Vec<u8>>) -> Pending<Result<Vec<Option<Vec<u8>>>, StoreError>> {
        self.inner.view_get_all(keys)
    }

    fn view_list(
        &self,
        from: Vec<u8>,
        to: Vec<u8>,
        limit: usize,
        leads_to: fn(&[u8]) -> Vec<u8>,
    ) -> Pending<Result<Vec<ListedRow>, StoreError>> {
        self.inner.view_list(from, to, limit, leads_to)
    }

    fn view_scan(
        &self,
        from: Vec<u8>,
        to: Vec<u8>,
        limit: usize,
    ) -> Pending<Result<Vec<ViewRow>, StoreError>> {
        self.inner.view_scan(from, to, limit)
    }

    fn commits(&self, after: Position, max: usize) -> Pending<Result<Vec<RecordedCommit>, StoreError>> {
        self.inner.commits(after, max)
    }

    fn entities(&self, after: Option<EntityId>, max: usize) -> Pending<Result<Vec<KnownEntity>, StoreError>> {
        self.inner.entities(after, max)
    }

    fn health(&self) -> Result<(), String> {
        self.inner.health()
    }

    fn is_poisoned(&self) -> bool {
        self.inner.is_poisoned()
    }

    fn back_up(&self, to: PathBuf, beside: Vec<PathBuf>) -> Pending<Result<BackedUp, BackUpError>> {
        self.inner.back_up(to, beside)
    }

    fn close(&self) -> Pending<()> {
        self.inner.close()
    }
}
