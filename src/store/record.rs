//! What the backends write: a commit, and what is known of an entity.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{COMMIT_BYTES_MAX, Commit, CommitError, CommitId, Loaded, StoreError, codec};
use crate::domain::{
    EntityId, EntityKind, Event, Journaled, NewEvent, Position, Recorded, RentalId, Version,
    account::Account, context::Maintenance, delivery::Delivery, payment::Payment, product::Product,
    rental::Rental,
};

/// A commit in the journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct CommitRecord {
    pub entity: EntityId,
    pub commit_id: u128,
    pub events: Vec<NewEvent>,
}

/// The most bytes an [`IndexRecord`] may have: a larger value would not stay in sled's tree.
const INDEX_BYTES_MAX: usize = 27 * 1_024;
/// In sled's tree, those of a rental, its payment and its delivery are one value: each has its part of that.
/// A rental's holds the timeline of all three.
const RENTAL_BYTES_MAX: usize = 15 * 1_024;
const PAYMENT_BYTES_MAX: usize = 8 * 1_024;
const DELIVERY_BYTES_MAX: usize = 4 * 1_024;
const _: () = assert!(RENTAL_BYTES_MAX + PAYMENT_BYTES_MAX + DELIVERY_BYTES_MAX <= INDEX_BYTES_MAX);
/// How much of that a position takes at most, and all but the snapshot and the timeline: checksum and length,
/// too.
const POSITION_BYTES: usize = 9;
const INDEX_OVERHEAD_BYTES: usize = 64;

impl CommitRecord {
    /// The record of a commit, and the record as a frame.
    ///
    /// # Errors
    /// [`CommitError::Refused`] when it is too large for any backend.
    pub(super) fn of(commit: &Commit) -> Result<(Self, Vec<u8>), CommitError> {
        super::check(commit)?;
        let record =
            Self { entity: commit.entity, commit_id: commit.commit_id.0, events: commit.events.clone() };
        let frame = codec::encode(&record).map_err(|error| CommitError::Refused(error.to_string()))?;
        if frame.len() > COMMIT_BYTES_MAX {
            return Err(CommitError::Refused(format!("a commit of {} bytes is too large", frame.len())));
        }
        Ok((record, frame))
    }

    /// The record in a frame whose first event stands at `first`.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`], and where: whoever is told has to know what comes to a halt there.
    pub(super) fn read(first: Position, frame: Result<&[u8], StoreError>) -> Result<Self, StoreError> {
        frame.and_then(codec::decode).map_err(|error| match error {
            StoreError::Corrupt(what) => {
                StoreError::Corrupt(format!("the commit at event {}: {what}", first.0))
            }
            error => error,
        })
    }

    /// The position of the last event, when the first one stands at `first`.
    pub(super) const fn last(&self, first: Position) -> Position {
        Position(first.0 + self.events.len() as u64 - 1)
    }

    /// The events with their places, when the first one stands at `first`.
    pub(super) fn recorded(self, first: Position) -> impl Iterator<Item = Arc<Recorded>> {
        let entity = self.entity;
        self.events.into_iter().zip(first.0..).map(move |(NewEvent { meta, event }, position)| {
            Arc::new(Recorded { position: Position(position), entity, meta, event })
        })
    }

    /// Which rentals' timelines show which events of this commit.
    pub(super) fn timelines(&self, first: Position) -> impl Iterator<Item = (RentalId, Position)> {
        self.events.iter().zip(first.0..).filter_map(|(new, position)| {
            new.event.rental(self.entity).map(|rental| (rental, Position(position)))
        })
    }
}

/// What is known of an entity: as of a version, without reading its events.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct IndexRecord {
    pub version: Version,
    pub last_commit_id: u128,
    /// Its state, as of `version`. Empty when it could not be made: the entity is damaged.
    pub snapshot: Vec<u8>,
    /// For a rental: where all its events stand, over all contexts.
    pub timeline: Vec<Position>,
}

impl IndexRecord {
    /// Refuses to grow beyond what can be stored of an entity of this kind.
    ///
    /// # Errors
    /// [`CommitError::Refused`]
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

    /// What whoever loads the entity is told.
    pub(super) fn loaded(&self) -> Loaded {
        Loaded {
            version: self.version,
            last_commit_id: CommitId(self.last_commit_id),
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

/// The snapshot after `record`, made from the one before: for commits that a crash left without one.
///
/// # Errors
/// [`StoreError::Corrupt`] when the one before cannot be read.
pub(super) fn fold_snapshot(before: &[u8], record: &CommitRecord) -> Result<Vec<u8>, StoreError> {
    match record.entity.kind {
        EntityKind::Rental => fold::<Rental>(before, record),
        EntityKind::Payment => fold::<Payment>(before, record),
        EntityKind::Delivery => fold::<Delivery>(before, record),
        EntityKind::Product => fold::<Product>(before, record),
        EntityKind::Account => fold::<Account>(before, record),
        EntityKind::Context => fold::<Maintenance>(before, record),
    }
}

fn fold<A: Journaled>(before: &[u8], record: &CommitRecord) -> Result<Vec<u8>, StoreError> {
    let state = if before.is_empty() { A::default() } else { codec::decode_snapshot::<A>(before)? };
    let folded = |state: A, new: &NewEvent| state.fold(&new.event, new.meta.at);
    let events: &[NewEvent] = &record.events;
    debug_assert!(events.iter().all(|new| Event::kind(&new.event) == A::KIND), "a commit is one aggregate's");
    codec::encode_snapshot(&events.iter().fold(state, folded))
}
