//! `/v1/rentals`: placing, paying later, canceling, looking.

use actix_web::{HttpResponse, http::header, web};
use serde::Deserialize;
use serde_json::json;

use crate::{
    actors::ask::Because,
    actors::shop::{Order, PayOutcome, Placed, Principal, RentalFilter, RentalView},
    domain::{
        Correlation, CustomerId, Money, ProductId, RentalId,
        address::Address,
        rental::{CancelReason, RentalStatus},
    },
    gateways::PaymentMethod,
    http::{
        App,
        auth::{AnyRole, Customer},
        correlation::Cause,
        extract::{Body, Query, ReadAfter, Rules, position_header},
        idempotency::{IdempotencyKey, REPLAYED},
        json,
        problem::{Problem, seconds},
        problem_kinds::Kind,
    },
};

/// A rental that this client may see.
async fn visible(app: &App, role: AnyRole, id: &str) -> Result<RentalView, Problem> {
    let id = RentalId::parse(id).map_err(|_| Problem::not_found("rental"))?;
    let rental = app.shop.rental(id).await?;
    let owner = rental.rental.terms.as_ref().map(|terms| terms.customer_id);
    role.may_see(owner.ok_or_else(|| Problem::not_found("rental"))?, "rental")?;
    Ok(rental)
}

/// What a rental is paid with.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Method {
    r#type: MethodType,
    token: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum MethodType {
    Card,
}

impl Method {
    fn checked(self, rules: &mut Rules) -> Option<PaymentMethod> {
        let MethodType::Card = self.r#type;
        rules.line("/paymentMethod/token", &self.token, 1, 255).map(|token| PaymentMethod::Card { token })
    }
}

/// `POST /v1/rentals`
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Place {
    product_id: String,
    address: Address,
    payment_method: Method,
    expected_fee: Option<u64>,
}

/// Places a rental and pays its fee.
///
/// # Errors
/// 400, 401, 402, 403, 404, 409, 422, 503
pub async fn place(
    app: web::Data<App>,
    Customer(customer_id): Customer,
    Cause(because): Cause,
    key: IdempotencyKey,
    body: Body<Place>,
) -> Result<HttpResponse, Problem> {
    let because = Because { key: key.of(customer_id, body.fingerprint), ..because };
    let Place { product_id, address, payment_method, expected_fee } = body.value;
    let mut rules = Rules::default();
    let address = address.checked().map_err(|wrong| {
        wrong.into_iter().for_each(|(field, rule)| rules.broken(&format!("/address/{field}"), rule));
    });
    let method = payment_method.checked(&mut rules);
    let (address, method) = rules.all(address.ok().zip(method))?;
    let product_id = ProductId::parse(&product_id)
        .map_err(|_| Problem::new(Kind::ProductNotFound, "there is no such product"))?;
    let expected_fee = expected_fee.map(Money::won);
    let order = Order { customer_id, product_id, address, method, expected_fee };
    answer(&app.shop.place_rental(order, because).await?, HttpResponse::Created())
}

/// How placing or paying ended, as an answer; `confirmed` is the one for success.
fn answer(placed: &Placed, confirmed: actix_web::HttpResponseBuilder) -> Result<HttpResponse, Problem> {
    let location = json::rental_location(placed.rental.id);
    let mut response = match placed.outcome {
        PayOutcome::Confirmed => confirmed,
        PayOutcome::Deferred { retry_after_ms } => {
            let mut accepted = HttpResponse::Accepted();
            accepted.insert_header((header::RETRY_AFTER, seconds(retry_after_ms)));
            accepted
        }
        PayOutcome::Declined => {
            return failed(placed, Kind::PaymentDeclined, "the payment was declined", location);
        }
        PayOutcome::Canceled => {
            let detail = "the rental was canceled while it was being paid; the payment is refunded";
            return failed(placed, Kind::RentalCanceled, detail, location);
        }
        PayOutcome::Unavailable { .. } => {
            let detail =
                "the payment's outcome is unknown; the rental is canceled, and refunded if it was charged";
            return failed(placed, Kind::PaymentUnavailable, detail, location);
        }
    };
    response.insert_header((header::LOCATION, location));
    response.insert_header(position_header(placed.position));
    if placed.replayed {
        response.insert_header((REPLAYED, "true"));
    }
    Ok(response.json(json::rental(&placed.rental)))
}

fn failed(placed: &Placed, kind: Kind, detail: &str, location: String) -> Result<HttpResponse, Problem> {
    let mut problem = Problem::new(kind, detail).at(location);
    problem.headers.push(position_header(placed.position));
    if let PayOutcome::Unavailable { retry_after_ms } = placed.outcome {
        problem = problem.retry_after(retry_after_ms);
    }
    if placed.replayed {
        problem.headers.push((REPLAYED, "true".to_owned()));
    }
    Err(problem)
}

/// Shows a rental.
///
/// # Errors
/// 401, 404
pub async fn get(app: web::Data<App>, role: AnyRole, id: web::Path<String>) -> Result<HttpResponse, Problem> {
    Ok(HttpResponse::Ok().json(json::rental(&visible(&app, role, &id).await?)))
}

/// Lists rentals, newest first: a customer's own, or all.
///
/// # Errors
/// 400, 401
pub async fn list(
    app: web::Data<App>,
    AnyRole(principal): AnyRole,
    ReadAfter(position): ReadAfter,
    mut query: Query,
) -> Result<HttpResponse, Problem> {
    let status = query.get("status", "must be a rental's status", |text| {
        serde_json::from_value(json!(text)).ok().filter(|status| *status != RentalStatus::Absent)
    });
    let customer = query.get("customerId", "must be a customer's id", |text| CustomerId::parse(text).ok());
    let product_id = query.get("productId", "must be a product's id", |text| ProductId::parse(text).ok());
    let correlation = query.get("correlationId", "must be 32 hexadecimal digits", Correlation::parse);
    let page = query.page();
    query.end()?;
    let customer_id = match principal {
        Principal::Customer(own) if customer.is_none_or(|wanted| wanted == own) => Some(own),
        Principal::Customer(_) => {
            return Err(Problem::new(Kind::Forbidden, "these are another customer's rentals"));
        }
        Principal::Operator => customer,
    };
    app.caught_up(position).await;
    let filter = RentalFilter { customer_id, status, product_id, correlation, delivery_status: None };
    Ok(HttpResponse::Ok().json(json::page(&app.shop.rentals(filter, &page).await?, json::rental)))
}

/// `POST /v1/rentals/{id}/payment`
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Pay {
    payment_method: Method,
}

/// Pays a rental that was deferred.
///
/// # Errors
/// 400, 401, 402, 403, 404, 409, 503
pub async fn pay(
    app: web::Data<App>,
    Customer(customer): Customer,
    Cause(because): Cause,
    id: web::Path<String>,
    body: Body<Pay>,
) -> Result<HttpResponse, Problem> {
    let rental = visible(&app, AnyRole(Principal::Customer(customer)), &id).await?;
    let mut rules = Rules::default();
    let method = body.value.payment_method.checked(&mut rules);
    answer(&app.shop.pay_rental(rental.id, rules.all(method)?, because).await?, HttpResponse::Ok())
}

/// Cancels a rental; safe to repeat.
///
/// # Errors
/// 401, 404, 409 `rental-not-cancelable`
pub async fn cancel(
    app: web::Data<App>,
    role: AnyRole,
    Cause(because): Cause,
    id: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let rental = visible(&app, role, &id).await?;
    let reason = if role.customer().is_some() { CancelReason::Customer } else { CancelReason::Operator };
    let done = app.shop.cancel_rental(rental.id, reason, because).await?;
    Ok(HttpResponse::Ok().insert_header(position_header(done.position)).json(json::rental(&done.value)))
}

/// Shows every event of a rental, over all contexts, oldest first.
///
/// # Errors
/// 400, 401, 404
pub async fn timeline(
    app: web::Data<App>,
    role: AnyRole,
    id: web::Path<String>,
    mut query: Query,
) -> Result<HttpResponse, Problem> {
    let rental = visible(&app, role, &id).await?;
    let after = query.get("cursor", "must be one that this list gave", |text| text.parse::<u64>().ok());
    let limit = query.page().limit;
    query.end()?;
    let events = app.shop.timeline(rental.id).await?;
    let mut events = events.iter().filter(|event| after.is_none_or(|after| event.position.0 > after));
    let items: Vec<_> = events.by_ref().take(limit).collect();
    let next_cursor = events.next().and(items.last()).map(|last| last.position.0.to_string());
    let items: Vec<_> = items.into_iter().map(|event| json::event(event)).collect();
    Ok(HttpResponse::Ok().json(json!({"items": items, "nextCursor": next_cursor})))
}
