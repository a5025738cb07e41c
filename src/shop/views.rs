//! Values that the shop returns; `http` writes them as JSON.

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
    pub value: T,
    /// Position of the command's newest event; a read at this position shows the result.
    pub position: Position,
    /// `true` if this is the result of an earlier call with the same key.
    pub replayed: bool,
}

/// Page of a list, newest first.
#[derive(Clone, Debug)]
pub struct Page<T> {
    pub items: Vec<T>,
    /// Opaque cursor of the next page, if there is one.
    pub next_cursor: Option<String>,
}

/// Cursor and size of the requested page.
#[derive(Clone, Debug)]
pub struct PageRequest {
    /// Value of [`Page::next_cursor`]; `None` for the first page.
    pub cursor: Option<String>,
    /// Maximum number of items, 1 ..= 100.
    pub limit: usize,
}

/// A request to place a rental.
#[derive(Clone, Debug)]
pub struct Order {
    pub customer_id: CustomerId,
    pub product_id: ProductId,
    /// Delivery address.
    pub address: Address,
    /// Payment method.
    pub method: PaymentMethod,
    /// Fee that the customer saw; the order is refused if it differs.
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
    /// Number of attempts.
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
    pub delivery: Arc<Delivery>,
    /// Delivery address; `None` once the customer has left.
    pub address: Option<Address>,
}

/// Text message to a customer.
#[derive(Clone, Debug)]
pub struct NotificationView {
    pub id: NotificationId,
    pub rental_id: RentalId,
    /// Type of the event that it tells of.
    pub event: String,
    /// Recipient in E.164; `None` once the customer has left.
    pub phone: Option<String>,
    pub text: String,
    pub status: NotificationStatus,
    /// Number of tries to send it.
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
    pub created_at: Timestamp,
}

/// Principal of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Principal {
    Customer(CustomerId),
    Operator,
}

/// New session. Its token is returned once and stored hashed.
#[derive(Clone)]
pub struct SessionView {
    /// Bearer token.
    pub token: String,
    pub principal: Principal,
    pub expires_at: Timestamp,
    /// `true` if an earlier call with the same key opened it.
    pub replayed: bool,
}

/// Result of [`super::Shop::once`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Once {
    /// Answer of the work.
    pub answer: Vec<u8>,
    /// `true` if it is the stored answer of an earlier call with the same key.
    pub replayed: bool,
}
