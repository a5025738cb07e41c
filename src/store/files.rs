//! Files of a data directory: their sizes, their syncs and their removal.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

/// Every file below `directory`, with its length in bytes.
pub(super) fn files(directory: &Path) -> io::Result<Vec<(PathBuf, u64)>> {
    let mut found = Vec::new();
    if !directory.exists() {
        return Ok(found);
    }
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            found.extend(files(&entry.path())?);
            continue;
        }
        match entry.metadata() {
            Ok(file) => found.push((entry.path(), file.len())),
            // A temporary file may be gone meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

pub(super) fn size(directory: &Path) -> io::Result<u64> {
    Ok(files(directory)?.iter().map(|(_, bytes)| bytes).sum())
}

pub(super) fn sync_all(directory: &Path) -> io::Result<()> {
    for (file, _) in files(directory)? {
        File::open(&file)?.sync_all()?;
        file.parent().map_or(Ok(()), sync)?;
    }
    sync(directory)
}

/// Syncs the names in a directory.
pub(super) fn sync(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

/// Syncs the parent of `directory`: for a path of one component, the working directory.
pub(super) fn sync_above(directory: &Path) -> io::Result<()> {
    match directory.parent() {
        Some(above) if above.as_os_str().is_empty() => sync(Path::new(".")),
        Some(above) => sync(above),
        None => Ok(()),
    }
}

/// Removes a file, or a directory with its contents, if it exists.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    match if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) } {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// Removes an incomplete copy, or warns: it would only fill the disk.
pub(super) fn discard(copy: &Path) {
    if let Err(error) = remove(copy) {
        tracing::warn!(copy = %copy.display(), %error, "an incomplete copy could not be removed");
    }
}
