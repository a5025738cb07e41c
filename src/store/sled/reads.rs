//! Reads from disk, and recovery of the index at start-up.

use std::{ops::Range, sync::Arc};

use foldhash::{HashMap, HashMapExt as _};
use tracing::{error, field::display};

use super::{
    format::{CHECKPOINT, CHUNKS, Files, chunk_key, unavailable},
    index::Index,
    row::{IndexRow, RowId},
};
use crate::{
    domain::{EntityId, Position, Recorded, Version},
    store::{
        StoreError, ViewRow, codec,
        record::{CommitRecord, ReadCommit, fold_snapshot},
    },
    telemetry::metrics::now,
};

/// The first rows of a range, at most `limit`.
pub(super) fn rows(
    tree: &sled::Tree,
    range: Range<Vec<u8>>,
    limit: usize,
) -> Result<Vec<ViewRow>, StoreError> {
    let row = |row: sled::Result<(sled::IVec, sled::IVec)>| {
        let (key, value) = row.map_err(unavailable)?;
        Ok((key.to_vec(), value.to_vec()))
    };
    tree.range(range).take(limit).map(row).collect()
}

pub(super) fn values(
    tree: &sled::Tree,
    keys: impl IntoIterator<Item = Vec<u8>>,
) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
    let value = |key| tree.get(key).map(|value| value.map(|value| value.to_vec())).map_err(unavailable);
    keys.into_iter().map(value).collect()
}

/// The commits of a chunk.
fn commits(first: Position, chunk: &[u8]) -> impl Iterator<Item = ReadCommit> {
    let mut next = first;
    codec::frames(chunk).map(move |frame| {
        let at = next;
        let record = CommitRecord::read(at, frame)?;
        next = Position(at.0 + record.events.len() as u64);
        Ok((at, record))
    })
}

fn first_of(key: &[u8]) -> Result<Position, StoreError> {
    let position = key.last_chunk::<8>().filter(|_| key.len() == 9);
    let position = position.ok_or_else(|| StoreError::Corrupt("a key of a chunk is invalid".to_owned()))?;
    Ok(Position(u64::from_be_bytes(*position)))
}

/// The chunks from the one that contains `position` on.
fn chunks_from(
    tree: &sled::Tree,
    position: Position,
) -> Result<impl Iterator<Item = Result<(Position, sled::IVec), StoreError>> + use<>, StoreError> {
    let before = tree.range(CHUNKS.to_vec()..=chunk_key(position).to_vec()).next_back();
    let start = match before.transpose().map_err(unavailable)? {
        Some((key, _)) => key.to_vec(),
        None => chunk_key(position).to_vec(),
    };
    let chunks = tree.range(start..chunk_key(Position(u64::MAX)).to_vec());
    Ok(chunks.map(|row| {
        let (key, chunk) = row.map_err(unavailable)?;
        Ok((first_of(&key)?, chunk))
    }))
}

/// The commits from the chunk that contains the event after `after` on.
pub(super) fn commits_after(
    tree: &sled::Tree,
    after: Position,
) -> Result<impl Iterator<Item = ReadCommit> + use<>, StoreError> {
    let chunks = chunks_from(tree, Position(after.0.saturating_add(1)))?;
    Ok(chunks.flat_map(|chunk| match chunk {
        Ok((first, chunk)) => commits(first, &chunk).collect(),
        Err(error) => vec![Err(error)],
    }))
}

pub(super) fn at(tree: &sled::Tree, positions: &[Position]) -> Result<Vec<Arc<Recorded>>, StoreError> {
    let mut chunk: HashMap<Position, Arc<Recorded>> = HashMap::new();
    let mut found = Vec::with_capacity(positions.len());
    for position in positions {
        let missing = || StoreError::Corrupt(format!("there is no event at {}", position.0));
        if !chunk.contains_key(position) {
            let (first, bytes) = chunks_from(tree, *position)?.next().ok_or_else(missing)??;
            for commit in commits(first, &bytes) {
                let (first, record) = commit?;
                chunk.extend(record.recorded(first).map(|event| (event.position, event)));
            }
        }
        found.push(chunk.get(position).cloned().ok_or_else(missing)?);
    }
    Ok(found)
}

pub(super) fn last(tree: &sled::Tree) -> Result<Position, StoreError> {
    let last = |_, commit: ReadCommit| commit.map(|(first, record)| record.last(first));
    commits_after(tree, Position(u64::MAX))?.try_fold(Position::default(), last)
}

/// Folds the journal after the checkpoint into the index, and returns the position of the last event.
pub(super) fn recover(files: &Files, index: &Index) -> Result<Position, StoreError> {
    let tree = &files.with(|opened| Ok(opened.tree.clone()))?;
    let checkpoint = tree.get(CHECKPOINT).map_err(unavailable)?;
    let checkpoint = checkpoint.map_or(Ok(Position::default()), |stored| codec::decode(&stored))?;
    let mut changed: HashMap<RowId, IndexRow> = HashMap::new();
    let mut head = checkpoint;
    for commit in commits_after(tree, checkpoint)? {
        let (first, record) = commit?;
        let last = record.last(first);
        if last > checkpoint {
            fold(index, &mut changed, first, &record)?;
        }
        head = head.max(last);
    }
    index.changed(changed, Position(checkpoint.0 + 1), now());
    Ok(head)
}

fn fold(
    index: &Index,
    changed: &mut HashMap<RowId, IndexRow>,
    first: Position,
    commit: &CommitRecord,
) -> Result<(), StoreError> {
    let version = Version(commit.last(first).0);
    let known = index.row_in(changed, RowId::of(commit.entity))?.record(commit.entity.kind)?;
    // The record on disk may be newer than the checkpoint.
    if known.version < version {
        known.snapshot = match fold_snapshot(&known.snapshot, commit.entity.kind, &commit.events) {
            Ok(snapshot) => snapshot,
            Err(error) => {
                let correlation = commit.events.first().map(|event| display(event.meta.correlation));
                error!(entity = %commit.entity, correlation, %error, "an entity is damaged; others are not");
                // No valid frame: loading the entity is an error.
                vec![0]
            }
        };
        known.version = version;
        known.last_commit_id = commit.commit_id;
    }
    for (rental, position) in commit.timelines(first) {
        let rental = EntityId::from(rental);
        index.row_in(changed, RowId::of(rental))?.record(rental.kind)?.in_timeline(position);
    }
    Ok(())
}
