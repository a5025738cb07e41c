//! A text message.

use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    domain::{NotificationId, RentalId},
    http::api::schema::Time,
    shop::{NotificationStatus, NotificationView},
};

/// A text message to a customer.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Notification {
    /// Its id: a message that is sent again has the same.
    id: NotificationId,
    /// About which rental.
    rental_id: RentalId,
    /// About which event.
    #[schema(example = "RentalConfirmed")]
    event: String,
    /// To which number, in E.164; not shown any more once the customer has left.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "+821012345678")]
    phone: Option<String>,
    /// What it says.
    #[schema(example = "[샘] 맑은샘 정수기 렌탈이 확정되었습니다. 결제 금액 29,900원.")]
    text: String,
    /// How far it got.
    status: NotificationStatus,
    /// How often it was tried.
    #[schema(minimum = 0, example = 1)]
    attempts: u32,
    /// When it was written.
    created_at: Time,
    /// When it was handed to the SMS gateway.
    #[serde(skip_serializing_if = "Option::is_none")]
    sent_at: Option<Time>,
}

impl From<&NotificationView> for Notification {
    fn from(view: &NotificationView) -> Self {
        Self {
            id: view.id,
            rental_id: view.rental_id,
            event: view.event.clone(),
            phone: view.phone.clone(),
            text: view.text.clone(),
            status: view.status,
            attempts: view.attempts,
            created_at: Time(view.created_at),
            sent_at: view.sent_at.map(Time),
        }
    }
}
