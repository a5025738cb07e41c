//! The mark: a number in the store, and in a file beside it, by which the loss of the store's end is
//! detected.
//!
//! sled takes the first message of its log that it cannot read for the end of the log: a damaged or shortened
//! file opens without an error, and without what was acknowledged after that place. So a batch has a number
//! now and then, larger each time, and once the batch is on disk the file gets the same number. A store with
//! a smaller number than the file's has lost its end, and is refused; the error names the copies of what sled
//! cut off (see [`aside`](super::aside)).
//!
//! **Invariant:** the file's number is written after the store's is on disk, so that it is larger only after
//! damage. Without the file nothing is checked: a backup has none, and deleting it allows to go on without
//! what is lost.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use tracing::warn;

use super::{OpenError, format::unavailable};
use crate::{
    domain::Position,
    store::{Aside, StoreError, codec, files::sync},
    telemetry::metrics::now,
};

/// Its name in the data directory.
pub(super) const FILE: &str = "journal.mark";
/// Key of the number in the store.
const KEY: &[u8] = b"mmark";
/// Interval of marks under load. A mark costs a sync of its file.
const EVERY: Duration = Duration::from_secs(1);

/// A number, and the newest event when it was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Point {
    number: u64,
    head: Position,
}

impl Point {
    /// A line of always the same length, which is overwritten in its place: that takes no room on a disk.
    fn line(self) -> String {
        let Self { number, head } = self;
        let numbers = format!("{number:020} {:020}", head.0);
        format!("{numbers} {:08x}\n", crc32fast::hash(numbers.as_bytes()))
    }

    fn of(line: &str) -> Option<Self> {
        let (number, head) = line.split_once(' ')?;
        let (head, _) = head.split_once(' ')?;
        let point = Self { number: number.parse().ok()?, head: Position(head.parse().ok()?) };
        (point.line() == line).then_some(point)
    }
}

/// Sets marks.
pub(super) struct Mark {
    directory: PathBuf,
    file: Option<File>,
    last: u64,
    at: Instant,
    /// True if something was acknowledged after the last mark.
    behind: bool,
}

impl Mark {
    /// Checks the mark of the store in `directory`, whose journal ends at `head`, and goes on from it.
    ///
    /// # Errors
    /// [`OpenError::Lost`], if the store has lost its end.
    pub(super) fn open(directory: &Path, tree: &sled::Tree, head: Position) -> Result<Self, OpenError> {
        let last = check(directory, tree, head)?;
        Ok(Self { directory: directory.to_owned(), file: None, last, at: now(), behind: false })
    }

    /// True if the next batch should have a mark. Without other work, everything is covered.
    pub(super) fn is_due(&self, quiet: bool) -> bool {
        self.behind && (quiet || now().duration_since(self.at) >= EVERY)
    }

    /// Adds the next number to a batch.
    pub(super) fn take_along(&self, batch: &mut sled::Batch) -> Result<(), StoreError> {
        batch.insert(KEY, codec::encode(&(self.last + 1))?);
        Ok(())
    }

    /// Notes that a batch without a mark was acknowledged.
    pub(super) const fn acknowledged(&mut self) {
        self.behind = true;
    }

    /// Writes the number of the last batch to the file: the batch is on disk, up to the event at `head`.
    pub(super) fn is_on_disk(&mut self, head: Position) {
        (self.last, self.at, self.behind) = (self.last + 1, now(), false);
        let point = Point { number: self.last, head };
        // Without the file, less damage is detected, but nothing is lost: the store goes on.
        if let Err(error) = self.write(point) {
            self.file = None;
            warn!(%error, file = FILE, "how far the store is on disk could not be written down");
        }
    }

    fn write(&mut self, point: Point) -> io::Result<()> {
        let file = match self.file.take() {
            Some(file) => file,
            None => {
                let path = self.directory.join(FILE);
                let file = File::options().write(true).create(true).truncate(false).open(path)?;
                sync(&self.directory)?;
                file
            }
        };
        file.write_all_at(point.line().as_bytes(), 0)?;
        file.sync_data()?;
        self.file = Some(file);
        Ok(())
    }
}

/// Checks the mark of a store, and returns its number.
///
/// # Errors
/// [`OpenError::Lost`], [`OpenError::Damaged`]
pub(super) fn check(directory: &Path, tree: &sled::Tree, head: Position) -> Result<u64, OpenError> {
    let path = directory.display().to_string();
    let read = || -> Result<u64, StoreError> {
        let stored = tree.get(KEY).map_err(unavailable)?;
        stored.map_or(Ok(0), |stored| codec::decode(&stored))
    };
    let found = match read() {
        Ok(found) => found,
        Err(error) => return Err(OpenError::Damaged { path, error: error.to_string() }),
    };
    let durable = match fs::read_to_string(directory.join(FILE)) {
        Ok(line) => Point::of(&line).unwrap_or_else(|| {
            warn!(file = FILE, "how far the store was on disk cannot be read; it is not checked");
            Point::default()
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Point::default(),
        Err(error) => return Err(OpenError::Unusable { path, error }),
    };
    if found < durable.number {
        let (durable, mark) = (durable.head.0, durable.number);
        return Err(OpenError::Lost {
            path,
            durable,
            found: head.0,
            mark,
            found_mark: found,
            aside: Aside::default(),
        });
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_read_as_it_was_written_and_no_other_way() {
        let point = Point { number: 7, head: Position(u64::MAX) };
        let line = point.line();
        assert_eq!(Point::of(&line), Some(point));
        assert_eq!(Point::default().line().len(), line.len());
        for end in 0..line.len() {
            assert_eq!(Point::of(&line[..end]), None, "{end}");
        }
        for byte in 0..line.len() {
            let mut flipped = line.clone().into_bytes();
            flipped[byte] ^= 1;
            assert_eq!(Point::of(&String::from_utf8(flipped).unwrap()), None, "{byte}");
        }
    }
}
