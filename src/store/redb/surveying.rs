//! Reads of a whole store in pages: commits, index records, the vault.

use std::ops::Bound;

use redb::ReadTransaction;

use super::{
    format::{ENTITIES, Rows, VAULT, entity_key},
    reads::{commits_from, vault_row},
    sealing::{SealedRow, Table},
};
use crate::{
    domain::{EntityId, Position},
    store::{
        Known, KnownEntity, RecordedCommit, StoreError, VaultRow, codec, record::IndexRecord,
        survey::entity_of,
    },
};

/// Commits whose first event is after `after`, up to `head`, at most `max`.
pub(super) fn commits(
    store: &ReadTransaction,
    after: Position,
    head: Position,
    max: usize,
) -> Result<Vec<RecordedCommit>, StoreError> {
    let mut found = Vec::new();
    if after >= head {
        return Ok(found);
    }
    for commit in commits_from(store, Position(after.0 + 1))? {
        let (first, record) = match commit {
            Ok(commit) => commit,
            Err(error) if found.is_empty() => return Err(error),
            // Commits before a damaged one are returned; the next call returns the error.
            Err(_) => break,
        };
        // Later commits may not have been shown yet.
        if found.len() >= max || first > head {
            break;
        }
        if first > after {
            found.push(RecordedCommit::of(first, record));
        }
    }
    Ok(found)
}

/// Index records of the entities after `after`, at most `max`.
pub(super) fn entities(
    store: &ReadTransaction,
    after: Option<EntityId>,
    max: usize,
) -> Result<Vec<KnownEntity>, StoreError> {
    let after = after.map(entity_key);
    rows_after(store, ENTITIES, after.as_ref().map(<[u8; 17]>::as_slice), max, |row| {
        let known = row.value().and_then(codec::decode::<IndexRecord>).map(Known::from);
        // A damaged row is reported under its key, even if that is damaged, too.
        Ok((entity_of(row.unchecked_key())?, known))
    })
}

/// The first records of the vault after the key `after`, at most `max`.
pub(super) fn vault_after(
    store: &ReadTransaction,
    after: Option<&str>,
    max: usize,
) -> Result<Vec<VaultRow>, StoreError> {
    rows_after(store, VAULT, after.map(str::as_bytes), max, vault_row)
}

fn rows_after<T>(
    store: &ReadTransaction,
    rows: Rows<'static>,
    after: Option<&[u8]>,
    max: usize,
    read: impl Fn(&SealedRow) -> Result<T, StoreError>,
) -> Result<Vec<T>, StoreError> {
    let table = Table::open(store, rows)?;
    let rows = table.from(after.map_or(Bound::Unbounded, Bound::Excluded))?;
    rows.take(max).map(|row| read(&row?)).collect()
}
