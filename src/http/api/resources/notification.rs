//! Text messages.

use super::prelude::*;
use crate::{
    domain::NotificationId,
    shop::{NotificationStatus, NotificationView},
};

/// A text message to a customer.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Notification {
    /// Id of the message; a resent message keeps its id.
    id: NotificationId,
    rental_id: RentalId,
    /// Event that the message is about.
    #[schema(example = "RentalConfirmed")]
    event: String,
    /// Phone number in E.164; absent after the customer deleted the account.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "+821012345678")]
    phone: Option<String>,
    /// Text of the message.
    #[schema(example = "[샘] 맑은샘 정수기 렌탈이 확정되었습니다. 결제 금액 29,900원.")]
    text: String,
    /// Delivery status.
    status: NotificationStatus,
    /// Attempts to send it.
    #[schema(minimum = 0, example = 1)]
    attempts: u32,
    created_at: Time,
    /// Time at which the SMS gateway accepted it.
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
