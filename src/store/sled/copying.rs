//! Copies rows from tree to tree, in small batches.

use std::{ops::Bound, path::Path};

use super::{
    SledOptions,
    db::{is_locked, open_db},
};
use crate::store::backups::Checksum;

/// Maximal number of rows, and of bytes, of one batch: sled is slow with larger ones.
const ROWS_MAX: usize = 1_000;
const BYTES_MAX: usize = 1_024 * 1_024;

/// Maximal number of attempts to open a store that was just closed.
const REOPEN_MAX: usize = 10_000;

pub(super) struct Rows {
    pub batch: sled::Batch,
    /// Key of the last row.
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

pub(super) fn sum_of(tree: &sled::Tree) -> sled::Result<Checksum> {
    let mut sum = Checksum::default();
    for row in tree {
        let (key, value) = row?;
        sum.add(&key, &value);
    }
    Ok(sum)
}

/// Opens a store that was just closed: a thread of sled may still hold its lock.
pub(super) fn reopened(store: &Path, options: SledOptions) -> sled::Result<sled::Db> {
    for _ in 0..REOPEN_MAX {
        match open_db(store, options) {
            Err(error) if is_locked(&error) => std::thread::yield_now(),
            opened => return opened,
        }
    }
    open_db(store, options)
}
