//! Reads of a whole store in pages: index records, the vault.

use std::ops::Bound;

use redb::ReadTransaction;

use super::{
    format::{ENTITIES, Rows, VAULT, entity_key},
    reads::vault_row,
    sealing::{SealedRow, Table},
};
use crate::{
    domain::EntityId,
    store::{KnownEntity, StoreError, VaultRow, codec, survey::entity_of},
};

/// Index records of the entities after `after`, at most `max`.
pub(super) fn entities(
    store: &ReadTransaction,
    after: Option<EntityId>,
    max: usize,
) -> Result<Vec<KnownEntity>, StoreError> {
    let after = after.map(entity_key);
    rows_after(store, ENTITIES, after.as_ref().map(<[u8; 17]>::as_slice), max, |row| {
        // A damaged row is reported under its key, even if that is damaged, too.
        Ok((entity_of(row.unchecked_key())?, row.value().and_then(codec::decode)))
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
