//! sled's part of the data directory: its trees, its keys, and what it leaves behind in a crash.

use std::{
    fs::{self, File},
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
};

use tracing::warn;

use super::{OpenError, SledOptions, aside, compacting};
use crate::{
    domain::{EntityId, Position},
    store::{Backend, StoreError, directory, files, held::Held},
};

/// sled puts a page that is larger than a quarter of a segment into a file of its own, which it never
/// syncs. A page of ours has up to 16 values of up to 27 KiB while it splits: it must stay below.
pub(super) const SEGMENT_BYTES: usize = 2 * 1_024 * 1_024;

/// Where sled's files are, in the data directory.
pub(super) const STORE: &str = "journal";

/// Where opening leaves what it moved or cut off, in the data directory.
pub(super) const SET_ASIDE: &str = "set-aside";

/// The trees of a store.
pub(super) const TREES: [Tree; 2] = [Tree::Journal, Tree::Views];

/// A tree of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tree {
    /// What is durable.
    Journal,
    /// Views.
    Views,
}

impl Tree {
    /// What sled calls it.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Journal => "journal",
            Self::Views => "views",
        }
    }
}

/// sled's files.
pub(super) type Files = Held<Opened>;

/// sled, opened. The last one to drop it lets go of the directory's lock.
pub(super) struct Opened {
    pub db: sled::Db,
    pub tree: sled::Tree,
    pub views: sled::Tree,
    /// Keeps others from opening or compacting the store.
    _lock: File,
    /// A descriptor of our own, to sync sled's file: its `flush` does not reach the disk by itself.
    db_file: File,
}

impl Opened {
    pub(super) const fn of(&self, tree: Tree) -> &sled::Tree {
        match tree {
            Tree::Journal => &self.tree,
            Tree::Views => &self.views,
        }
    }

    /// Waits until all that was applied is on disk.
    pub(super) fn sync(&self) -> Result<(), StoreError> {
        self.db.flush().map_err(unavailable)?;
        // sled's flush hands the pages to the kernel; only this waits for the disk.
        self.db_file.sync_data().map_err(|error| StoreError::Unavailable(error.to_string()))
    }
}

pub(super) fn unavailable(error: sled::Error) -> StoreError {
    match error {
        sled::Error::Corruption { .. } => StoreError::Corrupt(error.to_string()),
        error => StoreError::Unavailable(error.to_string()),
    }
}

pub(super) fn open(directory: &Path, options: SledOptions) -> Result<Opened, OpenError> {
    let path = directory.display().to_string();
    let unusable = |error: io::Error| OpenError::Unusable { path: path.clone(), error };
    directory::make(directory).map_err(unusable)?;
    let lock = directory::lock(directory)?;
    let there = directory::check_format(directory, Backend::Sled)?;
    compacting::settle(directory).map_err(unusable)?;
    let store = directory.join(STORE);
    if there {
        directory::holds(directory, &directory.join(Backend::Sled.file()))?;
    } else {
        directory::begin(directory, Backend::Sled).map_err(unusable)?;
    }
    let db = open_db(&store, options).map_err(|error| opening(&path, error))?;
    let [tree, views] = TREES.map(|tree| db.open_tree(tree.name()).map_err(|error| opening(&path, error)));
    let (tree, views) = (tree?, views?);
    let db_file = File::open(store.join("db")).map_err(unusable)?;
    // The files are there for good only once their directories are on disk.
    for directory in [&store, directory] {
        files::sync(directory).map_err(unusable)?;
    }
    if !there {
        directory::begun(directory).map_err(unusable)?;
    }
    Ok(Opened { db, tree, views, _lock: lock, db_file })
}

pub(super) fn open_db(store: &Path, options: SledOptions) -> sled::Result<sled::Db> {
    // Flushing is the writer's: sled's own timer would only get in its way.
    let config = sled::Config::new()
        .path(store)
        .cache_capacity(options.cache_bytes)
        .segment_size(SEGMENT_BYTES)
        .flush_every_ms(None);
    aside::set_aside(store)?;
    match open_or_error(&config) {
        Err(sled::Error::Corruption { .. } | sled::Error::ReportableBug(_)) => {
            let moved = set_snapshots_aside(store)?;
            if moved.is_empty() {
                return open_or_error(&config);
            }
            warn!(
                ?moved,
                "sled could not be opened; its snapshots were set aside, and the log is read instead"
            );
            // It now reads from the beginning: what it overwrites may be something else.
            aside::set_aside(store)?;
            open_or_error(&config)
        }
        opened => opened,
    }
}

/// With pages missing from its log, sled panics. Whoever opens a store is to be told in one line.
fn open_or_error(config: &sled::Config) -> sled::Result<sled::Db> {
    catch_unwind(AssertUnwindSafe(|| config.open()))
        .unwrap_or_else(|_| Err(sled::Error::ReportableBug("sled panicked while opening it".to_owned())))
}

/// sled's snapshots only save it reading its log; a crash may leave one torn, and sled then refuses to
/// open. Moved aside, nothing is lost: not even the snapshot.
fn set_snapshots_aside(store: &Path) -> io::Result<Vec<PathBuf>> {
    let aside = store.with_file_name(SET_ASIDE);
    let mut moved = Vec::new();
    for entry in fs::read_dir(store)? {
        let entry = entry?;
        let name = entry.file_name();
        if name.to_string_lossy().starts_with("snap.") {
            fs::create_dir_all(&aside)?;
            fs::rename(entry.path(), aside.join(&name))?;
            moved.push(entry.path());
        }
    }
    Ok(moved)
}

pub(super) fn opening(path: &str, error: sled::Error) -> OpenError {
    let path = path.to_owned();
    match error {
        error if is_locked(&error) => OpenError::Locked(path),
        sled::Error::Io(error) => OpenError::Unusable { path, error },
        sled::Error::ReportableBug(error) => OpenError::Damaged { path, error },
        error => OpenError::Damaged { path, error: error.to_string() },
    }
}

/// What sled says of a store that somebody has open.
pub(super) const LOCKED: &str = "could not acquire lock";

pub(super) fn is_locked(error: &sled::Error) -> bool {
    matches!(error, sled::Error::Io(error) if error.to_string().contains(LOCKED))
}

pub(super) const CHUNKS: &[u8] = b"j";
pub(super) const ENTITIES: &[u8] = b"e";
pub(super) const GROUPS: &[u8] = b"g";
pub(super) const CHECKPOINT: &[u8] = b"mcheckpoint";

pub(super) fn chunk_key(first: Position) -> [u8; 9] {
    let mut key = [b'j'; 9];
    key[1..].copy_from_slice(&first.0.to_be_bytes());
    key
}

pub(super) fn entity_key(entity: EntityId) -> [u8; 18] {
    let mut key = [b'e'; 18];
    key[1] = entity.kind as u8;
    key[2..].copy_from_slice(&entity.id.to_be_bytes());
    key
}

pub(super) fn group_key(id: u128) -> [u8; 17] {
    let mut key = [b'g'; 17];
    key[1..].copy_from_slice(&id.to_be_bytes());
    key
}

pub(super) fn vault_key(key: &str) -> Vec<u8> {
    [b"v", key.as_bytes()].concat()
}
