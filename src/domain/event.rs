//! Events as the journal holds them: the union of all aggregates' events, with metadata and position.

use serde::{Deserialize, Serialize};

use super::{
    account::AccountEvent,
    context::ContextEvent,
    delivery::DeliveryEvent,
    id::{EntityId, EntityKind, RentalId},
    meta::Meta,
    payment::PaymentEvent,
    position::{Position, lane_of},
    product::ProductEvent,
    rental::RentalEvent,
};

/// An event of any aggregate. Part of the format: append only, here and in each aggregate's enum.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// Event of a rental.
    Rental(RentalEvent),
    /// Event of a payment.
    Payment(PaymentEvent),
    /// Event of a delivery.
    Delivery(DeliveryEvent),
    /// Event of a product.
    Product(ProductEvent),
    /// Event of a customer's account.
    Account(AccountEvent),
    /// Event of a context.
    Context(ContextEvent),
}

impl Event {
    /// Returns the event's type as the API shows it, such as `RentalPlaced`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Rental(event) => event.name(),
            Self::Payment(event) => event.name(),
            Self::Delivery(event) => event.name(),
            Self::Product(event) => event.name(),
            Self::Account(event) => event.name(),
            Self::Context(event) => event.name(),
        }
    }

    /// Returns the kind of entity the event belongs to.
    #[must_use]
    pub const fn kind(&self) -> EntityKind {
        match self {
            Self::Rental(_) => EntityKind::Rental,
            Self::Payment(_) => EntityKind::Payment,
            Self::Delivery(_) => EntityKind::Delivery,
            Self::Product(_) => EntityKind::Product,
            Self::Account(_) => EntityKind::Account,
            Self::Context(_) => EntityKind::Context,
        }
    }

    /// Returns the rental whose timeline shows this event of `entity`, if any.
    #[must_use]
    pub const fn rental(&self, entity: EntityId) -> Option<RentalId> {
        match self {
            Self::Rental(_) | Self::Payment(_) | Self::Delivery(_) => Some(RentalId(entity.id)),
            Self::Product(event) => event.rental(),
            Self::Account(_) | Self::Context(_) => None,
        }
    }

    /// Returns the lane in which every group handles this event of `entity`: the lane of its rental, else
    /// of its entity.
    #[must_use]
    pub fn lane(&self, entity: EntityId) -> u8 {
        lane_of(self.rental(entity).map_or(entity.id, |rental| rental.0))
    }
}

/// An event that is not yet in the journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewEvent {
    pub meta: Meta,
    pub event: Event,
}

/// A durable event with its position in the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// Position in the journal.
    pub position: Position,
    /// Entity that the event belongs to.
    pub entity: EntityId,
    /// Time, correlation and causation.
    pub meta: Meta,
    /// The event itself.
    pub event: Event,
}

impl Recorded {
    /// Returns the rental whose timeline shows this event, if any.
    #[must_use]
    pub const fn rental(&self) -> Option<RentalId> {
        self.event.rental(self.entity)
    }

    /// Returns the lane in which this event is handled.
    #[must_use]
    pub fn lane(&self) -> u8 {
        self.event.lane(self.entity)
    }
}
