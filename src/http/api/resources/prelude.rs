//! Names that most resources use.

pub(super) use serde::Serialize;
pub(super) use utoipa::ToSchema;

pub(super) use crate::{
    domain::{CustomerId, DeliveryId, Money, PaymentId, ProductId, RentalId, delivery::DeliveryStatus},
    http::api::schema::{Currency, Time},
    shop::PaymentStatus,
};
