//! redb's part of the data directory: its file, its tables, and how it is begun.

use std::{
    fs::{File, OpenOptions},
    io,
    path::Path,
    sync::Arc,
};

use redb::{Database, ReadTransaction, ReadableDatabase as _, TableDefinition};

use super::{
    OpenError, RedbOptions,
    disk::{Disk, Faults},
};
use crate::{
    domain::EntityId,
    store::{Backend, StoreError, directory, expected::caught, files, held::Held},
};

/// redb's file, in the data directory.
pub(super) const STORE: &str = "journal.redb";
/// What is to become that file.
pub(super) const NEW: &str = "journal.redb.new";

/// The commits: each under the position of its first event.
pub(super) const JOURNAL: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("journal");
/// What is known of each entity.
pub(super) const ENTITIES: Rows<'_> = TableDefinition::new("entities");
/// The vault.
pub(super) const VAULT: Rows<'_> = TableDefinition::new("vault");
/// Rows of views.
pub(super) const VIEWS: Rows<'_> = TableDefinition::new("views");

/// A table whose keys are bytes.
pub(super) type Rows<'a> = TableDefinition<'a, &'static [u8], &'static [u8]>;

/// The tables whose keys are bytes.
pub(super) const ROWS: [Rows<'_>; 3] = [ENTITIES, VAULT, VIEWS];

/// redb, opened. Dropping it lets go of the directory's lock.
pub(super) struct Opened {
    pub db: Database,
    pub faults: Arc<Faults>,
    /// Keeps others from opening or compacting the store.
    _lock: File,
}

/// redb's files.
pub(super) type Files = Held<Opened>;

impl Opened {
    /// The store as of now, until it is dropped.
    pub(super) fn snapshot(&self) -> Result<ReadTransaction, StoreError> {
        self.db.begin_read().map_err(unavailable)
    }
}

pub(super) fn unavailable(error: impl Into<redb::Error>) -> StoreError {
    match error.into() {
        // A table of ours is there, and is what it is, unless the file is damaged.
        error @ (redb::Error::Corrupted(_)
        | redb::Error::TableDoesNotExist(_)
        | redb::Error::TableTypeMismatch { .. }
        | redb::Error::TypeDefinitionChanged { .. }) => StoreError::Corrupt(error.to_string()),
        error => StoreError::Unavailable(error.to_string()),
    }
}

pub(super) fn open(directory: &Path, options: RedbOptions) -> Result<Opened, OpenError> {
    let unusable = |error: io::Error| OpenError::Unusable { path: directory.display().to_string(), error };
    directory::make(directory).map_err(unusable)?;
    let lock = directory::lock(directory)?;
    let there = directory::check_format(directory, Backend::Redb)?;
    let (store, new) = (directory.join(STORE), directory.join(NEW));
    if there {
        directory::holds(directory, &store)?;
    } else {
        directory::begin(directory, Backend::Redb).map_err(unusable)?;
    }
    files::remove(&new).map_err(unusable)?;
    if !store.exists() {
        // redb cannot open a file that it was killed over making: so one gets its name when it is whole.
        drop(open_db(&new, options.cache_bytes, Arc::default())?);
        put_in_place(directory).map_err(unusable)?;
    }
    let faults = Arc::<Faults>::default();
    let db = open_db(&store, options.cache_bytes, Arc::clone(&faults))?;
    files::sync(directory).map_err(unusable)?;
    if !there {
        directory::begun(directory).map_err(unusable)?;
    }
    Ok(Opened { db, faults, _lock: lock })
}

/// Has a new file take the place of the store's, or become it: whole, or not at all.
pub(super) fn put_in_place(directory: &Path) -> io::Result<()> {
    let new = directory.join(NEW);
    File::open(&new)?.sync_all()?;
    std::fs::rename(&new, directory.join(STORE))?;
    files::sync(directory)
}

/// Opens a file of redb's, or makes one, with all of its tables.
pub(super) fn open_db(store: &Path, cache_bytes: u64, faults: Arc<Faults>) -> Result<Database, OpenError> {
    // What is said names the directory, as the settings do.
    let path = store.parent().unwrap_or(store).display().to_string();
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(store);
    let file = file.map_err(|error| OpenError::Unusable { path: path.clone(), error })?;
    let opened = || {
        let disk = Disk::new(file, faults)?;
        let cache_bytes = usize::try_from(cache_bytes).unwrap_or(usize::MAX);
        let db = Database::builder().set_cache_size(cache_bytes).create_with_backend(disk)?;
        make_tables(&db)?;
        Ok(db)
    };
    // A file that is shorter than its header says, and more of the kind.
    match caught(opened) {
        Ok(opened) => opened.map_err(|error| opening(path, error)),
        Err(panic) => Err(OpenError::Damaged { path, error: nonsense(&panic) }),
    }
}

/// What is said of damage that redb answers with a panic.
pub(super) fn nonsense(panic: &str) -> String {
    format!("redb cannot make sense of it ({panic})")
}

/// Reads a file that was opened: much of its damage is met only now.
pub(super) fn reading<T>(read: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
    caught(read).unwrap_or_else(|panic| Err(StoreError::Corrupt(nonsense(&panic))))
}

fn make_tables(db: &Database) -> Result<(), redb::Error> {
    let there = db.begin_read()?.list_tables()?.count();
    if there == ROWS.len() + 1 {
        return Ok(());
    }
    let made = db.begin_write()?;
    made.open_table(JOURNAL)?;
    for rows in ROWS {
        made.open_table(rows)?;
    }
    Ok(made.commit()?)
}

pub(super) fn opening(path: String, error: redb::Error) -> OpenError {
    match error {
        redb::Error::DatabaseAlreadyOpen => OpenError::Locked(path),
        redb::Error::Io(error)
            if ![io::ErrorKind::InvalidData, io::ErrorKind::UnexpectedEof].contains(&error.kind()) =>
        {
            OpenError::Unusable { path, error }
        }
        // So it calls a file that is not its own, and one that is cut off, too.
        error => OpenError::Damaged { path, error: error.to_string() },
    }
}

/// The key of what is known of an entity.
pub(super) fn entity_key(entity: EntityId) -> [u8; 17] {
    let mut key = [entity.kind as u8; 17];
    key[1..].copy_from_slice(&entity.id.to_be_bytes());
    key
}
