//! `/v1/products`: browsing, and editing by the operator.

use actix_web::{HttpResponseBuilder, http::header};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::prelude::*;
use crate::{
    actors::request::RequestContext,
    domain::{
        Money, ProductId,
        hex::to_hex,
        product::{MAX_STOCK, Offer},
    },
    shop::{Done, ProductView},
};

fn missing() -> Problem {
    Problem::new(ProblemKind::ProductNotFound, "there is no such product")
}

pub(crate) fn product_id(id: &str) -> Result<ProductId, Problem> {
    ProductId::parse(id).map_err(|_| missing())
}

pub(crate) fn find(app: &App, id: &str) -> Result<ProductView, Problem> {
    app.shop.product(product_id(id)?).ok_or_else(missing)
}

/// Returns the `ETag` of the editable fields; the stock does not change it.
pub(crate) fn etag(product: &ProductView) -> String {
    let Offer { name, model, description, fee } = &product.offer;
    let mut edited = json!([name, model, description, fee]).to_string();
    edited.extend(product.image.map(|image| image.to_string()));
    tag(edited.as_bytes())
}

fn tag(bytes: &[u8]) -> String {
    format!("\"{}\"", to_hex(&Sha256::digest(bytes)[..16]))
}

fn is_known(request: &HttpRequest, tag: &str) -> bool {
    let known = request.headers().get_all(header::IF_NONE_MATCH).filter_map(|value| value.to_str().ok());
    // A proxy that compresses a response marks its tag as weak.
    let mut known = known.flat_map(|value| value.split(',')).map(str::trim);
    known.any(|known| known == "*" || known.trim_start_matches("W/") == tag)
}

pub(crate) fn shown(mut response: HttpResponseBuilder, product: &Done<ProductView>) -> HttpResponse {
    response.insert_header((header::ETAG, etag(&product.value)));
    respond::<resources::Product, _>(response, product)
}

/// Lists products, newest first.
///
/// The `ETag` covers the whole response, stock included: with `If-None-Match`, 304 means that nothing
/// changed.
#[utoipa::path(
    get, path = "/v1/products", tag = "products", operation_id = "listProducts",
    params(
        ("available" = Option<bool>, Query, description = "Only products that can (or cannot) be rented now"),
        PageParameters,
    ),
    responses(
        (status = 200, description = "A page of the list", body = List<resources::Product>,
            headers(("ETag"))),
        (status = 304, description = "Unchanged", headers(("ETag"))),
    ),
)]
pub(crate) async fn list(app: Data<App>, request: HttpRequest, mut query: Query) -> ApiResult {
    let available = query.get("available", "must be true or false", |text| text.parse().ok());
    let page = query.page()?;
    let products = app.shop.products(available, &page)?;
    let list = json!(List::<resources::Product>::of(&products)).to_string();
    let tag = tag(list.as_bytes());
    if is_known(&request, &tag) {
        return Ok(HttpResponse::NotModified().insert_header((header::ETAG, tag)).finish());
    }
    let mut response = HttpResponse::Ok();
    // Cached, but revalidated each time, because the stock changes.
    response.insert_header((header::ETAG, tag)).insert_header((header::CACHE_CONTROL, "no-cache"));
    Ok(response.content_type(header::ContentType::json()).body(list))
}

/// Shows a product.
///
/// The `ETag` covers the editable fields: with `If-None-Match`, 304 means that name, model, description, fee
/// and image are unchanged. It does not cover the stock; the `ETag` of the list does.
#[utoipa::path(
    get, path = "/v1/products/{id}", tag = "products", operation_id = "showProduct",
    params(("id" = ProductId, Path)),
    responses(
        (status = 200, description = "The product", body = resources::Product, headers(("ETag"))),
        (status = 304, description = "Unchanged", headers(("ETag"))),
    ),
    extensions(("x-problems" = json!(["product-not-found"]))),
)]
pub(crate) async fn get(app: Data<App>, request: HttpRequest, id: Path<String>) -> ApiResult {
    let product = find(&app, &id)?;
    let etag = etag(&product);
    if is_known(&request, &etag) {
        return Ok(HttpResponse::NotModified().insert_header((header::ETAG, etag)).finish());
    }
    let mut response = HttpResponse::Ok();
    // A 304 says nothing about the stock, so no cache may keep the response.
    response.insert_header((header::ETAG, etag)).insert_header((header::CACHE_CONTROL, "no-store"));
    Ok(response.json(resources::Product::from(&product)))
}

/// A new product.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct RegisterProduct {
    /// Name, one line.
    #[schema(min_length = 1, max_length = 100, example = "맑은샘 정수기")]
    name: String,
    /// Model, one line.
    #[schema(min_length = 1, max_length = 100, example = "MS-100")]
    model: String,
    /// Description of the product.
    #[serde(default)]
    #[schema(max_length = 2000, example = "냉온정 직수형, 필터 6개월")]
    description: String,
    /// Fee of a rental, in KRW.
    #[schema(minimum = 1, maximum = 100_000_000, example = 29_900)]
    fee: u64,
    /// Units in stock.
    #[schema(minimum = 0, maximum = 1_000_000, example = 12)]
    stock: u64,
}

fn offer(rules: &mut Rules, name: &str, model: &str, description: &str, fee: u64) -> Option<Offer> {
    let name = rules.line("/name", name, 1, 100);
    let model = rules.line("/model", model, 1, 100);
    let description = rules.text("/description", description, 0, 2_000);
    let fee = rules.number("/fee", fee, 1, Money::MAX_FEE.as_won()).map(Money::won);
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
pub(crate) async fn register(app: Data<App>, post: Post<Operator, Json<RegisterProduct>>) -> ApiResult {
    let RegisterProduct { name, model, description, fee, stock } = post.body.0;
    let mut rules = Rules::default();
    let offer = offer(&mut rules, &name, &model, &description, fee);
    let stock =
        rules.number("/stock", stock, 0, u64::from(MAX_STOCK)).and_then(|stock| u32::try_from(stock).ok());
    let (offer, stock) = rules.all(offer.zip(stock))?;
    let registered = app.shop.register_product(offer, stock, post.context).await?;
    let mut response = HttpResponse::Created();
    response.insert_header((header::LOCATION, format!("/v1/products/{}", registered.value.id)));
    Ok(shown(response, &registered))
}

/// Changes of a product; absent fields stay as they are.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ChangeProduct {
    /// Name, one line.
    #[schema(min_length = 1, max_length = 100, example = "맑은샘 정수기 플러스")]
    name: Option<String>,
    /// Model, one line.
    #[schema(min_length = 1, max_length = 100, example = "MS-110")]
    model: Option<String>,
    /// Description of the product.
    #[schema(max_length = 2000, example = "냉온정 직수형, 필터 12개월")]
    description: Option<String>,
    /// Fee of later rentals, in KRW.
    #[schema(minimum = 1, maximum = 100_000_000, example = 31_900)]
    fee: Option<u64>,
}

/// Changes the editable fields of a product.
///
/// Send the product's `ETag` as `If-Match`, so that changes by others in between are not overwritten.
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
    app: Data<App>,
    _: Operator,
    context: RequestContext,
    id: Path<String>,
    request: HttpRequest,
    Json(change): Json<ChangeProduct>,
) -> ApiResult {
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
    let changed = || Problem::new(ProblemKind::PreconditionFailed, "the product was changed meanwhile");
    if matches { Ok(()) } else { Err(changed()) }
}

/// Units to add.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Restock {
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
    app: Data<App>,
    id: Path<String>,
    Post { context, body: Json(body), .. }: Post<Operator, Json<Restock>>,
) -> ApiResult {
    let product = find(&app, &id)?;
    let mut rules = Rules::default();
    let quantity = rules.number("/quantity", body.quantity, 1, 100_000);
    let quantity = rules.all(quantity.and_then(|quantity| u32::try_from(quantity).ok()))?;
    Ok(shown(HttpResponse::Ok(), &app.shop.restock_product(product.id, quantity, context).await?))
}

/// Withdraws a product from new rentals; safe to repeat.
#[utoipa::path(
    post, path = "/v1/products/{id}/withdraw", tag = "products", operation_id = "withdrawProduct",
    security(("bearer" = ["OPERATOR"])),
    params(("id" = ProductId, Path)),
    responses((status = 200, description = "Withdrawn", body = resources::Product,
        headers(("ETag"), ("Saem-Position"), ("Idempotency-Replayed")))),
    extensions(("x-problems" = json!(["product-not-found", "context-paused"]))),
)]
pub(crate) async fn withdraw(app: Data<App>, id: Path<String>, post: Post<Operator>) -> ApiResult {
    let product = find(&app, &id)?;
    Ok(shown(HttpResponse::Ok(), &app.shop.withdraw_product(product.id, post.context).await?))
}
