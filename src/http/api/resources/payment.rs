//! JSON form of payments.

use super::prelude::*;
use crate::shop::PaymentView;

/// The payment of a rental.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({
    "id": "payment_01kb3q5v8rf7k9x2m4n6p8q0st",
    "rentalId": "rental_01kb3q5v8rf7k9x2m4n6p8q0st",
    "amount": 29900,
    "currency": "KRW",
    "status": "APPROVED",
    "attempts": 1,
    "provider": "simulator",
    "providerReference": "sim_payment_01kb3q5v8rf7k9x2m4n6p8q0st-1",
    "requestedAt": "2026-11-24T09:30:00.000Z",
    "approvedAt": "2026-11-24T09:30:00.010Z",
}))]
pub(crate) struct Payment {
    id: PaymentId,
    rental_id: RentalId,
    /// The rental's fee.
    amount: Money,
    currency: Currency,
    status: PaymentStatus,
    /// Attempts to charge.
    #[schema(minimum = 0)]
    attempts: u32,
    /// Payment provider.
    provider: String,
    /// The provider's id of the payment.
    #[serde(skip_serializing_if = "Option::is_none")]
    provider_reference: Option<String>,
    /// Time of the first attempt.
    requested_at: Time,
    #[serde(skip_serializing_if = "Option::is_none")]
    approved_at: Option<Time>,
    /// Time of the last decline.
    #[serde(skip_serializing_if = "Option::is_none")]
    declined_at: Option<Time>,
    /// Time of the refund, or of the cancellation without a charge.
    #[serde(skip_serializing_if = "Option::is_none")]
    canceled_at: Option<Time>,
}

impl From<&PaymentView> for Payment {
    fn from(view: &PaymentView) -> Self {
        Self {
            id: view.id,
            rental_id: view.id.rental(),
            amount: view.amount,
            currency: Currency,
            status: view.status,
            attempts: view.attempts,
            provider: view.provider.clone(),
            provider_reference: view.provider_reference.clone(),
            requested_at: Time(view.requested_at),
            approved_at: view.approved_at.map(Time),
            declined_at: view.declined_at.map(Time),
            canceled_at: view.canceled_at.map(Time),
        }
    }
}
