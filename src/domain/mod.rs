//! The pure heart of Saem: what a rental shop may decide, and nothing about how it is carried out.
//!
//! Each aggregate is one file with its state, commands, events, errors, [`Aggregate::decide`] and
//! [`Aggregate::evolve`]. Contexts meet in one place only: the table in [`policies`].
//!
//! **Invariant:** nothing in here knows of actix, sled, tokio, a clock or randomness. Time, ids and
//! evidence about other entities come in with the command, so the same inputs always decide alike.

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
