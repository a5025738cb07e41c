//! A row of the index: what is known of one entity, or of a rental together with its payment and delivery.
//!
//! Those three have one id, and one saga changes them all: under one key they cost sled one key. Whoever has
//! read that row also knows which of them do not exist.
//!
//! | key | value |
//! | --- | --- |
//! | `e` entity | a frame: its record |
//! | `g` id of the rental | the frames of all three, each behind its length |
//!
//! A frame without a byte stands for what does not exist.
//!
//! Each record keeps a checksum of its own, so that damage to one harms no other. What is damaged is written
//! back as it was read: it stays damaged, and never becomes something that does not exist.
//!
//! A row has at most 27 KiB, as large as a value may be (see `format`): `IndexRecord::check_room` leaves each
//! of the three a part of that.

use std::sync::Arc;

use super::format::{Opened, entity_key, group_key, unavailable};
use crate::{
    domain::{EntityId, EntityKind},
    store::{KnownEntity, StoreError, codec, record::IndexRecord},
};

/// The kinds of entity that share a row, in the order of the format.
pub(super) const GROUPED: [EntityKind; 3] = [EntityKind::Rental, EntityKind::Payment, EntityKind::Delivery];

/// Which row of the index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum RowId {
    /// That of an entity by itself.
    Alone(EntityId),
    /// That of a rental, its payment and its delivery.
    Group(u128),
}

impl RowId {
    /// The row that an entity is in.
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

    /// The entities whose row it is.
    pub(super) fn entities(self) -> impl Iterator<Item = EntityId> {
        let (alone, id) = match self {
            Self::Alone(entity) => (Some(entity), None),
            Self::Group(id) => (None, Some(id)),
        };
        let grouped = id.into_iter().flat_map(|id| GROUPED.map(|kind| EntityId { kind, id }));
        alone.into_iter().chain(grouped)
    }
}

/// A row of the index.
#[derive(Clone, Default)]
pub(super) struct Row {
    /// What is known of each, if it is there, or named. Of an entity by itself, only the first is used.
    members: [Option<Member>; GROUPED.len()],
}

/// What is known of an entity, unless it is damaged.
type Member = Result<Arc<IndexRecord>, Arc<Damage>>;

/// A frame that cannot be read, and why.
struct Damage {
    frame: Vec<u8>,
    error: StoreError,
}

fn member(frame: &[u8]) -> Member {
    let damage = |error| Arc::new(Damage { frame: frame.to_vec(), error });
    codec::decode(frame).map(Arc::new).map_err(damage)
}

/// The frame of a member; an empty one stands for none.
fn frame(member: &Option<Member>) -> Result<Vec<u8>, StoreError> {
    match member {
        None => Ok(Vec::new()),
        Some(Ok(record)) => codec::encode(&**record),
        Some(Err(damage)) => Ok(damage.frame.clone()),
    }
}

/// Where an entity of this kind stands in its row.
const fn place(kind: EntityKind) -> usize {
    match kind {
        EntityKind::Payment => 1,
        EntityKind::Delivery => 2,
        EntityKind::Rental | EntityKind::Product | EntityKind::Account | EntityKind::Context => 0,
    }
}

impl Row {
    /// The row in the store, empty if there is none.
    pub(super) fn stored(opened: &Opened, id: RowId) -> Result<Self, StoreError> {
        let stored = opened.tree.get(id.key()).map_err(unavailable)?;
        stored.map_or_else(|| Ok(Self::default()), |stored| Self::read(id, &stored))
    }

    /// Reads the value of a row.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when nobody can tell which record is whose.
    pub(super) fn read(id: RowId, stored: &[u8]) -> Result<Self, StoreError> {
        let mut row = Self::default();
        match id {
            RowId::Alone(entity) => row.members[place(entity.kind)] = Some(member(stored)),
            RowId::Group(_) => {
                let frames = codec::frames(stored).collect::<Result<Vec<_>, _>>()?;
                let frames: [&[u8]; GROUPED.len()] = frames.try_into().map_err(|frames: Vec<_>| {
                    StoreError::Corrupt(format!("a rental's row has {} parts", frames.len()))
                })?;
                row.members = frames.map(|frame| (!frame.is_empty()).then(|| member(frame)));
            }
        }
        Ok(row)
    }

    /// The value of the row.
    pub(super) fn value(&self, id: RowId) -> Result<Vec<u8>, StoreError> {
        let [first, payment, delivery] = &self.members;
        match id {
            RowId::Alone(_) => frame(first),
            RowId::Group(_) => Ok(joined([&frame(first)?, &frame(payment)?, &frame(delivery)?])),
        }
    }

    /// Whether nothing is known of anybody.
    pub(super) fn is_empty(&self) -> bool {
        self.members.iter().all(Option::is_none)
    }

    /// What is known of the entity of this kind.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when its record is damaged.
    pub(super) fn get(&self, kind: EntityKind) -> Result<Option<Arc<IndexRecord>>, StoreError> {
        let member = self.members[place(kind)].clone().transpose();
        member.map_err(|damage| damage.error.clone())
    }

    pub(super) fn set(&mut self, kind: EntityKind, record: IndexRecord) {
        self.members[place(kind)] = Some(Ok(Arc::new(record)));
    }

    /// What is known of the entity of this kind, to change.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when its record is damaged.
    pub(super) fn record(&mut self, kind: EntityKind) -> Result<&mut IndexRecord, StoreError> {
        match self.members[place(kind)].get_or_insert_with(|| Ok(Arc::default())) {
            Ok(record) => Ok(Arc::make_mut(record)),
            Err(damage) => Err(damage.error.clone()),
        }
    }

    /// Whether there is anything to know of the entity of this kind.
    pub(super) const fn has(&self, kind: EntityKind) -> bool {
        self.members[place(kind)].is_some()
    }

    /// The same as [`Self::get`], as whoever looks at all of a store is told.
    pub(super) fn known(&self, entity: EntityId) -> Option<KnownEntity> {
        let found = self.get(entity.kind).transpose()?;
        Some((entity, found.map(|record| IndexRecord::clone(&record).into())))
    }
}

/// The value of a group of these frames; an empty one is of an entity that does not exist.
fn joined(frames: [&[u8]; GROUPED.len()]) -> Vec<u8> {
    let mut value = Vec::new();
    for frame in frames {
        codec::append(&mut value, frame);
    }
    value
}
