//! `/v1/rentals`: showing and canceling.

use serde_json::json as value;

use super::prelude::*;
use crate::{
    domain::{
        Correlation, CustomerId, ProductId, RentalId,
        rental::{CancelReason, RentalStatus},
    },
    shop::{Principal, RentalFilter, RentalView},
};

/// Returns the rental if the caller may see it.
pub(crate) async fn visible(app: &App, role: AnyRole, id: &str) -> Result<RentalView, Problem> {
    let id = RentalId::parse(id).map_err(|_| Problem::not_found("rental"))?;
    let rental = app.shop.rental(id).await?;
    let owner = rental.rental.terms.as_ref().map(|terms| terms.customer_id);
    role.may_see(owner.ok_or_else(|| Problem::not_found("rental"))?, "rental")?;
    Ok(rental)
}

/// Shows a rental.
#[utoipa::path(
    get, path = "/v1/rentals/{id}", tag = "rentals", operation_id = "showRental",
    security(("bearer" = ["CUSTOMER", "OPERATOR"])),
    params(("id" = RentalId, Path)),
    responses((status = 200, description = "The rental", body = resources::Rental)),
)]
pub(crate) async fn get(app: Data<App>, role: AnyRole, id: Path<String>) -> ApiResult {
    Ok(HttpResponse::Ok().json(resources::Rental::from(&visible(&app, role, &id).await?)))
}

/// Lists rentals, newest first: a customer's own, or all for the operator.
#[utoipa::path(
    get, path = "/v1/rentals", tag = "rentals", operation_id = "listRentals",
    security(("bearer" = ["CUSTOMER", "OPERATOR"])),
    params(
        ("status" = Option<RentalStatus>, Query, description = "Only rentals with this status"),
        ("customerId" = Option<CustomerId>, Query,
            description = "Only rentals of this customer; for the operator"),
        ("productId" = Option<ProductId>, Query, description = "Only rentals of this product"),
        ("correlationId" = Option<Correlation>, Query,
            description = "Only the rental with this correlation id"),
        PageParameters,
    ),
    responses((status = 200, description = "A page of the list", body = List<resources::Rental>)),
    extensions(("x-problems" = json!(["forbidden"]))),
)]
pub(crate) async fn list(app: Data<App>, AnyRole(principal): AnyRole, mut query: Query) -> ApiResult {
    let status = query.get("status", "must be a rental's status", |text| {
        serde_json::from_value(value!(text)).ok().filter(|status| *status != RentalStatus::Absent)
    });
    let customer = query.get("customerId", "must be a customer's id", |text| CustomerId::parse(text).ok());
    let product_id = query.get("productId", "must be a product's id", |text| ProductId::parse(text).ok());
    let correlation = query.get("correlationId", "must be 32 hexadecimal digits", Correlation::parse);
    let page = query.page()?;
    let customer_id = match principal {
        Principal::Customer(own) if customer.is_none_or(|wanted| wanted == own) => Some(own),
        Principal::Customer(_) => {
            return Err(Problem::new(ProblemKind::Forbidden, "these are another customer's rentals"));
        }
        Principal::Operator => customer,
    };
    let filter = RentalFilter { customer_id, status, product_id, correlation, delivery_status: None };
    let rentals = app.shop.rentals(filter, &page).await?;
    Ok(HttpResponse::Ok().json(List::<resources::Rental>::of(&rentals)))
}

/// Cancels a rental; safe to repeat.
///
/// A captured payment is refunded, the delivery is canceled, and the unit returns to stock.
#[utoipa::path(
    post, path = "/v1/rentals/{id}/cancel", tag = "rentals", operation_id = "cancelRental",
    security(("bearer" = ["CUSTOMER", "OPERATOR"])),
    params(("id" = RentalId, Path)),
    responses((status = 200, description = "Canceled", body = resources::Rental,
        headers(("Saem-Position"), ("Idempotency-Replayed")))),
    extensions(("x-problems" = json!(["rental-not-cancelable"]))),
)]
pub(crate) async fn cancel(app: Data<App>, id: Path<String>, post: Post<AnyRole>) -> ApiResult {
    let rental = visible(&app, post.caller, &id).await?;
    let reason =
        if post.caller.customer().is_some() { CancelReason::Customer } else { CancelReason::Operator };
    let canceled = app.shop.cancel_rental(rental.id, reason, post.context).await?;
    Ok(respond::<resources::Rental, _>(HttpResponse::Ok(), &canceled))
}

/// Lists all events of a rental, oldest first.
#[utoipa::path(
    get, path = "/v1/rentals/{id}/timeline", tag = "rentals", operation_id = "showTimeline",
    security(("bearer" = ["CUSTOMER", "OPERATOR"])),
    params(("id" = RentalId, Path), PageParameters),
    responses((status = 200, description = "A page of the list", body = List<resources::TimelineEvent>)),
)]
pub(crate) async fn timeline(app: Data<App>, role: AnyRole, id: Path<String>, mut query: Query) -> ApiResult {
    let rental = visible(&app, role, &id).await?;
    let after = query.get("cursor", "must be a nextCursor of this list", |text| text.parse::<u64>().ok());
    let limit = query.page()?.limit;
    let events = app.shop.timeline(rental.id).await?;
    let mut events = events.iter().filter(|event| after.is_none_or(|after| event.position.0 > after));
    let part: Vec<_> = events.by_ref().take(limit).collect();
    let next_cursor = events.next().and(part.last()).map(|last| last.position.0.to_string());
    let items = part.into_iter().map(|event| resources::TimelineEvent::from(&**event)).collect();
    Ok(HttpResponse::Ok().json(List { items, next_cursor }))
}
