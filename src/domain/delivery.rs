//! Delivery: one per rental, from preparation to installation.
//!
//! ```text
//!          start            dispatch               complete
//!   ABSENT ─────▶ STARTED ───────────▶ IN_TRANSIT ──────────▶ DELIVERED
//!                    │ cancel              │ cancel
//!                    └─────────▶ CANCELED ◀┘
//! ```
//!
//! The rental decides whether it may be completed; the delivery follows.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{
    aggregate::Aggregate,
    id::{EntityKind, ProductId},
    time::Timestamp,
};

/// Status of a delivery.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum DeliveryStatus {
    /// Not started.
    #[default]
    Absent,
    /// Being prepared.
    Started,
    /// Dispatched, on its way to the customer.
    InTransit,
    /// Installed. Final.
    Delivered,
    /// Canceled. Final.
    Canceled,
}

/// State of a delivery, folded from its events.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    pub status: DeliveryStatus,
    pub product_id: Option<ProductId>,
    pub carrier: Option<String>,
    pub tracking_number: Option<String>,
    pub started_at: Timestamp,
    pub dispatched_at: Option<Timestamp>,
    pub completed_at: Option<Timestamp>,
    pub canceled_at: Option<Timestamp>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeliveryCommand {
    /// The rental is paid: prepare its delivery.
    Start { product_id: ProductId },
    /// The purifier left for the customer. `stock_taken` is evidence: the rental's timeline holds
    /// `ProductDecreased`.
    Dispatch { carrier: Option<String>, tracking_number: Option<String>, stock_taken: bool },
    /// The purifier is installed.
    Complete,
    /// The payment was canceled.
    Cancel,
}

/// An event of a delivery. Part of the format: append only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all_fields = "camelCase")]
pub enum DeliveryEvent {
    DeliveryStarted { product_id: ProductId },
    DeliveryDispatched { carrier: Option<String>, tracking_number: Option<String> },
    DeliveryCompleted,
    DeliveryCanceled { product_id: ProductId },
}

impl DeliveryEvent {
    /// Returns the event's type as the API shows it.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::DeliveryStarted { .. } => "DeliveryStarted",
            Self::DeliveryDispatched { .. } => "DeliveryDispatched",
            Self::DeliveryCompleted => "DeliveryCompleted",
            Self::DeliveryCanceled { .. } => "DeliveryCanceled",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum DeliveryError {
    #[error("the delivery does not exist")]
    NotFound,
    #[error("the delivery's status does not allow this step")]
    OutOfOrder(DeliveryStatus),
    #[error("no unit has been taken from stock for the delivery yet")]
    NotReady,
}

impl Aggregate for Delivery {
    const KIND: EntityKind = EntityKind::Delivery;
    type Command = DeliveryCommand;
    type Event = DeliveryEvent;
    type Error = DeliveryError;

    fn decide(&self, command: DeliveryCommand) -> Result<Vec<DeliveryEvent>, DeliveryError> {
        use DeliveryCommand as C;
        use DeliveryStatus as S;
        let nothing = Ok(Vec::new());
        match (self.status, command) {
            (S::Absent, C::Start { product_id }) => Ok(vec![DeliveryEvent::DeliveryStarted { product_id }]),
            (S::Started | S::InTransit | S::Delivered | S::Canceled, C::Start { .. }) => nothing,

            (S::Absent, C::Dispatch { .. } | C::Complete) => Err(DeliveryError::NotFound),
            (S::Started, C::Dispatch { stock_taken: false, .. }) => Err(DeliveryError::NotReady),
            (S::Started, C::Dispatch { carrier, tracking_number, stock_taken: true }) => {
                Ok(vec![DeliveryEvent::DeliveryDispatched { carrier, tracking_number }])
            }
            (S::InTransit, C::Dispatch { .. }) => nothing,
            (S::Delivered | S::Canceled, C::Dispatch { .. }) => Err(DeliveryError::OutOfOrder(self.status)),

            (S::InTransit, C::Complete) => Ok(vec![DeliveryEvent::DeliveryCompleted]),
            (S::Delivered, C::Complete) => nothing,
            (S::Started | S::Canceled, C::Complete) => Err(DeliveryError::OutOfOrder(self.status)),

            (S::Started | S::InTransit, C::Cancel) => {
                let product_id = self.product_id.expect("a started delivery knows its product");
                Ok(vec![DeliveryEvent::DeliveryCanceled { product_id }])
            }
            (S::Absent | S::Delivered | S::Canceled, C::Cancel) => nothing,
        }
    }

    fn evolve(mut self, event: &DeliveryEvent, at: Timestamp) -> Self {
        match event {
            DeliveryEvent::DeliveryStarted { product_id } => {
                self.status = DeliveryStatus::Started;
                self.product_id = Some(*product_id);
                self.started_at = at;
            }
            DeliveryEvent::DeliveryDispatched { carrier, tracking_number } => {
                self.status = DeliveryStatus::InTransit;
                self.carrier.clone_from(carrier);
                self.tracking_number.clone_from(tracking_number);
                self.dispatched_at = Some(at);
            }
            DeliveryEvent::DeliveryCompleted => {
                self.status = DeliveryStatus::Delivered;
                self.completed_at = Some(at);
            }
            DeliveryEvent::DeliveryCanceled { .. } => {
                self.status = DeliveryStatus::Canceled;
                self.canceled_at = Some(at);
            }
        }
        self
    }
}

#[cfg(test)]
#[path = "delivery_tests.rs"]
mod tests;
