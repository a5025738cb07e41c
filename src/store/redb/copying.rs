//! Copies a store, for a backup and for compaction.
//!
//! Both write the rows of the store to a new file, read that back, and compare. So the copy has no bytes of
//! what was erased or overwritten: redb keeps those in its file until the page is used again, and its own
//! compaction moves pages within the file.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{Arc, TryLockError},
};

use redb::{
    Key, ReadTransaction, ReadableDatabase as _, ReadableTable as _, StorageError, TableDefinition,
    WriteTransaction,
};

use super::{
    OpenError, RedbOptions, Shared,
    format::{JOURNAL, NEW, ROWS, STORE, open_db, opening, panicked, put_in_place, unavailable},
    reads,
    writer::Snapshot,
};
use crate::store::{
    BackUpError, BackedUp, Backend, Compacted, StoreError,
    backups::{self, Checksum, CopyProgress, failed},
    directory,
    expected::caught,
    files,
    open_error::unusable,
};

/// Size of redb's cache for the copy, in bytes: the copy is written once, and read once.
const CACHE_BYTES: u64 = 16 * 1_024 * 1_024;

/// Copies the store as of a snapshot to the new or empty directory `to`.
pub(super) fn back_up(
    shared: &Shared,
    to: &Path,
    beside: &[PathBuf],
    snapshot: impl FnOnce() -> Result<Snapshot, StoreError>,
) -> Result<BackedUp, BackUpError> {
    let _copying = match shared.copying.try_lock() {
        Ok(copying) => copying,
        Err(TryLockError::Poisoned(failed)) => failed.into_inner(),
        Err(TryLockError::WouldBlock) => return Err(BackUpError::Running),
    };
    backups::make(&shared.status.directory, to, STORE, beside, || {
        let Snapshot { store, lengths } = snapshot()?;
        // A poisoned store may hold writes of which it is unknown whether they are on disk.
        if let Some(reason) = shared.status.poisoned() {
            return Err(BackUpError::Failed(reason));
        }
        let copied = copy(&store, &shared.status.directory, &to.join(STORE));
        copied.map_err(|error| BackUpError::Failed(error.to_string()))?;
        let position = reads::last(&store)?;
        backups::copy_beside(beside, &lengths, to).map_err(failed)?;
        backups::complete(to, Backend::Redb).map_err(failed)?;
        Ok(BackedUp { position, bytes: files::size(to).map_err(failed)? })
    })
}

/// Compacts the closed store in `directory`. The store does not change until the copy replaces it; the next
/// opening or compaction removes a copy that a crash left.
pub(super) fn compact(directory: &Path, options: RedbOptions) -> Result<Compacted, OpenError> {
    let unusable = unusable(directory);
    let path = || directory.display().to_string();
    let _lock = directory::lock(directory)?;
    if !directory::check_format(directory, Backend::Redb)? {
        return Err(OpenError::Foreign(path()));
    }
    let (store, new) = (directory.join(STORE), directory.join(NEW));
    files::remove(&new).map_err(&unusable)?;
    let bytes_before = std::fs::metadata(&store).map_err(&unusable)?.len();
    let copied = open_db(&store, options.cache_bytes, Arc::default()).and_then(|old| {
        let old = old.begin_read().map_err(|error| opening(path(), error.into()))?;
        copy(&old, directory, &new)
    });
    let copied = copied.and_then(|()| put_in_place(directory).map_err(unwritable(&new)));
    copied.inspect_err(|_| files::discard(&new))?;
    let bytes_after = std::fs::metadata(&store).map_err(unusable)?.len();
    Ok(Compacted { bytes_before, bytes_after })
}

fn unwritable(copy: &Path) -> impl Fn(io::Error) -> OpenError {
    let unusable = unusable(copy.parent().unwrap_or(copy));
    let name = copy.file_name().unwrap_or_default().display().to_string();
    move |error| unusable(io::Error::new(error.kind(), format!("{name} cannot be written: {error}")))
}

/// Copies the store in `directory` to a new file, and compares them.
fn copy(store: &ReadTransaction, directory: &Path, to: &Path) -> Result<(), OpenError> {
    let of_store = |error: StoreError| {
        let path = directory.display().to_string();
        match error {
            StoreError::Corrupt(error) => {
                OpenError::Damaged { path, error: format!("{error}; nothing was changed") }
            }
            StoreError::Unavailable(error) => OpenError::Unusable { path, error: io::Error::other(error) },
        }
    };
    let of_copy = |error: redb::Error| match error {
        redb::Error::Io(error) => unwritable(to)(error),
        error => unwritable(to)(io::Error::other(error)),
    };
    let opened = || {
        open_db(to, CACHE_BYTES, Arc::default()).map_err(|error| match error {
            OpenError::Unusable { error, .. } => unwritable(to)(error),
            error => unwritable(to)(io::Error::other(error)),
        })
    };
    let sums = {
        let copy = opened()?;
        let written = copy.begin_write().map_err(|error| of_copy(error.into()))?;
        let copied = caught(|| copy_tables(store, &written));
        let sums =
            copied.unwrap_or_else(|panic| Err(CopyError::Reading(StoreError::Corrupt(panicked(&panic)))));
        let sums = sums.map_err(|error| match error {
            CopyError::Reading(error) => of_store(error),
            CopyError::Writing(error) => of_copy(error),
        })?;
        written.commit().map_err(|error| of_copy(error.into()))?;
        sums
    };
    // The copy is read back and compared.
    let copy = opened()?;
    let read = copy.begin_read().map_err(|error| of_copy(error.into()))?;
    if matches!(caught(|| sums_of(&read)), Ok(Ok(read)) if read == sums) {
        return Ok(());
    }
    Err(unwritable(to)(io::Error::other("the copy differs from what was written")))
}

enum CopyError {
    Reading(StoreError),
    Writing(redb::Error),
}

fn unread(error: impl Into<redb::Error>) -> CopyError {
    CopyError::Reading(unavailable(error))
}

fn unwritten(error: impl Into<redb::Error>) -> CopyError {
    CopyError::Writing(error.into())
}

fn copy_tables(store: &ReadTransaction, to: &WriteTransaction) -> Result<[Checksum; 4], CopyError> {
    let mut progress = CopyProgress::default();
    let mut journal = to.open_table(JOURNAL).map_err(unwritten)?;
    let commits = rows(store, JOURNAL, |first, frame| {
        progress.add(1);
        journal.insert(first, frame).map(drop)
    })?;
    let [entities, vault, views] = ROWS.map(|table| {
        let mut copied = to.open_table(table).map_err(unwritten)?;
        rows(store, table, |key, value| {
            progress.add(1);
            copied.insert(key, value).map(drop)
        })
    });
    Ok([commits, entities?, vault?, views?])
}

/// Checksums of all tables, in the order of [`copy_tables`].
fn sums_of(store: &ReadTransaction) -> Result<[Checksum; 4], CopyError> {
    let [entities, vault, views] = ROWS.map(|table| rows(store, table, |_, _| Ok(())));
    Ok([rows(store, JOURNAL, |_, _| Ok(()))?, entities?, vault?, views?])
}

/// Calls `each` with the rows of a table. Returns the checksum.
fn rows<K: Key + 'static>(
    store: &ReadTransaction,
    table: TableDefinition<'_, K, &'static [u8]>,
    mut each: impl FnMut(K::SelfType<'_>, &[u8]) -> Result<(), StorageError>,
) -> Result<Checksum, CopyError> {
    let mut sum = Checksum::default();
    for row in store.open_table(table).map_err(unread)?.iter().map_err(unread)? {
        let (key, value) = row.map_err(unread)?;
        sum.add(K::as_bytes(&key.value()).as_ref(), value.value());
        each(key.value(), value.value()).map_err(unwritten)?;
    }
    Ok(sum)
}
