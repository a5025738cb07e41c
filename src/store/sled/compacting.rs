//! Compaction: copies a store, and replaces it by the copy.
//!
//! sled's file keeps bytes of what was erased or overwritten; a new file does not. After a crash, the next
//! opening or compaction goes on from where it was:
//!
//! | in the data directory | state | next step |
//! | --- | --- | --- |
//! | `journal`, `compacting` | the copy may be incomplete | it is removed |
//! | `journal`, `compacted` | the copy is complete and on disk | it replaces the store |
//! | `compacting.from`, `compacted` | the old store is moved away | the copy is moved to its place |
//! | `compacting.from`, `journal` | the copy is in its place | the old store is removed |
//!
//! **Invariant:** a store is opened or compacted only with the lock of its directory held.

use std::{fs, io, path::Path};

use super::{
    SledOptions, aside,
    copying::{reopened, rows_after, sum_of},
    db::{open_db, open_error},
    format::{self, SET_ASIDE, STORE, Tree},
    mark, reads,
};
use crate::store::{
    Backend, Compacted, OpenError,
    backups::{Checksum, CopyProgress},
    directory,
    files::{discard, remove, size, sync, sync_all},
    open_error::{damaged, unusable},
};

const COPYING: &str = "compacting";
const COPIED: &str = "compacted";
/// Name of the old store: a directory of this name is removed.
const BEFORE: &str = "compacting.from";

/// Compacts the closed store in `directory`.
pub(super) fn compact(directory: &Path, options: SledOptions) -> Result<Compacted, OpenError> {
    let unusable = unusable(directory);
    let _lock = directory::lock(directory)?;
    if !directory::check_format(directory, Backend::Sled)? {
        return Err(OpenError::Foreign(directory.display().to_string()));
    }
    settle(directory).map_err(&unusable)?;
    let store = directory.join(STORE);
    directory::holds(directory, &directory.join(Backend::Sled.file()))?;
    if fs::symlink_metadata(&store).map_err(&unusable)?.is_symlink() {
        // What was erased would stay at its target.
        let linked = "its journal is a symbolic link: only a directory of its own can be compacted";
        return Err(unusable(io::Error::other(linked)));
    }
    let bytes_before = size(&store).and_then(|bytes| Ok(bytes + size(&directory.join(SET_ASIDE))?));
    let bytes_before = bytes_before.map_err(&unusable)?;
    let copying = directory.join(COPYING);
    let copied = copy(&store, &copying, options, directory)
        .and_then(|()| fs::rename(&copying, directory.join(COPIED)).map_err(&unusable));
    copied.inspect_err(|_| discard(&copying)).map_err(|error| aside::refused(directory, error))?;
    settle(directory).map_err(&unusable)?;
    // Snapshots that were set aside belong to the old file.
    remove(&directory.join(SET_ASIDE)).map_err(&unusable)?;
    sync(directory).map_err(&unusable)?;
    Ok(Compacted { bytes_before, bytes_after: size(&store).map_err(&unusable)? })
}

/// Finishes or undoes an interrupted compaction. The directory must be locked.
pub(super) fn settle(directory: &Path) -> io::Result<()> {
    let [copying, copied, store, before] = [COPYING, COPIED, STORE, BEFORE].map(|name| directory.join(name));
    remove(&copying)?;
    if copied.exists() {
        // The name of the complete copy must be on disk before the old store moves away.
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

/// Copies the store at `from` to a new one at `to`, and compares them. Errors name `directory`.
fn copy(from: &Path, to: &Path, options: SledOptions, directory: &Path) -> Result<(), OpenError> {
    let failed = |error| open_error(directory, error);
    let copied = {
        let old = reopened(from, options).map_err(failed)?;
        let journal = old.open_tree(Tree::Journal.name()).map_err(failed)?;
        // A store that has lost its end is not compacted: its file may still have what is lost.
        mark::check(directory, &journal, reads::last(&journal).map_err(damaged(directory))?)?;
        aside::settle(from);
        let new = open_db(to, options).map_err(failed)?;
        let mut progress = CopyProgress::default();
        let [journal, views] = format::TREES.map(|tree| copy_tree(&old, &new, tree, &mut progress));
        [journal.map_err(failed)?, views.map_err(failed)?]
    };
    sync_all(to).map_err(unusable(directory))?;
    let new = reopened(to, options).map_err(failed)?;
    for (tree, sum) in format::TREES.into_iter().zip(copied) {
        if new.open_tree(tree.name()).and_then(|tree| sum_of(&tree)).map_err(failed)? != sum {
            let error = "the copy differs from the store; nothing was changed".to_owned();
            return Err(OpenError::Damaged { path: directory.display().to_string(), error });
        }
    }
    drop(new);
    // Opening it may have written to it.
    sync_all(to).map_err(unusable(directory))
}

fn copy_tree(
    old: &sled::Db,
    new: &sled::Db,
    tree: Tree,
    progress: &mut CopyProgress,
) -> sled::Result<Checksum> {
    let (from, to) = (old.open_tree(tree.name())?, new.open_tree(tree.name())?);
    let mut last = None;
    while let Some(rows) = rows_after(&from, last.as_ref())? {
        progress.add(rows.count);
        to.apply_batch(rows.batch)?;
        new.flush()?;
        last = Some(rows.last);
    }
    sum_of(&from)
}
