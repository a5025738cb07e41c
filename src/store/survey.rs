//! Commits and index entries as verification and export read them.

use super::{
    CommitId, StoreError,
    record::{CommitRecord, IndexRecord, ReadCommit, fold_snapshot},
};
use crate::domain::{EntityId, EntityKind, NewEvent, Position};

/// A commit as the journal holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedCommit {
    pub entity: EntityId,
    pub commit_id: CommitId,
    /// Position of its first event; the others follow without a gap.
    pub first: Position,
    pub events: Vec<NewEvent>,
}

impl RecordedCommit {
    pub(super) fn of(first: Position, record: CommitRecord) -> Self {
        let CommitRecord { entity, commit_id, events } = record;
        Self { entity, commit_id, first, events }
    }

    /// Position of its last event.
    pub const fn last(&self) -> Position {
        Position((self.first.0 + self.events.len() as u64).saturating_sub(1))
    }

    /// The entity's snapshot after this commit, folded from the one before it, which is empty for the first.
    pub fn snapshot_after(&self, before: &[u8]) -> Result<Vec<u8>, StoreError> {
        fold_snapshot(before, self.entity.kind, &self.events)
    }
}

/// The commits whose first event is after `after`, up to `head`, at most `max`.
pub(super) fn commits(
    all: impl Iterator<Item = ReadCommit>,
    after: Position,
    head: Position,
    max: usize,
) -> Result<Vec<RecordedCommit>, StoreError> {
    let mut found = Vec::new();
    if after >= head {
        return Ok(found);
    }
    for commit in all {
        let (first, record) = match commit {
            Ok(commit) => commit,
            Err(error) if found.is_empty() => return Err(error),
            // Commits before a damaged one are returned; the next call returns the error.
            Err(_) => break,
        };
        // Later commits may not be on disk, or not have been shown yet.
        if found.len() >= max || first > head {
            break;
        }
        if first > after {
            found.push(RecordedCommit::of(first, record));
        }
    }
    Ok(found)
}

/// An entity and its index entry, unless that is damaged.
pub type KnownEntity = (EntityId, Result<IndexRecord, StoreError>);

/// Reads a key of an index: kind and id of an entity.
pub(super) fn entity_of(key: &[u8]) -> Result<EntityId, StoreError> {
    let entity = || {
        let (kind, id) = key.split_first()?;
        let kind = EntityKind::ALL.into_iter().find(|known| *known as u8 == *kind)?;
        Some(EntityId { kind, id: u128::from_be_bytes(id.try_into().ok()?) })
    };
    entity().ok_or_else(|| StoreError::Corrupt("a key of the index is invalid".to_owned()))
}
