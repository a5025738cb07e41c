//! Reads from a snapshot of the store.

use std::{ops::Bound, sync::Arc};

use redb::{ReadTransaction, TableHandle as _};

use super::{
    format::{ENTITIES, JOURNAL, Rows, VAULT, VIEWS, entity_key, unavailable},
    sealing::{SealedRow, Table, unseal},
};
use crate::{
    domain::{EntityId, Position, Recorded},
    store::{
        ListedRow, StoreError, VaultRow, ViewRow, codec,
        record::{CommitRecord, IndexRecord, ReadCommit},
    },
};

/// The commits from the one that contains the event after `after` on.
pub(super) fn commits_after(
    store: &ReadTransaction,
    after: Position,
) -> Result<impl Iterator<Item = ReadCommit> + use<>, StoreError> {
    commits_from(store, Position(after.0.saturating_add(1)))
}

/// The commits from the one that contains `position` on. A gap between two commits is an error.
fn commits_from(
    store: &ReadTransaction,
    position: Position,
) -> Result<impl Iterator<Item = ReadCommit> + use<>, StoreError> {
    let journal = store.open_table(JOURNAL).map_err(unavailable)?;
    let before = journal.range(..=position.0).map_err(unavailable)?.next_back();
    let start = before.transpose().map_err(unavailable)?.map_or(position.0, |(first, _)| first.value());
    let commits = journal.range(start..).map_err(unavailable)?;
    let mut next = start;
    Ok(commits.map(move |row| {
        let (first, frame) = row.map_err(unavailable)?;
        let first = first.value();
        let frame = unseal(JOURNAL.name(), &first.to_be_bytes(), frame.value());
        let record = CommitRecord::read(Position(first), frame)?;
        if first != next {
            return Err(StoreError::Corrupt(format!("there is no event at {next}")));
        }
        next = record.last(Position(first)).0 + 1;
        Ok((Position(first), record))
    }))
}

/// The events at these positions, which must be ascending.
pub(super) fn at(store: &ReadTransaction, positions: &[Position]) -> Result<Vec<Arc<Recorded>>, StoreError> {
    let mut found = Vec::with_capacity(positions.len());
    let mut commit: Vec<Arc<Recorded>> = Vec::new();
    for position in positions {
        let holds = |commit: &[Arc<Recorded>]| {
            commit.iter().find(|event| event.position == *position).map(Arc::clone)
        };
        if holds(&commit).is_none()
            && let Some(read) = commits_from(store, *position)?.next()
        {
            let (first, record) = read?;
            commit = record.recorded(first).collect();
        }
        let missing = || StoreError::Corrupt(format!("there is no event at {}", position.0));
        found.push(holds(&commit).ok_or_else(missing)?);
    }
    Ok(found)
}

pub(super) fn last(store: &ReadTransaction) -> Result<Position, StoreError> {
    let last = commits_from(store, Position(u64::MAX))?.next().transpose()?;
    Ok(last.map_or_else(Position::default, |(first, record)| record.last(first)))
}

pub(super) fn known(store: &ReadTransaction, entity: EntityId) -> Result<Option<IndexRecord>, StoreError> {
    let stored = Table::open(store, ENTITIES)?.get(&entity_key(entity))?;
    stored.map(|stored| codec::decode(&stored)).transpose()
}

pub(super) fn values<K: AsRef<[u8]>>(
    store: &ReadTransaction,
    rows: Rows<'static>,
    keys: impl IntoIterator<Item = K>,
) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
    let table = Table::open(store, rows)?;
    keys.into_iter().map(|key| table.get(key.as_ref())).collect()
}

/// The first records of the vault whose key starts with `prefix`, at most `limit`.
pub(super) fn vault(
    store: &ReadTransaction,
    prefix: &str,
    limit: usize,
) -> Result<Vec<VaultRow>, StoreError> {
    let prefix = prefix.as_bytes();
    rows_while(store, VAULT, prefix, |key| key.starts_with(prefix), limit, vault_row)
}

pub(super) fn vault_row(row: &SealedRow) -> Result<VaultRow, StoreError> {
    let value = row.value()?.to_vec();
    let key = std::str::from_utf8(row.key()?);
    let key = key.map_err(|_| StoreError::Corrupt("a key of the vault is invalid".to_owned()))?;
    Ok((key.to_owned(), value))
}

/// The first rows of views with `from <= key < to`, at most `limit`.
pub(super) fn views(
    store: &ReadTransaction,
    from: &[u8],
    to: &[u8],
    limit: usize,
) -> Result<Vec<ViewRow>, StoreError> {
    let row = |row: &SealedRow| Ok((row.key()?.to_vec(), row.value()?.to_vec()));
    rows_while(store, VIEWS, from, |key| key < to, limit, row)
}

/// The rows from a key on, up to the first one whose key is not wanted, at most `limit`.
fn rows_while<T>(
    store: &ReadTransaction,
    rows: Rows<'static>,
    from: &[u8],
    is_wanted: impl Fn(&[u8]) -> bool,
    limit: usize,
    read: impl Fn(&SealedRow) -> Result<T, StoreError>,
) -> Result<Vec<T>, StoreError> {
    let table = Table::open(store, rows)?;
    let mut found = Vec::new();
    for row in table.from(Bound::Included(from))?.take(limit) {
        let row = row?;
        if !is_wanted(row.key()?) {
            break;
        }
        found.push(read(&row)?);
    }
    Ok(found)
}

/// The keys of [`views`], each with the row under the key that `leads_to` makes of it.
pub(super) fn listed(
    store: &ReadTransaction,
    (from, to): (&[u8], &[u8]),
    limit: usize,
    leads_to: fn(&[u8]) -> Vec<u8>,
) -> Result<Vec<ListedRow>, StoreError> {
    let keys: Vec<Vec<u8>> = views(store, from, to, limit)?.into_iter().map(|(key, _)| key).collect();
    let rows = values(store, VIEWS, keys.iter().map(|key| leads_to(key)))?;
    Ok(keys.into_iter().zip(rows).collect())
}
