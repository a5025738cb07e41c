//! All of a store, piece by piece: its commits, what is known of its entities, the vault.

use std::ops::Bound;

use redb::{AccessGuard, ReadTransaction};

use super::{
    format::{ENTITIES, Rows, VAULT, entity_key, unavailable},
    reads::{Rising, commits_from, vault_row},
};
use crate::{
    domain::{EntityId, Position},
    store::{
        Known, KnownEntity, RecordedCommit, StoreError, VaultRow, codec, record::IndexRecord,
        survey::entity_of,
    },
};

/// A row of a table, as redb reads it.
pub(super) type Row<'a> = (AccessGuard<'a, &'static [u8]>, AccessGuard<'a, &'static [u8]>);

/// Durable commits whose first event stands after `after`, up to `head`: at most `max`.
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
            // What stands before damage is told; whoever asks for more is told of the damage.
            Err(_) => break,
        };
        // What can be read may not have been shown yet: the head tells.
        if found.len() >= max || first > head {
            break;
        }
        if first > after {
            found.push(RecordedCommit::of(first, record));
        }
    }
    Ok(found)
}

/// What is known of the entities behind `after`, at most `max`.
pub(super) fn entities(
    store: &ReadTransaction,
    after: Option<EntityId>,
    max: usize,
) -> Result<Vec<KnownEntity>, StoreError> {
    let after = after.map(entity_key);
    rows_after(store, ENTITIES, after.as_ref().map(<[u8; 17]>::as_slice), max, |(key, stored)| {
        Ok((entity_of(key.value())?, codec::decode::<IndexRecord>(stored.value()).map(Known::from)))
    })
}

/// The first records of the vault behind the key `after`, at most `max`.
pub(super) fn vault_after(
    store: &ReadTransaction,
    after: Option<&str>,
    max: usize,
) -> Result<Vec<VaultRow>, StoreError> {
    rows_after(store, VAULT, after.map(str::as_bytes), max, |(key, value)| vault_row(&key, &value))
}

fn rows_after<T>(
    store: &ReadTransaction,
    table: Rows<'_>,
    after: Option<&[u8]>,
    max: usize,
    told: impl Fn(Row<'_>) -> Result<T, StoreError>,
) -> Result<Vec<T>, StoreError> {
    let from = after.map_or(Bound::Unbounded, Bound::Excluded);
    let rows = store.open_table(table).map_err(unavailable)?;
    let mut found = Vec::new();
    let mut rising = Rising::after(after);
    for row in rows.range::<&[u8]>((from, Bound::Unbounded)).map_err(unavailable)?.take(max) {
        let row = row.map_err(unavailable)?;
        rising.to(row.0.value())?;
        found.push(told(row)?);
    }
    Ok(found)
}
