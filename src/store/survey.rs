//! Commits and index entries as verification and export read them.

use super::{
    CommitId, StoreError,
    record::{CommitRecord, IndexRecord, fold_snapshot},
};
use crate::domain::{EntityId, EntityKind, NewEvent, Position, Version};

/// A commit as the journal holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedCommit {
    /// The entity.
    pub entity: EntityId,
    /// Its id.
    pub commit_id: CommitId,
    /// Position of its first event; the others follow without a gap.
    pub first: Position,
    /// Its events.
    pub events: Vec<NewEvent>,
}

impl RecordedCommit {
    pub(super) fn of(first: Position, record: CommitRecord) -> Self {
        let CommitRecord { entity, commit_id, events } = record;
        Self { entity, commit_id: CommitId(commit_id), first, events }
    }

    /// Position of its last event.
    #[must_use]
    pub const fn last(&self) -> Position {
        Position((self.first.0 + self.events.len() as u64).saturating_sub(1))
    }

    /// The entity's snapshot after this commit, folded from the one before it, which is empty for the first.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] if the snapshot before cannot be read.
    pub fn snapshot_after(&self, before: &[u8]) -> Result<Vec<u8>, StoreError> {
        let (entity, commit_id, events) = (self.entity, self.commit_id.0, self.events.clone());
        fold_snapshot(before, &CommitRecord { entity, commit_id, events })
    }
}

/// Index entry of an entity: derived from its events, and read without them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// Position of its newest event; 0 for a rental that only events of other entities name.
    pub version: Version,
    /// Id of its newest commit.
    pub last_commit_id: CommitId,
    /// Its state, from [`super::Commit::snapshot`].
    pub snapshot: Vec<u8>,
    /// For a rental: positions of its events, of every context.
    pub timeline: Vec<Position>,
}

/// An entity and its index entry, unless that is damaged.
pub type KnownEntity = (EntityId, Result<Known, StoreError>);

impl From<IndexRecord> for Known {
    fn from(record: IndexRecord) -> Self {
        let IndexRecord { version, last_commit_id, snapshot, timeline } = record;
        Self { version, last_commit_id: CommitId(last_commit_id), snapshot, timeline }
    }
}

/// Reads a key of an index: kind and id of an entity.
pub(super) fn entity_of(key: &[u8]) -> Result<EntityId, StoreError> {
    let entity = || {
        let (kind, id) = key.split_first()?;
        let kind = EntityKind::ALL.into_iter().find(|known| *known as u8 == *kind)?;
        Some(EntityId { kind, id: u128::from_be_bytes(id.try_into().ok()?) })
    };
    entity().ok_or_else(|| StoreError::Corrupt("a key of the index is invalid".to_owned()))
}
