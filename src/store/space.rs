//! Free space on the store's disk. A store that fills its disk cannot even be opened again, so it refuses
//! commits while some space is left, and takes them again once there is more. With almost none left it writes
//! nothing at all, neither views nor what is written behind: a failed write would poison it.

use std::{
    io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
};

use tracing::{error, info};

/// With fewer bytes free than this, sled's next write may fail: it allocates segments of 2 MiB.
pub(super) const FULL_BYTES: u64 = 8 * 1_024 * 1_024;

pub(super) struct DiskSpace {
    directory: PathBuf,
    min_free_bytes: AtomicU64,
    short: AtomicBool,
    full: AtomicBool,
}

/// Bytes that unprivileged processes can use on the disk of a directory.
pub(super) fn free_bytes(directory: &Path) -> io::Result<u64> {
    let disk = rustix::fs::statvfs(directory)?;
    Ok(disk.f_bavail * disk.f_frsize)
}

impl DiskSpace {
    pub(super) const fn new(directory: PathBuf, min_free_bytes: u64) -> Self {
        let (short, full) = (AtomicBool::new(false), AtomicBool::new(false));
        Self { directory, min_free_bytes: AtomicU64::new(min_free_bytes), short, full }
    }

    /// None if the system does not say.
    pub(super) fn free_bytes(&self) -> Option<u64> {
        free_bytes(&self.directory).ok()
    }

    /// Reads the free space, and logs when it falls below the minimum and when it is enough again.
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

    /// Reason why nothing at all is written now, not even views and write-behind; none if it is.
    pub(super) fn fullness(&self) -> Option<String> {
        let full = self.full.load(Ordering::Relaxed);
        full.then(|| "the disk has almost no space left".to_owned())
    }

    /// Reason why no commits are taken now; none if they are.
    pub(super) fn shortage(&self) -> Option<String> {
        let short = self.short.load(Ordering::Relaxed);
        short.then(|| "the disk has less than store.min_free_mb left".to_owned())
    }

    /// Changes the minimum, and applies it at once: the writer may have looked already, before it takes the
    /// requests that follow this call.
    pub(super) fn require(&self, min_free_bytes: u64) {
        self.min_free_bytes.store(min_free_bytes, Ordering::Relaxed);
        self.look();
    }
}
