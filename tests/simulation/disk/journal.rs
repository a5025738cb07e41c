//! The disk as a journal.

use std::{path::PathBuf, sync::Arc, time::Duration};

use saem::{
    BackUpError, BackedUp, Commit, CommitError, Committed, EntityId, Journal, KnownEntity, ListedRow, Loaded,
    MemoryJournal, Pending, Position, Recorded, RecordedCommit, RentalId, StoreError, VaultRow, VaultWrite,
    ViewRow, ViewWrite,
};
use tokio::sync::{oneshot, watch};

use super::{Disk, Queued, SLOW_MS, WHY, Work};
use crate::plan::Outcome;

impl Disk {
    /// Queues a write, and waits for its answer.
    fn send<T: Send + 'static>(
        &self,
        work: impl FnOnce(oneshot::Sender<Result<T, CommitError>>) -> Work,
    ) -> Pending<Result<T, CommitError>> {
        let state = Arc::clone(&self.state);
        if state.is_dead() {
            return Box::pin(std::future::pending());
        }
        if self.is_poisoned() {
            return Box::pin(std::future::ready(Err(CommitError::Unavailable(WHY.to_owned()))));
        }
        let outcome = state.strike(true);
        assert!(outcome != Some(Outcome::Panic), "injected fault in the store");
        let (reply, answer) = oneshot::channel();
        let idle = {
            let mut queue = state.queue.lock().unwrap();
            queue.push_back(Queued { work: work(reply), outcome });
            queue.len() == 1
        };
        let slow = (outcome == Some(Outcome::Slow)).then(|| Duration::from_millis(SLOW_MS));
        match slow.or_else(|| state.delay(state.pace.commit_ms)) {
            None if idle => state.write_queued(),
            None => {}
            Some(delay) => {
                tokio::spawn(async move {
                    tokio::time::sleep(delay).await;
                    if !state.is_dead() {
                        state.write_queued();
                    }
                });
            }
        }
        Box::pin(async move {
            match answer.await {
                Ok(answer) => answer,
                // The process died.
                Err(_) => std::future::pending().await,
            }
        })
    }

    fn read_by<T: Send + 'static>(
        &self,
        get: impl FnOnce(&MemoryJournal) -> Pending<Result<T, StoreError>> + Send + 'static,
    ) -> Pending<Result<T, StoreError>> {
        let state = Arc::clone(&self.state);
        if state.is_dead() {
            return Box::pin(std::future::pending());
        }
        let outcome = state.strike(false);
        assert!(outcome != Some(Outcome::Panic), "injected fault in the store");
        let slow = (outcome == Some(Outcome::Slow)).then(|| Duration::from_millis(SLOW_MS));
        let delay = slow.or_else(|| state.delay(state.pace.read_ms));
        Box::pin(async move {
            if let Some(delay) = delay {
                tokio::time::sleep(delay).await;
            }
            if outcome == Some(Outcome::DieAfter) {
                state.dead.send_replace(true);
            }
            if state.is_dead() {
                return std::future::pending().await;
            }
            match outcome {
                Some(Outcome::Before | Outcome::Torn | Outcome::After) => {
                    Err(StoreError::Unavailable(WHY.to_owned()))
                }
                _ => get(&state.memory).await,
            }
        })
    }
}

impl Journal for Disk {
    fn load(&self, entity: EntityId) -> Pending<Result<Loaded, StoreError>> {
        self.read_by(move |memory| memory.load(entity))
    }

    fn commit(&self, commit: Commit) -> Pending<Result<Committed, CommitError>> {
        self.send(|reply| Work::Commit(Box::new(commit), reply))
    }

    fn read(&self, after: Position, max: usize) -> Pending<Result<Vec<Arc<Recorded>>, StoreError>> {
        self.read_by(move |memory| memory.read(after, max))
    }

    fn timeline(&self, rental: RentalId) -> Pending<Result<Vec<Arc<Recorded>>, StoreError>> {
        self.read_by(move |memory| memory.timeline(rental))
    }

    fn head(&self) -> watch::Receiver<Position> {
        let (head, watched) = watch::channel(*self.state.memory.head().borrow());
        self.state.heads.lock().unwrap().push(head);
        watched
    }

    fn vault_write(&self, writes: Vec<VaultWrite>) -> Pending<Result<(), CommitError>> {
        self.send(|reply| Work::Vault(writes, reply))
    }

    fn vault_get_all(&self, keys: Vec<String>) -> Pending<Result<Vec<Option<Vec<u8>>>, StoreError>> {
        self.read_by(move |memory| memory.vault_get_all(keys))
    }

    fn vault_scan(&self, prefix: String) -> Pending<Result<Vec<VaultRow>, StoreError>> {
        self.read_by(move |memory| memory.vault_scan(prefix))
    }

    fn vault_after(&self, after: Option<String>, max: usize) -> Pending<Result<Vec<VaultRow>, StoreError>> {
        self.read_by(move |memory| memory.vault_after(after, max))
    }

    fn view_apply(&self, writes: Vec<ViewWrite>) -> Pending<Result<(), StoreError>> {
        let state = Arc::clone(&self.state);
        if state.is_dead() {
            return Box::pin(std::future::pending());
        }
        if self.is_poisoned() {
            return Box::pin(std::future::ready(Err(StoreError::Unavailable(WHY.to_owned()))));
        }
        let outcome = state.strike(true);
        assert!(outcome != Some(Outcome::Panic), "injected fault in the store");
        Box::pin(async move {
            if state.is_dead() {
                return std::future::pending().await;
            }
            let unavailable = || Err(StoreError::Unavailable(WHY.to_owned()));
            match outcome {
                Some(Outcome::Before | Outcome::Torn) => return unavailable(),
                Some(Outcome::Slow) => tokio::time::sleep(Duration::from_millis(SLOW_MS)).await,
                _ => {}
            }
            if state.is_dead() {
                return std::future::pending().await;
            }
            let applied = state.memory.view_apply(writes).await;
            match outcome {
                Some(Outcome::After) => applied.and_then(|()| unavailable()),
                Some(Outcome::DieAfter) => {
                    state.dead.send_replace(true);
                    std::future::pending().await
                }
                _ => applied,
            }
        })
    }

    fn view_get_all(&self, keys: Vec<Vec<u8>>) -> Pending<Result<Vec<Option<Vec<u8>>>, StoreError>> {
        self.read_by(move |memory| memory.view_get_all(keys))
    }

    fn view_scan(
        &self,
        from: Vec<u8>,
        to: Vec<u8>,
        limit: usize,
    ) -> Pending<Result<Vec<ViewRow>, StoreError>> {
        self.read_by(move |memory| memory.view_scan(from, to, limit))
    }

    fn view_list(
        &self,
        from: Vec<u8>,
        to: Vec<u8>,
        limit: usize,
        leads_to: fn(&[u8]) -> Vec<u8>,
    ) -> Pending<Result<Vec<ListedRow>, StoreError>> {
        self.read_by(move |memory| memory.view_list(from, to, limit, leads_to))
    }

    fn commits(&self, after: Position, max: usize) -> Pending<Result<Vec<RecordedCommit>, StoreError>> {
        self.read_by(move |memory| memory.commits(after, max))
    }

    fn entities(&self, after: Option<EntityId>, max: usize) -> Pending<Result<Vec<KnownEntity>, StoreError>> {
        self.read_by(move |memory| memory.entities(after, max))
    }

    fn health(&self) -> Result<(), String> {
        if self.is_poisoned() || self.state.is_dead() {
            Err(WHY.to_owned())
        } else {
            self.state.memory.health()
        }
    }

    fn back_up(&self, _: PathBuf, _: Vec<PathBuf>) -> Pending<Result<BackedUp, BackUpError>> {
        Box::pin(std::future::ready(Err(BackUpError::Refused("there is no disk".to_owned()))))
    }

    fn close(&self) -> Pending<()> {
        if self.state.is_dead() {
            return Box::pin(std::future::ready(()));
        }
        self.state.write_queued();
        self.state.memory.close()
    }
}
