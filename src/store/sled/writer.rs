//! Makes a batch durable in sled.
//!
//! ```text
//! pack ─▶ add some of what is written behind, and the mark ─▶ apply_batch ─▶ flush ─▶ fdatasync
//! ```
//!
//! The file that repeats the mark is written after the replies, so that no caller waits for it.

use std::{convert::Infallible, sync::Arc};

use foldhash::{HashMap, HashMapExt as _};

use super::{
    Shared,
    format::{CHECKPOINT, Tree, chunk_key, unavailable, vault_key},
    index::Due,
    mark::Mark,
    row::{IndexRow, RowId},
};
use crate::{
    domain::{EntityId, Position},
    store::{
        StoreError, VaultWrite, codec,
        record::IndexRecord,
        status::Status,
        writer::{Batch, Engine, Pace},
    },
    telemetry::metrics::now,
};

/// Maximal length of a chunk, in bytes: a page has several, and must stay small (see `format`).
const CHUNK_BYTES_MAX: usize = 15 * 1_024;
/// Number of rows that are written behind with each batch, and for each of its commits.
const BEHIND_MIN: usize = 64;
const BEHIND_PER_COMMIT: usize = 2;
/// Number of rows that are written behind at once without other work.
const BEHIND_QUIET: usize = 1_024;

pub(super) struct SledEngine {
    shared: Arc<Shared>,
    mark: Mark,
    /// Rows of the index that the next batch was checked against, without its changes.
    rows: HashMap<RowId, IndexRow>,
    /// True if the last batch had a mark.
    marked: bool,
    fail_next_flush: bool,
}

impl Engine for SledEngine {
    type Own = Infallible;
    type Staged = ();

    fn status(&self) -> &Status {
        &self.shared.status
    }

    fn known(&mut self, entity: EntityId) -> Result<Option<IndexRecord>, StoreError> {
        let row = self.shared.index.row_in(&mut self.rows, RowId::of(entity))?;
        Ok(row.get(entity.kind)?.map(|record| IndexRecord::clone(&record)))
    }

    fn stage(&mut self, _: &mut Batch<()>, own: Infallible) {
        match own {}
    }

    fn write(&mut self, batch: &mut Batch<()>, pace: Pace) -> Result<bool, StoreError> {
        let mut rows = self.rows_after(batch);
        let max = match pace {
            Pace::Busy => BEHIND_MIN + BEHIND_PER_COMMIT * batch.frames.len(),
            Pace::Quiet | Pace::Closing => BEHIND_QUIET,
        };
        let head = *self.shared.status.head.borrow();
        // What is written behind can wait: on a full disk it would fail, and poison a store that has lost
        // nothing.
        let full = self.shared.status.space.fullness().is_some();
        if full && batch.writes_nothing() {
            return Ok(false);
        }
        let due = if full {
            Due::default()
        } else {
            self.shared.index.due(max, now(), pace == Pace::Closing, head)
        };
        let marking = !full && self.mark.is_due(pace != Pace::Busy);
        if due.rows.is_empty() && batch.completions.is_empty() && !marking {
            return Ok(false);
        }
        self.make_durable(batch, &rows, &due, marking)?;
        self.marked = marking;
        if !marking && !batch.completions.is_empty() {
            self.mark.acknowledged();
        }
        self.shared.index.written(&due.rows);
        if let Some((first, _)) = batch.frames.first() {
            for id in &due.rows {
                rows.remove(id);
            }
            rows.retain(|_, row| !row.is_empty());
            self.shared.index.changed(rows, *first, now());
        }
        Ok(true)
    }

    fn replied(&mut self) {
        if std::mem::take(&mut self.marked) {
            self.mark.is_on_disk(*self.shared.status.head.borrow());
        }
    }

    fn fail_next_flush(&mut self) {
        self.fail_next_flush = true;
    }

    fn close(&mut self) {
        self.shared.files.close();
    }
}

impl SledEngine {
    pub(super) fn new(shared: Arc<Shared>, mark: Mark) -> Self {
        Self { shared, mark, rows: HashMap::new(), marked: false, fail_next_flush: false }
    }

    /// The rows of the index that a batch was checked against, with its changes.
    fn rows_after(&mut self, batch: &mut Batch<()>) -> HashMap<RowId, IndexRow> {
        let mut rows = std::mem::take(&mut self.rows);
        for (entity, record) in std::mem::take(&mut batch.known) {
            // An entity that was only looked up still does not exist.
            if record.version.0 > 0 || !record.timeline.is_empty() {
                let row = rows.get_mut(&RowId::of(entity)).expect("a record is looked up in its row");
                row.set(entity.kind, record);
            }
        }
        rows
    }

    fn make_durable(
        &mut self,
        batch: &Batch<()>,
        rows: &HashMap<RowId, IndexRow>,
        due: &Due,
        marking: bool,
    ) -> Result<(), StoreError> {
        let mut tree = sled::Batch::default();
        pack(&mut tree, &batch.frames);
        for VaultWrite { key, value } in &batch.vault {
            match value {
                Some(value) => tree.insert(vault_key(key), value.as_slice()),
                None => tree.remove(vault_key(key)),
            }
        }
        for id in &due.rows {
            // A row that this batch changes is written with the change: the batch is atomic.
            let value = match rows.get(id) {
                Some(row) => row.value(*id)?,
                None => self.shared.index.row(*id)?.value(*id)?,
            };
            tree.insert(id.key(), value);
        }
        if let Some(checkpoint) = due.checkpoint {
            tree.insert(CHECKPOINT, codec::encode(&checkpoint)?);
        }
        if marking {
            self.mark.take_along(&mut tree)?;
        }
        let fail = std::mem::take(&mut self.fail_next_flush);
        self.shared.files.with(|files| {
            self.shared.handover.apply(files, Tree::Journal, tree).map_err(unavailable)?;
            if fail {
                return Err(StoreError::Unavailable("an injected fault of the flush".to_owned()));
            }
            let began = now();
            files.sync()?;
            self.shared.status.metrics.synced(batch.frames.len() as u64, began.elapsed());
            Ok(())
        })
    }
}

/// Packs commits into chunks. The key of a chunk is the position of its first event.
fn pack(tree: &mut sled::Batch, frames: &[(Position, Vec<u8>)]) {
    let (mut chunk, mut chunk_first) = (Vec::new(), Position::default());
    for (first, frame) in frames {
        if !chunk.is_empty() && chunk.len() + frame.len() > CHUNK_BYTES_MAX {
            tree.insert(&chunk_key(chunk_first), std::mem::take(&mut chunk));
        }
        if chunk.is_empty() {
            chunk_first = *first;
        }
        codec::append(&mut chunk, frame);
    }
    if !chunk.is_empty() {
        tree.insert(&chunk_key(chunk_first), chunk);
    }
}
