//! What is known of entities: in memory right after a commit, on disk some time later.
//!
//! It is kept, queued and written row by row (see [`row`](super::row)): a rental, its payment and its
//! delivery enter memory and leave it together, and all three are there as the newest commit left them.
//!
//! **Invariant:** every row that is newer in memory than on disk is in the queue, with the position of
//! the first commit, to any of its entities, that the disk does not know of. So the checkpoint, one before
//! the smallest of these, is where start-up must begin to fold.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use foldhash::HashMap;

use super::{
    format::Files,
    row::{Row, RowId},
};
use crate::{
    domain::{EntityId, Position},
    store::{KnownEntity, StoreError, record::IndexRecord},
};

/// A row is kept in memory for so long, so that a saga's commits become one write.
const KEPT_FOR: Duration = Duration::from_secs(1);
/// With more than so many rows in memory, they are written sooner.
const KEPT_MAX: usize = 20_000;

/// What is known of entities.
pub(super) struct Index {
    files: Arc<Files>,
    write_behind: bool,
    dirty: Mutex<Dirty>,
}

#[derive(Default)]
struct Dirty {
    rows: HashMap<RowId, Row>,
    queue: VecDeque<Waiting>,
}

/// A row that is to be written.
#[derive(Clone, Copy)]
struct Waiting {
    row: RowId,
    /// The first commit that the disk does not know of.
    since: Position,
    /// When that was.
    at: std::time::Instant,
}

/// Rows to be written now, and the checkpoint once they are.
#[derive(Default)]
pub(super) struct Due {
    pub rows: Vec<RowId>,
    pub checkpoint: Option<Position>,
}

/// An entity's record, if it has one, unless that is damaged.
pub(super) type Found = Result<Option<Arc<IndexRecord>>, StoreError>;

impl Index {
    pub(super) fn new(files: Arc<Files>, write_behind: bool) -> Self {
        Self { files, write_behind, dirty: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Dirty> {
        self.dirty.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known of an entity without a look at the disk; none if that takes one. That it does not
    /// exist is known, too, as soon as its row is in memory.
    pub(super) fn in_memory(&self, entity: EntityId) -> Option<Found> {
        self.lock().rows.get(&RowId::of(entity)).map(|row| row.get(entity.kind))
    }

    /// The first entities behind `after` that are known without a look at the disk, at most `max`.
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

    /// What is known of an entity.
    pub(super) fn get(&self, entity: EntityId) -> Found {
        self.row(RowId::of(entity))?.get(entity.kind)
    }

    /// A row, empty if nothing is known.
    pub(super) fn row(&self, id: RowId) -> Result<Row, StoreError> {
        let in_memory = self.lock().rows.get(&id).cloned();
        // In this order: a row leaves memory only after it is on disk.
        in_memory.map_or_else(|| self.files.with(|opened| Row::stored(opened, id)), Ok)
    }

    /// Takes over rows that commits from `first` on have changed. They are durable in the journal.
    pub(super) fn changed(
        &self,
        rows: impl IntoIterator<Item = (RowId, Row)>,
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

    /// The oldest rows, at most `max`, that have been in memory for long enough; all of them when
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

    /// The rows of [`Self::due`] are on disk: they leave memory. Only the writer
    /// changes rows, so none has changed meanwhile.
    pub(super) fn written(&self, rows: &[RowId]) {
        let mut dirty = self.lock();
        for row in rows {
            dirty.queue.pop_front();
            dirty.rows.remove(row);
        }
    }
}
