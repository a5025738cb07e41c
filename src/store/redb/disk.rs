//! redb's file, and faults of the disk below it on purpose.

use std::{
    fs::File,
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use redb::{DatabaseError, StorageBackend, backends::FileBackend};

/// Which of redb's operations fail, as a disk would have them fail.
#[derive(Debug, Default)]
pub(super) struct Faults {
    fail_next_sync: AtomicBool,
    /// So many more operations that change the file are done; the one after fails. 0 is no such plan.
    left: AtomicU64,
}

impl Faults {
    pub(super) fn fail_next_sync(&self) {
        self.fail_next_sync.store(true, Ordering::Relaxed);
    }

    /// The n-th operation from now that changes the file fails, 1 for the next.
    pub(super) fn fail_operation(&self, nth: u64) {
        self.left.store(nth, Ordering::Relaxed);
    }

    /// Fails, if this operation is to.
    fn strike(&self) -> io::Result<()> {
        let left = self.left.load(Ordering::Relaxed);
        self.left.store(left.saturating_sub(1), Ordering::Relaxed);
        if left == 1 { Err(on_demand()) } else { Ok(()) }
    }
}

fn on_demand() -> io::Error {
    io::Error::other("the disk failed on demand")
}

/// redb's file.
#[derive(Debug)]
pub(super) struct Disk {
    file: FileBackend,
    faults: Arc<Faults>,
}

impl Disk {
    pub(super) fn new(file: File, faults: Arc<Faults>) -> Result<Self, DatabaseError> {
        Ok(Self { file: FileBackend::new(file)?, faults })
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.faults.strike()?;
        self.file.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.faults.strike()?;
        if self.faults.fail_next_sync.swap(false, Ordering::Relaxed) {
            return Err(on_demand());
        }
        self.file.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.faults.strike().inspect_err(|_| {
            // Some of it got there.
            let _ = self.file.write(offset, &data[..data.len() / 2]);
        })?;
        self.file.write(offset, data)
    }

    fn close(&self) -> io::Result<()> {
        self.file.close()
    }
}
