//! Copying stores: rows from tree to tree, some at a time.

use std::{ops::Bound, path::Path};

use super::{SledOptions, format};
use crate::store::backups::Sum;

/// So many rows, or so many bytes, are made durable at once: sled is slow with more.
const ROWS_MAX: usize = 1_000;
const BYTES_MAX: usize = 1_024 * 1_024;

/// So often a store is opened that was just closed.
const REOPEN_MAX: usize = 10_000;

/// Rows of a tree.
pub(super) struct Rows {
    /// Puts them.
    pub batch: sled::Batch,
    /// The last one's key.
    pub last: sled::IVec,
    pub count: u64,
}

/// The first rows after the key `after`; none at the end.
pub(super) fn rows_after(tree: &sled::Tree, after: Option<&sled::IVec>) -> sled::Result<Option<Rows>> {
    let from = after.map_or(Bound::Unbounded, Bound::Excluded);
    let (mut batch, mut last, mut bytes, mut count) = (sled::Batch::default(), None, 0, 0);
    for row in tree.range::<&sled::IVec, _>((from, Bound::Unbounded)).take(ROWS_MAX) {
        let (key, value) = row?;
        bytes += key.len() + value.len();
        count += 1;
        last = Some(key.clone());
        batch.insert(key, value);
        if bytes >= BYTES_MAX {
            break;
        }
    }
    Ok(last.map(|last| Rows { batch, last, count }))
}

/// A checksum over all that is in a tree.
pub(super) fn sum_of(tree: &sled::Tree) -> sled::Result<Sum> {
    let mut sum = Sum::default();
    for row in tree {
        let (key, value) = row?;
        sum.add(&key, &value);
    }
    Ok(sum)
}

/// Opens what was just closed: a thread of sled's may be about to let go of it.
pub(super) fn reopened(store: &Path, options: SledOptions) -> sled::Result<sled::Db> {
    for _ in 0..REOPEN_MAX {
        match format::open_db(store, options) {
            Err(error) if format::is_locked(&error) => std::thread::yield_now(),
            opened => return opened,
        }
    }
    format::open_db(store, options)
}
