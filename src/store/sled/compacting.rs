//! Compaction: writes what is in a store anew, beside it, and puts that in its place.
//!
//! sled leaves in its file what was erased or overwritten; only a new file has none of it. Each step is
//! one that the next opening, or the next compaction, takes up again:
//!
//! | in the data directory | a crash here leaves | next |
//! | --- | --- | --- |
//! | `journal`, `compacting` | a copy that may not be whole | the copy is discarded |
//! | `journal`, `compacted` | a whole copy, on disk | goes on |
//! | `journal.old`, `compacted` | a whole copy, not in its place yet | goes on |
//! | `journal.old`, `journal` | the copy in its place | what was before is removed |
//!
//! **Invariant:** whoever opens or compacts a store holds the lock of its directory.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use super::{
    OpenError, SledOptions,
    format::{self, open_db, opening},
};

/// So many rows, or so many bytes, are made durable at once: sled is slow with more.
const ROWS_MAX: usize = 1_000;
const BYTES_MAX: usize = 1_024 * 1_024;

/// So often a store is opened that was just closed.
const REOPEN_MAX: usize = 10_000;

const COPYING: &str = "compacting";
const COPIED: &str = "compacted";
const STORE: &str = "journal";
const BEFORE: &str = "journal.old";
const SET_ASIDE: &str = "set-aside";

/// What a compaction did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compacted {
    /// How many bytes the store had.
    pub bytes_before: u64,
    /// How many it has.
    pub bytes_after: u64,
}

/// What is in a tree: how many rows, and a checksum over all of them.
#[derive(Debug, PartialEq, Eq)]
struct Sum {
    rows: u64,
    crc: u32,
}

/// Compacts the store in `directory`, which nobody may have open.
pub(super) fn compact(directory: &Path, options: SledOptions) -> Result<Compacted, OpenError> {
    let path = directory.display().to_string();
    let unusable = |error: io::Error| OpenError::Unusable { path: path.clone(), error };
    let _lock = format::lock(directory)?;
    if !directory.join("FORMAT").exists() {
        return Err(OpenError::Foreign(path));
    }
    format::check_format(directory)?;
    settle(directory).map_err(unusable)?;
    let store = directory.join(STORE);
    fs::metadata(&store).map_err(unusable)?;
    let bytes_before = size(&store).and_then(|bytes| Ok(bytes + size(&directory.join(SET_ASIDE))?));
    let bytes_before = bytes_before.map_err(unusable)?;
    copy(&store, &directory.join(COPYING), options, &path)?;
    fs::rename(directory.join(COPYING), directory.join(COPIED)).map_err(unusable)?;
    settle(directory).map_err(unusable)?;
    // sled's snapshots of old, kept when they could not be read: they are of the file that is gone.
    remove(&directory.join(SET_ASIDE)).map_err(unusable)?;
    sync(directory).map_err(unusable)?;
    Ok(Compacted { bytes_before, bytes_after: size(&store).map_err(unusable)? })
}

/// Finishes or discards what a compaction left unfinished. The directory is locked.
pub(super) fn settle(directory: &Path) -> io::Result<()> {
    let [copying, copied, store, before] = [COPYING, COPIED, STORE, BEFORE].map(|name| directory.join(name));
    remove(&copying)?;
    if copied.exists() {
        // That the copy is whole must be on disk before what it was made from moves away.
        sync(directory)?;
        if store.exists() {
            remove(&before)?;
            fs::rename(&store, &before)?;
            sync(directory)?;
        }
        fs::rename(&copied, &store)?;
        sync(directory)?;
    }
    if store.exists() && before.exists() {
        remove(&before)?;
        sync(directory)?;
    }
    Ok(())
}

/// Copies all that is in the store at `from` to a new one at `to`, and makes sure that it got there.
fn copy(from: &Path, to: &Path, options: SledOptions, path: &str) -> Result<(), OpenError> {
    let failed = |error| opening(path, error);
    let copied = {
        let (old, new) = (open_db(from, options).map_err(failed)?, open_db(to, options).map_err(failed)?);
        format::TREES.map(|name| copy_tree(&old, &new, name))
    };
    let unusable = |error: io::Error| OpenError::Unusable { path: path.to_owned(), error };
    sync_all(to).map_err(unusable)?;
    let new = reopened(to, options).map_err(failed)?;
    for (name, sum) in format::TREES.into_iter().zip(copied) {
        if new.open_tree(name).and_then(|tree| sum_of(&tree)).map_err(failed)? != sum.map_err(failed)? {
            let error = "the copy is not what it was made from; nothing was changed".to_owned();
            return Err(OpenError::Damaged { path: path.to_owned(), error });
        }
    }
    drop(new);
    // Opening may have written.
    sync_all(to).map_err(unusable)
}

/// Opens what was just closed: a thread of sled's may be about to let go of it.
fn reopened(store: &Path, options: SledOptions) -> sled::Result<sled::Db> {
    for _ in 0..REOPEN_MAX {
        match open_db(store, options) {
            Err(error) if format::is_locked(&error) => std::thread::yield_now(),
            opened => return opened,
        }
    }
    open_db(store, options)
}

fn copy_tree(old: &sled::Db, new: &sled::Db, name: &str) -> sled::Result<Sum> {
    let (from, to) = (old.open_tree(name)?, new.open_tree(name)?);
    let (mut batch, mut rows, mut bytes) = (sled::Batch::default(), 0, 0);
    for row in &from {
        let (key, value) = row?;
        (rows, bytes) = (rows + 1, bytes + key.len() + value.len());
        batch.insert(key, value);
        if rows == ROWS_MAX || bytes >= BYTES_MAX {
            to.apply_batch(std::mem::take(&mut batch))?;
            new.flush()?;
            (rows, bytes) = (0, 0);
        }
    }
    to.apply_batch(batch)?;
    new.flush()?;
    sum_of(&from)
}

fn sum_of(tree: &sled::Tree) -> sled::Result<Sum> {
    let (mut rows, mut crc) = (0, crc32fast::Hasher::new());
    for row in tree {
        let (key, value) = row?;
        rows += 1;
        for part in [&key, &value] {
            crc.update(&part.len().to_le_bytes());
            crc.update(part);
        }
    }
    Ok(Sum { rows, crc: crc.finalize() })
}

/// Every file below `directory`, with its length.
fn files(directory: &Path) -> io::Result<Vec<(PathBuf, u64)>> {
    let mut found = Vec::new();
    if !directory.exists() {
        return Ok(found);
    }
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            found.extend(files(&entry.path())?);
        } else {
            found.push((entry.path(), entry.metadata()?.len()));
        }
    }
    Ok(found)
}

fn size(directory: &Path) -> io::Result<u64> {
    Ok(files(directory)?.iter().map(|(_, bytes)| bytes).sum())
}

/// Waits until a directory, and all that is in it, is on disk.
fn sync_all(directory: &Path) -> io::Result<()> {
    for (file, _) in files(directory)? {
        File::open(&file)?.sync_all()?;
        file.parent().map_or(Ok(()), sync)?;
    }
    sync(directory)
}

fn sync(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

fn remove(directory: &Path) -> io::Result<()> {
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}
