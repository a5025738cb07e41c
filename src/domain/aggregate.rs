//! The trait of every aggregate: a state that decides and evolves.

use std::fmt::Debug;

use serde::{Serialize, de::DeserializeOwned};

use super::{id::EntityKind, time::Timestamp};

/// A consistency boundary: commands in, events out, one at a time. `Default` is "does not exist yet".
pub trait Aggregate:
    Clone + Debug + Default + Serialize + DeserializeOwned + Send + Sync + Unpin + 'static
{
    const KIND: EntityKind;
    type Command: Clone + Debug + Send + Sync + Unpin + 'static;
    type Event: Clone + Send + 'static;
    type Error: Clone + std::error::Error + Send + 'static;

    /// Returns the events that follow from `command` in this state; none if it changes nothing.
    fn decide(&self, command: Self::Command) -> Result<Vec<Self::Event>, Self::Error>;

    /// Returns the state after `event`, which was decided at `at`.
    #[must_use]
    fn evolve(self, event: &Self::Event, at: Timestamp) -> Self;

    /// Returns true if the events of a command are large, so that the command needs a commit of its own.
    fn is_bulky(_command: &Self::Command) -> bool {
        false
    }

    /// Returns true if the entity most likely does not exist before this command.
    ///
    /// The entity is then not loaded. Such a command must lead to events for a new entity: their commit
    /// conflicts if the entity does exist.
    fn is_first(_command: &Self::Command) -> bool {
        false
    }
}
