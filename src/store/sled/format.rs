//! Layout of a store in sled: names of files and trees, and keys.

use std::fs::File;

use crate::{
    domain::{EntityId, Position},
    store::{StoreError, closable::Closable},
};

/// Length of a segment of sled's file, in bytes. sled writes a page that is larger than a quarter of a
/// segment to its own file, which it never syncs. While a page splits it has up to 16 values of up to 27 KiB:
/// less than that.
pub(super) const SEGMENT_BYTES: usize = 2 * 1_024 * 1_024;

/// Directory of sled's files, in the data directory.
pub(super) const STORE: &str = "journal";

/// Directory for what opening moved or cut off, in the data directory.
pub(super) const SET_ASIDE: &str = "set-aside";

pub(super) const TREES: [Tree; 2] = [Tree::Journal, Tree::Views];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tree {
    /// Journal, index and vault.
    Journal,
    Views,
}

impl Tree {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Journal => "journal",
            Self::Views => "views",
        }
    }
}

pub(super) type Files = Closable<Opened>;

pub(super) struct Opened {
    pub db: sled::Db,
    pub tree: sled::Tree,
    pub views: sled::Tree,
    /// The lock of the data directory.
    pub _lock: File,
    /// sled's file, to sync it: sled's `flush` does not reach the disk by itself.
    pub db_file: File,
}

impl Opened {
    pub(super) const fn of(&self, tree: Tree) -> &sled::Tree {
        match tree {
            Tree::Journal => &self.tree,
            Tree::Views => &self.views,
        }
    }

    /// Makes everything durable that was applied.
    pub(super) fn sync(&self) -> Result<(), StoreError> {
        self.db.flush().map_err(unavailable)?;
        // `flush` hands the pages to the kernel; this waits for the disk.
        self.db_file.sync_data().map_err(|error| StoreError::Unavailable(error.to_string()))
    }
}

pub(super) fn unavailable(error: sled::Error) -> StoreError {
    match error {
        sled::Error::Corruption { .. } => StoreError::Corrupt(error.to_string()),
        error => StoreError::Unavailable(error.to_string()),
    }
}

/// Part of sled's error for a store that another process has open.
pub(super) const LOCKED: &str = "could not acquire lock";

pub(super) const CHUNKS: &[u8] = b"j";
pub(super) const ENTITIES: &[u8] = b"e";
pub(super) const GROUPS: &[u8] = b"g";
pub(super) const CHECKPOINT: &[u8] = b"mcheckpoint";

pub(super) fn chunk_key(first: Position) -> [u8; 9] {
    let mut key = [b'j'; 9];
    key[1..].copy_from_slice(&first.0.to_be_bytes());
    key
}

pub(super) fn entity_key(entity: EntityId) -> [u8; 18] {
    let mut key = [b'e'; 18];
    key[1] = entity.kind as u8;
    key[2..].copy_from_slice(&entity.id.to_be_bytes());
    key
}

pub(super) fn group_key(id: u128) -> [u8; 17] {
    let mut key = [b'g'; 17];
    key[1..].copy_from_slice(&id.to_be_bytes());
    key
}

pub(super) fn vault_key(key: &str) -> Vec<u8> {
    [b"v", key.as_bytes()].concat()
}
