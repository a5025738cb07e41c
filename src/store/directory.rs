//! The data directory, for every backend: its lock and its `FORMAT` file.
//!
//! | in the directory | meaning |
//! | --- | --- |
//! | nothing, or an operator's key | a new store may be created |
//! | `FORMAT.new`, perhaps files of a store | creating a store was interrupted; it was never used |
//! | `FORMAT` and a store | a data directory |
//! | `FORMAT` alone | a data directory without its store: refused, since a new one would hide the loss |
//!
//! `FORMAT` names the backend and the number of its data format. This version reads one format per backend:
//! data of another one is moved by `saem export` and `saem import`.
//!
//! **Invariant:** a store is opened, copied or compacted only with the lock of its directory held.

use std::{
    cmp::Ordering,
    fs::{self, DirBuilder, File, TryLockError},
    io::{self, Write as _},
    os::unix::fs::DirBuilderExt as _,
    path::Path,
};

use super::{Backend, OpenError, files, open_error::unusable};

const FORMAT_PREFIX: &str = "saem ";
/// The backend of a `FORMAT` file that names none: the first backend.
const UNNAMED: Backend = Backend::Sled;
const NEWEST: u32 = Backend::Sled.format();

/// Creates a directory, if it is missing, that only its owner can read: it holds customers' addresses.
pub(super) fn make(directory: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(directory)
}

/// Locks a data directory until the file is dropped. A backend's own lock would not do: it moves away with
/// the backend's file when a store is compacted.
pub(super) fn lock(directory: &Path) -> Result<File, OpenError> {
    let lock = File::open(directory).map_err(unusable(directory))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(OpenError::Locked(directory.display().to_string())),
        Err(TryLockError::Error(error)) => Err(unusable(directory)(error)),
    }
}

/// The backend that the `FORMAT` file names; none without such a file.
pub(super) fn backend(directory: &Path) -> Result<Option<Backend>, OpenError> {
    let path = directory.display().to_string();
    let text = match fs::read_to_string(directory.join("FORMAT")) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(OpenError::Unusable { path, error }),
    };
    let text = text.strip_prefix(FORMAT_PREFIX).map(str::trim_end).unwrap_or_default();
    let (number, name) = text.split_once(' ').map_or((text, None), |(number, name)| (number, Some(name)));
    let Ok(found) = number.parse::<u32>() else { return Err(OpenError::Foreign(path)) };
    let backend = name.map_or(Some(UNNAMED), Backend::named);
    // A newer version may have a backend that this one does not know.
    let supported = backend.map_or(NEWEST, Backend::format);
    match (backend, found.cmp(&supported)) {
        (_, Ordering::Greater) => Err(OpenError::Newer { path, found, supported }),
        (None, _) => Err(OpenError::Foreign(path)),
        (Some(_), Ordering::Less) => Err(OpenError::Older { path, found, supported }),
        (Some(backend), Ordering::Equal) => Ok(Some(backend)),
    }
}

/// Checks that a data directory belongs to `backend`, in the format that this version reads, and changes
/// nothing. Returns false if the directory has no store, so that one may be [created](begin).
pub(super) fn check_format(directory: &Path, backend: Backend) -> Result<bool, OpenError> {
    let path = directory.display().to_string();
    match self::backend(directory)? {
        Some(holds) if holds != backend => Err(OpenError::OtherBackend { path, holds, configured: backend }),
        Some(_) => Ok(true),
        None if holds_other_things(directory) => Err(OpenError::Foreign(path)),
        None => Ok(false),
    }
}

/// Checks that the file exists without which there is no store.
pub(super) fn holds(directory: &Path, store: &Path) -> Result<(), OpenError> {
    match fs::metadata(store) {
        Ok(file) if file.len() > 0 => Ok(()),
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(unusable(directory)(error)),
        Ok(_) | Err(_) => Err(OpenError::Lacking(directory.display().to_string())),
    }
}

/// Name of the `FORMAT` file of a new store until the store exists.
const BEGUN: &str = "FORMAT.new";

/// True if a directory without a `FORMAT` file has files that are not Saem's. An operator may have put a key
/// there, and creating a store may have been interrupted.
fn holds_other_things(directory: &Path) -> bool {
    let mut ours = vec!["operator.key", BEGUN, "lost+found"];
    if directory.join(BEGUN).exists() {
        ours.extend(["journal", "journal.redb", "journal.redb.new"]);
    }
    fs::read_dir(directory).is_ok_and(|entries| {
        entries.flatten().any(|entry| !ours.iter().any(|name| entry.file_name() == *name))
    })
}

/// Notes on disk that a new store is about to be created.
pub(super) fn begin(directory: &Path, backend: Backend) -> io::Result<()> {
    let mut file = File::create(directory.join(BEGUN))?;
    let name = if backend == UNNAMED { String::new() } else { format!(" {backend}") };
    writeln!(file, "{FORMAT_PREFIX}{}{name}", backend.format())?;
    file.sync_all()?;
    files::sync(directory)
}

/// Makes the directory a data directory: the new store is on disk. A rename, so that a crash does not leave
/// half a `FORMAT` file.
pub(super) fn begun(directory: &Path) -> io::Result<()> {
    fs::rename(directory.join(BEGUN), directory.join("FORMAT"))?;
    files::sync(directory)
}
