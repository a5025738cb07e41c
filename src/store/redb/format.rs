//! Layout of a store in redb: its file, its tables, and how they are created.

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
    store::{
        Backend, StoreError, closable::Closable, directory, expected::caught, files, open_error::unusable,
    },
};

pub(super) const STORE: &str = "journal.redb";
/// Name of a new file until it is complete.
pub(super) const NEW: &str = "journal.redb.new";

/// Commits; the key is the position of the first event.
pub(super) const JOURNAL: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("journal");
pub(super) const ENTITIES: Rows<'_> = TableDefinition::new("entities");
pub(super) const VAULT: Rows<'_> = TableDefinition::new("vault");
pub(super) const VIEWS: Rows<'_> = TableDefinition::new("views");

/// A table whose keys are bytes.
pub(super) type Rows<'a> = TableDefinition<'a, &'static [u8], &'static [u8]>;

pub(super) const ROWS: [Rows<'_>; 3] = [ENTITIES, VAULT, VIEWS];

pub(super) struct Opened {
    pub db: Database,
    pub faults: Arc<Faults>,
    _lock: File,
}

pub(super) type Files = Closable<Opened>;

impl Opened {
    pub(super) fn snapshot(&self) -> Result<ReadTransaction, StoreError> {
        self.db.begin_read().map_err(unavailable)
    }
}

pub(super) fn unavailable(error: impl Into<redb::Error>) -> StoreError {
    match error.into() {
        // Every table exists with its types, unless the file is damaged.
        error @ (redb::Error::Corrupted(_)
        | redb::Error::TableDoesNotExist(_)
        | redb::Error::TableTypeMismatch { .. }
        | redb::Error::TypeDefinitionChanged { .. }) => StoreError::Corrupt(error.to_string()),
        error => StoreError::Unavailable(error.to_string()),
    }
}

pub(super) fn open(directory: &Path, options: RedbOptions) -> Result<Opened, OpenError> {
    let unusable = unusable(directory);
    directory::make(directory).map_err(&unusable)?;
    let lock = directory::lock(directory)?;
    let there = directory::check_format(directory, Backend::Redb)?;
    let (store, new) = (directory.join(STORE), directory.join(NEW));
    if there {
        directory::holds(directory, &store)?;
    } else {
        directory::begin(directory, Backend::Redb).map_err(&unusable)?;
    }
    files::remove(&new).map_err(&unusable)?;
    if !store.exists() {
        // redb cannot open a file that a crash left half created: it gets its name when it is complete.
        drop(open_db(&new, options.cache_bytes, Arc::default())?);
        put_in_place(directory).map_err(&unusable)?;
    }
    let faults = Arc::<Faults>::default();
    let db = open_db(&store, options.cache_bytes, Arc::clone(&faults))?;
    files::sync(directory).map_err(&unusable)?;
    if !there {
        directory::begun(directory).map_err(&unusable)?;
    }
    Ok(Opened { db, faults, _lock: lock })
}

/// Gives a complete new file the name of the store's file, and replaces that.
pub(super) fn put_in_place(directory: &Path) -> io::Result<()> {
    let new = directory.join(NEW);
    File::open(&new)?.sync_all()?;
    std::fs::rename(&new, directory.join(STORE))?;
    files::sync(directory)
}

/// Opens a file, or creates one with all tables.
pub(super) fn open_db(store: &Path, cache_bytes: u64, faults: Arc<Faults>) -> Result<Database, OpenError> {
    // Errors name the directory, as the settings do.
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
    // redb panics on some damage, such as a file that is shorter than its header says.
    match caught(opened) {
        Ok(opened) => opened.map_err(|error| opening(path, error)),
        Err(panic) => Err(OpenError::Damaged { path, error: panicked(&panic) }),
    }
}

pub(super) fn panicked(panic: &str) -> String {
    format!("redb panicked ({panic})")
}

/// Runs a read, and turns a panic of redb into an error: opening a file does not find all damage.
pub(super) fn catching<T>(read: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
    caught(read).unwrap_or_else(|panic| Err(StoreError::Corrupt(panicked(&panic))))
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
        // Also for a file that is cut off, or not redb's.
        error => OpenError::Damaged { path, error: error.to_string() },
    }
}

/// Key of an index record: kind and id of the entity.
pub(super) fn entity_key(entity: EntityId) -> [u8; 17] {
    let mut key = [entity.kind as u8; 17];
    key[1..].copy_from_slice(&entity.id.to_be_bytes());
    key
}
