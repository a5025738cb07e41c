//! Opening the store in a data directory, or creating one.

use std::{fs::File, path::Path};

use super::{
    OpenError, SledOptions, compacting,
    db::{open_db, open_error},
    format::{Opened, STORE, TREES},
};
use crate::store::{Backend, directory, files, open_error::unusable};

pub(super) fn open(directory: &Path, options: SledOptions) -> Result<Opened, OpenError> {
    let unusable = unusable(directory);
    let failed = |error| open_error(directory, error);
    directory::make(directory).map_err(&unusable)?;
    let lock = directory::lock(directory)?;
    let there = directory::check_format(directory, Backend::Sled)?;
    compacting::settle(directory).map_err(&unusable)?;
    let store = directory.join(STORE);
    if there {
        directory::holds(directory, &directory.join(Backend::Sled.file()))?;
    } else {
        directory::begin(directory, Backend::Sled).map_err(&unusable)?;
    }
    let db = open_db(&store, options).map_err(failed)?;
    let [tree, views] = TREES.map(|tree| db.open_tree(tree.name()).map_err(failed));
    let (tree, views) = (tree?, views?);
    let db_file = File::open(store.join("db")).map_err(&unusable)?;
    // The files stay after a power loss only once their directories are synced.
    for directory in [&store, directory] {
        files::sync(directory).map_err(&unusable)?;
    }
    if !there {
        directory::begun(directory).map_err(&unusable)?;
    }
    Ok(Opened { db, tree, views, _lock: lock, db_file })
}
