//! Backup: a copy of the store as of one moment, made while it goes on.
//!
//! Rows are copied in the order of their keys, some at a time. Each batch that the store applies meanwhile
//! is handed over, and applied to the copy too, after the rows that were copied before. When all rows are
//! copied, handing over ends between two batches: with the last one applied, the copy is what the store
//! was at that moment. A batch may be applied twice that way, which changes nothing: it puts and removes
//! whole rows, and the last word on each is the same.

use std::{
    path::{Path, PathBuf},
    sync::{PoisonError, RwLock, mpsc},
};

use super::{
    Shared, SledOptions,
    copying::{reopened, rows_after, sum_of},
    format::{Opened, STORE, TREES, Tree, open_db, unavailable},
    reads,
};
use crate::store::{
    BackUpError, BackedUp, Backend,
    backups::{self, Told, failed},
    directory,
    files::{size, sync_above, sync_all},
};

/// How much sled may keep in memory of a copy, in bytes: it is written once, and read once.
const CACHE_BYTES: u64 = 16 * 1_024 * 1_024;

/// Where applied batches are handed over, while a copy is being made.
#[derive(Default)]
pub(super) struct Handover(RwLock<Option<mpsc::Sender<(Tree, sled::Batch)>>>);

impl Handover {
    /// Applies a batch to the store.
    pub(super) fn apply(&self, opened: &Opened, tree: Tree, batch: sled::Batch) -> sled::Result<()> {
        {
            let copying = self.0.read().unwrap_or_else(PoisonError::into_inner);
            if copying.is_none() {
                return opened.of(tree).apply_batch(batch);
            }
        }
        // One at a time: a copy gets batches in the order in which the store did.
        let copying = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let for_copy = copying.as_ref().map(|copy| (copy, batch.clone()));
        opened.of(tree).apply_batch(batch)?;
        if let Some((copy, batch)) = for_copy {
            // Whoever copied may have failed meanwhile.
            let _ = copy.send((tree, batch));
        }
        Ok(())
    }

    /// From now on, every batch is handed over; none if that is so for somebody else.
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

/// What is handed over, until it is ended, or dropped.
struct Batches<'a> {
    from: Option<&'a Handover>,
    batches: mpsc::Receiver<(Tree, sled::Batch)>,
}

impl Batches<'_> {
    /// Ends the handing over, between two batches. Those before it can still be taken. Answers how long the
    /// files `beside` were at that moment: nothing was applied meanwhile.
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

/// Copies the store, and the files `beside` that are there, to the directory `to`: new, or empty.
pub(super) fn back_up(shared: &Shared, to: &Path, beside: &[PathBuf]) -> Result<BackedUp, BackUpError> {
    let batches = shared.handover.begin().ok_or(BackUpError::Running)?;
    backups::made(&shared.status.directory, to, STORE, beside, || copy(shared, to, batches, beside))
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
    // What counts is what is read back: that is what a restore will find.
    let position = {
        let copy = reopened(&store, options).map_err(broken)?;
        let trees = opened(&copy)?;
        for (tree, sum) in trees.iter().zip(sums) {
            if sum_of(tree).map_err(broken)? != sum.map_err(broken)? {
                return Err(BackUpError::Failed("the copy does not read as it was written".to_owned()));
            }
        }
        let [journal, _] = trees;
        reads::last(&journal)?
    };
    sync_all(to).map_err(failed)?;
    directory::write_format(to, Backend::Sled).map_err(failed)?;
    sync_above(to).map_err(failed)?;
    Ok(BackedUp { position, bytes: size(to).map_err(failed)? })
}

/// The trees of a copy, in the order of [`TREES`].
fn opened(copy: &sled::Db) -> Result<[sled::Tree; TREES.len()], BackUpError> {
    let [journal, views] = TREES.map(|tree| copy.open_tree(tree.name()).map_err(broken));
    Ok([journal?, views?])
}

/// Copies all rows, with what is applied meanwhile.
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
    let mut told = Told::default();
    for (tree, copied) in TREES.into_iter().zip(trees) {
        let mut last = None;
        // The store is not held between two batches: whoever closes it does not wait for a backup.
        while let Some(rows) =
            shared.files.with(|opened| rows_after(opened.of(tree), last.as_ref()).map_err(unavailable))?
        {
            told.copied(rows.count);
            copied.apply_batch(rows.batch).and_then(|()| catch_up(&handed_over)).map_err(broken)?;
            last = Some(rows.last);
        }
    }
    let lengths = handed_over.end(beside);
    catch_up(&handed_over).map_err(broken)?;
    // A store that could not write may hold what nobody knows to be true.
    shared.status.poisoned().map_or(Ok(lengths), |reason| Err(BackUpError::Failed(reason)))
}

fn broken(error: sled::Error) -> BackUpError {
    BackUpError::Failed(error.to_string())
}
