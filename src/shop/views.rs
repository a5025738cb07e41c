//! What the shop shows: plain values, ready to be written as JSON by `http`.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{
    domain::{
        Correlation, CustomerId, DeliveryId, Money, NotificationId, PaymentId, Position, ProductId, RentalId,
        Timestamp,
        address::Address,
        delivery::{Delivery, DeliveryStatus},
        image::Image,
        product::Offer,
        rental::{CancelReason, Rental, RentalStatus},
    },
    gateways::payment::PaymentMethod,
};

/// The result of a command, and where its newest event stands.
#[derive(Clone, Debug)]
pub struct Done<T> {
    /// What is shown.
    pub value: T,
    /// A read that has got there shows it too.
    pub position: Position,
    /// Whether this is the outcome of an earlier call with the same key.
    pub replayed: bool,
}

/// A part of a list.
#[derive(Clone, Debug)]
pub struct Page<T> {
    /// Newest first.
    pub items: Vec<T>,
    /// Where the next part begins, if there is one; opaque.
    pub next_cursor: Option<String>,
}

/// Which part of a list is wanted.
#[derive(Clone, Debug)]
pub struct PageRequest {
    /// As [`Page::next_cursor`] gave it.
    pub cursor: Option<String>,
    /// 1 ..= 100.
    pub limit: usize,
}

/// A product, as the catalogue has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProductView {
    /// Its id.
    pub id: ProductId,
    /// What customers see.
    pub offer: Offer,
    /// Its picture, if it has one.
    pub image: Option<Image>,
    /// Units at hand.
    pub stock: u32,
    /// Whether it takes no more new rentals.
    pub withdrawn: bool,
    /// When it was registered.
    pub created_at: Timestamp,
    /// When it was last edited or restocked.
    pub updated_at: Timestamp,
}

impl ProductView {
    /// Whether it can be rented, as far as the catalogue knows.
    #[must_use]
    pub const fn available(&self) -> bool {
        self.stock > 0 && !self.withdrawn
    }
}

/// A request to place a rental.
#[derive(Clone, Debug)]
pub struct Order {
    /// Who rents.
    pub customer_id: CustomerId,
    /// What.
    pub product_id: ProductId,
    /// Where to.
    pub address: Address,
    /// What it is paid with.
    pub method: PaymentMethod,
    /// Refuse if the fee is another one.
    pub expected_fee: Option<Money>,
}

/// How placing a rental, or paying for it later, ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PayOutcome {
    /// It is paid.
    Confirmed,
    /// It may be paid later, after so many ms.
    Deferred {
        /// When it is worth trying again, in ms from now.
        retry_after_ms: u64,
    },
    /// The gateway declined.
    Declined {
        /// Its reason, as a code, where that is known.
        code: Option<String>,
    },
    /// It was canceled meanwhile; whatever was captured is refunded.
    Canceled,
    /// The outcome is unknown and deferring is switched off: it is canceled and refunded if captured.
    Unavailable {
        /// When it is worth trying again, in ms from now.
        retry_after_ms: u64,
    },
}

/// A rental that was placed, or paid later, and how that ended.
#[derive(Clone, Debug)]
pub struct Placed {
    /// The rental, as of the moment the call ended (for a replay: as of then).
    pub rental: RentalView,
    /// How it ended.
    pub outcome: PayOutcome,
    /// Whether this is the outcome of an earlier call with the same key.
    pub replayed: bool,
    /// Where its newest event stands.
    pub position: Position,
}

impl Placed {
    /// Says why the gateway declined, if it did.
    #[must_use]
    pub fn because_of(mut self, reason: impl Into<Option<String>>) -> Self {
        if let PayOutcome::Declined { code } = &mut self.outcome {
            *code = reason.into();
        }
        self
    }
}

/// A rental, as the write side has it.
#[derive(Clone, Debug)]
pub struct RentalView {
    /// Its id.
    pub id: RentalId,
    /// Its state.
    pub rental: Arc<Rental>,
    /// Where it is delivered to; none once the customer has left.
    pub address: Option<Address>,
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

/// A payment.
#[derive(Clone, Debug)]
pub struct PaymentView {
    /// Its id.
    pub id: PaymentId,
    /// Whose.
    pub customer_id: CustomerId,
    /// The fee.
    pub amount: Money,
    /// What is known of it.
    pub status: PaymentStatus,
    /// How many attempts were made.
    pub attempts: u32,
    /// At which gateway.
    pub provider: String,
    /// The gateway's own name for it.
    pub provider_reference: Option<String>,
    /// When it was first asked for.
    pub requested_at: Timestamp,
    /// When it was approved.
    pub approved_at: Option<Timestamp>,
    /// When it was last declined.
    pub declined_at: Option<Timestamp>,
    /// When it was canceled.
    pub canceled_at: Option<Timestamp>,
}

/// A delivery.
#[derive(Clone, Debug)]
pub struct DeliveryView {
    /// Its id.
    pub id: DeliveryId,
    /// Whose.
    pub customer_id: CustomerId,
    /// Its state.
    pub delivery: Arc<Delivery>,
    /// Where to; none once the customer has left.
    pub address: Option<Address>,
}

/// A row of My Page: one a rental.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
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

/// How far a message got.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum NotificationStatus {
    /// To be sent.
    Pending,
    /// Handed to the SMS gateway.
    Sent,
    /// On the customer's phone.
    Delivered,
    /// Given up.
    Failed,
}

/// A text message.
#[derive(Clone, Debug)]
pub struct NotificationView {
    /// Its id.
    pub id: NotificationId,
    /// About which rental.
    pub rental_id: RentalId,
    /// About which event.
    pub event: String,
    /// To which number, in E.164; none once the customer has left.
    pub phone: Option<String>,
    /// Its text.
    pub text: String,
    /// How far it got.
    pub status: NotificationStatus,
    /// How often it was tried.
    pub attempts: u32,
    /// When it was written.
    pub created_at: Timestamp,
    /// When it was sent.
    pub sent_at: Option<Timestamp>,
}

/// A customer.
#[derive(Clone, Debug)]
pub struct CustomerView {
    /// Their id.
    pub id: CustomerId,
    /// Their name.
    pub name: String,
    /// Their number, in E.164.
    pub phone: String,
    /// When they signed up.
    pub created_at: Timestamp,
}

/// Who is asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Principal {
    /// A customer.
    Customer(CustomerId),
    /// The operator.
    Operator,
}

/// A fresh session. The token is shown once, and stored hashed.
#[derive(Clone)]
pub struct SessionView {
    /// The bearer token.
    pub token: String,
    /// Who it stands for.
    pub principal: Principal,
    /// When it expires.
    pub expires_at: Timestamp,
    /// Whether it was opened by an earlier call with the same key.
    pub replayed: bool,
}

/// What [`super::Shop::once`] did, now or earlier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Once {
    /// The answer, as the work gave it.
    pub answer: Vec<u8>,
    /// Whether it was given to an earlier call with the same key.
    pub replayed: bool,
}
