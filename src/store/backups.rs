//! Backup and restore, as far as they are the same for every backend that keeps files.
//!
//! A copy gets its `FORMAT` file last: without it, a copy is incomplete, and no server opens it.

use std::{
    fs::{self, File},
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use tokio::sync::oneshot;

use super::{
    BackUpError, BackedUp, Backend, OpenError, Pending, directory, files, images, open_error::unusable,
    pool::start_thread, space::free_bytes,
};

/// Free space that a backup needs in addition to the size of the store, in bytes.
const SPARE_BYTES: u64 = 64 * 1_024 * 1_024;

/// Progress is logged after this many rows.
const LOG_EVERY: u64 = 100_000;

/// Checks that `to` can take a backup of the data directory `own`, and calls `copy` to make it. If that
/// fails, removes `store` and the files `beside` from `to`.
pub(super) fn make<T>(
    own: &Path,
    to: &Path,
    store: &str,
    beside: &[PathBuf],
    copy: impl FnOnce() -> Result<T, BackUpError>,
) -> Result<T, BackUpError> {
    let there = to.exists();
    prepare(own, to).inspect_err(|_| {
        if !there {
            // Fails if the directory is not empty: then it is not ours.
            let _ = fs::remove_dir(to);
        }
    })?;
    copy().inspect_err(|_| discard(to, store, beside))
}

/// Makes a backup on its own thread, since it takes long. Dropping the future does not end it.
pub(super) fn on_own_thread(
    make: impl FnOnce() -> Result<BackedUp, BackUpError> + Send + 'static,
) -> Pending<Result<BackedUp, BackUpError>> {
    let (reply, result) = oneshot::channel();
    start_thread("store-backup", move || drop(reply.send(make())));
    let ended = || BackUpError::Failed("its thread ended".to_owned());
    Box::pin(async move { result.await.unwrap_or_else(|_| Err(ended())) })
}

/// Removes an incomplete backup, its `FORMAT` file first.
fn discard(to: &Path, store: &str, beside: &[PathBuf]) {
    let removed = files::remove(&to.join("FORMAT")).and(files::remove(&to.join(store)));
    let names = beside.iter().filter_map(|file| file.file_name());
    let removed = names.map(|name| files::remove(&to.join(name))).fold(removed, Result::and);
    if let Err(error) = removed {
        tracing::warn!(directory = %to.display(), %error, "an incomplete backup could not be removed");
    }
}

/// True for a directory without files, apart from `lost+found` at the root of a file system.
fn is_empty(directory: &Path) -> io::Result<bool> {
    let names = fs::read_dir(directory)?.map(|entry| entry.map(|entry| entry.file_name()));
    Ok(names.collect::<io::Result<Vec<_>>>()?.iter().all(|name| name == "lost+found"))
}

/// Creates `to`, if it is missing, and checks that it is empty, outside of `own`, and on a disk with enough
/// space.
fn prepare(own: &Path, to: &Path) -> Result<(), BackUpError> {
    let refused = |why: String| BackUpError::Refused(format!("the directory cannot take a backup: {why}"));
    let unusable = |error: io::Error| refused(format!("it cannot be made or read ({error})"));
    directory::make(to).map_err(unusable)?;
    if !is_empty(to).map_err(unusable)? {
        return Err(refused("it holds files already".to_owned()));
    }
    let (real, own) = (to.canonicalize().map_err(unusable)?, own.canonicalize().map_err(unusable)?);
    if real.starts_with(&own) {
        return Err(refused("it is inside the data directory".to_owned()));
    }
    let needed = files::size(&own).map_err(unusable)? + SPARE_BYTES;
    let free = free_bytes(to).map_err(unusable)?;
    if free < needed {
        let mebibytes = |bytes: u64| bytes / (1_024 * 1_024);
        let (free, needed) = (mebibytes(free), mebibytes(needed));
        return Err(refused(format!("its disk has {free} MiB free, and {needed} are needed")));
    }
    Ok(())
}

/// The files that exist, with their lengths in bytes. Directories are left out.
pub(super) fn lengths(beside: &[PathBuf]) -> Vec<(PathBuf, u64)> {
    let length = |path: &PathBuf| {
        let file = fs::metadata(path).ok().filter(fs::Metadata::is_file)?;
        Some((path.clone(), file.len()))
    };
    beside.iter().filter_map(length).collect()
}

/// Copies files and directories beside the store into a backup. Of a file, the bytes that it had at the
/// moment of the backup are copied; of a directory all files, which are images: written once, and never
/// changed.
pub(super) fn copy_beside(beside: &[PathBuf], lengths: &[(PathBuf, u64)], to: &Path) -> io::Result<()> {
    for (path, length) in lengths {
        copy_file(path, *length, to)?;
    }
    for directory in beside.iter().filter(|path| path.is_dir()) {
        let copy = to.join(directory.file_name().ok_or(io::ErrorKind::InvalidInput)?);
        directory::make(&copy)?;
        for entry in fs::read_dir(directory)? {
            let path = entry?.path();
            if !images::is_unfinished(&path) {
                copy_file(&path, u64::MAX, &copy)?;
            }
        }
    }
    Ok(())
}

/// Copies the first bytes of a file into a directory, with its permissions.
fn copy_file(path: &Path, length: u64, to: &Path) -> io::Result<()> {
    let from = File::open(path)?;
    let copy = to.join(path.file_name().ok_or(io::ErrorKind::InvalidInput)?);
    let mut copied = File::create(&copy)?;
    fs::set_permissions(&copy, from.metadata()?.permissions())?;
    io::copy(&mut from.take(length), &mut copied).map(drop)
}

/// Number of rows, and a checksum over their keys and values.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Checksum {
    rows: u64,
    crc: u32,
}

impl Checksum {
    pub(super) fn add(&mut self, key: &[u8], value: &[u8]) {
        let mut crc = crc32fast::Hasher::new_with_initial(self.crc);
        for part in [key, value] {
            crc.update(&part.len().to_le_bytes());
            crc.update(part);
        }
        *self = Self { rows: self.rows + 1, crc: crc.finalize() };
    }
}

#[derive(Default)]
pub(super) struct CopyProgress {
    rows: u64,
}

impl CopyProgress {
    pub(super) fn add(&mut self, rows: u64) {
        let before = self.rows;
        self.rows += rows;
        if self.rows / LOG_EVERY > before / LOG_EVERY {
            tracing::info!(rows = self.rows, "rows are being copied");
        }
    }
}

/// Turns a complete copy of a store into a data directory, and syncs it. `FORMAT` comes last.
pub(super) fn complete(copy: &Path, backend: Backend) -> io::Result<()> {
    files::sync_all(copy)?;
    directory::begin(copy, backend)?;
    directory::begun(copy)?;
    files::sync_above(copy)
}

/// Copies the backup at `from` to a data directory at `to`, which must be new or empty. Returns the backend
/// of the backup. After an error the incomplete copy is removed. After a crash it stays, but is not a data
/// directory: `FORMAT` comes last.
pub fn restore(from: &Path, to: &Path) -> Result<Backend, OpenError> {
    let foreign = || OpenError::Foreign(from.display().to_string());
    if !fs::metadata(from).map_err(unusable(from))?.is_dir() {
        return Err(foreign());
    }
    let _lock = directory::lock(from)?;
    let backend = directory::backend(from)?.ok_or_else(foreign)?;
    directory::holds(from, &from.join(backend.file()))?;
    directory::make(to).map_err(unusable(to))?;
    let _lock = directory::lock(to)?;
    if !is_empty(to).map_err(unusable(to))? {
        return Err(OpenError::Occupied(to.display().to_string()));
    }
    let (source, target) =
        (from.canonicalize().map_err(unusable(from))?, to.canonicalize().map_err(unusable(to))?);
    if target.starts_with(&source) {
        return Err(unusable(to)(io::Error::other("it is inside the backup")));
    }
    let restored = copy_all(from, to).and_then(|()| complete(to, backend).map_err(unusable(to)));
    if restored.is_err() {
        clear(to);
    }
    restored.map(|()| backend)
}

/// Copies all files of a backup but `FORMAT`, with their permissions.
fn copy_all(from: &Path, to: &Path) -> Result<(), OpenError> {
    let mut all = files::files(from).map_err(unusable(from))?;
    let needed = all.iter().map(|(_, bytes)| bytes).sum::<u64>();
    let free = free_bytes(to).map_err(unusable(to))?;
    if free < needed {
        let room = format!("its disk has {free} bytes free, and {needed} are needed");
        return Err(unusable(to)(io::Error::other(room)));
    }
    let name = |file: &Path| file.strip_prefix(from).expect("it was found below").to_owned();
    all.retain(|(file, _)| name(file) != Path::new("FORMAT"));
    // The store's files come first: with an operator's key alone, a server would create a new store.
    all.sort_by_key(|(file, _)| !name(file).to_string_lossy().starts_with("journal"));
    for (file, _) in all {
        let mut source = File::open(&file).map_err(unusable(&file))?;
        let permissions = source.metadata().map_err(unusable(&file))?.permissions();
        let target = to.join(name(&file));
        let mut copy = || {
            target.parent().map_or(Ok(()), fs::create_dir_all)?;
            let mut copied = File::create(&target)?;
            fs::set_permissions(&target, permissions.clone())?;
            io::copy(&mut source, &mut copied).map(drop)
        };
        copy().map_err(unusable(to))?;
    }
    Ok(())
}

/// Removes everything from a directory that was empty before.
fn clear(directory: &Path) {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    for entry in entries.filter(|entry| entry.file_name() != "lost+found") {
        if let Err(error) = files::remove(&entry.path()) {
            tracing::warn!(file = %entry.path().display(), %error, "an incomplete copy could not be removed");
        }
    }
}

pub(super) fn failed(error: io::Error) -> BackUpError {
    BackUpError::Failed(error.to_string())
}
