//! Rentals, and rows of My Page.

use super::prelude::*;
use crate::{
    domain::{
        Correlation, address,
        rental::{CancelReason, RentalStatus},
    },
    shop::{RentalRow, RentalView},
};

/// A delivery address.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Address {
    /// Name of the recipient.
    #[schema(example = "홍길동")]
    recipient: String,
    /// Postal code, five digits.
    #[schema(example = "04524")]
    postal_code: String,
    /// Street and number.
    #[schema(example = "서울 중구 세종대로 110")]
    line1: String,
    /// Flat or floor.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "3층")]
    line2: Option<String>,
}

impl From<&address::Address> for Address {
    fn from(address: &address::Address) -> Self {
        let address::Address { recipient, postal_code, line1, line2 } = address.clone();
        Self { recipient, postal_code, line1, line2 }
    }
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({
    "id": "rental_01kb3q5v8rf7k9x2m4n6p8q0st",
    "customerId": "customer_3yk9x2m4n68q0st1kb3q5v8rf7",
    "productId": "product_01kb3q5v8rf7k9x2m4n6p8q0st",
    "productName": "맑은샘 정수기",
    "fee": 29900,
    "currency": "KRW",
    "address": {
        "recipient": "홍길동", "postalCode": "04524", "line1": "서울 중구 세종대로 110", "line2": "3층",
    },
    "status": "CONFIRMED",
    "paymentId": "payment_01kb3q5v8rf7k9x2m4n6p8q0st",
    "deliveryId": "delivery_01kb3q5v8rf7k9x2m4n6p8q0st",
    "correlationId": "4bf92f3577b34da6a3ce929d0e0e4736",
    "placedAt": "2026-11-24T09:30:00.000Z",
    "updatedAt": "2026-11-24T09:30:00.012Z",
}))]
pub(crate) struct Rental {
    id: RentalId,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = CustomerId, required)]
    customer_id: Option<CustomerId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = ProductId, required)]
    product_id: Option<ProductId>,
    /// Name of the product when the rental was placed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required)]
    product_name: Option<String>,
    /// Fee when the rental was placed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Money, required)]
    fee: Option<Money>,
    currency: Currency,
    /// Delivery address; absent after the customer deleted the account.
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<Address>,
    status: RentalStatus,
    /// Reason of the cancellation.
    #[serde(skip_serializing_if = "Option::is_none")]
    cancel_reason: Option<CancelReason>,
    payment_id: PaymentId,
    /// The delivery, once the rental was confirmed.
    #[serde(skip_serializing_if = "Option::is_none")]
    delivery_id: Option<DeliveryId>,
    /// Correlation id on every event, log line and response of the rental.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Correlation, required)]
    correlation_id: Option<Correlation>,
    placed_at: Time,
    /// Time of the last change.
    updated_at: Time,
}

impl From<&RentalView> for Rental {
    fn from(view: &RentalView) -> Self {
        let RentalView { id, rental, address } = view;
        let terms = rental.terms.as_ref();
        Self {
            id: *id,
            customer_id: terms.map(|terms| terms.customer_id),
            product_id: terms.map(|terms| terms.product_id),
            product_name: terms.map(|terms| terms.product_name.clone()),
            fee: terms.map(|terms| terms.fee),
            currency: Currency,
            address: address.as_ref().map(Address::from),
            status: rental.status,
            cancel_reason: rental.cancel_reason,
            payment_id: id.payment(),
            delivery_id: rental.delivery_id(*id),
            correlation_id: terms.map(|terms| terms.correlation),
            placed_at: Time(rental.placed_at),
            updated_at: Time(rental.updated_at),
        }
    }
}

/// A row of My Page, one per rental.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({
    "rentalId": "rental_01kb3q5v8rf7k9x2m4n6p8q0st",
    "productId": "product_01kb3q5v8rf7k9x2m4n6p8q0st",
    "productName": "맑은샘 정수기",
    "fee": 29900,
    "currency": "KRW",
    "rentalStatus": "CONFIRMED",
    "paymentId": "payment_01kb3q5v8rf7k9x2m4n6p8q0st",
    "paymentStatus": "APPROVED",
    "deliveryId": "delivery_01kb3q5v8rf7k9x2m4n6p8q0st",
    "deliveryStatus": "STARTED",
    "placedAt": "2026-11-24T09:30:00.000Z",
    "updatedAt": "2026-11-24T09:30:00.020Z",
    "version": 5,
}))]
pub(crate) struct MyPageRow {
    rental_id: RentalId,
    product_id: ProductId,
    /// Name of the product when the rental was placed.
    product_name: String,
    fee: Money,
    currency: Currency,
    rental_status: RentalStatus,
    /// Reason of the cancellation.
    #[serde(skip_serializing_if = "Option::is_none")]
    cancel_reason: Option<CancelReason>,
    payment_id: PaymentId,
    payment_status: PaymentStatus,
    /// Earliest sensible time of the next payment attempt.
    #[serde(skip_serializing_if = "Option::is_none")]
    payment_retry_at: Option<Time>,
    /// Deadline of the payment.
    #[serde(skip_serializing_if = "Option::is_none")]
    payment_due_at: Option<Time>,
    /// The delivery, once there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    delivery_id: Option<DeliveryId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    delivery_status: Option<DeliveryStatus>,
    placed_at: Time,
    /// Time of the last change of rental, payment or delivery.
    updated_at: Time,
    /// Version of the row; it increases with every change.
    version: u64,
}

impl From<&RentalRow> for MyPageRow {
    fn from(row: &RentalRow) -> Self {
        Self {
            rental_id: row.rental_id,
            product_id: row.product_id,
            product_name: row.product_name.clone(),
            fee: row.fee,
            currency: Currency,
            rental_status: row.rental_status,
            cancel_reason: row.cancel_reason,
            payment_id: row.rental_id.payment(),
            payment_status: row.payment_status,
            payment_retry_at: row.payment_retry_at.map(Time),
            payment_due_at: row.payment_due_at.map(Time),
            delivery_id: row.delivery_status.map(|_| row.rental_id.delivery()),
            delivery_status: row.delivery_status,
            placed_at: Time(row.placed_at),
            updated_at: Time(row.updated_at),
            version: row.version,
        }
    }
}
