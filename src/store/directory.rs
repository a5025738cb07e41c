//! The data directory, whatever backend keeps its data there: its lock, and its `FORMAT` file.
//!
//! **Invariant:** whoever opens, copies or compacts a store holds the lock of its directory.

use std::{
    fs::{self, DirBuilder, File, TryLockError},
    io::{self, Write as _},
    os::unix::fs::DirBuilderExt as _,
    path::Path,
};

use super::{Backend, OpenError};

/// The newest data format that this version reads, and the one it writes.
pub const FORMAT: u32 = 1;
/// What the `FORMAT` file says before the number.
const FORMAT_PREFIX: &str = "saem ";
/// The backend that the file does not name: there was only this one when the format was made.
const UNNAMED: Backend = Backend::Sled;

/// Makes a data directory, if there is none. Whose data it is, nobody else reads: what is in it are
/// customers' addresses.
pub(super) fn make(directory: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(directory)
}

/// The lock of a data directory: until it is closed, nobody else has it. A backend's own lock moves away
/// with its file when a store is compacted.
pub(super) fn lock(directory: &Path) -> Result<File, OpenError> {
    let path = directory.display().to_string();
    let lock = match File::open(directory) {
        Ok(directory) => directory,
        Err(error) => return Err(OpenError::Unusable { path, error }),
    };
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(OpenError::Locked(path)),
        Err(TryLockError::Error(error)) => Err(OpenError::Unusable { path, error }),
    }
}

/// Which backend's a data directory is; none if it has no `FORMAT` file.
pub(super) fn format(directory: &Path) -> Result<Option<Backend>, OpenError> {
    let path = directory.display().to_string();
    let text = match fs::read_to_string(directory.join("FORMAT")) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(OpenError::Unusable { path, error }),
    };
    let said = text.strip_prefix(FORMAT_PREFIX).map(str::trim_end).unwrap_or_default();
    let (number, name) = said.split_once(' ').map_or((said, None), |(number, name)| (number, Some(name)));
    match (number.parse(), name) {
        (Ok(found), _) if found > FORMAT => Err(OpenError::Newer { path, found, supported: FORMAT }),
        (Ok(_), None) => Ok(Some(UNNAMED)),
        (Ok(_), Some(name)) => Backend::named(name).map(Some).ok_or(OpenError::Foreign(path)),
        (Err(_), _) => Err(OpenError::Foreign(path)),
    }
}

/// Sees that a data directory is `backend`'s, in a format that this version reads. An empty one becomes
/// so; nothing else is touched.
pub(super) fn check_format(directory: &Path, backend: Backend) -> Result<(), OpenError> {
    let path = directory.display().to_string();
    match format(directory)? {
        Some(holds) if holds != backend => Err(OpenError::OtherBackend { path, holds, configured: backend }),
        Some(_) => Ok(()),
        None if holds_other_things(directory) => Err(OpenError::Foreign(path)),
        None => write_format(directory, backend).map_err(|error| OpenError::Unusable { path, error }),
    }
}

/// Whether a directory without a `FORMAT` file is somebody else's. An operator may have put a key there.
fn holds_other_things(directory: &Path) -> bool {
    let ours = ["operator.key", "FORMAT.new", "lost+found"];
    fs::read_dir(directory).is_ok_and(|entries| {
        entries.flatten().any(|entry| !ours.iter().any(|name| entry.file_name() == *name))
    })
}

/// Written whole or not at all: a crash must not leave half a `FORMAT` file.
pub(super) fn write_format(directory: &Path, backend: Backend) -> io::Result<()> {
    let temporary = directory.join("FORMAT.new");
    let mut handle = File::create(&temporary)?;
    let name = if backend == UNNAMED { String::new() } else { format!(" {backend}") };
    writeln!(handle, "{FORMAT_PREFIX}{FORMAT}{name}")?;
    handle.sync_all()?;
    fs::rename(&temporary, directory.join("FORMAT"))?;
    File::open(directory)?.sync_all()
}
