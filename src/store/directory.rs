//! The data directory, whatever backend keeps its data there: its lock, and its `FORMAT` file.
//!
//! | in the directory | is |
//! | --- | --- |
//! | nothing, or an operator's key | a place for a new store |
//! | `FORMAT.new`, perhaps files of a store | a new store that a crash was in the way of: never used |
//! | `FORMAT` and a store | a data directory |
//! | `FORMAT` alone | a data directory that has lost its store: refused, or it would look like a new shop |
//!
//! The number in `FORMAT` is each backend's own, and a version refuses a larger one than it knows. Whoever
//! brings a store to a newer format raises it once all of that is on disk: until then an older version finds
//! what it left (see `sled/migrating.rs`). Whoever copies a store copies its number, too.
//!
//! **Invariant:** whoever opens, copies or compacts a store holds the lock of its directory.

use std::{
    fs::{self, DirBuilder, File, TryLockError},
    io::{self, Write as _},
    os::unix::fs::DirBuilderExt as _,
    path::Path,
};

use super::{Backend, OpenError};

/// The form of what the vault and the views hold, whatever backend keeps them: the newest that this version
/// reads, and the one it writes. An export says so.
pub const FORMAT: u32 = 1;
/// What the `FORMAT` file says before the number.
const FORMAT_PREFIX: &str = "saem ";
/// The backend that the file does not name: there was only this one when the format was made.
const UNNAMED: Backend = Backend::Sled;
/// The newest number that any backend has.
const NEWEST: u32 = Backend::Sled.format();

/// What a `FORMAT` file says: whose data it is, and how that keeps them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Format {
    pub backend: Backend,
    pub number: u32,
}

impl Format {
    /// The newest that this version reads, and the one it writes.
    pub(super) const fn newest(backend: Backend) -> Self {
        Self { backend, number: backend.format() }
    }
}

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

/// What the `FORMAT` file of a data directory says; none if there is none.
pub(super) fn format(directory: &Path) -> Result<Option<Format>, OpenError> {
    let path = directory.display().to_string();
    let text = match fs::read_to_string(directory.join("FORMAT")) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(OpenError::Unusable { path, error }),
    };
    let said = text.strip_prefix(FORMAT_PREFIX).map(str::trim_end).unwrap_or_default();
    let (number, name) = said.split_once(' ').map_or((said, None), |(number, name)| (number, Some(name)));
    let Ok(number) = number.parse() else { return Err(OpenError::Foreign(path)) };
    let backend = name.map_or(Some(UNNAMED), Backend::named);
    // A newer version may have a backend that this one does not know.
    let supported = backend.map_or(NEWEST, Backend::format);
    if number > supported {
        return Err(OpenError::Newer { path, found: number, supported });
    }
    backend.map(|backend| Some(Format { backend, number })).ok_or(OpenError::Foreign(path))
}

/// Sees that a data directory is `backend`'s, in a format that this version reads; nothing is touched.
/// Answers the format of the store that must be in it: if none, one may be [begun](begin).
pub(super) fn check_format(directory: &Path, backend: Backend) -> Result<Option<u32>, OpenError> {
    let path = directory.display().to_string();
    match format(directory)? {
        Some(Format { backend: holds, .. }) if holds != backend => {
            Err(OpenError::OtherBackend { path, holds, configured: backend })
        }
        Some(format) => Ok(Some(format.number)),
        None if holds_other_things(directory) => Err(OpenError::Foreign(path)),
        None => Ok(None),
    }
}

/// Sees that the file is there without which there is no store.
pub(super) fn holds(directory: &Path, store: &Path) -> Result<(), OpenError> {
    match fs::metadata(store) {
        Ok(file) if file.len() > 0 => Ok(()),
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(OpenError::Unusable { path: directory.display().to_string(), error })
        }
        Ok(_) | Err(_) => Err(OpenError::Lacking(directory.display().to_string())),
    }
}

/// What a new store's `FORMAT` file is called until the store is there.
const BEGUN: &str = "FORMAT.new";

/// Whether a directory without a `FORMAT` file is somebody else's. An operator may have put a key there;
/// and a store that was begun may have files.
fn holds_other_things(directory: &Path) -> bool {
    let mut ours = vec!["operator.key", BEGUN, "lost+found"];
    if directory.join(BEGUN).exists() {
        ours.extend(["journal", "journal.redb", "journal.redb.new"]);
    }
    fs::read_dir(directory).is_ok_and(|entries| {
        entries.flatten().any(|entry| !ours.iter().any(|name| entry.file_name() == *name))
    })
}

/// A new store is about to be made.
pub(super) fn begin(directory: &Path, Format { backend, number }: Format) -> io::Result<()> {
    let mut handle = File::create(directory.join(BEGUN))?;
    let name = if backend == UNNAMED { String::new() } else { format!(" {backend}") };
    writeln!(handle, "{FORMAT_PREFIX}{number}{name}")?;
    handle.sync_all()?;
    File::open(directory)?.sync_all()
}

/// The store that was begun is there, and on disk. Written whole or not at all: a crash must not leave half a
/// `FORMAT` file.
pub(super) fn begun(directory: &Path) -> io::Result<()> {
    fs::rename(directory.join(BEGUN), directory.join("FORMAT"))?;
    File::open(directory)?.sync_all()
}

/// All that belongs to a store of this format is there, and on disk: from now on it is a data directory.
pub(super) fn write_format(directory: &Path, format: Format) -> io::Result<()> {
    begin(directory, format)?;
    begun(directory)
}
