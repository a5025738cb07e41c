//! Reading what is on disk, each time of one moment: a transaction that only reads sees no later write.

use std::sync::Arc;

use redb::{AccessGuard, ReadTransaction};

use super::format::{ENTITIES, JOURNAL, Rows, VAULT, VIEWS, entity_key, unavailable};
use crate::{
    domain::{EntityId, Position, Recorded},
    store::{
        ListedRow, StoreError, VaultRow, ViewRow, codec,
        record::{CommitRecord, IndexRecord},
    },
};

/// The commits from the one that holds `position` on, each with the position of its first event. One that
/// does not follow upon the one before is an error: keys have no checksum of ours.
pub(super) fn commits_from(
    store: &ReadTransaction,
    position: Position,
) -> Result<impl Iterator<Item = Result<(Position, CommitRecord), StoreError>> + use<>, StoreError> {
    let journal = store.open_table(JOURNAL).map_err(unavailable)?;
    let before = journal.range(..=position.0).map_err(unavailable)?.next_back();
    let start = before.transpose().map_err(unavailable)?.map_or(position.0, |(first, _)| first.value());
    let commits = journal.range(start..).map_err(unavailable)?;
    let mut next = start;
    Ok(commits.map(move |row| {
        let (first, frame) = row.map_err(unavailable)?;
        let first = first.value();
        let record = CommitRecord::read(Position(first), Ok(frame.value()))?;
        if first != next {
            return Err(StoreError::Corrupt(format!("there is no event at {next}")));
        }
        next = record.last(Position(first)).0 + 1;
        Ok((Position(first), record))
    }))
}

/// Durable events after `after`, up to `head`: whole commits, until there are `max`.
pub(super) fn events(
    store: &ReadTransaction,
    after: Position,
    head: Position,
    max: usize,
) -> Result<Vec<Arc<Recorded>>, StoreError> {
    let mut found = Vec::new();
    if after >= head {
        return Ok(found);
    }
    for commit in commits_from(store, Position(after.0 + 1))? {
        let (first, record) = commit?;
        // What can be read may not have been shown yet: the head tells.
        if found.len() >= max || first > head {
            break;
        }
        found.extend(record.recorded(first).filter(|event| event.position > after));
    }
    found.truncate(max);
    Ok(found)
}

/// The events at these positions, which rise.
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

/// Where the last event stands.
pub(super) fn last(store: &ReadTransaction) -> Result<Position, StoreError> {
    let last = commits_from(store, Position(u64::MAX))?.next().transpose()?;
    Ok(last.map_or_else(Position::default, |(first, record)| record.last(first)))
}

/// What is known of an entity.
pub(super) fn known(store: &ReadTransaction, entity: EntityId) -> Result<Option<IndexRecord>, StoreError> {
    let entities = store.open_table(ENTITIES).map_err(unavailable)?;
    let stored = entities.get(entity_key(entity).as_slice()).map_err(unavailable)?;
    stored.map(|stored| codec::decode(stored.value())).transpose()
}

/// The values under these keys.
pub(super) fn values<K: AsRef<[u8]>>(
    store: &ReadTransaction,
    rows: Rows<'_>,
    keys: impl IntoIterator<Item = K>,
) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
    let table = store.open_table(rows).map_err(unavailable)?;
    let value = |key: K| {
        let value = table.get(key.as_ref()).map_err(unavailable)?;
        Ok(value.map(|value| value.value().to_vec()))
    };
    keys.into_iter().map(value).collect()
}

/// The first records of the vault whose key starts with `prefix`.
pub(super) fn vault(
    store: &ReadTransaction,
    prefix: &str,
    limit: usize,
) -> Result<Vec<VaultRow>, StoreError> {
    let vault = store.open_table(VAULT).map_err(unavailable)?;
    let mut found = Vec::new();
    for row in vault.range(prefix.as_bytes()..).map_err(unavailable)?.take(limit) {
        let (key, value) = row.map_err(unavailable)?;
        if !key.value().starts_with(prefix.as_bytes()) {
            break;
        }
        found.push(vault_row(&key, &value)?);
    }
    Ok(found)
}

/// A record of the vault, as redb reads it.
pub(super) fn vault_row(
    key: &AccessGuard<'_, &'static [u8]>,
    value: &AccessGuard<'_, &'static [u8]>,
) -> Result<VaultRow, StoreError> {
    let key = std::str::from_utf8(key.value());
    let key = key.map_err(|_| StoreError::Corrupt("a key of the vault".to_owned()))?;
    Ok((key.to_owned(), value.value().to_vec()))
}

/// At most `limit` rows of views with `from <= key < to`, by key.
pub(super) fn views(
    store: &ReadTransaction,
    from: &[u8],
    to: &[u8],
    limit: usize,
) -> Result<Vec<ViewRow>, StoreError> {
    let views = store.open_table(VIEWS).map_err(unavailable)?;
    let mut rising = Rising::after(None);
    let mut found = Vec::new();
    for row in views.range(from..to).map_err(unavailable)?.take(limit) {
        let (key, value) = row.map_err(unavailable)?;
        rising.to(key.value())?;
        found.push((key.value().to_vec(), value.value().to_vec()));
    }
    Ok(found)
}

/// Sees that keys rise. redb checks none of them after an orderly end: where one was damaged, whoever reads
/// on behind it, some rows at a time, might go round in circles.
pub(super) struct Rising(Option<Vec<u8>>);

impl Rising {
    pub(super) fn after(key: Option<&[u8]>) -> Self {
        Self(key.map(<[u8]>::to_vec))
    }

    pub(super) fn to(&mut self, key: &[u8]) -> Result<(), StoreError> {
        if self.0.as_deref().is_some_and(|last| key <= last) {
            return Err(StoreError::Corrupt("the keys of a table do not rise".to_owned()));
        }
        self.0 = Some(key.to_vec());
        Ok(())
    }
}

/// The keys of [`views`], each with the row that it leads to.
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
