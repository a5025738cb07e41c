//! redb's file, with injected faults of the disk.
//!
//! redb grows its file by doubling, and writes single pages. In a part of the file that was never written,
//! each sync also waits for the file system to allocate blocks: so the file is filled with zeros ahead of the
//! last page, and most syncs wait for pages only.

use std::{
    fs::File,
    io,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use redb::{DatabaseError, StorageBackend, backends::FileBackend};

#[derive(Debug, Default)]
pub(super) struct Faults {
    fail_next_sync: AtomicBool,
    /// Number of the operation from now that fails, among those that change the file; 0 for none.
    left: AtomicU64,
}

impl Faults {
    pub(super) fn fail_next_sync(&self) {
        self.fail_next_sync.store(true, Ordering::Relaxed);
    }

    /// Makes the n-th operation from now that changes the file fail; 1 is the next one.
    pub(super) fn fail_operation(&self, nth: u64) {
        self.left.store(nth, Ordering::Relaxed);
    }

    fn strike(&self) -> io::Result<()> {
        let left = self.left.load(Ordering::Relaxed);
        self.left.store(left.saturating_sub(1), Ordering::Relaxed);
        if left == 1 { Err(injected()) } else { Ok(()) }
    }
}

fn injected() -> io::Error {
    io::Error::other("an injected fault of the disk")
}

/// Bytes that are filled ahead of the last page.
const AHEAD: u64 = 1_024 * 1_024;

#[derive(Debug)]
pub(super) struct Disk {
    file: FileBackend,
    faults: Arc<Faults>,
    extent: Mutex<Extent>,
}

/// Length of the file, and end of what was ever written to it.
#[derive(Debug)]
struct Extent {
    length: u64,
    filled: u64,
}

impl Disk {
    pub(super) fn new(file: File, faults: Arc<Faults>) -> Result<Self, DatabaseError> {
        let length = file.metadata()?.len();
        let extent = Mutex::new(Extent { length, filled: length });
        Ok(Self { file: FileBackend::new(file)?, faults, extent })
    }

    fn extent(&self) -> MutexGuard<'_, Extent> {
        self.extent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Fills the file ahead of a write from `offset` to `end`.
    fn fill(&self, offset: u64, end: u64) -> io::Result<()> {
        let mut extent = self.extent();
        if end <= extent.filled {
            return Ok(());
        }
        let until = (end + AHEAD).min(extent.length);
        // A large gap is not filled.
        let from = if offset.saturating_sub(extent.filled) > AHEAD { end } else { extent.filled };
        if from < until {
            let zeros = vec![0; usize::try_from(until - from).map_err(io::Error::other)?];
            self.file.write(from, &zeros)?;
        }
        extent.filled = until.max(end);
        Ok(())
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
        self.file.set_len(len)?;
        let mut extent = self.extent();
        *extent = Extent { length: len, filled: extent.filled.min(len) };
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        self.faults.strike()?;
        if self.faults.fail_next_sync.swap(false, Ordering::Relaxed) {
            return Err(injected());
        }
        self.file.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.faults.strike().inspect_err(|_| {
            // A failing disk may write a part.
            let _ = self.file.write(offset, &data[..data.len() / 2]);
        })?;
        self.fill(offset, offset + data.len() as u64)?;
        self.file.write(offset, data)
    }

    fn close(&self) -> io::Result<()> {
        self.file.close()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zeros_never_overwrite_what_was_written() {
        let faults = Arc::<Faults>::default();
        let disk = Disk::new(tempfile::tempfile().unwrap(), Arc::clone(&faults)).unwrap();
        let mut model = vec![0; 6 * AHEAD as usize];
        disk.set_len(model.len() as u64).unwrap();
        // Hops ahead by less and by more than is filled, and back, and to the very end.
        for (n, at) in
            [0, 1, 9, 1_030, 2, 1_029, 4_000, 3_999, 2_500, 6_143, 6_142, 5_000].into_iter().enumerate()
        {
            let (offset, page) = (at * 1_024, vec![n as u8 + 1; 1_024]);
            disk.write(offset as u64, &page).unwrap();
            model[offset..offset + page.len()].copy_from_slice(&page);
            let mut there = vec![0xff; model.len()];
            disk.read(0, &mut there).unwrap();
            assert!(there == model, "the {n}th write, at {at} KiB");
        }
        assert_eq!(disk.len().unwrap(), model.len() as u64, "it is never made longer");
        // Cut off and made longer again, it is empty there.
        model.truncate(3 * AHEAD as usize);
        model.resize(6 * AHEAD as usize, 0);
        disk.set_len(3 * AHEAD).unwrap();
        disk.set_len(6 * AHEAD).unwrap();
        disk.write(5 * AHEAD, &[7; 1_024]).unwrap();
        model[5 * AHEAD as usize..][..1_024].fill(7);
        let mut there = vec![0xff; model.len()];
        disk.read(0, &mut there).unwrap();
        assert!(there == model);
    }

    #[test]
    fn an_injected_fault_fails_one_operation() {
        let faults = Arc::<Faults>::default();
        let disk = Disk::new(tempfile::tempfile().unwrap(), Arc::clone(&faults)).unwrap();
        faults.fail_operation(2);
        disk.set_len(8_192).unwrap();
        assert!(disk.write(0, &[1; 4_096]).is_err());
        let mut there = [0; 4_096];
        disk.read(0, &mut there).unwrap();
        assert_eq!((there[2_047], there[2_048]), (1, 0), "half of it got there");
        disk.write(0, &[2; 4_096]).unwrap();
        faults.fail_next_sync();
        assert!(disk.sync_data().is_err());
        disk.sync_data().unwrap();
    }
}
