//! A row of My Page, and which rows a list shows.

use serde::{Deserialize, Serialize};

use crate::domain::{
    Correlation, CustomerId, Money, ProductId, RentalId, Timestamp,
    delivery::DeliveryStatus,
    rental::{CancelReason, RentalStatus},
};

/// A row of My Page: one a rental.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RentalRow {
    /// Which rental.
    pub rental_id: RentalId,
    /// Whose.
    pub customer_id: CustomerId,
    /// What.
    pub product_id: ProductId,
    /// Its name when it was placed.
    pub product_name: String,
    /// The fee.
    pub fee: Money,
    /// Ties all its events together.
    pub correlation: Correlation,
    /// Where the rental is.
    pub rental_status: RentalStatus,
    /// Why it was canceled.
    pub cancel_reason: Option<CancelReason>,
    /// What is known of its payment.
    pub payment_status: PaymentStatus,
    /// When it is worth paying again.
    pub payment_retry_at: Option<Timestamp>,
    /// When it expires unpaid.
    pub payment_due_at: Option<Timestamp>,
    /// Where its delivery is, once there is one.
    pub delivery_status: Option<DeliveryStatus>,
    /// When it was placed.
    pub placed_at: Timestamp,
    /// When anything of it last changed.
    pub updated_at: Timestamp,
    /// Grows with every change.
    pub version: u64,
}

/// What is known of a payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum PaymentStatus {
    /// It is asked for.
    Requested,
    /// Its outcome is not known yet.
    Unresolved,
    /// It is captured.
    Approved,
    /// It is declined.
    Declined,
    /// It is refunded, or was never charged.
    Canceled,
}

/// Which rentals are wanted.
#[derive(Clone, Copy, Debug, Default)]
pub struct RentalFilter {
    /// Of this customer.
    pub customer_id: Option<CustomerId>,
    /// In this status.
    pub status: Option<RentalStatus>,
    /// Of this product.
    pub product_id: Option<ProductId>,
    /// With this correlation id.
    pub correlation: Option<Correlation>,
    /// With a delivery in this status.
    pub delivery_status: Option<DeliveryStatus>,
}
