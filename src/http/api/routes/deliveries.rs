//! `/v1/deliveries`: shown to customers, handled by the operator.

use serde_json::json as value;

use super::prelude::*;
use crate::{
    domain::{DeliveryId, delivery::DeliveryStatus},
    shop::RentalFilter,
};

fn delivery_id(id: &str) -> Result<DeliveryId, Problem> {
    DeliveryId::parse(id).map_err(|_| Problem::not_found("delivery"))
}

/// Shows a delivery.
#[utoipa::path(
    get, path = "/v1/deliveries/{id}", tag = "deliveries", operation_id = "showDelivery",
    security(("bearer" = ["CUSTOMER", "OPERATOR"])),
    params(("id" = DeliveryId, Path)),
    responses((status = 200, description = "The delivery", body = resources::Delivery)),
)]
pub(crate) async fn get(app: Data<App>, role: AnyRole, id: Path<String>) -> ApiResult {
    let delivery = app.shop.delivery(delivery_id(&id)?).await?;
    role.may_see(delivery.customer_id, "delivery")?;
    Ok(HttpResponse::Ok().json(resources::Delivery::from(&delivery)))
}

/// Lists deliveries, newest rental first: a customer's own, or all for the operator.
#[utoipa::path(
    get, path = "/v1/deliveries", tag = "deliveries", operation_id = "listDeliveries",
    security(("bearer" = ["CUSTOMER", "OPERATOR"])),
    params(("status" = Option<DeliveryStatus>, Query,
        description = "Only deliveries with this status"), PageParameters),
    responses((status = 200, description = "A page of the list", body = List<resources::Delivery>)),
)]
pub(crate) async fn list(app: Data<App>, role: AnyRole, mut query: Query) -> ApiResult {
    let delivery_status = query.get("status", "must be a delivery's status", |text| {
        serde_json::from_value(value!(text)).ok().filter(|status| *status != DeliveryStatus::Absent)
    });
    let page = query.page()?;
    let filter = RentalFilter { customer_id: role.customer(), delivery_status, ..RentalFilter::default() };
    let deliveries = app.shop.deliveries(filter, &page).await?;
    Ok(HttpResponse::Ok().json(List::<resources::Delivery>::of(&deliveries)))
}

/// Carrier of a delivery.
#[derive(Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Dispatch {
    /// Name of the carrier, one line.
    #[schema(min_length = 1, max_length = 100, example = "한진택배")]
    carrier: Option<String>,
    /// Tracking number, one line.
    #[schema(min_length = 1, max_length = 100, example = "4012-3456-7890")]
    tracking_number: Option<String>,
}

/// Records that the technician left with the purifier.
#[utoipa::path(
    post, path = "/v1/deliveries/{id}/dispatch", tag = "deliveries", operation_id = "dispatchDelivery",
    security(("bearer" = ["OPERATOR"])),
    params(("id" = DeliveryId, Path)),
    request_body = Option<Dispatch>,
    responses((status = 200, description = "In transit", body = resources::Delivery,
        headers(("Saem-Position"), ("Idempotency-Replayed")))),
    extensions(("x-problems" = json!([
        "delivery-out-of-order", "delivery-not-ready", "rental-canceled", "context-paused",
    ]))),
)]
pub(crate) async fn dispatch(
    app: Data<App>,
    id: Path<String>,
    Post { context, body, .. }: Post<Operator, Option<Json<Dispatch>>>,
) -> ApiResult {
    let Dispatch { carrier, tracking_number } = body.map(|Json(body)| body).unwrap_or_default();
    let mut rules = Rules::default();
    let carrier = carrier.and_then(|carrier| rules.line("/carrier", &carrier, 1, 100));
    let number = tracking_number.and_then(|number| rules.line("/trackingNumber", &number, 1, 100));
    rules.all(Some(()))?;
    let dispatched = app.shop.dispatch_delivery(delivery_id(&id)?, carrier, number, context).await?;
    Ok(respond::<resources::Delivery, _>(HttpResponse::Ok(), &dispatched))
}

/// Records that the purifier is installed.
#[utoipa::path(
    post, path = "/v1/deliveries/{id}/complete", tag = "deliveries", operation_id = "completeDelivery",
    security(("bearer" = ["OPERATOR"])),
    params(("id" = DeliveryId, Path)),
    responses((status = 200, description = "Delivered", body = resources::Delivery,
        headers(("Saem-Position"), ("Idempotency-Replayed")))),
    extensions(("x-problems" = json!(["delivery-out-of-order", "rental-canceled", "context-paused"]))),
)]
pub(crate) async fn complete(app: Data<App>, id: Path<String>, post: Post<Operator>) -> ApiResult {
    let completed = app.shop.complete_delivery(delivery_id(&id)?, post.context).await?;
    Ok(respond::<resources::Delivery, _>(HttpResponse::Ok(), &completed))
}
