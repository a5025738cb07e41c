//! Values that the shop returns.

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

/// Result of a command.
#[derive(Clone, Debug)]
pub struct Done<T> {
    /// State after the command.
    pub value: T,
    /// Position of the newest event. A read at this position or later shows the result.
    pub position: Position,
    /// True if this is the result of an earlier call with the same key.
    pub replayed: bool,
}

/// Page of a list.
#[derive(Clone, Debug)]
pub struct Page<T> {
    /// Items, newest first.
    pub items: Vec<T>,
    /// Opaque cursor of the next page; `None` on the last page.
    pub next_cursor: Option<String>,
}

/// Request for one page of a list.
#[derive(Clone, Debug)]
pub struct PageRequest {
    /// [`Page::next_cursor`] of the page before; `None` for the first page.
    pub cursor: Option<String>,
    /// Maximum number of items: 1 ..= 100.
    pub limit: usize,
}

/// Order of a rental.
#[derive(Clone, Debug)]
pub struct Order {
    pub customer_id: CustomerId,
    pub product_id: ProductId,
    /// Delivery address.
    pub address: Address,
    pub method: PaymentMethod,
    /// Fee that the customer saw; another fee refuses the order.
    pub expected_fee: Option<Money>,
}

/// Payment of a rental.
#[derive(Clone, Debug)]
pub struct PaymentView {
    pub id: PaymentId,
    pub customer_id: CustomerId,
    /// Fee of the rental.
    pub amount: Money,
    pub status: PaymentStatus,
    /// Number of attempts that were sent.
    pub attempts: u32,
    /// Name of the payment provider.
    pub provider: String,
    /// The provider's id of the payment.
    pub provider_reference: Option<String>,
    pub requested_at: Timestamp,
    pub approved_at: Option<Timestamp>,
    /// Time of the last decline.
    pub declined_at: Option<Timestamp>,
    pub canceled_at: Option<Timestamp>,
}

/// Delivery of a rental.
#[derive(Clone, Debug)]
pub struct DeliveryView {
    pub id: DeliveryId,
    pub customer_id: CustomerId,
    /// State of the aggregate.
    pub delivery: Arc<Delivery>,
    /// Address; `None` once the customer has left.
    pub address: Option<Address>,
}

/// Text message to a customer.
#[derive(Clone, Debug)]
pub struct NotificationView {
    pub id: NotificationId,
    pub rental_id: RentalId,
    /// Name of the event.
    pub event: String,
    /// Phone number in E.164; `None` once the customer has left.
    pub phone: Option<String>,
    pub text: String,
    pub status: NotificationStatus,
    /// Attempts to send it.
    pub attempts: u32,
    pub created_at: Timestamp,
    pub sent_at: Option<Timestamp>,
}

/// Customer account.
#[derive(Clone, Debug)]
pub struct CustomerView {
    pub id: CustomerId,
    pub name: String,
    /// Phone number in E.164.
    pub phone: String,
    /// Time of sign-up.
    pub created_at: Timestamp,
}

/// Authenticated caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Principal {
    Customer(CustomerId),
    Operator,
}

/// A new session. The store has only the hash of its token.
#[derive(Clone)]
pub struct SessionView {
    /// Bearer token.
    pub token: String,
    pub principal: Principal,
    pub expires_at: Timestamp,
    /// True if an earlier call with the same key opened it.
    pub replayed: bool,
}

/// Result of [`super::Shop::once`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Once {
    /// Answer of the work.
    pub answer: Vec<u8>,
    /// True if an earlier call with the same key got it.
    pub replayed: bool,
}
