//! `/openapi.json`, `/docs` and `/problems`. All files of the documentation page are part of the binary.

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
    pub(crate) const fn new(render: fn() -> Bytes) -> Self {
        Self(LazyLock::new(render))
    }
}

/// Settings of Swagger UI. A token that was entered survives a reload.
static CONFIG: LazyLock<Arc<Config<'static>>> = LazyLock::new(|| {
    let config = Config::from("/openapi.json").try_it_out_enabled(true).persist_authorization(true);
    Arc::new(config.default_models_expand_depth(0))
});

/// Swagger UI sets inline styles and draws icons from `data:`.
const POLICY: &str = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
                      frame-ancestors 'none'";
const TEXT_POLICY: &str = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const NO_SNIFF: (header::HeaderName, &str) = (header::X_CONTENT_TYPE_OPTIONS, "nosniff");

/// Returns the OpenAPI 3.1 document.
#[utoipa::path(
    get, path = "/openapi.json", tag = "docs", operation_id = "showContract",
    responses((status = 200, description = "The contract", body = Object,
        example = json!({"openapi": "3.1.0"}))),
)]
pub(crate) async fn document(contract: web::Data<Contract>) -> HttpResponse {
    HttpResponse::Ok().content_type("application/json").body(contract.0.clone())
}

/// Redirects to the documentation page.
#[utoipa::path(
    get, path = "/docs", tag = "docs", operation_id = "findDocs",
    responses((status = 308, description = "The page is one step further", headers(("Location")))),
)]
pub(crate) async fn index() -> HttpResponse {
    HttpResponse::PermanentRedirect().insert_header((header::LOCATION, "/docs/index.html")).finish()
}

/// Serves the documentation page and its files.
#[utoipa::path(
    get, path = "/docs/{file}", tag = "docs", operation_id = "showDocs",
    params(("file" = String, Path, example = "index.html")),
    responses((status = 200, description = "The page", body = String, content_type = "text/html",
        example = "<!DOCTYPE html>…")),
)]
pub(crate) async fn file(name: web::Path<String>) -> Result<HttpResponse, Problem> {
    let file = utoipa_swagger_ui::serve(&name, Arc::clone(&CONFIG));
    let file =
        file.map_err(|error| Problem::hidden(ProblemKind::Internal, "the page cannot be rendered", &error))?;
    let file = file.ok_or_else(|| Problem::not_found("page"))?;
    let mut response = HttpResponse::Ok();
    response.insert_header((header::CONTENT_SECURITY_POLICY, POLICY)).insert_header(NO_SNIFF);
    if file.gzpipped {
        response.insert_header((header::CONTENT_ENCODING, "gzip"));
    }
    Ok(response.content_type(file.content_type).body(file.bytes.into_owned()))
}

/// Explains a kind of problem.
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
