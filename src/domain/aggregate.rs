//! What every aggregate is: a state that decides and evolves.

use std::fmt::Debug;

use serde::{Serialize, de::DeserializeOwned};
use thiserror::Error;

use super::{
    account::AccountError,
    context::ContextError,
    delivery::{DeliveryCommand, DeliveryError},
    event::Event,
    id::EntityKind,
    invariants::Stepwise,
    payment::{PaymentCommand, PaymentError},
    product::{ProductCommand, ProductError},
    rental::{RentalCommand, RentalError},
    time::Timestamp,
};

/// A consistency boundary: commands in, events out, one at a time. `Default` is "does not exist yet".
pub trait Aggregate:
    Clone + Debug + Default + Stepwise + Serialize + DeserializeOwned + Send + Sync + Unpin + 'static
{
    /// What its entities are called.
    const KIND: EntityKind;
    /// What can be asked of it.
    type Command: Clone + Debug + Send + Sync + Unpin + 'static;
    /// What can happen to it.
    type Event: Clone + Into<Event> + Send + 'static;
    /// Why it may refuse.
    type Error: Clone + std::error::Error + Into<Rejection> + Send + 'static;

    /// What follows from `command` in this state; no events means it changes nothing.
    ///
    /// # Errors
    /// The command is refused in this state.
    fn decide(&self, command: Self::Command) -> Result<Vec<Self::Event>, Self::Error>;

    /// The state after `event`, decided at `at`.
    #[must_use]
    fn evolve(self, event: &Self::Event, at: Timestamp) -> Self;

    /// Whether a command makes large events, and so gets a commit of its own.
    #[must_use]
    fn is_bulky(_command: &Self::Command) -> bool {
        false
    }

    /// Whether a command is most likely the first that its entity hears. If it is, it leads to events: so a
    /// commit tells whether there was something before.
    #[must_use]
    fn is_first(_command: &Self::Command) -> bool {
        false
    }

    /// This aggregate's part of an event, if it is one of its own.
    fn own(event: &Event) -> Option<&Self::Event>;

    /// The state after `event`, if it is one of its own.
    #[must_use]
    fn fold(self, event: &Event, at: Timestamp) -> Self {
        match Self::own(event) {
            Some(own) => self.evolve(own, at),
            None => self,
        }
    }
}

/// A command for some aggregate: what policies send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// For a rental.
    Rental(RentalCommand),
    /// For a payment.
    Payment(PaymentCommand),
    /// For a delivery.
    Delivery(DeliveryCommand),
    /// For a product.
    Product(ProductCommand),
}

/// Why an aggregate refused a command.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Rejection {
    /// A rental refused.
    #[error(transparent)]
    Rental(#[from] RentalError),
    /// A payment refused.
    #[error(transparent)]
    Payment(#[from] PaymentError),
    /// A delivery refused.
    #[error(transparent)]
    Delivery(#[from] DeliveryError),
    /// A product refused.
    #[error(transparent)]
    Product(#[from] ProductError),
    /// An account refused.
    #[error(transparent)]
    Account(#[from] AccountError),
    /// A context refused.
    #[error(transparent)]
    Context(#[from] ContextError),
}
