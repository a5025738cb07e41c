//! The life of a delivery: one a rental.
//!
//! ```text
//!          start            dispatch               complete
//!   ABSENT ─────▶ STARTED ───────────▶ IN_TRANSIT ──────────▶ DELIVERED
//!                    │ cancel              │ cancel
//!                    └─────────▶ CANCELED ◀┘
//! ```
//!
//! Whether a rental *may* be completed is the rental's decision, not the delivery's.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{
    aggregate::Aggregate,
    id::{EntityKind, ProductId},
    time::Timestamp,
};

/// Where a delivery is in its life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum DeliveryStatus {
    /// Not started.
    #[default]
    Absent,
    /// Being prepared.
    Started,
    /// With the courier.
    InTransit,
    /// Installed. Final.
    Delivered,
    /// Called off. Final.
    Canceled,
}

/// What can be asked of a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeliveryCommand {
    /// The rental is paid: prepare it.
    Start {
        /// What is delivered.
        product_id: ProductId,
    },
    /// The courier left.
    Dispatch {
        /// Who carries it.
        carrier: Option<String>,
        /// The carrier's own number.
        tracking_number: Option<String>,
        /// Evidence: the rental's timeline holds `ProductDecreased`.
        stock_taken: bool,
    },
    /// The purifier is installed.
    Complete,
    /// The payment was canceled.
    Cancel,
}

/// What can happen to a delivery. Part of the format: append only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all_fields = "camelCase")]
pub enum DeliveryEvent {
    /// It is being prepared.
    DeliveryStarted {
        /// What is delivered.
        product_id: ProductId,
    },
    /// It is with the courier.
    DeliveryDispatched {
        /// Who carries it.
        carrier: Option<String>,
        /// The carrier's own number.
        tracking_number: Option<String>,
    },
    /// It is done.
    DeliveryCompleted,
    /// It is called off.
    DeliveryCanceled {
        /// What would have been delivered.
        product_id: ProductId,
    },
}

impl DeliveryEvent {
    /// The event's type, as the contract names it.
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

/// Why a delivery refuses a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum DeliveryError {
    /// There is no such delivery.
    #[error("the delivery does not exist")]
    NotFound,
    /// This step does not follow from where the delivery is.
    #[error("this step does not follow from where the delivery is")]
    OutOfOrder(DeliveryStatus),
    /// The stock is not taken yet.
    #[error("the delivery's stock is not taken yet")]
    NotReady,
}

/// A delivery.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// Where it is in its life.
    pub status: DeliveryStatus,
    /// What is delivered.
    pub product_id: Option<ProductId>,
    /// Who carries it.
    pub carrier: Option<String>,
    /// The carrier's own number.
    pub tracking_number: Option<String>,
    /// When it was started.
    pub started_at: Timestamp,
    /// When the courier left.
    pub dispatched_at: Option<Timestamp>,
    /// When it was done.
    pub completed_at: Option<Timestamp>,
    /// When it was called off.
    pub canceled_at: Option<Timestamp>,
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
