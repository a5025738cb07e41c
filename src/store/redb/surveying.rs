//! All of a store, piece by piece: its commits, what is known of its entities, the vault.

use std::ops::Bound;

use redb::ReadTransaction;

use super::{
    format::{ENTITIES, Rows, VAULT, entity_key},
    reads::{commits_from, vault_row},
    sealing::{Row, Table},
};
use crate::{
    domain::{EntityId, Position},
    store::{
        Known, KnownEntity, RecordedCommit, StoreError, VaultRow, codec, record::IndexRecord,
        survey::entity_of,
    },
};

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
    rows_after(store, ENTITIES, after.as_ref().map(<[u8; 17]>::as_slice), max, |row| {
        let known = row.value().and_then(codec::decode::<IndexRecord>).map(Known::from);
        // Damaged, it is told by the key that it stands under, whosever that is.
        Ok((entity_of(row.key_as_read())?, known))
    })
}

/// The first records of the vault behind the key `after`, at most `max`.
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
    told: impl Fn(&Row) -> Result<T, StoreError>,
) -> Result<Vec<T>, StoreError> {
    let table = Table::open(store, rows)?;
    let rows = table.from(after.map_or(Bound::Unbounded, Bound::Excluded))?;
    rows.take(max).map(|row| told(&row?)).collect()
}
