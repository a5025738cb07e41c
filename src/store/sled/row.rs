//! A row of the index: the index record of one entity, or those of a rental, its payment and its delivery.
//!
//! Those three have one id, and one saga changes them all: with one key they cost sled less. Reading the row
//! also tells which of them do not exist.
//!
//! | key | value |
//! | --- | --- |
//! | `e` entity | a frame with its record |
//! | `g` id of the rental | the frames of all three, each after its length |
//!
//! A frame of no bytes stands for an entity that does not exist.
//!
//! Each record has its own checksum, so that damage to one does not affect the others. A damaged record is
//! written back as it was read: it stays damaged, and does not turn into an entity that does not exist.
//!
//! A row has at most 27 KiB, the maximum of a value (see `format`): `IndexRecord::check_room` gives each of
//! the three a share of that.

use std::sync::Arc;

use super::format::{Opened, entity_key, group_key, unavailable};
use crate::{
    domain::{EntityId, EntityKind},
    store::{KnownEntity, StoreError, codec, record::IndexRecord},
};

/// The kinds of entity that share a row, in the order of their frames.
pub(super) const GROUPED: [EntityKind; 3] = [EntityKind::Rental, EntityKind::Payment, EntityKind::Delivery];

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum RowId {
    Alone(EntityId),
    /// The row of a rental, its payment and its delivery, which have this id.
    Group(u128),
}

impl RowId {
    pub(super) const fn of(entity: EntityId) -> Self {
        match entity.kind {
            EntityKind::Rental | EntityKind::Payment | EntityKind::Delivery => Self::Group(entity.id),
            EntityKind::Product | EntityKind::Account | EntityKind::Context => Self::Alone(entity),
        }
    }

    pub(super) fn key(self) -> Vec<u8> {
        match self {
            Self::Alone(entity) => entity_key(entity).to_vec(),
            Self::Group(id) => group_key(id).to_vec(),
        }
    }

    pub(super) fn entities(self) -> impl Iterator<Item = EntityId> {
        let (alone, id) = match self {
            Self::Alone(entity) => (Some(entity), None),
            Self::Group(id) => (None, Some(id)),
        };
        let grouped = id.into_iter().flat_map(|id| GROUPED.map(|kind| EntityId { kind, id }));
        alone.into_iter().chain(grouped)
    }
}

#[derive(Clone, Default)]
pub(super) struct IndexRow {
    /// The records that exist, in the order of [`GROUPED`]. A single entity uses the first place.
    members: [Option<Member>; GROUPED.len()],
}

/// An index record, unless it is damaged.
type Member = Result<Arc<IndexRecord>, Arc<Damage>>;

struct Damage {
    frame: Vec<u8>,
    error: StoreError,
}

fn member(frame: &[u8]) -> Member {
    let damage = |error| Arc::new(Damage { frame: frame.to_vec(), error });
    codec::decode(frame).map(Arc::new).map_err(damage)
}

/// The frame of a member; empty for none.
fn frame(member: &Option<Member>) -> Result<Vec<u8>, StoreError> {
    match member {
        None => Ok(Vec::new()),
        Some(Ok(record)) => codec::encode(&**record),
        Some(Err(damage)) => Ok(damage.frame.clone()),
    }
}

/// Index of a kind in [`IndexRow::members`].
const fn place(kind: EntityKind) -> usize {
    match kind {
        EntityKind::Payment => 1,
        EntityKind::Delivery => 2,
        EntityKind::Rental | EntityKind::Product | EntityKind::Account | EntityKind::Context => 0,
    }
}

impl IndexRow {
    /// Reads a row from disk; empty if it is missing.
    pub(super) fn stored(opened: &Opened, id: RowId) -> Result<Self, StoreError> {
        let stored = opened.tree.get(id.key()).map_err(unavailable)?;
        stored.map_or_else(|| Ok(Self::default()), |stored| Self::read(id, &stored))
    }

    /// Decodes the value of a row.
    pub(super) fn read(id: RowId, stored: &[u8]) -> Result<Self, StoreError> {
        let mut row = Self::default();
        match id {
            RowId::Alone(entity) => row.members[place(entity.kind)] = Some(member(stored)),
            RowId::Group(_) => {
                let frames = codec::frames(stored).collect::<Result<Vec<_>, _>>()?;
                let frames: [&[u8]; GROUPED.len()] = frames.try_into().map_err(|frames: Vec<_>| {
                    StoreError::Corrupt(format!("a row of a rental has {} frames", frames.len()))
                })?;
                row.members = frames.map(|frame| (!frame.is_empty()).then(|| member(frame)));
            }
        }
        Ok(row)
    }

    pub(super) fn value(&self, id: RowId) -> Result<Vec<u8>, StoreError> {
        match id {
            RowId::Alone(_) => frame(&self.members[0]),
            RowId::Group(_) => self.members.iter().try_fold(Vec::new(), |mut value, member| {
                codec::append(&mut value, &frame(member)?);
                Ok(value)
            }),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.members.iter().all(Option::is_none)
    }

    /// The record of the entity of this kind.
    pub(super) fn get(&self, kind: EntityKind) -> Result<Option<Arc<IndexRecord>>, StoreError> {
        let member = self.members[place(kind)].clone().transpose();
        member.map_err(|damage| damage.error.clone())
    }

    pub(super) fn set(&mut self, kind: EntityKind, record: IndexRecord) {
        self.members[place(kind)] = Some(Ok(Arc::new(record)));
    }

    /// The record of the entity of this kind, to change; created if it is missing.
    pub(super) fn record(&mut self, kind: EntityKind) -> Result<&mut IndexRecord, StoreError> {
        match self.members[place(kind)].get_or_insert_with(|| Ok(Arc::default())) {
            Ok(record) => Ok(Arc::make_mut(record)),
            Err(damage) => Err(damage.error.clone()),
        }
    }

    /// True if there is a record of this kind, damaged or not.
    pub(super) const fn has(&self, kind: EntityKind) -> bool {
        self.members[place(kind)].is_some()
    }

    /// [`Self::get`] as an entry of [`Journal::entities`](crate::store::Journal::entities).
    pub(super) fn known(&self, entity: EntityId) -> Option<KnownEntity> {
        let found = self.get(entity.kind).transpose()?;
        Some((entity, found.map(|record| IndexRecord::clone(&record))))
    }
}
