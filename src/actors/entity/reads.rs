//! Reads of durable entity states, past the actors.

use std::sync::Arc;

use crate::{
    domain::{EntityId, Journaled},
    store::{Journal, Loaded, StoreError, codec},
};

/// Rebuilds a state from its snapshot and the events after it.
pub fn restore<A: Journaled>(loaded: &Loaded) -> Result<A, StoreError> {
    let state = loaded.snapshot.as_deref().map_or_else(|| Ok(A::default()), codec::decode_snapshot)?;
    Ok(loaded.tail.iter().fold(state, |state, recorded| state.fold(&recorded.event, recorded.meta.at)))
}

/// Reads an entity's durable state; the default if the entity does not exist.
pub async fn read<A: Journaled>(
    journal: &Arc<dyn Journal>,
    id: impl Into<EntityId>,
) -> Result<A, StoreError> {
    let id = id.into();
    debug_assert_eq!(id.kind, A::KIND, "an entity is read as what it is");
    restore(&journal.load(id).await?)
}
