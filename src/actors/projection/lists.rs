//! Lists of all that a projection has rows of, newest first.
//!
//! They have one key for each batch, since keys are what a store costs:
//!
//! | key | value |
//! | --- | --- |
//! | prefix, position of the first item (newest first) | items, each with its position, oldest first |

use std::sync::Arc;

use serde::{Serialize, de::DeserializeOwned};
use thiserror::Error;

use super::{Rows, after_prefix, key};
use crate::{
    domain::Position,
    store::{Journal, StoreError, codec},
};

/// How many items one key lists at most.
const ITEMS_MAX: usize = 256;
/// How many keys are read at once.
const KEYS_READ: usize = 16;

/// A page of a list cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ListError {
    /// The cursor does not belong to this list.
    #[error("the cursor is not one that this list gave")]
    BadCursor,
    /// The rows could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Items, each with the position of the event that it comes from, oldest first.
pub type Items<T> = Vec<(Position, T)>;

/// A list of all, under keys that begin with this.
#[derive(Clone, Copy, Debug)]
pub struct List(pub &'static [u8]);

impl List {
    /// What stands for the item at a position as a cursor, and for the items of a batch from it on as a key.
    pub(crate) fn key(self, position: Position) -> Vec<u8> {
        let newest_first = !position.0;
        key(self.0, &[&newest_first.to_be_bytes()])
    }

    /// Which position a key of this list stands for. Cursors come from outside, and may be of another list.
    pub(crate) fn position_of(self, key: &[u8]) -> Option<Position> {
        let position = key.strip_prefix(self.0)?.try_into().ok()?;
        Some(Position(!u64::from_be_bytes(position)))
    }

    /// Adds the items of a batch.
    pub(crate) fn put<T: Serialize>(
        self,
        items: &[(Position, T)],
        rows: &mut Rows,
    ) -> Result<(), StoreError> {
        items.chunks(ITEMS_MAX).try_for_each(|some| rows.put(self.key(some[0].0), &some))
    }

    /// The next items before a position, newest first, at most `wanted`; and whether there are more.
    ///
    /// # Errors
    /// [`StoreError`]
    pub(crate) async fn before<T: DeserializeOwned>(
        self,
        journal: &Arc<dyn Journal>,
        before: Position,
        wanted: usize,
    ) -> Result<(Items<T>, bool), StoreError> {
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

/// The items under a key.
///
/// # Errors
/// [`StoreError::Corrupt`]
pub fn read<T: DeserializeOwned>(row: &[u8]) -> Result<Items<T>, StoreError> {
    codec::decode(row)
}
