//! Reads of a whole store in pages: index records, the vault.

use std::{collections::BTreeMap, ops::Bound};

use super::{
    Shared,
    format::{ENTITIES, GROUPS, Opened, entity_key, group_key, unavailable, vault_key},
    row::{GROUPED, IndexRow, RowId},
};
use crate::{
    domain::{EntityId, EntityKind},
    store::{KnownEntity, StoreError, VaultRow, survey::entity_of},
};

/// Key and value, as sled reads them.
type TreeRow = sled::Result<(sled::IVec, sled::IVec)>;

/// Index records of the entities after `after`, at most `max`.
pub(super) fn entities(
    shared: &Shared,
    after: Option<EntityId>,
    max: usize,
) -> Result<Vec<KnownEntity>, StoreError> {
    // Memory first: a row leaves it only after it is on disk.
    let in_memory = shared.index.after_in_memory(after, max);
    let stored = shared.files.with(|opened| stored_entities(opened, after, max))?;
    let mut found: BTreeMap<_, _> = stored.into_iter().collect();
    found.extend(in_memory);
    Ok(found.into_iter().take(max).collect())
}

fn stored_entities(
    opened: &Opened,
    after: Option<EntityId>,
    max: usize,
) -> Result<Vec<KnownEntity>, StoreError> {
    let mut found = Vec::new();
    for kind in GROUPED.into_iter().filter(|kind| after.is_none_or(|after| *kind >= after.kind)) {
        for known in groups_with(opened, kind, after.filter(|after| after.kind == kind)) {
            if found.len() >= max {
                return Ok(found);
            }
            found.push(known?);
        }
    }
    // The other kinds come after those, each entity in a row of its own.
    let alone = after.filter(|after| !GROUPED.contains(&after.kind)).map(|after| entity_key(after).to_vec());
    let from = alone.map_or_else(|| Bound::Included(ENTITIES.to_vec()), Bound::Excluded);
    let to = Bound::Excluded(vec![ENTITIES[0] + 1]);
    for row in opened.tree.range::<Vec<u8>, _>((from, to)).take(max - found.len()) {
        let (key, value) = row.map_err(unavailable)?;
        let entity = entity_of(&key[ENTITIES.len()..])?;
        found.extend(IndexRow::read(RowId::Alone(entity), &value)?.known(entity));
    }
    Ok(found)
}

/// The entities of a kind after `after` that share a row with others.
fn groups_with(
    opened: &Opened,
    kind: EntityKind,
    after: Option<EntityId>,
) -> impl Iterator<Item = Result<KnownEntity, StoreError>> {
    let from =
        after.map_or(Bound::Included(GROUPS.to_vec()), |after| Bound::Excluded(group_key(after.id).to_vec()));
    let to = Bound::Excluded(vec![GROUPS[0] + 1]);
    let known = move |row: TreeRow| {
        let (key, value) = row.map_err(unavailable)?;
        let id = key[GROUPS.len()..].try_into().map(u128::from_be_bytes);
        let id = id.map_err(|_| StoreError::Corrupt("a key of the index is invalid".to_owned()))?;
        let entity = EntityId { kind, id };
        let found = IndexRow::read(RowId::Group(id), &value).map(|row| row.known(entity));
        Ok(found.unwrap_or_else(|error| Some((entity, Err(error)))))
    };
    opened.tree.range::<Vec<u8>, _>((from, to)).filter_map(move |row| known(row).transpose())
}

/// The first records of the vault whose keys begin with `prefix`, at most `limit`.
pub(super) fn vault_first(shared: &Shared, prefix: &str, limit: usize) -> Result<Vec<VaultRow>, StoreError> {
    let prefix = vault_key(prefix);
    shared.files.with(|files| files.tree.scan_prefix(prefix).take(limit).map(vault_row).collect())
}

/// The first records of the vault after the key `after`, at most `max`.
pub(super) fn vault_after(
    shared: &Shared,
    after: Option<&str>,
    max: usize,
) -> Result<Vec<VaultRow>, StoreError> {
    let all = vault_key("");
    let from = after.map_or_else(|| Bound::Included(all.clone()), |after| Bound::Excluded(vault_key(after)));
    let to = Bound::Excluded(vec![all[0] + 1]);
    shared.files.with(|files| files.tree.range::<Vec<u8>, _>((from, to)).take(max).map(vault_row).collect())
}

fn vault_row(row: TreeRow) -> Result<VaultRow, StoreError> {
    let (key, value) = row.map_err(unavailable)?;
    let key = std::str::from_utf8(&key[1..])
        .map_err(|_| StoreError::Corrupt("a key of the vault is invalid".to_owned()))?;
    Ok((key.to_owned(), value.to_vec()))
}
