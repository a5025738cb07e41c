//! Compaction: writes what is in a store anew, beside it, and puts that in its place.
//!
//! sled leaves in its file what was erased or overwritten; only a new file has none of it. Each step is
//! one that the next opening, or the next compaction, takes up again:
//!
//! | in the data directory | a crash here leaves | next |
//! | --- | --- | --- |
//! | `journal`, `compacting` | a copy that may not be whole | the copy is discarded |
//! | `journal`, `compacted` | a whole copy, on disk | goes on |
//! | `compacting.from`, `compacted` | a whole copy, not in its place yet | goes on |
//! | `compacting.from`, `journal` | the copy in its place | what was before is removed |
//!
//! **Invariant:** whoever opens or compacts a store holds the lock of its directory.

use std::{fs, io, path::Path};

use super::{
    SledOptions, aside,
    copying::{reopened, rows_after, sum_of},
    format::{self, SET_ASIDE, STORE, Tree, open_db, opening},
    mark, reads,
};
use crate::store::{
    Backend, Compacted, OpenError, StoreError,
    backups::{Sum, Told},
    directory,
    files::{discard, remove, size, sync, sync_all},
};

const COPYING: &str = "compacting";
const COPIED: &str = "compacted";
/// Nobody else would think of this name: what is called so is removed.
const BEFORE: &str = "compacting.from";

/// Compacts the store in `directory`, which nobody may have open.
pub(super) fn compact(directory: &Path, options: SledOptions) -> Result<Compacted, OpenError> {
    let path = directory.display().to_string();
    let unusable = |error: io::Error| OpenError::Unusable { path: path.clone(), error };
    let _lock = directory::lock(directory)?;
    if !directory.join("FORMAT").exists() {
        return Err(OpenError::Foreign(path));
    }
    directory::check_format(directory, Backend::Sled)?;
    settle(directory).map_err(unusable)?;
    let store = directory.join(STORE);
    directory::holds(directory, &directory.join(Backend::Sled.file()))?;
    if fs::symlink_metadata(&store).map_err(unusable)?.is_symlink() {
        // What was erased would stay where it leads to.
        let linked = "its journal is a symbolic link: only a directory of its own can be compacted";
        return Err(unusable(io::Error::other(linked)));
    }
    let bytes_before = size(&store).and_then(|bytes| Ok(bytes + size(&directory.join(SET_ASIDE))?));
    let bytes_before = bytes_before.map_err(unusable)?;
    let copying = directory.join(COPYING);
    let copied = copy(&store, &copying, options, &path)
        .and_then(|()| fs::rename(&copying, directory.join(COPIED)).map_err(unusable));
    copied.inspect_err(|_| discard(&copying)).map_err(|error| aside::refused(directory, error))?;
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
        let old = reopened(from, options).map_err(failed)?;
        let journal = old.open_tree(Tree::Journal.name()).map_err(failed)?;
        let damaged =
            |error: StoreError| OpenError::Damaged { path: path.to_owned(), error: error.to_string() };
        // What is left of a store that lost its end is all there is to look for the rest in.
        mark::check(Path::new(path), &journal, reads::last(&journal).map_err(damaged)?)?;
        aside::settle(from);
        let new = open_db(to, options).map_err(failed)?;
        let mut told = Told::default();
        let [journal, views] = format::TREES.map(|tree| copy_tree(&old, &new, tree, &mut told));
        // What could not be written is said to be so, and not looked at.
        [journal.map_err(failed)?, views.map_err(failed)?]
    };
    let unusable = |error: io::Error| OpenError::Unusable { path: path.to_owned(), error };
    sync_all(to).map_err(unusable)?;
    let new = reopened(to, options).map_err(failed)?;
    for (tree, sum) in format::TREES.into_iter().zip(copied) {
        if new.open_tree(tree.name()).and_then(|tree| sum_of(&tree)).map_err(failed)? != sum {
            let error = "the copy is not what it was made from; nothing was changed".to_owned();
            return Err(OpenError::Damaged { path: path.to_owned(), error });
        }
    }
    drop(new);
    // Opening may have written.
    sync_all(to).map_err(unusable)
}

fn copy_tree(old: &sled::Db, new: &sled::Db, tree: Tree, told: &mut Told) -> sled::Result<Sum> {
    let (from, to) = (old.open_tree(tree.name())?, new.open_tree(tree.name())?);
    let mut last = None;
    while let Some(rows) = rows_after(&from, last.as_ref())? {
        told.copied(rows.count);
        to.apply_batch(rows.batch)?;
        new.flush()?;
        last = Some(rows.last);
    }
    sum_of(&from)
}
