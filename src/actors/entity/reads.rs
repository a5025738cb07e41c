//! Entities as the journal knows them, read without waking an actor.

use std::sync::Arc;

use crate::{
    domain::{EntityId, Journaled},
    store::{Journal, Loaded, StoreError, codec},
};

/// The state that `loaded` stands for.
///
/// # Errors
/// [`StoreError::Corrupt`] when its snapshot cannot be read.
pub fn restore<A: Journaled>(loaded: &Loaded) -> Result<A, StoreError> {
    let snapshot = loaded.snapshot.as_deref().map(codec::decode_snapshot::<A>).transpose()?;
    let state = snapshot.unwrap_or_default();
    Ok(loaded.tail.iter().fold(state, |state, recorded| state.fold(&recorded.event, recorded.meta.at)))
}

/// An entity's durable state; the default for one that does not exist.
///
/// # Errors
/// [`StoreError`]
pub async fn read<A: Journaled>(
    journal: &Arc<dyn Journal>,
    id: impl Into<EntityId>,
) -> Result<A, StoreError> {
    let id = id.into();
    debug_assert_eq!(id.kind, A::KIND, "an entity is read as what it is");
    restore(&journal.load(id).await?)
}
