//! A row of My Page, and which rows a list shows.

use serde::{Deserialize, Serialize};

use crate::domain::{
    Correlation, CustomerId, Money, ProductId, RentalId, Timestamp,
    delivery::DeliveryStatus,
    rental::{CancelReason, RentalStatus},
};

/// A row of My Page: one rental. Stored: a change of the fields raises the format of the projection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RentalRow {
    pub rental_id: RentalId,
    pub customer_id: CustomerId,
    pub product_id: ProductId,
    /// Product name when the rental was placed.
    pub product_name: String,
    pub fee: Money,
    /// Correlation id of all events of the rental.
    pub correlation: Correlation,
    pub rental_status: RentalStatus,
    /// Reason of the cancellation.
    pub cancel_reason: Option<CancelReason>,
    pub payment_status: PaymentStatus,
    /// Earliest time for another payment attempt.
    pub payment_retry_at: Option<Timestamp>,
    /// Time at which an unpaid rental is canceled.
    pub payment_due_at: Option<Timestamp>,
    /// Status of the delivery, if there is one.
    pub delivery_status: Option<DeliveryStatus>,
    pub placed_at: Timestamp,
    /// Time of the last change.
    pub updated_at: Timestamp,
    /// Position of the newest event; grows with every change.
    pub version: u64,
}

/// Status of a payment, as My Page and the API show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum PaymentStatus {
    /// The charge is requested.
    Requested,
    /// The outcome of the charge is unknown.
    Unresolved,
    /// The fee is captured.
    Approved,
    /// The charge was declined.
    Declined,
    /// The fee was refunded, or never charged.
    Canceled,
}

/// Filter of rentals. A rental must match all fields that are set.
#[derive(Clone, Copy, Debug, Default)]
pub struct RentalFilter {
    pub customer_id: Option<CustomerId>,
    pub status: Option<RentalStatus>,
    pub product_id: Option<ProductId>,
    /// Correlation id.
    pub correlation: Option<Correlation>,
    pub delivery_status: Option<DeliveryStatus>,
}
