//! What is known of entities: in memory right after a commit, on disk some time later.
//!
//! **Invariant:** every record that is newer in memory than on disk has its entity in the queue, with
//! the position of the first commit that the disk does not know of. So the checkpoint, one before the
//! smallest of these, is where start-up must begin to fold.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::format::{Files, entity_key, unavailable};
use crate::{
    domain::{EntityId, Position},
    store::{StoreError, codec, record::IndexRecord},
};

/// A record is kept in memory for so long, so that a saga's commits become one write.
const KEPT_FOR: Duration = Duration::from_secs(1);
/// With more than so many records in memory, they are written sooner.
const KEPT_MAX: usize = 20_000;

/// What is known of entities.
pub(super) struct Index {
    files: Arc<Files>,
    write_behind: bool,
    dirty: Mutex<Dirty>,
}

#[derive(Default)]
struct Dirty {
    records: HashMap<EntityId, Arc<IndexRecord>>,
    queue: VecDeque<Waiting>,
}

/// A record that is to be written.
#[derive(Clone, Copy)]
struct Waiting {
    entity: EntityId,
    /// The first commit that the disk does not know of.
    since: Position,
    /// When that was.
    at: std::time::Instant,
}

/// Records to be written now, and the checkpoint once they are.
#[derive(Default)]
pub(super) struct Due {
    pub entities: Vec<EntityId>,
    pub checkpoint: Option<Position>,
}

impl Index {
    pub(super) fn new(files: Arc<Files>, write_behind: bool) -> Self {
        Self { files, write_behind, dirty: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Dirty> {
        self.dirty.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known of an entity without a look at the disk.
    pub(super) fn in_memory(&self, entity: EntityId) -> Option<Arc<IndexRecord>> {
        self.lock().records.get(&entity).cloned()
    }

    /// The first entities behind `after` that are known without a look at the disk, at most `max`.
    pub(super) fn after_in_memory(
        &self,
        after: Option<EntityId>,
        max: usize,
    ) -> Vec<(EntityId, IndexRecord)> {
        let dirty = self.lock();
        let behind = |entity: &EntityId| after.is_none_or(|after| *entity > after);
        let mut entities: Vec<EntityId> = dirty.records.keys().copied().filter(behind).collect();
        entities.sort_unstable();
        entities.truncate(max);
        entities.into_iter().map(|entity| (entity, IndexRecord::clone(&dirty.records[&entity]))).collect()
    }

    /// What is known of an entity.
    pub(super) fn get(&self, entity: EntityId) -> Result<Option<Arc<IndexRecord>>, StoreError> {
        if let Some(known) = self.in_memory(entity) {
            return Ok(Some(known));
        }
        // In this order: a record leaves memory only after it is on disk.
        let stored = self.files.with(|files| files.tree.get(entity_key(entity)).map_err(unavailable))?;
        stored.map(|stored| codec::decode(&stored).map(Arc::new)).transpose()
    }

    /// Takes over records that commits from `first` on have changed. They are durable in the journal.
    pub(super) fn changed(
        &self,
        records: impl IntoIterator<Item = (EntityId, Arc<IndexRecord>)>,
        first: Position,
        at: std::time::Instant,
    ) {
        let mut dirty = self.lock();
        for (entity, record) in records {
            if dirty.records.insert(entity, record).is_none() {
                dirty.queue.push_back(Waiting { entity, since: first, at });
            }
        }
    }

    /// The oldest records, at most `max`, that have been in memory for long enough; all of them when
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
        let entities: Vec<EntityId> = due.map(|(_, waiting)| waiting.entity).collect();
        let checkpoint = (!entities.is_empty()).then(|| {
            let oldest_left = dirty.queue.get(entities.len());
            oldest_left.map_or(head, |waiting| Position(waiting.since.0 - 1))
        });
        Due { entities, checkpoint }
    }

    /// The records of [`Self::due`] are on disk: they leave memory. Only the writer
    /// changes records, so none has changed meanwhile.
    pub(super) fn written(&self, entities: &[EntityId]) {
        let mut dirty = self.lock();
        for entity in entities {
            dirty.queue.pop_front();
            dirty.records.remove(entity);
        }
    }
}
