//! Opening sled itself, and making good what a crash left of its files.

use std::{
    fs, io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
};

use tracing::warn;

use super::{
    OpenError, SledOptions, aside,
    format::{LOCKED, SEGMENT_BYTES, SET_ASIDE},
};

pub(super) fn open_db(store: &Path, options: SledOptions) -> sled::Result<sled::Db> {
    // The writer flushes: sled's own timer would only disturb it.
    let config = sled::Config::new()
        .path(store)
        .cache_capacity(options.cache_bytes)
        .segment_size(SEGMENT_BYTES)
        .flush_every_ms(None);
    aside::set_aside(store)?;
    match open_or_error(&config) {
        Err(sled::Error::Corruption { .. } | sled::Error::ReportableBug(_)) => {
            let moved = set_snapshots_aside(store)?;
            if moved.is_empty() {
                return open_or_error(&config);
            }
            warn!(
                ?moved,
                "sled could not be opened; its snapshots were set aside, and the log is read instead"
            );
            // sled now reads its log from the beginning, and so may overwrite other parts of it.
            aside::set_aside(store)?;
            open_or_error(&config)
        }
        opened => opened,
    }
}

/// sled panics if pages are missing from its log: that becomes an error.
fn open_or_error(config: &sled::Config) -> sled::Result<sled::Db> {
    catch_unwind(AssertUnwindSafe(|| config.open()))
        .unwrap_or_else(|_| Err(sled::Error::ReportableBug("sled panicked while opening it".to_owned())))
}

/// Moves sled's snapshots aside. They only save reading the log, and sled refuses to open one that a crash
/// left torn.
fn set_snapshots_aside(store: &Path) -> io::Result<Vec<PathBuf>> {
    let aside = store.with_file_name(SET_ASIDE);
    let mut moved = Vec::new();
    for entry in fs::read_dir(store)? {
        let entry = entry?;
        let name = entry.file_name();
        if name.to_string_lossy().starts_with("snap.") {
            fs::create_dir_all(&aside)?;
            fs::rename(entry.path(), aside.join(&name))?;
            moved.push(entry.path());
        }
    }
    Ok(moved)
}

pub(super) fn open_error(directory: &Path, error: sled::Error) -> OpenError {
    let path = directory.display().to_string();
    match error {
        error if is_locked(&error) => OpenError::Locked(path),
        sled::Error::Io(error) => OpenError::Unusable { path, error },
        sled::Error::ReportableBug(error) => OpenError::Damaged { path, error },
        error => OpenError::Damaged { path, error: error.to_string() },
    }
}

pub(super) fn is_locked(error: &sled::Error) -> bool {
    matches!(error, sled::Error::Io(error) if error.to_string().contains(LOCKED))
}
