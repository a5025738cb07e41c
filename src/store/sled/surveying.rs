//! All of a store, piece by piece: its commits, and what is known of its entities.

use std::{collections::BTreeMap, ops::Bound};

use super::{
    Shared,
    format::{ENTITIES, entity_key, unavailable, vault_key},
    reads::{chunks_from, commits as commits_of},
};
use crate::{
    domain::{EntityId, Position},
    store::{
        Known, KnownEntity, RecordedCommit, StoreError, VaultRow, codec, record::IndexRecord,
        survey::entity_of,
    },
};

/// A row of the tree, as sled reads it.
type TreeRow = sled::Result<(sled::IVec, sled::IVec)>;

/// Durable commits whose first event stands after `after`: whole chunks, until there are `max`.
pub(super) fn commits(
    shared: &Shared,
    after: Position,
    max: usize,
) -> Result<Vec<RecordedCommit>, StoreError> {
    let head = *shared.status.head.borrow();
    let mut found = Vec::new();
    let read = shared.files.with(|files| {
        for chunk in chunks_from(&files.tree, Position(after.0.saturating_add(1)))? {
            let (first, chunk) = chunk?;
            // What is in the tree may not be on disk yet: the head tells.
            if found.len() >= max || first > head {
                break;
            }
            for commit in commits_of(first, &chunk) {
                let (first, record) = commit?;
                if first > after {
                    found.push(RecordedCommit::of(first, record));
                }
            }
        }
        Ok(())
    });
    // What stands before damage is told; whoever asks for more is told of the damage.
    if found.is_empty() {
        read?;
    }
    found.truncate(max);
    Ok(found)
}

/// What is known of the entities behind `after`, at most `max`.
pub(super) fn entities(
    shared: &Shared,
    after: Option<EntityId>,
    max: usize,
) -> Result<Vec<KnownEntity>, StoreError> {
    // In this order: a record leaves memory only after it is on disk.
    let in_memory = shared.index.after_in_memory(after, max);
    let mut found: BTreeMap<EntityId, Result<Known, StoreError>> = shared.files.with(|files| {
        let from = after
            .map_or(Bound::Included(ENTITIES.to_vec()), |after| Bound::Excluded(entity_key(after).to_vec()));
        let to = Bound::Excluded(vec![ENTITIES[0] + 1]);
        let known = |row: TreeRow| {
            let (key, stored) = row.map_err(unavailable)?;
            Ok((entity_of(&key[ENTITIES.len()..])?, codec::decode::<IndexRecord>(&stored).map(Known::from)))
        };
        files.tree.range::<Vec<u8>, _>((from, to)).take(max).map(known).collect()
    })?;
    found.extend(in_memory.into_iter().map(|(entity, record)| (entity, Ok(record.into()))));
    Ok(found.into_iter().take(max).collect())
}

/// The first records of the vault whose keys begin with `prefix`, at most `limit`.
pub(super) fn vault_first(shared: &Shared, prefix: &str, limit: usize) -> Result<Vec<VaultRow>, StoreError> {
    let prefix = vault_key(prefix);
    shared.files.with(|files| files.tree.scan_prefix(prefix).take(limit).map(vault_row).collect())
}

/// The first records of the vault behind the key `after`, at most `max`.
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
    let key =
        std::str::from_utf8(&key[1..]).map_err(|_| StoreError::Corrupt("a key of the vault".to_owned()))?;
    Ok((key.to_owned(), value.to_vec()))
}
