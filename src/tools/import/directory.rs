//! Target directory of an import. Data is written to its subdirectory `importing` until it is complete.
//!
//! | interrupted import left | state | next import |
//! | --- | --- | --- |
//! | `importing` | incomplete data | removes `importing` |
//! | `importing/moving`, no `FORMAT` | some files listed in `moving` were moved up | removes them, too |
//! | `FORMAT` | complete data directory | refuses |
//!
//! **Invariant:** an import removes a file outside `importing` only if `importing/moving` lists it, it is no
//! longer in `importing`, and there is no `FORMAT`. All other files are left alone.

use std::{
    ffi::OsString,
    fs::{self, DirBuilder, File},
    io::{self, Write as _},
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
};

use super::ImportError;
use crate::store::OpenError;

const IMPORTING: &str = "importing";
/// File in `importing` that lists the names being moved up, one per line.
const MOVING: &str = "moving";
const FORMAT_FILE: &str = "FORMAT";
/// Directory that mkfs creates in the root of a file system.
const LOST_AND_FOUND: &str = "lost+found";

/// Locked target directory of an import.
pub(super) struct ImportDirectory {
    directory: PathBuf,
    importing: PathBuf,
    _lock: File,
}

impl ImportDirectory {
    /// Creates and locks the directory, removes an interrupted import, and refuses any other content.
    pub(super) fn create(directory: &Path) -> Result<Self, ImportError> {
        let path = directory.display().to_string();
        let unusable = |error: io::Error| OpenError::Unusable { path: path.clone(), error };
        let create = |directory: &Path| DirBuilder::new().recursive(true).mode(0o700).create(directory);
        create(directory).map_err(unusable)?;
        let lock = File::open(directory).map_err(unusable)?;
        if lock.try_lock().is_err() {
            return Err(OpenError::Locked(path).into());
        }
        let importing = directory.join(IMPORTING);
        let target = Self { directory: directory.to_owned(), importing, _lock: lock };
        let moved = target.moved_up().map_err(unusable)?;
        let foreign = |name: &OsString| name != IMPORTING && name != LOST_AND_FOUND && !moved.contains(name);
        if names(directory).map_err(unusable)?.iter().any(foreign) {
            return Err(OpenError::Occupied(path).into());
        }
        target.remove(&moved).map_err(unusable)?;
        if target.importing.exists() {
            fs::remove_dir_all(&target.importing).map_err(unusable)?;
        }
        create(&target.importing).map_err(unusable)?;
        Ok(target)
    }

    pub(super) fn importing(&self) -> &Path {
        &self.importing
    }

    /// Names that an interrupted import has moved up.
    fn moved_up(&self) -> io::Result<Vec<OsString>> {
        let listed = match fs::read_to_string(self.importing.join(MOVING)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            listed => listed?,
        };
        if self.directory.join(FORMAT_FILE).exists() {
            return Ok(Vec::new());
        }
        let is_name = |name: &&str| Path::new(name).components().count() == 1 && !matches!(*name, "." | "..");
        let moved = listed.lines().filter(is_name).filter(|name| !self.importing.join(name).exists());
        Ok(moved.map(OsString::from).collect())
    }

    /// Removes moved files. Must precede the removal of the list in `importing`.
    fn remove(&self, moved: &[OsString]) -> io::Result<()> {
        for path in moved.iter().map(|name| self.directory.join(name)) {
            match if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) } {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                removed => removed?,
            }
        }
        sync(&self.directory)
    }

    pub(super) fn discard(&self) {
        if let Err(error) = fs::remove_dir_all(&self.importing) {
            let directory = self.importing.display();
            tracing::warn!(%directory, %error, "an incomplete import could not be removed");
        }
    }

    /// Moves everything up, `FORMAT` last. If that fails, removes what was moved.
    pub(super) fn finish(self) -> Result<(), ImportError> {
        if let Err(error) = self.move_up() {
            // `moved_up` is empty once `FORMAT` exists: a complete directory is never removed.
            if let Err(error) = self.moved_up().and_then(|moved| self.remove(&moved)) {
                let directory = self.directory.display();
                tracing::warn!(%directory, %error, "files of an incomplete import could not be removed");
            } else {
                self.discard();
            }
            return Err(error.into());
        }
        self.discard();
        Ok(())
    }

    fn move_up(&self) -> io::Result<()> {
        sync_all(&self.importing)?;
        let mut names = names(&self.importing)?;
        names.retain(|name| name != FORMAT_FILE);
        let mut list = File::create(self.importing.join(MOVING))?;
        for name in &names {
            writeln!(list, "{}", name.display())?;
        }
        list.sync_all()?;
        sync(&self.importing)?;
        sync(&self.directory)?;
        for name in names {
            fs::rename(self.importing.join(&name), self.directory.join(&name))?;
        }
        sync(&self.directory)?;
        fs::rename(self.importing.join(FORMAT_FILE), self.directory.join(FORMAT_FILE))?;
        sync(&self.directory)
    }
}

fn names(directory: &Path) -> io::Result<Vec<OsString>> {
    fs::read_dir(directory)?.map(|entry| Ok(entry?.file_name())).collect()
}

fn sync(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

/// Syncs a directory and everything below it.
fn sync_all(directory: &Path) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sync_all(&entry.path())?;
        } else {
            File::open(entry.path())?.sync_all()?;
        }
    }
    sync(directory)
}
