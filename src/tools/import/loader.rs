//! Loads an export into a new store in batches, and waits for each batch to be durable.
//!
//! The wait bounds memory, and sled is slow with long bursts of unflushed writes.

use std::{
    collections::HashMap,
    panic::{self, AssertUnwindSafe},
    sync::Arc,
};

use super::ImportError;
use crate::{
    domain::{EntityId, Position, Version},
    store::{Commit, CommitError, Committed, Journal, Pending, RecordedCommit, VaultWrite, ViewWrite},
};

/// Maximum commits in flight.
const COMMITS_MAX: usize = 256;
/// Maximum records or rows of a batch, and their maximum bytes.
const ROWS_MAX: usize = 512;
const BYTES_MAX: usize = 1_024 * 1_024;

pub(crate) struct Loader {
    journal: Arc<dyn Journal>,
    /// Version and snapshot of entities with commits in flight.
    in_flight: HashMap<EntityId, (Version, Arc<[u8]>)>,
    commits: Vec<(Position, Pending<Result<Committed, CommitError>>)>,
    last: Position,
    vault: Vec<VaultWrite>,
    views: Vec<ViewWrite>,
    bytes: usize,
}

impl Loader {
    pub(crate) fn new(journal: Arc<dyn Journal>) -> Self {
        let (in_flight, commits, last) = (HashMap::new(), Vec::new(), Position::default());
        Self { journal, in_flight, commits, last, vault: Vec::new(), views: Vec::new(), bytes: 0 }
    }

    /// Queues a commit. The inner error says why it cannot get its old position.
    pub(crate) async fn commit(&mut self, commit: RecordedCommit) -> Result<Result<(), String>, ImportError> {
        let RecordedCommit { entity, commit_id, first, ref events } = commit;
        if first.0 != self.last.0 + 1 {
            let (first, last) = (first.0, self.last.0);
            return Ok(Err(format!("position {first} does not follow {last}")));
        }
        if events.iter().any(|new| new.event.kind() != entity.kind) {
            return Ok(Err("an event of another entity kind".to_owned()));
        }
        let (expected, before) = match self.in_flight.get(&entity) {
            Some((version, snapshot)) => (*version, Arc::clone(snapshot)),
            None => {
                let loaded = self.journal.load(entity).await?;
                (loaded.version, loaded.snapshot.unwrap_or_default())
            }
        };
        // Folding panics on events that violate a rule of their aggregate, such as stock below zero.
        let folded = panic::catch_unwind(AssertUnwindSafe(|| commit.snapshot_after(&before)));
        let Ok(folded) = folded else {
            return Ok(Err(format!("the events of {entity} violate a rule of its aggregate")));
        };
        let snapshot: Arc<[u8]> = folded?.into();
        self.last = commit.last();
        self.in_flight.insert(entity, (Version(self.last.0), Arc::clone(&snapshot)));
        let (events, vault) = (commit.events, Vec::new());
        // The store assigns positions in queue order.
        let commit = Commit { entity, expected, commit_id, events, snapshot, vault };
        self.commits.push((self.last, self.journal.commit(commit)));
        if self.commits.len() >= COMMITS_MAX { self.wait_for_commits().await } else { Ok(Ok(())) }
    }

    /// Waits until all commits in flight are durable, and checks their positions.
    async fn wait_for_commits(&mut self) -> Result<Result<(), String>, ImportError> {
        for (expected, committed) in self.commits.drain(..) {
            let Committed { position, .. } = committed.await?;
            if position != expected {
                let (position, expected) = (position.0, expected.0);
                return Ok(Err(format!("the commit at {expected} would move to {position}")));
            }
        }
        self.in_flight.clear();
        Ok(Ok(()))
    }

    pub(crate) async fn vault(&mut self, key: String, value: Vec<u8>) -> Result<(), ImportError> {
        self.bytes += key.len() + value.len();
        self.vault.push(VaultWrite { key, value: Some(value) });
        if self.is_full(self.vault.len()) { self.write().await } else { Ok(()) }
    }

    /// Queues a row of a view. It is written after all commits are durable.
    pub(crate) async fn view(&mut self, key: Vec<u8>, value: Vec<u8>) -> Result<(), ImportError> {
        self.bytes += key.len() + value.len();
        self.views.push((key, Some(value)));
        if self.is_full(self.views.len()) { self.write().await } else { Ok(()) }
    }

    const fn is_full(&self, rows: usize) -> bool {
        rows >= ROWS_MAX || self.bytes >= BYTES_MAX
    }

    async fn write(&mut self) -> Result<(), ImportError> {
        self.wait_for_commits().await?.map_err(ImportError::Refused)?;
        self.bytes = 0;
        if !self.views.is_empty() {
            self.journal.view_apply(std::mem::take(&mut self.views)).await?;
        }
        // A vault write, even an empty one, makes the rows before it durable.
        Ok(self.journal.vault_write(std::mem::take(&mut self.vault)).await?)
    }

    pub(crate) async fn finish(mut self) -> Result<(), ImportError> {
        self.write().await
    }
}
