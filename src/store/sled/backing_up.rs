//! Backup: a copy of an open store as of one moment.
//!
//! Rows are copied in the order of their keys, in small batches. Each batch that the store applies meanwhile
//! is handed over, and applied to the copy after the rows that were copied before. When all rows are copied,
//! the handover ends between two batches: once the last one is applied, the copy is the store as of that
//! moment. A batch may be applied twice, without effect: it puts and removes whole rows, and the last write
//! to each row is the same.

use std::{
    path::{Path, PathBuf},
    sync::{PoisonError, RwLock, mpsc},
};

use super::{
    Shared, SledOptions,
    copying::{reopened, rows_after, sum_of},
    db::open_db,
    format::{Opened, STORE, TREES, Tree, unavailable},
    reads,
};
use crate::store::{
    BackUpError, BackedUp, Backend,
    backups::{self, CopyProgress, failed},
    files::{size, sync_all},
};

/// Size of sled's cache for the copy, in bytes: the copy is written once, and read once.
const CACHE_BYTES: u64 = 16 * 1_024 * 1_024;

/// Hands applied batches over to a copy, if one is being made.
#[derive(Default)]
pub(super) struct Handover(RwLock<Option<mpsc::Sender<(Tree, sled::Batch)>>>);

impl Handover {
    /// Applies a batch to the store, and to a copy.
    pub(super) fn apply(&self, opened: &Opened, tree: Tree, batch: sled::Batch) -> sled::Result<()> {
        {
            let copying = self.0.read().unwrap_or_else(PoisonError::into_inner);
            if copying.is_none() {
                return opened.of(tree).apply_batch(batch);
            }
        }
        // One batch at a time: the copy must get them in the same order as the store.
        let copying = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let for_copy = copying.as_ref().map(|copy| (copy, batch.clone()));
        opened.of(tree).apply_batch(batch)?;
        if let Some((copy, batch)) = for_copy {
            // The copy may have failed meanwhile.
            let _ = copy.send((tree, batch));
        }
        Ok(())
    }

    /// Starts to hand over every batch; none if another copy is being made.
    fn begin(&self) -> Option<Batches<'_>> {
        let mut copying = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if copying.is_some() {
            return None;
        }
        let (copy, batches) = mpsc::channel();
        *copying = Some(copy);
        Some(Batches { from: Some(self), batches })
    }
}

/// Receiver of the batches; dropping it ends the handover.
struct Batches<'a> {
    from: Option<&'a Handover>,
    batches: mpsc::Receiver<(Tree, sled::Batch)>,
}

impl Batches<'_> {
    /// Ends the handover between two batches; those before it can still be received. Returns the lengths of
    /// the files `beside` at that moment.
    fn end(&mut self, beside: &[PathBuf]) -> Vec<(PathBuf, u64)> {
        let Some(handover) = self.from.take() else { return Vec::new() };
        let mut copying = handover.0.write().unwrap_or_else(PoisonError::into_inner);
        let lengths = backups::lengths(beside);
        copying.take();
        lengths
    }
}

impl Drop for Batches<'_> {
    fn drop(&mut self) {
        self.end(&[]);
    }
}

/// Copies the store, and the files and directories `beside` that exist, to the new or empty directory `to`.
pub(super) fn back_up(shared: &Shared, to: &Path, beside: &[PathBuf]) -> Result<BackedUp, BackUpError> {
    let batches = shared.handover.begin().ok_or(BackUpError::Running)?;
    backups::make(&shared.status.directory, to, STORE, beside, || copy(shared, to, batches, beside))
}

fn copy(
    shared: &Shared,
    to: &Path,
    batches: Batches<'_>,
    beside: &[PathBuf],
) -> Result<BackedUp, BackUpError> {
    let store = to.join(STORE);
    let options = SledOptions { cache_bytes: CACHE_BYTES, ..SledOptions::default() };
    let (sums, lengths) = {
        let copy = open_db(&store, options).map_err(broken)?;
        let trees = opened(&copy)?;
        let lengths = copy_rows(shared, &copy, &trees, batches, beside)?;
        (trees.each_ref().map(sum_of), lengths)
    };
    backups::copy_beside(beside, &lengths, to).map_err(failed)?;
    sync_all(to).map_err(failed)?;
    // The copy is read back and compared.
    let position = {
        let copy = reopened(&store, options).map_err(broken)?;
        let trees = opened(&copy)?;
        for (tree, sum) in trees.iter().zip(sums) {
            if sum_of(tree).map_err(broken)? != sum.map_err(broken)? {
                return Err(BackUpError::Failed("the copy differs from what was written".to_owned()));
            }
        }
        let [journal, _] = trees;
        reads::last(&journal)?
    };
    backups::complete(to, Backend::Sled).map_err(failed)?;
    Ok(BackedUp { position, bytes: size(to).map_err(failed)? })
}

fn opened(copy: &sled::Db) -> Result<[sled::Tree; TREES.len()], BackUpError> {
    let [journal, views] = TREES.map(|tree| copy.open_tree(tree.name()).map_err(broken));
    Ok([journal?, views?])
}

/// Copies all rows, and what is applied meanwhile. Returns the lengths of the files `beside`.
fn copy_rows(
    shared: &Shared,
    copy: &sled::Db,
    trees: &[sled::Tree; TREES.len()],
    mut handed_over: Batches<'_>,
    beside: &[PathBuf],
) -> Result<Vec<(PathBuf, u64)>, BackUpError> {
    let catch_up = |handed_over: &Batches<'_>| {
        for (tree, batch) in handed_over.batches.try_iter() {
            trees[tree as usize].apply_batch(batch)?;
        }
        copy.flush().map(drop)
    };
    let mut progress = CopyProgress::default();
    for (tree, copied) in TREES.into_iter().zip(trees) {
        let mut last = None;
        // The store can be closed between two batches: that does not wait for the backup.
        while let Some(rows) =
            shared.files.with(|opened| rows_after(opened.of(tree), last.as_ref()).map_err(unavailable))?
        {
            progress.add(rows.count);
            copied.apply_batch(rows.batch).and_then(|()| catch_up(&handed_over)).map_err(broken)?;
            last = Some(rows.last);
        }
    }
    let lengths = handed_over.end(beside);
    catch_up(&handed_over).map_err(broken)?;
    // A poisoned store may hold writes of which it is unknown whether they are on disk.
    shared.status.poisoned().map_or(Ok(lengths), |reason| Err(BackUpError::Failed(reason)))
}

fn broken(error: sled::Error) -> BackUpError {
    BackUpError::Failed(error.to_string())
}
