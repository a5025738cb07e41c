//! `/openapi.json`, `/docs` and `/problems`: the contract, a page to try it, and what each failure means.
//!
//! Nothing here comes from another host: the page's files are part of the binary.

use std::sync::{Arc, LazyLock};

use actix_web::{
    HttpResponse,
    http::header,
    web::{self, Bytes},
};
use utoipa_swagger_ui::Config;

use crate::http::{
    headers::HTML,
    problem::{Problem, ProblemKind, problem_page},
};

/// The OpenAPI document as JSON, rendered once.
pub(crate) struct Contract(LazyLock<Bytes>);

impl Contract {
    /// Renders the document by `render` when it is first asked for.
    #[must_use]
    pub(crate) const fn new(render: fn() -> Bytes) -> Self {
        Self(LazyLock::new(render))
    }
}

/// The page's settings: where the contract is, and that a token that was typed in outlives a reload.
static CONFIG: LazyLock<Arc<Config<'static>>> = LazyLock::new(|| {
    let config = Config::from("/openapi.json").try_it_out_enabled(true).persist_authorization(true);
    Arc::new(config.default_models_expand_depth(0))
});

/// Only what this server serves; the page sets styles by itself, and draws icons from `data:`.
const POLICY: &str = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
                      frame-ancestors 'none'";
/// What is text alone needs nothing.
const TEXT_POLICY: &str = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
/// A file is what it says it is, whatever a browser makes of its first bytes.
const NO_SNIFF: (header::HeaderName, &str) = (header::X_CONTENT_TYPE_OPTIONS, "nosniff");

/// Shows this contract, as OpenAPI 3.1.
#[utoipa::path(
    get, path = "/openapi.json", tag = "docs", operation_id = "showContract",
    responses((status = 200, description = "The contract", body = Object,
        example = json!({"openapi": "3.1.0"}))),
)]
pub(crate) async fn document(contract: web::Data<Contract>) -> HttpResponse {
    HttpResponse::Ok().content_type("application/json").body(contract.0.clone())
}

/// Leads to the page to try this contract.
#[utoipa::path(
    get, path = "/docs", tag = "docs", operation_id = "findDocs",
    responses((status = 308, description = "The page is one step further", headers(("Location")))),
)]
pub(crate) async fn index() -> HttpResponse {
    HttpResponse::PermanentRedirect().insert_header((header::LOCATION, "/docs/index.html")).finish()
}

/// Shows the page to try this contract, and its parts.
#[utoipa::path(
    get, path = "/docs/{file}", tag = "docs", operation_id = "showDocs",
    params(("file" = String, Path, example = "index.html")),
    responses((status = 200, description = "The page", body = String, content_type = "text/html",
        example = "<!DOCTYPE html>…")),
)]
pub(crate) async fn file(name: web::Path<String>) -> Result<HttpResponse, Problem> {
    let file = utoipa_swagger_ui::serve(&name, Arc::clone(&CONFIG));
    let file = file.map_err(|error| Problem::hidden(ProblemKind::Internal, "the page is broken", &error))?;
    let file = file.ok_or_else(|| Problem::not_found("page"))?;
    let mut response = HttpResponse::Ok();
    response.insert_header((header::CONTENT_SECURITY_POLICY, POLICY)).insert_header(NO_SNIFF);
    if file.gzpipped {
        response.insert_header((header::CONTENT_ENCODING, "gzip"));
    }
    Ok(response.content_type(file.content_type).body(file.bytes.into_owned()))
}

/// Tells what a kind of problem means, and what to do.
#[utoipa::path(
    get, path = "/problems/{slug}", tag = "docs", operation_id = "explainProblem",
    params(("slug" = String, Path, example = "out-of-stock")),
    responses((status = 200, description = "The page", body = String, content_type = "text/html",
        example = "<!doctype html>…")),
)]
pub(crate) async fn problem(slug: web::Path<String>) -> Result<HttpResponse, Problem> {
    let kind = ProblemKind::ALL.iter().find(|kind| kind.slug() == slug.as_str());
    let kind = kind.ok_or_else(|| Problem::not_found("problem"))?;
    let mut response = HttpResponse::Ok();
    response.insert_header((header::CONTENT_SECURITY_POLICY, TEXT_POLICY)).insert_header(NO_SNIFF);
    Ok(response.content_type(HTML).body(problem_page(*kind)))
}
