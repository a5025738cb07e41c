//! What the shop shows: plain values, ready to be written as JSON by `http`.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{
    domain::{
        CustomerId, DeliveryId, Money, NotificationId, PaymentId, Position, ProductId, RentalId, Timestamp,
        address::Address, delivery::Delivery,
    },
    gateways::payment::PaymentMethod,
};

pub use crate::actors::{
    payment::outcome::{PayOutcome, PlacedRental, RentalView},
    projection::{
        catalogue::ProductView,
        mypage::{PaymentStatus, RentalFilter, RentalRow},
        notification::record::NotificationStatus,
    },
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
