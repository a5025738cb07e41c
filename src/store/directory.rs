//! The data directory, whatever backend keeps its data there: its lock, and its `FORMAT` file.
//!
//! **Invariant:** whoever opens, copies or compacts a store holds the lock of its directory.

use std::{
    fs::{self, DirBuilder, File, TryLockError},
    io::{self, Write as _},
    os::unix::fs::DirBuilderExt as _,
    path::Path,
};

use super::OpenError;

/// The newest data format that this version reads, and the one it writes.
const FORMAT: u32 = 1;
/// What the `FORMAT` file says before the number.
const FORMAT_PREFIX: &str = "saem ";

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

pub(super) fn check_format(directory: &Path) -> Result<(), OpenError> {
    let path = directory.display().to_string();
    let file = directory.join("FORMAT");
    match fs::read_to_string(&file) {
        Ok(text) => {
            let found = text.strip_prefix(FORMAT_PREFIX).and_then(|number| number.trim_end().parse().ok());
            match found {
                Some(found) if found > FORMAT => Err(OpenError::Newer { path, found, supported: FORMAT }),
                Some(_) => Ok(()),
                None => Err(OpenError::Foreign(path)),
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound && holds_other_things(directory) => {
            Err(OpenError::Foreign(path))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            write_format(directory).map_err(|error| OpenError::Unusable { path, error })
        }
        Err(error) => Err(OpenError::Unusable { path, error }),
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
pub(super) fn write_format(directory: &Path) -> io::Result<()> {
    let temporary = directory.join("FORMAT.new");
    let mut handle = File::create(&temporary)?;
    writeln!(handle, "{FORMAT_PREFIX}{FORMAT}")?;
    handle.sync_all()?;
    fs::rename(&temporary, directory.join("FORMAT"))?;
    File::open(directory)?.sync_all()
}
