//! Business rules of a rental shop, as pure functions.
//!
//! Each aggregate is one file with its state, commands, events, errors, [`Aggregate::decide`] and
//! [`Aggregate::evolve`]. Contexts meet only in the table of [`policies`].
//!
//! | to add | change |
//! | --- | --- |
//! | an event | the aggregate's event enum, its `name`, `evolve`, and the table in [`policies`] |
//! | an aggregate | a file of its own, [`EntityKind`], [`Event`], [`journaled`], [`invariants::check_step`] |
//!
//! **Invariant:** the domain does not depend on actix, sled, tokio, a clock or randomness. Time, ids and
//! evidence about other entities come with the command: the same inputs give the same decision.

pub(crate) mod account;
pub(crate) mod address;
pub(crate) mod aggregate;
pub(crate) mod context;
pub(crate) mod delivery;
pub(crate) mod event;
pub(crate) mod hex;
pub(crate) mod id;
pub(crate) mod image;
pub mod invariants;
pub(crate) mod journaled;
pub(crate) mod meta;
pub(crate) mod money;
pub(crate) mod notice;
pub(crate) mod payment;
pub(crate) mod phone;
pub(crate) mod policies;
pub(crate) mod position;
pub(crate) mod product;
pub(crate) mod rental;
#[cfg(test)]
mod samples;
pub(crate) mod text;
pub(crate) mod time;

pub use aggregate::Aggregate;
pub use event::{Event, NewEvent, Recorded};
pub use id::{
    CheckoutId, CustomerId, DeliveryId, EntityId, EntityKind, NotificationId, PaymentId, ProductId, RentalId,
};
pub use journaled::{Journaled, Rejection};
pub use meta::{Causation, Correlation, Meta};
pub use money::Money;
pub(crate) use policies::Command;
pub(crate) use position::{LANES, lane_of};
pub use position::{Position, Version};
pub use time::Timestamp;
