//! `/v1/payments` and `/v1/deliveries`: looked at by their owners, handled by the operator.

use actix_web::{HttpResponse, web};
use serde::Deserialize;
use serde_json::json as value;

use crate::{
    actors::shop::{Page, RentalFilter, ShopError},
    domain::{DeliveryId, PaymentId, RentalId, delivery::DeliveryStatus},
    http::{
        App,
        auth::{AnyRole, Operator},
        correlation::Cause,
        extract::{OptionalBody, Query, ReadAfter, Rules, position_header},
        json,
        problem::Problem,
    },
};

/// Shows a payment.
///
/// # Errors
/// 401, 404
pub async fn payment(
    app: web::Data<App>,
    role: AnyRole,
    id: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let id = PaymentId::parse(&id).map_err(|_| Problem::not_found("payment"))?;
    let payment = app.shop.payment(id).await?;
    role.may_see(payment.customer_id, "payment")?;
    Ok(HttpResponse::Ok().json(json::payment(&payment)))
}

/// Lists payments, newest first: a customer's own, or all; or the one of a rental.
///
/// # Errors
/// 400, 401
pub async fn payments(
    app: web::Data<App>,
    role: AnyRole,
    ReadAfter(position): ReadAfter,
    mut query: Query,
) -> Result<HttpResponse, Problem> {
    let rental = query.get("rentalId", "must be a rental's id", |text| RentalId::parse(text).ok());
    let page = query.page();
    query.end()?;
    app.caught_up(position).await;
    let payments = match rental {
        Some(rental) => {
            let payment = match app.shop.payment(rental.payment()).await {
                Err(ShopError::NotFound(_)) => None,
                payment => Some(payment?),
            };
            let seen = payment.filter(|payment| role.may_see(payment.customer_id, "payment").is_ok());
            Page { items: seen.into_iter().collect(), next_cursor: None }
        }
        None => {
            let filter = RentalFilter { customer_id: role.customer(), ..RentalFilter::default() };
            app.shop.payments(filter, &page).await?
        }
    };
    Ok(HttpResponse::Ok().json(json::page(&payments, json::payment)))
}

fn delivery_id(id: &str) -> Result<DeliveryId, Problem> {
    DeliveryId::parse(id).map_err(|_| Problem::not_found("delivery"))
}

/// Shows a delivery.
///
/// # Errors
/// 401, 404
pub async fn delivery(
    app: web::Data<App>,
    role: AnyRole,
    id: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let delivery = app.shop.delivery(delivery_id(&id)?).await?;
    role.may_see(delivery.customer_id, "delivery")?;
    Ok(HttpResponse::Ok().json(json::delivery(&delivery)))
}

/// Lists deliveries, newest rental first: a customer's own, or all.
///
/// # Errors
/// 400, 401
pub async fn deliveries(
    app: web::Data<App>,
    role: AnyRole,
    ReadAfter(position): ReadAfter,
    mut query: Query,
) -> Result<HttpResponse, Problem> {
    let delivery_status = query.get("status", "must be a delivery's status", |text| {
        serde_json::from_value(value!(text)).ok().filter(|status| *status != DeliveryStatus::Absent)
    });
    let page = query.page();
    query.end()?;
    app.caught_up(position).await;
    let filter = RentalFilter { customer_id: role.customer(), delivery_status, ..RentalFilter::default() };
    let deliveries = app.shop.deliveries(filter, &page).await?;
    Ok(HttpResponse::Ok().json(json::page(&deliveries, json::delivery)))
}

/// `POST /v1/deliveries/{id}/dispatch`
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Dispatch {
    carrier: Option<String>,
    tracking_number: Option<String>,
}

/// The courier left.
///
/// # Errors
/// 400, 401, 403, 404, 409, 503 `context-paused`
pub async fn dispatch(
    app: web::Data<App>,
    _: Operator,
    Cause(because): Cause,
    id: web::Path<String>,
    OptionalBody(dispatch): OptionalBody<Dispatch>,
) -> Result<HttpResponse, Problem> {
    let mut rules = Rules::default();
    let carrier = dispatch.carrier.and_then(|carrier| rules.line("/carrier", &carrier, 1, 100));
    let number = dispatch.tracking_number.and_then(|number| rules.line("/trackingNumber", &number, 1, 100));
    rules.all(Some(()))?;
    let done = app.shop.dispatch_delivery(delivery_id(&id)?, carrier, number, because).await?;
    Ok(HttpResponse::Ok().insert_header(position_header(done.position)).json(json::delivery(&done.value)))
}

/// The purifier is installed.
///
/// # Errors
/// 401, 403, 404, 409, 503 `context-paused`
pub async fn complete(
    app: web::Data<App>,
    _: Operator,
    Cause(because): Cause,
    id: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let done = app.shop.complete_delivery(delivery_id(&id)?, because).await?;
    Ok(HttpResponse::Ok().insert_header(position_header(done.position)).json(json::delivery(&done.value)))
}
