//! Lists of all items of a projection, newest first.
//!
//! A batch of items has one key, since writes are paid per key:
//!
//! | key | value |
//! | --- | --- |
//! | prefix, position of the first item (newest first) | items, each with its position, oldest first |

use std::sync::Arc;

use serde::{Serialize, de::DeserializeOwned};
use thiserror::Error;

use super::{Result, Rows, after_prefix, key};
use crate::{
    domain::Position,
    store::{Journal, StoreError, codec},
};

const ITEMS_MAX: usize = 256;
const KEYS_READ: usize = 16;

#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ListError {
    #[error("the cursor is not one that this list gave")]
    BadCursor,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Page of a list: cursors, and the rows that are not missing.
pub(crate) type Listed = Vec<(Vec<u8>, Option<Vec<u8>>)>;

/// Items with the positions of their events, oldest first.
pub(crate) type Items<T> = Vec<(Position, T)>;

#[derive(Clone, Copy, Debug)]
pub struct List(pub &'static [u8]);

impl List {
    /// Returns the key of a batch that begins at `position`. It is also the cursor of the item there.
    pub(crate) fn key(self, position: Position) -> Vec<u8> {
        let newest_first = !position.0;
        key(self.0, &[&newest_first.to_be_bytes()])
    }

    /// Returns the position of a key; `None` for a key of another list, since cursors come from clients.
    pub(crate) fn position_of(self, key: &[u8]) -> Option<Position> {
        let position = key.strip_prefix(self.0)?.try_into().ok()?;
        Some(Position(!u64::from_be_bytes(position)))
    }

    pub(crate) fn put<T: Serialize>(self, items: &[(Position, T)], rows: &mut Rows) -> Result<()> {
        items.chunks(ITEMS_MAX).try_for_each(|some| rows.put(self.key(some[0].0), &some))
    }

    /// Returns at most `wanted` rows after a cursor, newest first, and whether there are more.
    pub(crate) async fn rows<T: DeserializeOwned>(
        self,
        journal: &Arc<dyn Journal>,
        after: Option<&[u8]>,
        wanted: usize,
        row_key: impl Fn(Position, T) -> Vec<u8>,
    ) -> Result<(Listed, bool), ListError> {
        let before = match after {
            Some(after) => self.position_of(after).ok_or(ListError::BadCursor)?,
            None => Position(u64::MAX),
        };
        let (items, more) = self.before(journal, before, wanted).await?;
        let (cursors, keys): (Vec<_>, Vec<_>) =
            items.into_iter().map(|(position, item)| (self.key(position), row_key(position, item))).unzip();
        let rows = journal.view_get_all(keys).await?;
        Ok((cursors.into_iter().zip(rows).collect(), more))
    }

    async fn before<T: DeserializeOwned>(
        self,
        journal: &Arc<dyn Journal>,
        before: Position,
        wanted: usize,
    ) -> Result<(Items<T>, bool)> {
        let mut items = Items::new();
        let mut from = self.key(Position(before.0.saturating_sub(1)));
        let mut more = true;
        while more && items.len() < wanted {
            let some = journal.view_scan(from.clone(), after_prefix(self.0), KEYS_READ).await?;
            more = some.len() == KEYS_READ;
            for (listed, row) in some {
                items.extend(read(&row)?.into_iter().rev().filter(|(position, _)| *position < before));
                from = key(&listed, &[&[0]]);
            }
        }
        more |= items.len() > wanted;
        items.truncate(wanted);
        Ok((items, more))
    }
}

/// Returns the key to read on from after a cursor of a list with this prefix. A cursor of another list is
/// refused, since cursors come from clients.
pub(crate) fn after_cursor(prefix: Vec<u8>, cursor: Option<&[u8]>) -> Result<Vec<u8>, ListError> {
    match cursor {
        Some(cursor) if cursor.starts_with(&prefix) => Ok(key(cursor, &[&[0]])),
        Some(_) => Err(ListError::BadCursor),
        None => Ok(prefix),
    }
}

pub(crate) fn read<T: DeserializeOwned>(row: &[u8]) -> Result<Items<T>> {
    codec::decode(row)
}
