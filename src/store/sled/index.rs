//! The index: records of entities, in memory right after a commit, and on disk later.
//!
//! It is kept, queued and written in rows (see [`row`](super::row)): the records of a rental, its payment and
//! its delivery enter and leave memory together.
//!
//! **Invariant:** every row that is newer in memory than on disk is in the queue, with the position of its
//! first commit that is not in the row on disk. The checkpoint is one less than the smallest of these
//! positions: start-up folds the journal from there.

use std::{
    collections::{VecDeque, hash_map::Entry},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use foldhash::HashMap;

use super::{
    format::Files,
    row::{IndexRow, RowId},
};
use crate::{
    domain::{EntityId, Position},
    store::{KnownEntity, StoreError, record::IndexRecord},
};

/// Minimal time that a row stays in memory, so that the commits of a saga become one write.
const KEPT_FOR: Duration = Duration::from_secs(1);
/// With more rows than this in memory, they are written sooner.
const KEPT_MAX: usize = 20_000;

pub(super) struct Index {
    files: Arc<Files>,
    write_behind: bool,
    dirty: Mutex<Dirty>,
}

#[derive(Default)]
struct Dirty {
    rows: HashMap<RowId, IndexRow>,
    queue: VecDeque<Waiting>,
}

#[derive(Clone, Copy)]
struct Waiting {
    row: RowId,
    /// Position of its first commit that is not in the row on disk.
    since: Position,
    at: std::time::Instant,
}

/// Rows to write now, and the checkpoint to write with them.
#[derive(Default)]
pub(super) struct Due {
    pub rows: Vec<RowId>,
    pub checkpoint: Option<Position>,
}

/// The record of an entity, if it exists, unless it is damaged.
pub(super) type Found = Result<Option<Arc<IndexRecord>>, StoreError>;

impl Index {
    pub(super) fn new(files: Arc<Files>, write_behind: bool) -> Self {
        Self { files, write_behind, dirty: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Dirty> {
        self.dirty.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The record of an entity, from memory; none if its row must be read from disk. `Some(Ok(None))` if its
    /// row is in memory and the entity does not exist.
    pub(super) fn in_memory(&self, entity: EntityId) -> Option<Found> {
        self.lock().rows.get(&RowId::of(entity)).map(|row| row.get(entity.kind))
    }

    /// The first entities after `after` whose rows are in memory, at most `max`.
    pub(super) fn after_in_memory(&self, after: Option<EntityId>, max: usize) -> Vec<KnownEntity> {
        let dirty = self.lock();
        let behind = |entity: &EntityId| after.is_none_or(|after| *entity > after);
        let rows = dirty.rows.iter();
        let known = rows.flat_map(|(id, row)| id.entities().filter(|entity| row.has(entity.kind)));
        let mut entities: Vec<EntityId> = known.filter(behind).collect();
        entities.sort_unstable();
        entities.truncate(max);
        entities.into_iter().filter_map(|entity| dirty.rows[&RowId::of(entity)].known(entity)).collect()
    }

    /// The record of an entity, from memory or disk.
    pub(super) fn get(&self, entity: EntityId) -> Found {
        self.row(RowId::of(entity))?.get(entity.kind)
    }

    /// A row, from memory or disk; empty if it is missing.
    pub(super) fn row(&self, id: RowId) -> Result<IndexRow, StoreError> {
        let in_memory = self.lock().rows.get(&id).cloned();
        // Memory first: a row leaves it only after it is on disk.
        in_memory.map_or_else(|| self.files.with(|opened| IndexRow::stored(opened, id)), Ok)
    }

    /// A row in `rows`, which is read into them if it is not there.
    pub(super) fn row_in<'a>(
        &self,
        rows: &'a mut HashMap<RowId, IndexRow>,
        id: RowId,
    ) -> Result<&'a mut IndexRow, StoreError> {
        Ok(match rows.entry(id) {
            Entry::Occupied(row) => row.into_mut(),
            Entry::Vacant(vacant) => vacant.insert(self.row(id)?),
        })
    }

    /// Adds rows that commits from `first` on have changed. The commits are durable.
    pub(super) fn changed(
        &self,
        rows: impl IntoIterator<Item = (RowId, IndexRow)>,
        first: Position,
        at: std::time::Instant,
    ) {
        let mut dirty = self.lock();
        for (id, row) in rows {
            if dirty.rows.insert(id, row).is_none() {
                dirty.queue.push_back(Waiting { row: id, since: first, at });
            }
        }
    }

    /// The oldest rows, at most `max`, that have been in memory for long enough, or regardless of that if
    /// `everything` is to be written. They stay in memory until [`Self::written`].
    pub(super) fn due(&self, max: usize, now: std::time::Instant, everything: bool, head: Position) -> Due {
        if !self.write_behind {
            return Due::default();
        }
        let dirty = self.lock();
        let crowded = dirty.queue.len().saturating_sub(KEPT_MAX);
        let due = dirty.queue.iter().enumerate().take(max).take_while(|(index, waiting)| {
            everything || *index < crowded || now.duration_since(waiting.at) >= KEPT_FOR
        });
        let rows: Vec<RowId> = due.map(|(_, waiting)| waiting.row).collect();
        let checkpoint = (!rows.is_empty()).then(|| {
            let oldest_left = dirty.queue.get(rows.len());
            oldest_left.map_or(head, |waiting| Position(waiting.since.0 - 1))
        });
        Due { rows, checkpoint }
    }

    /// Removes the rows of [`Self::due`] from memory: they are on disk. None has changed meanwhile, since
    /// only the writer changes rows.
    pub(super) fn written(&self, rows: &[RowId]) {
        let mut dirty = self.lock();
        for row in rows {
            dirty.queue.pop_front();
            dirty.rows.remove(row);
        }
    }
}
