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

pub mod account;
pub mod address;
pub mod aggregate;
pub mod context;
pub mod delivery;
pub mod event;
pub mod id;
pub mod image;
pub mod invariants;
pub mod journaled;
pub mod meta;
pub mod money;
pub mod notice;
pub mod payment;
pub mod phone;
pub mod policies;
pub mod position;
pub mod product;
pub mod rental;
#[cfg(test)]
mod samples;
pub mod text;
pub mod time;

pub use aggregate::Aggregate;
pub use event::{Event, NewEvent, Recorded};
pub use id::{
    CheckoutId, CustomerId, DeliveryId, EntityId, EntityKind, NotificationId, PaymentId, ProductId, RentalId,
};
pub use journaled::{Journaled, Rejection};
pub use meta::{Causation, Correlation, Meta};
pub use money::Money;
pub use policies::Command;
pub use position::{LANES, Position, Version, lane_of};
pub use time::Timestamp;
