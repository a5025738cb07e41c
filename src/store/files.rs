//! Files of a data directory: how many bytes they have, and how they get onto the disk.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

/// Every file below `directory`, with its length.
pub(super) fn files(directory: &Path) -> io::Result<Vec<(PathBuf, u64)>> {
    let mut found = Vec::new();
    if !directory.exists() {
        return Ok(found);
    }
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            found.extend(files(&entry.path())?);
        } else {
            found.push((entry.path(), entry.metadata()?.len()));
        }
    }
    Ok(found)
}

/// How many bytes the files below `directory` have.
pub(super) fn size(directory: &Path) -> io::Result<u64> {
    Ok(files(directory)?.iter().map(|(_, bytes)| bytes).sum())
}

/// Waits until a directory, and all that is in it, is on disk.
pub(super) fn sync_all(directory: &Path) -> io::Result<()> {
    for (file, _) in files(directory)? {
        File::open(&file)?.sync_all()?;
        file.parent().map_or(Ok(()), sync)?;
    }
    sync(directory)
}

/// Waits until a directory itself is on disk: which names are in it.
pub(super) fn sync(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

/// Waits until the directory that `directory` is in is on disk. A path such as `data` has nothing above it
/// to name: that is the working directory.
pub(super) fn sync_above(directory: &Path) -> io::Result<()> {
    match directory.parent() {
        Some(above) if above.as_os_str().is_empty() => sync(Path::new(".")),
        Some(above) => sync(above),
        None => Ok(()),
    }
}

/// Removes a file, or a directory and what is in it, if it is there.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    match if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) } {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// Removes what was made of a copy that failed: it would only fill the disk.
pub(super) fn discard(copy: &Path) {
    if let Err(error) = remove(copy) {
        tracing::warn!(copy = %copy.display(), %error, "what was made of a copy could not be removed");
    }
}
