//! From format 1 to format 2: a rental, its payment and its delivery, which had a key each, get one (see
//! [`row`](super::row)).
//!
//! Their records are copied to their row first, as they are, some at a time, each time with a sync. Only when
//! all are on disk does the `FORMAT` file say 2, and only then are the old ones removed, in the same manner.
//!
//! | `FORMAT` | a crash leaves | an older version | the next start of this one |
//! | --- | --- | --- | --- |
//! | 1 | all of `e`; some of `g`, which nobody reads | goes on with `e` | goes on copying |
//! | 2 | all of `g`; some of `e`, which nobody reads | refuses | removes what is left in `e` |
//!
//! An older version that goes on in between makes some of `g` older than `e`: so `g` is never trusted while
//! `FORMAT` says 1, but compared, and copied where it differs. No version removes anything from `e` then, so
//! that no row of `g` is without one in `e`. Later on it is the other way round: what is in `g` is newer. But
//! what is not there is still copied before it is removed: a log that was cut off may have lost the copy.
//! What the journal holds behind the checkpoint is folded afterwards, as at every start.
//!
//! A store that is opened at rest is not brought to another format: its old rows are read where they are.
//!
//! A row of three old records may be larger than one that is made today: 27 KiB of a rental with thousands of
//! events, and a payment and a delivery, which are well below 1 KiB each in a shop. Sixteen of 29 KiB still
//! are below a quarter of a segment (see [`format`](super::format)).

use std::{io, path::Path};

use tracing::{info, warn};

use super::{
    OpenError,
    copying::{BYTES_MAX, ROWS_MAX},
    format::{ENTITIES, Opened, group_key, unavailable},
    mark, reads,
    row::{GROUPED, apart, joined},
};
use crate::{
    domain::EntityKind,
    store::{
        Backend, StoreError,
        backups::Told,
        directory::{self, Format},
        room,
        survey::entity_of,
    },
};

/// Brings the store in `directory` to the newest format, or finishes that.
///
/// # Errors
/// [`OpenError`]: to this version and to the one that wrote it, the store is what it was.
pub(super) fn migrate(directory: &Path, opened: &mut Opened) -> Result<(), OpenError> {
    let unusable = |error| OpenError::Unusable { path: directory.display().to_string(), error };
    let failed = |error: StoreError| match error {
        StoreError::Corrupt(error) => OpenError::Damaged { path: directory.display().to_string(), error },
        StoreError::Unavailable(error) => unusable(io::Error::other(error)),
    };
    if opened.is_grouped() {
        copy(directory, opened).map_err(failed)?;
    } else {
        // What has lost its end is refused as it is: whoever wrote it may still go back.
        mark::check(directory, &opened.tree, reads::last(&opened.tree).map_err(failed)?)?;
        let newest = Format::newest(Backend::Sled);
        info!(from = opened.format, to = newest.number, "the store is being brought to a newer format");
        let rentals = copy(directory, opened).map_err(failed)?;
        // Some may be copies of a process that was killed before it had waited for the disk.
        opened.sync().map_err(failed)?;
        directory::write_format(directory, newest).map_err(unusable)?;
        opened.format = newest.number;
        info!(rentals, format = newest.number, "the store has a newer format; older versions refuse it");
    }
    remove(directory, opened).map_err(failed)
}

/// Copies what is known of rentals, payments and deliveries to their common rows; answers how many of these
/// were written.
fn copy(directory: &Path, opened: &Opened) -> Result<u64, StoreError> {
    let (mut after, mut groups, mut told) = (None, 0, Told::default());
    while let Some(page) = page_after(opened, after.as_deref())? {
        if page.groups > 0 {
            if room::is_full(directory) {
                let full = "its disk has no room to bring it to a newer format";
                return Err(StoreError::Unavailable(full.to_owned()));
            }
            opened.tree.apply_batch(page.batch).map_err(unavailable)?;
            opened.sync()?;
        }
        groups += page.groups;
        told.copied(page.groups);
        after = Some(page.last);
    }
    Ok(groups)
}

/// Some rows that are to be put, and up to which old key they say all.
struct Page {
    batch: sled::Batch,
    groups: u64,
    last: sled::IVec,
}

/// The common rows of the records behind the old key `after`; none at the end.
fn page_after(opened: &Opened, after: Option<&[u8]>) -> Result<Option<Page>, StoreError> {
    let (mut batch, mut groups, mut bytes, mut last) = (sled::Batch::default(), 0, 0, None);
    for key in old_keys(opened, after).take(ROWS_MAX) {
        let key = key?;
        let entity = entity_of(&key[ENTITIES.len()..])?;
        last = Some(key);
        let frames = apart(&opened.tree, entity.id)?;
        // Each group once: with the first of its records.
        let first = GROUPED.into_iter().zip(&frames).find(|(_, frame)| frame.is_some());
        if first.is_none_or(|(kind, _)| kind != entity.kind) {
            continue;
        }
        // Empty, it would be taken for none.
        let value = joined(frames.each_ref().map(|frame| match frame {
            Some(frame) if frame.is_empty() => &[0],
            Some(frame) => &frame[..],
            None => &[],
        }));
        let key = group_key(entity.id);
        let there = opened.tree.get(key).map_err(unavailable)?;
        if there.is_none_or(|there| !opened.is_grouped() && *there != *value) {
            bytes += key.len() + value.len();
            groups += 1;
            batch.insert(&key, value);
        }
        if bytes >= BYTES_MAX {
            break;
        }
    }
    Ok(last.map(|last| Page { batch, groups, last }))
}

/// Removes the records that nobody reads any more. With no room for that they stay until the next start.
fn remove(directory: &Path, opened: &Opened) -> Result<(), StoreError> {
    loop {
        let keys = old_keys(opened, None).take(ROWS_MAX).collect::<Result<Vec<_>, _>>()?;
        if keys.is_empty() {
            return Ok(());
        }
        if room::is_full(directory) {
            warn!("the disk has no room to remove what the store's old format left: the next start will");
            return Ok(());
        }
        let mut batch = sled::Batch::default();
        keys.into_iter().for_each(|key| batch.remove(key));
        opened.tree.apply_batch(batch).map_err(unavailable)?;
        opened.sync()?;
    }
}

/// The keys behind `after` of what is known of rentals, payments and deliveries, in format 1.
fn old_keys(opened: &Opened, after: Option<&[u8]>) -> impl Iterator<Item = Result<sled::IVec, StoreError>> {
    use std::ops::Bound;
    let from = after.map_or(Bound::Included(ENTITIES), Bound::Excluded);
    let to = [ENTITIES[0], EntityKind::Product as u8];
    opened.tree.range::<&[u8], _>((from, Bound::Excluded(&to[..]))).keys().map(|key| key.map_err(unavailable))
}
