//! What making a backup and restoring one have in common for all backends that keep files: where a backup may
//! go, what is removed of one that failed, and how a backup becomes a data directory again.
//!
//! A copy gets its `FORMAT` file last. What has none was not finished, and no server opens it.

use std::{
    fs::{self, File},
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use tokio::sync::oneshot;

use super::{
    BackUpError, BackedUp, Backend, OpenError, Pending, directory, files, images, pool::start_thread,
    room::free_bytes,
};

/// A disk that a copy is made on must have room for the store, and for so many bytes more.
const SPARE_BYTES: u64 = 64 * 1_024 * 1_024;

/// So many rows are copied without a word.
const SAY_EVERY: u64 = 100_000;

/// Has `copy` make a backup of the data directory `own` in the directory `to`: new, or empty. What a copy
/// that failed has made is removed, `store` and the files `beside`.
pub(super) fn made<T>(
    own: &Path,
    to: &Path,
    store: &str,
    beside: &[PathBuf],
    copy: impl FnOnce() -> Result<T, BackUpError>,
) -> Result<T, BackUpError> {
    let there = to.exists();
    prepare(own, to).inspect_err(|_| {
        if !there {
            // Not empty if somebody uses it: then it stays.
            let _ = fs::remove_dir(to);
        }
    })?;
    copy().inspect_err(|_| discard(to, store, beside))
}

/// Has a backup be made on a thread of its own: it takes long, and readers are few. Whoever asked may be
/// gone by then; the backup is there all the same.
pub(super) fn apart(
    make: impl FnOnce() -> Result<BackedUp, BackUpError> + Send + 'static,
) -> Pending<Result<BackedUp, BackUpError>> {
    let (reply, answer) = oneshot::channel();
    start_thread("store-backup", move || drop(reply.send(make())));
    let ended = || BackUpError::Failed("its thread ended".to_owned());
    Box::pin(async move { answer.await.unwrap_or_else(|_| Err(ended())) })
}

/// Removes what was made of a copy: first what would call the rest of it a data directory.
fn discard(to: &Path, store: &str, beside: &[PathBuf]) {
    let removed = files::remove(&to.join("FORMAT")).and(files::remove(&to.join(store)));
    let names = beside.iter().filter_map(|file| file.file_name());
    let removed = names.map(|name| files::remove(&to.join(name))).fold(removed, Result::and);
    if let Err(error) = removed {
        tracing::warn!(directory = %to.display(), %error, "what was made of a backup could not be removed");
    }
}

/// Whether nobody has put anything into a directory; a new disk's may hold `lost+found`.
fn is_empty(directory: &Path) -> io::Result<bool> {
    let names = fs::read_dir(directory)?.map(|entry| entry.map(|entry| entry.file_name()));
    Ok(names.collect::<io::Result<Vec<_>>>()?.iter().all(|name| name == "lost+found"))
}

/// Makes the directory, if there is none, and sees that it is empty, elsewhere, and on a disk with room.
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

/// The files that exist, each with its length. Directories are left out.
pub(super) fn lengths(beside: &[PathBuf]) -> Vec<(PathBuf, u64)> {
    let length = |path: &PathBuf| {
        let file = fs::metadata(path).ok().filter(fs::Metadata::is_file)?;
        Some((path.clone(), file.len()))
    };
    beside.iter().filter_map(length).collect()
}

/// Copies into a backup what stands beside the store: of each file the first bytes, as many as it had at the
/// moment of the backup; of each directory all files, since these are written once and never changed.
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

/// What is in a part of a store: how many rows, and a checksum over all of them.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Sum {
    rows: u64,
    crc: u32,
}

impl Sum {
    pub(super) fn add(&mut self, key: &[u8], value: &[u8]) {
        let mut crc = crc32fast::Hasher::new_with_initial(self.crc);
        for part in [key, value] {
            crc.update(&part.len().to_le_bytes());
            crc.update(part);
        }
        *self = Self { rows: self.rows + 1, crc: crc.finalize() };
    }
}

/// Says how far copying has got: now and then, so that a small store is copied without a word.
#[derive(Default)]
pub(super) struct Told {
    rows: u64,
}

impl Told {
    /// So many more rows were copied.
    pub(super) fn copied(&mut self, rows: u64) {
        let before = self.rows;
        self.rows += rows;
        if self.rows / SAY_EVERY > before / SAY_EVERY {
            tracing::info!(rows = self.rows, "rows are being copied");
        }
    }
}

/// Makes a data directory at `to`, which must be new or empty, of the backup at `from`, and answers whose it
/// is: the backend that the backup was made with.
///
/// # Errors
/// [`OpenError`]; what was made of it is removed then. What a crash leaves of it is no data directory: the
/// store's files come first, and `FORMAT` last.
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
    let restored = copy_all(from, to).and_then(|()| {
        let whole = files::sync_all(to).and_then(|()| directory::write_format(to, backend));
        whole.and_then(|()| files::sync_above(to)).map_err(unusable(to))
    });
    if restored.is_err() {
        clear(to);
    }
    restored.map(|()| backend)
}

/// Copies all files of a backup but its `FORMAT`, each for the same eyes only.
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
    // Beside an operator's key alone, a new shop could be begun.
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

/// Removes all that is in a directory that was empty before.
fn clear(directory: &Path) {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    for entry in entries.filter(|entry| entry.file_name() != "lost+found") {
        if let Err(error) = files::remove(&entry.path()) {
            tracing::warn!(file = %entry.path().display(), %error, "what was made could not be removed");
        }
    }
}

fn unusable(path: &Path) -> impl Fn(io::Error) -> OpenError {
    let path = path.display().to_string();
    move |error| OpenError::Unusable { path: path.clone(), error }
}

/// A backup that a disk got in the way of.
pub(super) fn failed(error: io::Error) -> BackUpError {
    BackUpError::Failed(error.to_string())
}
