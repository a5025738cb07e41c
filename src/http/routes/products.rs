//! `/v1/products`: browsing, and the operator's registering and editing.

use actix_web::{HttpRequest, HttpResponse, http::header, web};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use crate::{
    actors::shop::{Done, ProductView},
    domain::{
        Money, ProductId,
        product::{MAX_STOCK, Offer},
    },
    http::{
        App,
        auth::Operator,
        correlation::Cause,
        extract::{Body, Query, Rules, position_header},
        json,
        problem::Problem,
        problem_kinds::Kind,
    },
};

fn find(app: &App, id: &str) -> Result<ProductView, Problem> {
    let product = ProductId::parse(id).ok().and_then(|id| app.shop.product(id));
    product.ok_or_else(|| Problem::new(Kind::ProductNotFound, "there is no such product"))
}

/// Changes whenever an editable field does; stock moves leave it alone.
fn etag(offer: &Offer) -> String {
    let Offer { name, model, description, fee } = offer;
    let hash = Sha256::digest(serde_json::json!([name, model, description, fee]).to_string());
    let short: String = hash[..16].iter().map(|byte| format!("{byte:02x}")).collect();
    format!("\"{short}\"")
}

fn shown(mut response: actix_web::HttpResponseBuilder, done: &Done<ProductView>) -> HttpResponse {
    response.insert_header(position_header(done.position));
    response.insert_header((header::ETAG, etag(&done.value.offer)));
    response.json(json::product(&done.value))
}

/// Lists products, newest first.
///
/// # Errors
/// 400
pub async fn list(app: web::Data<App>, mut query: Query) -> Result<HttpResponse, Problem> {
    let available = query.get("available", "must be true or false", |text| text.parse().ok());
    let page = query.page();
    query.end()?;
    let products = app.shop.products(available, &page)?;
    Ok(HttpResponse::Ok().json(json::page(&products, json::product)))
}

/// Shows a product.
///
/// # Errors
/// 404
pub async fn get(app: web::Data<App>, id: web::Path<String>) -> Result<HttpResponse, Problem> {
    let product = find(&app, &id)?;
    Ok(HttpResponse::Ok().insert_header((header::ETAG, etag(&product.offer))).json(json::product(&product)))
}

/// `POST /v1/products`
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Register {
    name: String,
    model: String,
    #[serde(default)]
    description: String,
    fee: u64,
    stock: u64,
}

fn offer(rules: &mut Rules, name: &str, model: &str, description: &str, fee: u64) -> Option<Offer> {
    let name = rules.line("/name", name, 1, 100);
    let model = rules.line("/model", model, 1, 100);
    let description = rules.text("/description", description, 0, 2_000);
    let fee = rules.number("/fee", fee, 1..=Money::MAX_FEE.as_won()).map(Money::won);
    Some(Offer { name: name?, model: model?, description: description?, fee: fee? })
}

/// Registers a product.
///
/// # Errors
/// 400, 401, 403, 503 `context-paused`
pub async fn register(
    app: web::Data<App>,
    _: Operator,
    Cause(because): Cause,
    body: Body<Register>,
) -> Result<HttpResponse, Problem> {
    let Register { name, model, description, fee, stock } = body.value;
    let mut rules = Rules::default();
    let offer = offer(&mut rules, &name, &model, &description, fee);
    let stock =
        rules.number("/stock", stock, 0..=u64::from(MAX_STOCK)).and_then(|stock| u32::try_from(stock).ok());
    let (offer, stock) = rules.all(offer.zip(stock))?;
    let done = app.shop.register_product(offer, stock, because).await?;
    let mut response = HttpResponse::Created();
    response.insert_header((header::LOCATION, format!("/v1/products/{}", done.value.id)));
    Ok(shown(response, &done))
}

/// `PATCH /v1/products/{id}`
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Change {
    name: Option<String>,
    model: Option<String>,
    description: Option<String>,
    fee: Option<u64>,
}

/// Changes what customers see, if it is still what `If-Match` names.
///
/// # Errors
/// 400, 401, 403, 404, 412, 428, 503 `context-paused`
pub async fn change(
    app: web::Data<App>,
    _: Operator,
    Cause(because): Cause,
    id: web::Path<String>,
    request: HttpRequest,
    body: Body<Change>,
) -> Result<HttpResponse, Problem> {
    let product = find(&app, &id)?;
    let current = product.offer;
    expect_match(&request, &current)?;
    let Change { name, model, description, fee } = body.value;
    let mut rules = Rules::default();
    let changed = offer(
        &mut rules,
        name.as_ref().unwrap_or(&current.name),
        model.as_ref().unwrap_or(&current.model),
        description.as_ref().unwrap_or(&current.description),
        fee.unwrap_or(current.fee.as_won()),
    );
    let changed = rules.all(changed)?;
    let done = app.shop.change_product(product.id, changed, current, because).await?;
    Ok(shown(HttpResponse::Ok(), &done))
}

fn expect_match(request: &HttpRequest, offer: &Offer) -> Result<(), Problem> {
    let expected = request.headers().get(header::IF_MATCH).and_then(|value| value.to_str().ok());
    let expected =
        expected.ok_or_else(|| Problem::new(Kind::PreconditionRequired, "If-Match is required"))?;
    let current = etag(offer);
    let matches = expected.split(',').map(str::trim).any(|tag| tag == "*" || tag == current);
    if matches {
        Ok(())
    } else {
        Err(Problem::new(Kind::PreconditionFailed, "the product was changed meanwhile"))
    }
}

/// `POST /v1/products/{id}/restock`
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Restock {
    quantity: u64,
}

/// Adds units.
///
/// # Errors
/// 400, 401, 403, 404, 503 `context-paused`
pub async fn restock(
    app: web::Data<App>,
    _: Operator,
    Cause(because): Cause,
    id: web::Path<String>,
    body: Body<Restock>,
) -> Result<HttpResponse, Problem> {
    let product = find(&app, &id)?;
    let mut rules = Rules::default();
    let quantity = rules.number("/quantity", body.value.quantity, 1..=100_000);
    let quantity = rules.all(quantity.and_then(|quantity| u32::try_from(quantity).ok()))?;
    Ok(shown(HttpResponse::Ok(), &app.shop.restock_product(product.id, quantity, because).await?))
}

/// Takes no more new rentals.
///
/// # Errors
/// 401, 403, 404, 503 `context-paused`
pub async fn withdraw(
    app: web::Data<App>,
    _: Operator,
    Cause(because): Cause,
    id: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let product = find(&app, &id)?;
    Ok(shown(HttpResponse::Ok(), &app.shop.withdraw_product(product.id, because).await?))
}
