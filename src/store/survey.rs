//! All of a journal, piece by piece: what whoever verifies or exports it is told.

use super::{
    CommitId, StoreError,
    record::{CommitRecord, IndexRecord, fold_snapshot},
};
use crate::domain::{EntityId, EntityKind, NewEvent, Position, Version};

/// A commit as the journal holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedCommit {
    /// Whose.
    pub entity: EntityId,
    /// Its name.
    pub commit_id: CommitId,
    /// Where its first event stands; the others follow without a gap.
    pub first: Position,
    /// What happened.
    pub events: Vec<NewEvent>,
}

impl RecordedCommit {
    /// What `record` says, which stands at `first`.
    pub(super) fn of(first: Position, record: CommitRecord) -> Self {
        let CommitRecord { entity, commit_id, events } = record;
        Self { entity, commit_id: CommitId(commit_id), first, events }
    }

    /// Where its last event stands.
    #[must_use]
    pub const fn last(&self) -> Position {
        Position((self.first.0 + self.events.len() as u64).saturating_sub(1))
    }

    /// The entity's snapshot after this commit, made from the one before it; that is empty for the first.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when the one before cannot be read.
    pub fn snapshot_after(&self, before: &[u8]) -> Result<Vec<u8>, StoreError> {
        let (entity, commit_id, events) = (self.entity, self.commit_id.0, self.events.clone());
        fold_snapshot(before, &CommitRecord { entity, commit_id, events })
    }
}

/// What a store knows of an entity without a look at its events. All of it follows from them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// Where its newest event stands; 0 if only others' events name it.
    pub version: Version,
    /// Its newest commit.
    pub last_commit_id: CommitId,
    /// Its state, as [`super::Commit::snapshot`] gave it.
    pub snapshot: Vec<u8>,
    /// For a rental: where all its events stand, over all contexts.
    pub timeline: Vec<Position>,
}

/// An entity, and what is known of it unless that is damaged.
pub type KnownEntity = (EntityId, Result<Known, StoreError>);

impl From<IndexRecord> for Known {
    fn from(record: IndexRecord) -> Self {
        let IndexRecord { version, last_commit_id, snapshot, timeline } = record;
        Self { version, last_commit_id: CommitId(last_commit_id), snapshot, timeline }
    }
}

/// The entity that a key of an index is about: its kind, then its id.
pub(super) fn entity_of(key: &[u8]) -> Result<EntityId, StoreError> {
    let entity = || {
        let (kind, id) = key.split_first()?;
        let kind = EntityKind::ALL.into_iter().find(|known| *known as u8 == *kind)?;
        Some(EntityId { kind, id: u128::from_be_bytes(id.try_into().ok()?) })
    };
    entity().ok_or_else(|| StoreError::Corrupt("a key of the index".to_owned()))
}
