//! `/v1/products`: browsing, and the operator's registering and editing.

use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, http::header, web};
use serde::Deserialize;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use utoipa::ToSchema;

use crate::{
    actors::request::RequestContext,
    domain::{
        Money, ProductId,
        product::{MAX_STOCK, Offer},
    },
    http::{
        App,
        api::{
            extract::{PageParameters, Query, Rules},
            json::Json,
            post::{Post, respond},
            resources::{self, List},
        },
        auth::Operator,
        problem::{Problem, ProblemKind},
    },
    shop::{Done, ProductView},
};

pub(crate) fn find(app: &App, id: &str) -> Result<ProductView, Problem> {
    let product = ProductId::parse(id).ok().and_then(|id| app.shop.product(id));
    product.ok_or_else(|| Problem::new(ProblemKind::ProductNotFound, "there is no such product"))
}

/// Changes whenever an editable field does; stock moves leave it alone.
#[must_use]
pub(crate) fn etag(product: &ProductView) -> String {
    let Offer { name, model, description, fee } = &product.offer;
    let mut edited = json!([name, model, description, fee]).to_string();
    edited.extend(product.image.map(|image| image.to_string()));
    tag(edited.as_bytes())
}

/// Names bytes.
fn tag(bytes: &[u8]) -> String {
    let hash = Sha256::digest(bytes);
    let short: String = hash[..16].iter().map(|byte| format!("{byte:02x}")).collect();
    format!("\"{short}\"")
}

/// Whether the client has what this names already.
fn is_known(request: &HttpRequest, tag: &str) -> bool {
    let known = request.headers().get_all(header::IF_NONE_MATCH).filter_map(|value| value.to_str().ok());
    // What a proxy has compressed, it calls weak.
    let mut known = known.flat_map(|value| value.split(',')).map(str::trim);
    known.any(|known| known == "*" || known.trim_start_matches("W/") == tag)
}

pub(crate) fn shown(mut response: HttpResponseBuilder, product: &Done<ProductView>) -> HttpResponse {
    response.insert_header((header::ETAG, etag(&product.value)));
    respond::<resources::Product, _>(response, product)
}

/// Lists products, newest first.
///
/// Its `ETag` is that of the whole answer, the stock included: with it in `If-None-Match`, 304 says that
/// nothing has changed.
#[utoipa::path(
    get, path = "/v1/products", tag = "products", operation_id = "listProducts",
    params(
        ("available" = Option<bool>, Query, description = "Only those that can (or can't) be rented now"),
        PageParameters,
    ),
    responses(
        (status = 200, description = "A part of the list", body = List<resources::Product>,
            headers(("ETag"))),
        (status = 304, description = "As it is known", headers(("ETag"))),
    ),
)]
pub(crate) async fn list(
    app: web::Data<App>,
    request: HttpRequest,
    mut query: Query,
) -> Result<HttpResponse, Problem> {
    let available = query.get("available", "must be true or false", |text| text.parse().ok());
    let page = query.page();
    query.end()?;
    let products = app.shop.products(available, &page)?;
    let list = json!(List::<resources::Product>::of(&products)).to_string();
    let tag = tag(list.as_bytes());
    let mut response = if is_known(&request, &tag) {
        return Ok(HttpResponse::NotModified().insert_header((header::ETAG, tag)).finish());
    } else {
        HttpResponse::Ok()
    };
    // Kept, but asked about each time: the stock moves.
    response.insert_header((header::ETAG, tag)).insert_header((header::CACHE_CONTROL, "no-cache"));
    Ok(response.content_type(header::ContentType::json()).body(list))
}

/// Shows a product.
///
/// Its `ETag` is that of what an operator edits: with it in `If-None-Match`, 304 says that name, model,
/// description, fee and picture are as they were. It says nothing of the stock: that is in every 200, and the
/// list's `ETag` changes with it.
#[utoipa::path(
    get, path = "/v1/products/{id}", tag = "products", operation_id = "showProduct",
    params(
        ("id" = ProductId, Path),
    ),
    responses(
        (status = 200, description = "The product", body = resources::Product, headers(("ETag"))),
        (status = 304, description = "Not edited since", headers(("ETag"))),
    ),
    extensions(("x-problems" = json!(["product-not-found"]))),
)]
pub(crate) async fn get(
    app: web::Data<App>,
    request: HttpRequest,
    id: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let product = find(&app, &id)?;
    let etag = etag(&product);
    if is_known(&request, &etag) {
        return Ok(HttpResponse::NotModified().insert_header((header::ETAG, etag)).finish());
    }
    let mut response = HttpResponse::Ok();
    // No cache may take a 304 for news of the stock.
    response.insert_header((header::ETAG, etag)).insert_header((header::CACHE_CONTROL, "no-store"));
    Ok(response.json(resources::Product::from(&product)))
}

/// A purifier to be offered.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct RegisterProduct {
    /// Its name, one line.
    #[schema(min_length = 1, max_length = 100, example = "맑은샘 정수기")]
    name: String,
    /// Its model, one line.
    #[schema(min_length = 1, max_length = 100, example = "MS-100")]
    model: String,
    /// More about it.
    #[serde(default)]
    #[schema(max_length = 2000, example = "냉온정 직수형, 필터 6개월")]
    description: String,
    /// The fee of a rental, in won.
    #[schema(minimum = 1, maximum = 100_000_000, example = 29_900)]
    fee: u64,
    /// Units at hand.
    #[schema(minimum = 0, maximum = 1_000_000, example = 12)]
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
#[utoipa::path(
    post, path = "/v1/products", tag = "products", operation_id = "registerProduct",
    security(("bearer" = ["OPERATOR"])),
    request_body = RegisterProduct,
    responses((status = 201, description = "Registered", body = resources::Product,
        headers(("Location"), ("ETag"), ("Saem-Position"), ("Idempotency-Replayed")))),
    extensions(("x-problems" = json!(["context-paused"]))),
)]
pub(crate) async fn register(
    app: web::Data<App>,
    Post { context, body: Json(body), .. }: Post<Operator, Json<RegisterProduct>>,
) -> Result<HttpResponse, Problem> {
    let RegisterProduct { name, model, description, fee, stock } = body;
    let mut rules = Rules::default();
    let offer = offer(&mut rules, &name, &model, &description, fee);
    let stock =
        rules.number("/stock", stock, 0..=u64::from(MAX_STOCK)).and_then(|stock| u32::try_from(stock).ok());
    let (offer, stock) = rules.all(offer.zip(stock))?;
    let registered = app.shop.register_product(offer, stock, context).await?;
    let mut response = HttpResponse::Created();
    response.insert_header((header::LOCATION, format!("/v1/products/{}", registered.value.id)));
    Ok(shown(response, &registered))
}

/// What to change; what is left out stays.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ChangeProduct {
    /// Its name, one line.
    #[schema(min_length = 1, max_length = 100, example = "맑은샘 정수기 플러스")]
    name: Option<String>,
    /// Its model, one line.
    #[schema(min_length = 1, max_length = 100, example = "MS-110")]
    model: Option<String>,
    /// More about it.
    #[schema(max_length = 2000, example = "냉온정 직수형, 필터 12개월")]
    description: Option<String>,
    /// The fee of later rentals, in won.
    #[schema(minimum = 1, maximum = 100_000_000, example = 31_900)]
    fee: Option<u64>,
}

/// Changes what customers see.
///
/// Send the `ETag` you got as `If-Match`: somebody else's change in between is not overwritten.
#[utoipa::path(
    patch, path = "/v1/products/{id}", tag = "products", operation_id = "changeProduct",
    security(("bearer" = ["OPERATOR"])),
    params(
        ("id" = ProductId, Path),
        ("If-Match" = String, Header, description = "The product's ETag, or `*`", example = "*"),
    ),
    request_body = ChangeProduct,
    responses((status = 200, description = "Changed", body = resources::Product,
        headers(("ETag"), ("Saem-Position")))),
    extensions(("x-problems" = json!([
        "product-not-found", "precondition-required", "precondition-failed", "context-paused",
    ]))),
)]
pub(crate) async fn change(
    app: web::Data<App>,
    _: Operator,
    context: RequestContext,
    id: web::Path<String>,
    request: HttpRequest,
    Json(change): Json<ChangeProduct>,
) -> Result<HttpResponse, Problem> {
    let product = find(&app, &id)?;
    expect_match(&request, &product)?;
    let current = product.offer;
    let ChangeProduct { name, model, description, fee } = change;
    let mut rules = Rules::default();
    let changed = offer(
        &mut rules,
        name.as_ref().unwrap_or(&current.name),
        model.as_ref().unwrap_or(&current.model),
        description.as_ref().unwrap_or(&current.description),
        fee.unwrap_or(current.fee.as_won()),
    );
    let changed = rules.all(changed)?;
    Ok(shown(HttpResponse::Ok(), &app.shop.change_product(product.id, changed, current, context).await?))
}

fn expect_match(request: &HttpRequest, product: &ProductView) -> Result<(), Problem> {
    let expected = request.headers().get(header::IF_MATCH).and_then(|value| value.to_str().ok());
    let expected =
        expected.ok_or_else(|| Problem::new(ProblemKind::PreconditionRequired, "If-Match is required"))?;
    let current = etag(product);
    let matches = expected.split(',').map(str::trim).any(|tag| tag == "*" || tag == current);
    if matches {
        Ok(())
    } else {
        Err(Problem::new(ProblemKind::PreconditionFailed, "the product was changed meanwhile"))
    }
}

/// Units to be added.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Restock {
    /// How many.
    #[schema(minimum = 1, maximum = 100_000, example = 10)]
    quantity: u64,
}

/// Adds units to a product's stock.
#[utoipa::path(
    post, path = "/v1/products/{id}/restock", tag = "products", operation_id = "restockProduct",
    security(("bearer" = ["OPERATOR"])),
    params(("id" = ProductId, Path)),
    request_body = Restock,
    responses((status = 200, description = "Restocked", body = resources::Product,
        headers(("ETag"), ("Saem-Position"), ("Idempotency-Replayed")))),
    extensions(("x-problems" = json!(["product-not-found", "context-paused"]))),
)]
pub(crate) async fn restock(
    app: web::Data<App>,
    id: web::Path<String>,
    Post { context, body: Json(body), .. }: Post<Operator, Json<Restock>>,
) -> Result<HttpResponse, Problem> {
    let product = find(&app, &id)?;
    let mut rules = Rules::default();
    let quantity = rules.number("/quantity", body.quantity, 1..=100_000);
    let quantity = rules.all(quantity.and_then(|quantity| u32::try_from(quantity).ok()))?;
    Ok(shown(HttpResponse::Ok(), &app.shop.restock_product(product.id, quantity, context).await?))
}

/// Takes no more new rentals of a product; safe to repeat.
#[utoipa::path(
    post, path = "/v1/products/{id}/withdraw", tag = "products", operation_id = "withdrawProduct",
    security(("bearer" = ["OPERATOR"])),
    params(("id" = ProductId, Path)),
    responses((status = 200, description = "Withdrawn", body = resources::Product,
        headers(("ETag"), ("Saem-Position"), ("Idempotency-Replayed")))),
    extensions(("x-problems" = json!(["product-not-found", "context-paused"]))),
)]
pub(crate) async fn withdraw(
    app: web::Data<App>,
    id: web::Path<String>,
    Post { context, .. }: Post<Operator>,
) -> Result<HttpResponse, Problem> {
    let product = find(&app, &id)?;
    Ok(shown(HttpResponse::Ok(), &app.shop.withdraw_product(product.id, context).await?))
}
