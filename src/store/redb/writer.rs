//! Makes a batch durable in redb: one write transaction, whose commit waits for the disk.
//!
//! Rows of views go through the writer, too, since redb has one write transaction at a time. A batch with
//! nothing else is committed without a sync: it is visible at once, and on disk with the next batch that
//! syncs, or when there is nothing else to do.

use std::{path::PathBuf, sync::Arc, sync::mpsc};

use redb::{Durability, ReadTransaction, Table, TableHandle as _, WriteTransaction};

use super::{
    Shared,
    format::{ENTITIES, JOURNAL, VAULT, VIEWS, entity_key, unavailable},
    reads,
    sealing::seal,
};
use crate::{
    domain::EntityId,
    store::{
        CommitError, StoreError, VaultWrite, ViewWrite, backups, codec,
        expected::caught,
        queue::Reply,
        record::IndexRecord,
        status::Status,
        writer::{Batch, Completion, Engine, Pace},
    },
    telemetry::metrics::now,
};

/// Requests that only redb's writer knows.
pub(super) enum Own {
    /// Puts or removes rows of views.
    Views { writes: Vec<ViewWrite>, reply: Reply<()> },
    /// Takes a snapshot between two batches.
    Snapshot { beside: Vec<PathBuf>, reply: mpsc::Sender<Result<Snapshot, StoreError>> },
}

/// A snapshot of the store, and the lengths of the files beside it at that moment.
pub(super) struct Snapshot {
    pub store: ReadTransaction,
    pub lengths: Vec<(PathBuf, u64)>,
}

pub(super) struct RedbEngine {
    shared: Arc<Shared>,
    /// True if something is visible that is not on disk yet.
    volatile: bool,
}

impl RedbEngine {
    pub(super) const fn new(shared: Arc<Shared>) -> Self {
        Self { shared, volatile: false }
    }
}

impl Engine for RedbEngine {
    type Own = Own;
    type Staged = Vec<ViewWrite>;

    fn status(&self) -> &Status {
        &self.shared.status
    }

    fn known(&mut self, entity: EntityId) -> Result<Option<IndexRecord>, StoreError> {
        self.shared.files.with(|opened| reads::known(&opened.snapshot()?, entity))
    }

    fn stage(&mut self, batch: &mut Batch<Vec<ViewWrite>>, own: Own) {
        match own {
            Own::Views { writes, reply } => {
                // Rows can wait: on a full disk they would fail, and poison a store that has lost nothing.
                if let Some(reason) = self.shared.status.space.fullness() {
                    drop(reply.send(Err(CommitError::Unavailable(reason))));
                    return;
                }
                batch.own.extend(writes);
                batch.completions.push(Completion::View(reply));
            }
            Own::Snapshot { beside, reply } => {
                let snapshot = self.shared.files.with(|opened| {
                    Ok(Snapshot { store: opened.snapshot()?, lengths: backups::lengths(&beside) })
                });
                // The backup may have failed already.
                let _ = reply.send(snapshot);
            }
        }
    }

    fn write(&mut self, batch: &mut Batch<Vec<ViewWrite>>, pace: Pace) -> Result<bool, StoreError> {
        // A sync can wait, too.
        if self.shared.status.space.fullness().is_some() && batch.writes_nothing() && batch.own.is_empty() {
            return Ok(false);
        }
        let late = self.volatile && pace != Pace::Busy;
        if batch.completions.is_empty() && !late {
            return Ok(false);
        }
        let durable =
            late || batch.completions.iter().any(|completion| !matches!(completion, Completion::View(_)));
        self.shared.files.with(|opened| {
            let mut transaction = opened.db.begin_write().map_err(unavailable)?;
            let durability = if durable { Durability::Immediate } else { Durability::None };
            transaction.set_durability(durability).map_err(unavailable)?;
            put(&transaction, batch)?;
            let began = now();
            transaction.commit().map_err(unavailable)?;
            if durable {
                self.shared.status.metrics.synced(batch.frames.len() as u64, began.elapsed());
            }
            Ok(())
        })?;
        self.volatile = !durable;
        Ok(true)
    }

    fn fail_next_flush(&mut self) {
        // A closed store has nothing to flush.
        let _ = self.shared.files.with(|opened| {
            opened.faults.fail_next_sync();
            Ok(())
        });
    }

    fn close(&mut self) {
        // Closing writes the list of free pages: if that is damaged, redb panics only now.
        if let Err(panic) = caught(|| self.shared.files.close()) {
            tracing::warn!(reason = panic, "redb's file could not be closed cleanly: it may be damaged");
        }
    }
}

fn put(transaction: &WriteTransaction, batch: &Batch<Vec<ViewWrite>>) -> Result<(), StoreError> {
    let mut journal = transaction.open_table(JOURNAL).map_err(unavailable)?;
    for (first, frame) in &batch.frames {
        let sealed = seal(JOURNAL.name(), &first.0.to_be_bytes(), frame);
        journal.insert(first.0, sealed.as_slice()).map_err(unavailable)?;
    }
    let mut entities = transaction.open_table(ENTITIES).map_err(unavailable)?;
    for (entity, record) in &batch.known {
        // An entity that was only looked up still does not exist.
        if record.version.0 > 0 || !record.timeline.is_empty() {
            put_row(&mut entities, &entity_key(*entity), Some(&codec::encode(record)?))?;
        }
    }
    let mut vault = transaction.open_table(VAULT).map_err(unavailable)?;
    for VaultWrite { key, value } in &batch.vault {
        put_row(&mut vault, key.as_bytes(), value.as_deref())?;
    }
    let mut views = transaction.open_table(VIEWS).map_err(unavailable)?;
    for (key, value) in &batch.own {
        put_row(&mut views, key, value.as_deref())?;
    }
    Ok(())
}

fn put_row(
    table: &mut Table<'_, &'static [u8], &'static [u8]>,
    key: &[u8],
    value: Option<&[u8]>,
) -> Result<(), StoreError> {
    let sealed = value.map(|value| seal(table.name(), key, value));
    match sealed {
        Some(sealed) => table.insert(key, sealed.as_slice()).map_err(unavailable)?,
        None => table.remove(key).map_err(unavailable)?,
    };
    Ok(())
}
