//! Records that all backends write: a commit, and the index entry of an entity.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{COMMIT_BYTES_MAX, Commit, CommitError, CommitId, Loaded, StoreError, codec};
use crate::domain::{
    EntityId, EntityKind, Journaled, NewEvent, Position, Recorded, RentalId, Version, account::Account,
    context::Maintenance, delivery::Delivery, payment::Payment, product::Product, rental::Rental,
};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct CommitRecord {
    pub entity: EntityId,
    pub commit_id: CommitId,
    pub events: Vec<NewEvent>,
}

/// Maximal length of an [`IndexRecord`], in bytes: sled would not keep a larger value in its tree.
const INDEX_BYTES_MAX: usize = 27 * 1_024;
/// In sled, the records of a rental, its payment and its delivery are one value, and each gets a share of its
/// length. The rental's record has the timeline of all three.
const RENTAL_BYTES_MAX: usize = 15 * 1_024;
const PAYMENT_BYTES_MAX: usize = 8 * 1_024;
const DELIVERY_BYTES_MAX: usize = 4 * 1_024;
const _: () = assert!(RENTAL_BYTES_MAX + PAYMENT_BYTES_MAX + DELIVERY_BYTES_MAX <= INDEX_BYTES_MAX);
/// Maximal length of a position in a record, in bytes.
const POSITION_BYTES: usize = 9;
/// Maximal length of all but the snapshot and the timeline, with checksum and lengths, in bytes.
const INDEX_OVERHEAD_BYTES: usize = 64;

impl CommitRecord {
    /// The record of a commit, and its frame.
    pub(super) fn of(commit: &Commit) -> Result<(Self, Vec<u8>), CommitError> {
        super::check(commit)?;
        let Commit { entity, commit_id, ref events, .. } = *commit;
        let record = Self { entity, commit_id, events: events.clone() };
        let frame = codec::encode(&record).map_err(|error| CommitError::Refused(error.to_string()))?;
        if frame.len() > COMMIT_BYTES_MAX {
            return Err(CommitError::Refused(format!("a commit of {} bytes is too large", frame.len())));
        }
        Ok((record, frame))
    }

    /// Reads the record of the commit whose first event is at `first`. Errors name that position, since
    /// reactors and projections stop there.
    pub(super) fn read(first: Position, frame: Result<&[u8], StoreError>) -> Result<Self, StoreError> {
        frame.and_then(codec::decode).map_err(|error| match error {
            StoreError::Corrupt(what) => {
                StoreError::Corrupt(format!("the commit at event {}: {what}", first.0))
            }
            error => error,
        })
    }

    /// Position of the last event, if the first one is at `first`.
    pub(super) const fn last(&self, first: Position) -> Position {
        Position(first.0 + self.events.len() as u64 - 1)
    }

    /// The events with their positions, if the first one is at `first`.
    pub(super) fn recorded(self, first: Position) -> impl Iterator<Item = Arc<Recorded>> {
        let entity = self.entity;
        self.events.into_iter().zip(first.0..).map(move |(NewEvent { meta, event }, position)| {
            Arc::new(Recorded { position: Position(position), entity, meta, event })
        })
    }

    /// The rentals whose timelines show events of this commit, with the positions of these.
    pub(super) fn timelines(&self, first: Position) -> impl Iterator<Item = (RentalId, Position)> {
        self.events.iter().zip(first.0..).filter_map(|(new, position)| {
            new.event.rental(self.entity).map(|rental| (rental, Position(position)))
        })
    }
}

/// A commit as it is read, with the position of its first event.
pub(super) type ReadCommit = Result<(Position, CommitRecord), StoreError>;

/// The events after `after`, up to `head`, at most `max`.
pub(super) fn events(
    commits: impl Iterator<Item = ReadCommit>,
    after: Position,
    head: Position,
    max: usize,
) -> Result<Vec<Arc<Recorded>>, StoreError> {
    let mut found = Vec::new();
    if after >= head {
        return Ok(found);
    }
    for commit in commits {
        if found.len() >= max {
            break;
        }
        let (first, record) = commit?;
        // Later commits may not be on disk, or not have been shown yet.
        if first > head {
            break;
        }
        found.extend(record.recorded(first).filter(|event| event.position > after));
    }
    found.truncate(max);
    Ok(found)
}

/// Index entry of an entity: derived from its events, and read without them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexRecord {
    /// Position of its newest event; 0 for a rental that only events of other entities name.
    pub version: Version,
    pub last_commit_id: CommitId,
    /// Its state at `version`. No valid frame if it could not be folded: the entity is damaged.
    pub snapshot: Vec<u8>,
    /// For a rental: positions of its events, of every context.
    pub timeline: Vec<Position>,
}

impl IndexRecord {
    /// Checks that the record can be stored with a snapshot of `snapshot` bytes and `more_positions` more
    /// events in its timeline.
    pub(super) fn check_room(
        &self,
        kind: EntityKind,
        snapshot: usize,
        more_positions: usize,
    ) -> Result<(), CommitError> {
        let max = match kind {
            EntityKind::Rental => RENTAL_BYTES_MAX,
            EntityKind::Payment => PAYMENT_BYTES_MAX,
            EntityKind::Delivery => DELIVERY_BYTES_MAX,
            EntityKind::Product | EntityKind::Account | EntityKind::Context => INDEX_BYTES_MAX,
        };
        let positions = self.timeline.len() + more_positions;
        if INDEX_OVERHEAD_BYTES + snapshot + POSITION_BYTES * positions <= max {
            return Ok(());
        }
        let kind = kind.as_str();
        Err(CommitError::Refused(format!(
            "a {kind} with a snapshot of {snapshot} bytes and {positions} events in its timeline is too large"
        )))
    }

    pub(super) fn loaded(&self) -> Loaded {
        Loaded {
            version: self.version,
            last_commit_id: self.last_commit_id,
            snapshot: (self.version != Version::default()).then(|| self.snapshot.as_slice().into()),
            tail: Vec::new(),
        }
    }

    pub(super) fn in_timeline(&mut self, position: Position) {
        if self.timeline.last().is_none_or(|last| *last < position) {
            self.timeline.push(position);
        }
    }
}

/// Folds the events of a commit into the snapshot before it, which is empty for the first.
pub(super) fn fold_snapshot(
    before: &[u8],
    kind: EntityKind,
    events: &[NewEvent],
) -> Result<Vec<u8>, StoreError> {
    match kind {
        EntityKind::Rental => fold::<Rental>(before, events),
        EntityKind::Payment => fold::<Payment>(before, events),
        EntityKind::Delivery => fold::<Delivery>(before, events),
        EntityKind::Product => fold::<Product>(before, events),
        EntityKind::Account => fold::<Account>(before, events),
        EntityKind::Context => fold::<Maintenance>(before, events),
    }
}

fn fold<A: Journaled>(before: &[u8], events: &[NewEvent]) -> Result<Vec<u8>, StoreError> {
    let state = if before.is_empty() { A::default() } else { codec::decode_snapshot::<A>(before)? };
    let folded = |state: A, new: &NewEvent| state.fold(&new.event, new.meta.at);
    debug_assert!(events.iter().all(|new| new.event.kind() == A::KIND), "a commit belongs to one aggregate");
    codec::encode_snapshot(&events.iter().fold(state, folded))
}
