//! Backup: a copy of the store as of one moment, made while it goes on.
//!
//! Rows are copied in the order of their keys, some at a time. Each batch that the store applies meanwhile
//! is handed over, and applied to the copy too, after the rows that were copied before. When all rows are
//! copied, handing over ends between two batches: with the last one applied, the copy is what the store
//! was at that moment. A batch may be applied twice that way, which changes nothing: it puts and removes
//! whole rows, and the last word on each is the same.
//!
//! A copy gets its `FORMAT` file last. What has none was not finished, and no server opens it.

use std::{
    fs::{self, DirBuilder, File},
    io::{self, Read as _},
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    sync::{PoisonError, RwLock, mpsc},
};

use super::{
    OpenError, Shared, SledOptions,
    copying::{files, remove, reopened, rows_after, size, sum_of, sync_above, sync_all},
    format::{self, Opened, STORE, TREES, Tree, open_db, unavailable},
    reads,
    room::free_bytes,
};
use crate::store::{BackUpError, BackedUp};

/// How much sled may keep in memory of a copy, in bytes: it is written once, and read once.
const CACHE_BYTES: u64 = 16 * 1_024 * 1_024;
/// A disk that a copy is made on must have room for the store, and for so many bytes more.
const SPARE_BYTES: u64 = 64 * 1_024 * 1_024;

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
        let length = |file: &PathBuf| Some((file.clone(), fs::metadata(file).ok()?.len()));
        let lengths = beside.iter().filter_map(length).collect();
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
    let there = to.exists();
    prepare(shared, to).inspect_err(|_| {
        if !there {
            // Not empty if somebody uses it: then it stays.
            let _ = fs::remove_dir(to);
        }
    })?;
    let made = copy(shared, to, batches, beside);
    if made.is_err() {
        discard(to, beside);
    }
    made
}

/// Removes what was made of a copy.
fn discard(to: &Path, beside: &[PathBuf]) {
    let removed = remove(&to.join(STORE));
    let names = beside.iter().filter_map(|file| file.file_name());
    let removed = names
        .map(|name| to.join(name))
        .filter(|file| file.exists())
        .map(fs::remove_file)
        .fold(removed, Result::and);
    if let Err(error) = removed {
        tracing::warn!(directory = %to.display(), %error, "what was made of a backup could not be removed");
    }
}

/// Whether nobody has put anything into a directory; a new disk's may hold `lost+found`.
fn is_empty(directory: &Path) -> io::Result<bool> {
    let names = fs::read_dir(directory)?.map(|entry| entry.map(|entry| entry.file_name()));
    Ok(names.collect::<io::Result<Vec<_>>>()?.iter().all(|name| name == "lost+found"))
}

/// Makes the directory, if there is none, and sees that it is empty, elsewhere, and on a disk with room.
fn prepare(shared: &Shared, to: &Path) -> Result<(), BackUpError> {
    let refused = |why: String| BackUpError::Refused(format!("the directory cannot take a backup: {why}"));
    let unusable = |error: io::Error| refused(format!("it cannot be made or read ({error})"));
    DirBuilder::new().recursive(true).mode(0o700).create(to).map_err(unusable)?;
    if !is_empty(to).map_err(unusable)? {
        return Err(refused("it holds files already".to_owned()));
    }
    let (real, own) =
        (to.canonicalize().map_err(unusable)?, shared.directory.canonicalize().map_err(unusable)?);
    if real.starts_with(&own) {
        return Err(refused("it is inside the data directory".to_owned()));
    }
    let (free, needed) = (free_bytes(to).map_err(unusable)?, size(&own).map_err(unusable)? + SPARE_BYTES);
    if free < needed {
        let mebibytes = |bytes: u64| bytes / (1_024 * 1_024);
        let (free, needed) = (mebibytes(free), mebibytes(needed));
        return Err(refused(format!("its disk has {free} MiB free, and {needed} are needed")));
    }
    Ok(())
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
    for (file, length) in lengths {
        copy_file(&file, length, to).map_err(failed)?;
    }
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
    format::write_format(to).map_err(failed)?;
    sync_above(to).map_err(failed)?;
    Ok(BackedUp { position, bytes: size(to).map_err(failed)? })
}

/// Copies the first bytes of a file into a directory, for the same eyes only.
fn copy_file(file: &Path, length: u64, to: &Path) -> io::Result<()> {
    let from = File::open(file)?;
    let copy = to.join(file.file_name().ok_or(io::ErrorKind::InvalidInput)?);
    let mut copied = File::create(&copy)?;
    fs::set_permissions(&copy, from.metadata()?.permissions())?;
    io::copy(&mut from.take(length), &mut copied).map(drop)
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
    for (tree, copied) in TREES.into_iter().zip(trees) {
        let mut last = None;
        // The store is not held between two batches: whoever closes it does not wait for a backup.
        while let Some((rows, key)) =
            shared.files.with(|opened| rows_after(opened.of(tree), last.as_ref()).map_err(unavailable))?
        {
            copied.apply_batch(rows).and_then(|()| catch_up(&handed_over)).map_err(broken)?;
            last = Some(key);
        }
    }
    let lengths = handed_over.end(beside);
    catch_up(&handed_over).map_err(broken)?;
    // A store that could not write may hold what nobody knows to be true.
    shared.poisoned().map_or(Ok(lengths), |reason| Err(BackUpError::Failed(reason)))
}

/// Makes a data directory of a backup.
pub(super) fn restore(from: &Path, to: &Path) -> Result<(), OpenError> {
    let at = |path: &Path| path.display().to_string();
    let unusable = |path: &Path| {
        let path = at(path);
        move |error: io::Error| OpenError::Unusable { path, error }
    };
    if !fs::metadata(from).map_err(unusable(from))?.is_dir() || !from.join("FORMAT").exists() {
        return Err(OpenError::Foreign(at(from)));
    }
    let _lock = format::lock(from)?;
    format::check_format(from)?;
    DirBuilder::new().recursive(true).mode(0o700).create(to).map_err(unusable(to))?;
    let _lock = format::lock(to)?;
    if !is_empty(to).map_err(unusable(to))? {
        return Err(OpenError::Occupied(at(to)));
    }
    let copied = files(from).and_then(|files| {
        for (file, _) in files.iter().filter(|(file, _)| !file.ends_with("FORMAT")) {
            let target = to.join(file.strip_prefix(from).expect("it was found below"));
            target.parent().map_or(Ok(()), fs::create_dir_all)?;
            fs::copy(file, target)?;
        }
        sync_all(to)?;
        format::write_format(to)?;
        sync_above(to)
    });
    copied.map_err(unusable(to))
}

fn failed(error: io::Error) -> BackUpError {
    BackUpError::Failed(error.to_string())
}

fn broken(error: sled::Error) -> BackUpError {
    BackUpError::Failed(error.to_string())
}
