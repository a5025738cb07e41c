//! A new store, filled from an export: some at a time, each time until it is on disk.
//!
//! sled is slow with long bursts that are not flushed, and memory is not endless: so nothing is written
//! before what was written earlier is durable, but for the few commits, records or rows of one batch.

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

/// How many commits are queued before they are waited for.
const COMMITS_MAX: usize = 256;
/// How many records or rows are written at once, and how many bytes of them.
const ROWS_MAX: usize = 512;
const BYTES_MAX: usize = 1_024 * 1_024;

/// What is to be put into a store.
pub(crate) struct Filling {
    journal: Arc<dyn Journal>,
    /// Entities as the commits leave them that are queued.
    queued: HashMap<EntityId, (Version, Arc<[u8]>)>,
    commits: Vec<(Position, Pending<Result<Committed, CommitError>>)>,
    last: Position,
    vault: Vec<VaultWrite>,
    views: Vec<ViewWrite>,
    bytes: usize,
}

impl Filling {
    pub(crate) fn new(journal: Arc<dyn Journal>) -> Self {
        let (queued, commits, last) = (HashMap::new(), Vec::new(), Position::default());
        Self { journal, queued, commits, last, vault: Vec::new(), views: Vec::new(), bytes: 0 }
    }

    /// Queues a commit; or says why it cannot stand where it did.
    pub(crate) async fn commit(&mut self, commit: RecordedCommit) -> Result<Result<(), String>, ImportError> {
        let RecordedCommit { entity, commit_id, first, ref events } = commit;
        if first.0 != self.last.0 + 1 {
            let (first, last) = (first.0, self.last.0);
            return Ok(Err(format!(
                "its position is {first}, though {last} came before it: it would differ"
            )));
        }
        if events.iter().any(|new| new.event.kind() != entity.kind) {
            return Ok(Err("an event of another kind of entity".to_owned()));
        }
        let (expected, before) = match self.queued.get(&entity) {
            Some((version, snapshot)) => (*version, Arc::clone(snapshot)),
            None => {
                let loaded = self.journal.load(entity).await?;
                (loaded.version, loaded.snapshot.unwrap_or_default())
            }
        };
        // Events that break a rule of their aggregate, such as stock below zero, cannot be folded at all.
        let folded = panic::catch_unwind(AssertUnwindSafe(|| commit.snapshot_after(&before)));
        let Ok(folded) = folded else {
            return Ok(Err(format!("what happened to {entity} cannot have happened")));
        };
        let snapshot: Arc<[u8]> = folded?.into();
        self.last = commit.last();
        self.queued.insert(entity, (Version(self.last.0), Arc::clone(&snapshot)));
        let (events, vault) = (commit.events, Vec::new());
        // Whatever a store does with it, it is queued in this order, and so gets these positions.
        let made = Commit { entity, expected, commit_id, events, snapshot, vault };
        self.commits.push((self.last, self.journal.commit(made)));
        if self.commits.len() >= COMMITS_MAX { self.settle().await } else { Ok(Ok(())) }
    }

    /// Waits until all commits that are queued are on disk, where they should be.
    async fn settle(&mut self) -> Result<Result<(), String>, ImportError> {
        for (expected, committed) in self.commits.drain(..) {
            let Committed { position, .. } = committed.await?;
            if position != expected {
                let (position, expected) = (position.0, expected.0);
                return Ok(Err(format!("what stood at {expected} would stand at {position}")));
            }
        }
        self.queued.clear();
        Ok(Ok(()))
    }

    /// Puts a record into the vault.
    pub(crate) async fn vault(&mut self, key: String, value: Vec<u8>) -> Result<(), ImportError> {
        self.bytes += key.len() + value.len();
        self.vault.push(VaultWrite { key, value: Some(value) });
        if self.is_full(self.vault.len()) { self.write().await } else { Ok(()) }
    }

    /// Puts a row of a view. None may be on disk before the events that it follows from.
    pub(crate) async fn view(&mut self, key: Vec<u8>, value: Vec<u8>) -> Result<(), ImportError> {
        self.bytes += key.len() + value.len();
        self.views.push((key, Some(value)));
        if self.is_full(self.views.len()) { self.write().await } else { Ok(()) }
    }

    const fn is_full(&self, rows: usize) -> bool {
        rows >= ROWS_MAX || self.bytes >= BYTES_MAX
    }

    async fn write(&mut self) -> Result<(), ImportError> {
        self.settle().await?.map_err(ImportError::Refused)?;
        self.bytes = 0;
        if !self.views.is_empty() {
            self.journal.view_apply(std::mem::take(&mut self.views)).await?;
        }
        // Rows go to disk with whatever is made durable after them, be it nothing.
        Ok(self.journal.vault_write(std::mem::take(&mut self.vault)).await?)
    }

    /// Writes what is left.
    pub(crate) async fn finish(mut self) -> Result<(), ImportError> {
        self.write().await
    }
}
