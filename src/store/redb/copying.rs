//! Copying stores: for a backup, and for compaction.
//!
//! Both write a new file with what can be read of an old one, read that back, and compare. So a copy has
//! nothing of what was erased or overwritten: redb leaves that in its file until the page is used again, and
//! its own compaction moves pages about within the same file.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{Arc, TryLockError},
};

use redb::{ReadTransaction, ReadableDatabase as _, ReadableTable as _, StorageError, WriteTransaction};

use super::{
    OpenError, RedbOptions, Shared,
    format::{JOURNAL, NEW, ROWS, Rows, STORE, nonsense, open_db, opening, put_in_place, unavailable},
    reads,
    writer::Moment,
};
use crate::store::{
    BackUpError, BackedUp, Backend, Compacted, StoreError,
    backups::{self, Sum, Told, failed},
    directory,
    expected::caught,
    files,
};

/// How much redb may keep in memory of a copy, in bytes: it is written once, and read once.
const CACHE_BYTES: u64 = 16 * 1_024 * 1_024;

/// The store as of `moment`, in the directory `to`: new, or empty.
pub(super) fn back_up(
    shared: &Shared,
    to: &Path,
    beside: &[PathBuf],
    moment: impl FnOnce() -> Result<Moment, StoreError>,
) -> Result<BackedUp, BackUpError> {
    let _copying = match shared.copying.try_lock() {
        Ok(copying) => copying,
        Err(TryLockError::Poisoned(failed)) => failed.into_inner(),
        Err(TryLockError::WouldBlock) => return Err(BackUpError::Running),
    };
    backups::made(&shared.status.directory, to, STORE, beside, || {
        let Moment { store, lengths } = moment()?;
        // A store that could not write may hold what nobody knows to be true.
        if let Some(reason) = shared.status.poisoned() {
            return Err(BackUpError::Failed(reason));
        }
        let copied = copy(&store, &shared.status.directory, &to.join(STORE));
        copied.map_err(|error| BackUpError::Failed(error.to_string()))?;
        let position = reads::last(&store)?;
        backups::copy_beside(beside, &lengths, to).map_err(failed)?;
        files::sync_all(to).map_err(failed)?;
        directory::write_format(to, Backend::Redb).map_err(failed)?;
        files::sync_above(to).map_err(failed)?;
        Ok(BackedUp { position, bytes: files::size(to).map_err(failed)? })
    })
}

/// Compacts the store in `directory`, which nobody may have open. Until the copy takes its place, the store
/// is as it was; what a crash leaves of a copy, the next opening or compaction removes.
pub(super) fn compact(directory: &Path, options: RedbOptions) -> Result<Compacted, OpenError> {
    let path = directory.display().to_string();
    let unusable = |error: io::Error| OpenError::Unusable { path: path.clone(), error };
    let _lock = directory::lock(directory)?;
    if !directory.join("FORMAT").exists() {
        return Err(OpenError::Foreign(path));
    }
    directory::check_format(directory, Backend::Redb)?;
    let (store, new) = (directory.join(STORE), directory.join(NEW));
    files::remove(&new).map_err(unusable)?;
    let bytes_before = std::fs::metadata(&store).map_err(unusable)?.len();
    let copied = open_db(&store, options.cache_bytes, Arc::default()).and_then(|old| {
        let old = old.begin_read().map_err(|error| opening(path.clone(), error.into()))?;
        copy(&old, directory, &new)
    });
    let copied = copied.and_then(|()| put_in_place(directory).map_err(unwritable(&new)));
    copied.inspect_err(|_| files::discard(&new))?;
    let bytes_after = std::fs::metadata(&store).map_err(unusable)?.len();
    Ok(Compacted { bytes_before, bytes_after })
}

/// An error of the disk that a copy is written to.
fn unwritable(copy: &Path) -> impl Fn(io::Error) -> OpenError {
    let path = copy.parent().unwrap_or(copy).display().to_string();
    let name = copy.file_name().unwrap_or_default().display().to_string();
    move |error| {
        let error = io::Error::new(error.kind(), format!("{name} cannot be written: {error}"));
        OpenError::Unusable { path: path.clone(), error }
    }
}

/// Copies all that is in the store in `directory` to a new file, and makes sure that it got there.
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
        let sums = copied.unwrap_or_else(|panic| Err(Failed::Reading(StoreError::Corrupt(nonsense(&panic)))));
        let sums = sums.map_err(|failed| match failed {
            Failed::Reading(error) => of_store(error),
            Failed::Writing(error) => of_copy(error),
        })?;
        written.commit().map_err(|error| of_copy(error.into()))?;
        sums
    };
    // What counts is what is read back: that is what opening it will find.
    let copy = opened()?;
    let read = copy.begin_read().map_err(|error| of_copy(error.into()))?;
    if matches!(caught(|| sums_of(&read)), Ok(Ok(read)) if read == sums) {
        return Ok(());
    }
    Err(unwritable(to)(io::Error::other("the copy does not read as it was written")))
}

/// What got in the way of a copy.
enum Failed {
    /// What it is made of cannot be read.
    Reading(StoreError),
    /// It cannot be written.
    Writing(redb::Error),
}

fn unread(error: impl Into<redb::Error>) -> Failed {
    Failed::Reading(unavailable(error))
}

fn unwritten(error: impl Into<redb::Error>) -> Failed {
    Failed::Writing(error.into())
}

/// Copies the rows of all tables, and answers what they are.
fn copy_tables(store: &ReadTransaction, to: &WriteTransaction) -> Result<[Sum; 4], Failed> {
    let mut told = Told::default();
    let mut journal = to.open_table(JOURNAL).map_err(unwritten)?;
    let commits = commits(store, |first, frame| {
        told.copied(1);
        journal.insert(first, frame).map(drop)
    })?;
    let [entities, vault, views] = ROWS.map(|table| {
        let mut copied = to.open_table(table).map_err(unwritten)?;
        rows(store, table, |key, value| {
            told.copied(1);
            copied.insert(key, value).map(drop)
        })
    });
    Ok([commits, entities?, vault?, views?])
}

/// What is in all tables, in the order of [`copy_tables`].
fn sums_of(store: &ReadTransaction) -> Result<[Sum; 4], Failed> {
    let [entities, vault, views] = ROWS.map(|table| rows(store, table, |_, _| Ok(())));
    Ok([commits(store, |_, _| Ok(()))?, entities?, vault?, views?])
}

/// Does something with each commit's frame, under the position of its first event, and answers what all are.
fn commits(
    store: &ReadTransaction,
    mut each: impl FnMut(u64, &[u8]) -> Result<(), StorageError>,
) -> Result<Sum, Failed> {
    let mut sum = Sum::default();
    for row in store.open_table(JOURNAL).map_err(unread)?.iter().map_err(unread)? {
        let (first, frame) = row.map_err(unread)?;
        sum.add(&first.value().to_be_bytes(), frame.value());
        each(first.value(), frame.value()).map_err(unwritten)?;
    }
    Ok(sum)
}

/// Does something with each row of another table, and answers what all are.
fn rows(
    store: &ReadTransaction,
    table: Rows<'_>,
    mut each: impl FnMut(&[u8], &[u8]) -> Result<(), StorageError>,
) -> Result<Sum, Failed> {
    let mut sum = Sum::default();
    for row in store.open_table(table).map_err(unread)?.iter().map_err(unread)? {
        let (key, value) = row.map_err(unread)?;
        sum.add(key.value(), value.value());
        each(key.value(), value.value()).map_err(unwritten)?;
    }
    Ok(sum)
}
