//! JSON form of deliveries.

use super::{Address, prelude::*};
use crate::shop::DeliveryView;

/// The delivery of a rental.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({
    "id": "delivery_01kb3q5v8rf7k9x2m4n6p8q0st",
    "rentalId": "rental_01kb3q5v8rf7k9x2m4n6p8q0st",
    "status": "IN_TRANSIT",
    "address": {
        "recipient": "홍길동", "postalCode": "04524", "line1": "서울 중구 세종대로 110", "line2": "3층",
    },
    "startedAt": "2026-11-24T09:30:00.015Z",
    "dispatchedAt": "2026-11-25T01:00:00.000Z",
    "carrier": "한진택배",
    "trackingNumber": "4012-3456-7890",
}))]
pub(crate) struct Delivery {
    id: DeliveryId,
    /// The delivered rental.
    rental_id: RentalId,
    status: DeliveryStatus,
    /// Delivery address; absent after the customer deleted the account.
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<Address>,
    started_at: Time,
    /// Time at which the technician left.
    #[serde(skip_serializing_if = "Option::is_none")]
    dispatched_at: Option<Time>,
    /// Time of installation.
    #[serde(skip_serializing_if = "Option::is_none")]
    completed_at: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    canceled_at: Option<Time>,
    /// Name of the carrier.
    #[serde(skip_serializing_if = "Option::is_none")]
    carrier: Option<String>,
    /// Tracking number of the carrier.
    #[serde(skip_serializing_if = "Option::is_none")]
    tracking_number: Option<String>,
}

impl From<&DeliveryView> for Delivery {
    fn from(view: &DeliveryView) -> Self {
        let DeliveryView { id, delivery, address, .. } = view;
        Self {
            id: *id,
            rental_id: id.rental(),
            status: delivery.status,
            address: address.as_ref().map(Address::from),
            started_at: Time(delivery.started_at),
            dispatched_at: delivery.dispatched_at.map(Time),
            completed_at: delivery.completed_at.map(Time),
            canceled_at: delivery.canceled_at.map(Time),
            carrier: delivery.carrier.clone(),
            tracking_number: delivery.tracking_number.clone(),
        }
    }
}
