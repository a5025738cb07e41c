//! Room on the disk: a store that fills its disk cannot even be opened any more. So it stops taking commits
//! while there is still some left, and goes on by itself once there is more. With next to nothing left it
//! writes nothing at all, neither views nor what is written behind: a write that fails would be the last one.

use std::{
    io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
};

use tracing::{error, info};

/// With less left than this, what sled writes next may not fit: it takes segments of 2 MiB.
pub(super) const FULL_BYTES: u64 = 8 * 1_024 * 1_024;

/// What the disk of a store must have left.
pub(super) struct Room {
    directory: PathBuf,
    min_free_bytes: AtomicU64,
    short: AtomicBool,
    full: AtomicBool,
}

/// How many bytes the disk of a directory has left for us.
pub(super) fn free_bytes(directory: &Path) -> io::Result<u64> {
    let disk = rustix::fs::statvfs(directory)?;
    Ok(disk.f_bavail * disk.f_frsize)
}

impl Room {
    pub(super) const fn new(directory: PathBuf, min_free_bytes: u64) -> Self {
        let (short, full) = (AtomicBool::new(false), AtomicBool::new(false));
        Self { directory, min_free_bytes: AtomicU64::new(min_free_bytes), short, full }
    }

    /// How many bytes are left, if the system tells.
    pub(super) fn free_bytes(&self) -> Option<u64> {
        free_bytes(&self.directory).ok()
    }

    /// Looks how much is left. Says so when it is too little, and when it is enough again.
    pub(super) fn look(&self) {
        let min_free_bytes = self.min_free_bytes.load(Ordering::Relaxed);
        let Some(free_bytes) = self.free_bytes() else { return };
        let short = free_bytes < min_free_bytes;
        self.full.store(free_bytes < min_free_bytes.min(FULL_BYTES), Ordering::Relaxed);
        if self.short.swap(short, Ordering::Relaxed) != short {
            if short {
                error!(free_bytes, min_free_bytes, "the disk is nearly full: the store takes no commits");
            } else {
                info!(free_bytes, "the disk has room again: the store takes commits");
            }
        }
    }

    /// Why not even what follows from commits is written now, if it is not.
    pub(super) fn fullness(&self) -> Option<String> {
        let full = self.full.load(Ordering::Relaxed);
        full.then(|| "the disk has next to nothing left".to_owned())
    }

    /// Why nothing is taken now, if nothing is.
    pub(super) fn shortage(&self) -> Option<String> {
        let short = self.short.load(Ordering::Relaxed);
        short.then(|| "the disk has less than store.min_free_mb left".to_owned())
    }

    /// Changes what must be left. It counts at once: the writer may have looked before it, and not taken
    /// yet what is to be written after it.
    pub(super) fn require(&self, min_free_bytes: u64) {
        self.min_free_bytes.store(min_free_bytes, Ordering::Relaxed);
        self.look();
    }
}
