//! Where an import makes a data directory: in `importing`, below it, until it is whole.
//!
//! | in the directory | an import that ends here leaves | the next one |
//! | --- | --- | --- |
//! | `importing` | lines that may not be all | removes it |
//! | `importing/moving`, no `FORMAT` | some of the files that this lists, moved up | removes these, and it |
//! | `FORMAT` | a data directory | refuses |
//!
//! **Invariant:** what `importing/moving` does not list, or what is still in `importing`, too, is somebody
//! else's, and is not touched; neither is anything where there is a `FORMAT`.

use std::{
    ffi::OsString,
    fs::{self, DirBuilder, File},
    io::{self, Write as _},
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
};

use super::ImportError;
use crate::store::OpenError;

/// Where an import is put until it is whole.
const IMPORTING: &str = "importing";
/// In there: what is being moved up, a name a line.
const MOVING: &str = "moving";
/// What a directory needs to be a data directory.
const FORMAT_FILE: &str = "FORMAT";
/// What a disk has of its own.
const DISKS: &str = "lost+found";

/// A directory that an import has to itself.
pub(super) struct Place {
    directory: PathBuf,
    importing: PathBuf,
    _lock: File,
}

impl Place {
    /// Makes and locks the directory, and sees that it is empty, but for what an import left unfinished.
    pub(super) fn take(directory: &Path) -> Result<Self, ImportError> {
        let path = directory.display().to_string();
        let unusable = |error: io::Error| OpenError::Unusable { path: path.clone(), error };
        let make = |directory: &Path| DirBuilder::new().recursive(true).mode(0o700).create(directory);
        make(directory).map_err(unusable)?;
        let lock = File::open(directory).map_err(unusable)?;
        if lock.try_lock().is_err() {
            return Err(OpenError::Locked(path).into());
        }
        let importing = directory.join(IMPORTING);
        let place = Self { directory: directory.to_owned(), importing, _lock: lock };
        let moved = place.moved_up().map_err(unusable)?;
        let theirs = |name: &OsString| name != IMPORTING && name != DISKS && !moved.contains(name);
        if names(directory).map_err(unusable)?.iter().any(theirs) {
            return Err(OpenError::Occupied(path).into());
        }
        place.remove(&moved).map_err(unusable)?;
        if place.importing.exists() {
            fs::remove_dir_all(&place.importing).map_err(unusable)?;
        }
        make(&place.importing).map_err(unusable)?;
        Ok(place)
    }

    pub(super) fn importing(&self) -> &Path {
        &self.importing
    }

    /// What an import had moved up when it was interrupted.
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

    /// Removes what was moved up, before that it was is forgotten.
    fn remove(&self, moved: &[OsString]) -> io::Result<()> {
        for path in moved.iter().map(|name| self.directory.join(name)) {
            match if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) } {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                removed => removed?,
            }
        }
        sync(&self.directory)
    }

    /// Removes what was made.
    pub(super) fn discard(&self) {
        if let Err(error) = fs::remove_dir_all(&self.importing) {
            let directory = self.importing.display();
            tracing::warn!(%directory, %error, "what was begun of an import could not be removed");
        }
    }

    /// What is put there is a data directory from now on; or nothing is left of it.
    pub(super) fn finish(self) -> Result<(), ImportError> {
        if let Err(error) = self.move_up() {
            // Of a directory that has its `FORMAT`, nothing is removed but by whoever knows what it holds.
            if let Err(error) = self.moved_up().and_then(|moved| self.remove(&moved)) {
                let directory = self.directory.display();
                tracing::warn!(%directory, %error, "what was moved of an import could not be removed");
            } else {
                self.discard();
            }
            return Err(error.into());
        }
        // It is whole, whatever becomes of the directory that it was made in.
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

/// What is in a directory.
fn names(directory: &Path) -> io::Result<Vec<OsString>> {
    fs::read_dir(directory)?.map(|entry| Ok(entry?.file_name())).collect()
}

fn sync(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

/// Waits until a directory, and all that is in it, is on disk.
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
