//! Checkouts: order and amount of a payment in a provider's window.

use super::prelude::*;
use crate::{domain::CheckoutId, shop::CheckoutView};

/// Order and amount of a payment in a provider's window.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({
    "checkoutId": "checkout_01kb3q5v8rf7k9x2m4n6p8q0st",
    "paymentId": "payment_01kb3q5v8rf7k9x2m4n6p8q0st",
    "orderId": "payment_01kb3q5v8rf7k9x2m4n6p8q0st-1",
    "fee": 29900,
    "currency": "KRW",
    "expiresAt": "2026-11-24T10:00:00.000Z",
}))]
pub(crate) struct Checkout {
    /// Send it back with the result of the window.
    checkout_id: CheckoutId,
    /// The payment that will result.
    payment_id: PaymentId,
    /// The order id to open the window with.
    #[schema(
        pattern = "^payment_[0-7][0-9a-hjkmnp-tv-z]{25}-[0-9]+$",
        example = "payment_01kb3q5v8rf7k9x2m4n6p8q0st-1"
    )]
    order_id: String,
    /// The amount to open the window with; with another amount, the payment fails.
    fee: Money,
    currency: Currency,
    /// Expiry of the checkout.
    expires_at: Time,
}

impl From<&CheckoutView> for Checkout {
    fn from(view: &CheckoutView) -> Self {
        Self {
            checkout_id: view.id,
            payment_id: view.payment,
            order_id: view.order.to_string(),
            fee: view.fee,
            currency: Currency,
            expires_at: Time(view.expires_at),
        }
    }
}
