//! Problems of each operation: its own, and those that follow from its shape.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Object;
use crate::http::problem::{PROBLEM_JSON, Problem, ProblemKind as Kind};

/// Annotation of a handler that lists its own problems.
const OWN: &str = "x-problems";

/// Adds all problems of an operation, by status, each with an example.
pub(crate) fn add(operation: &mut Object, method: &str, path: &str) {
    let mut by_status = BTreeMap::<u16, Vec<Kind>>::new();
    for kind in of(operation, method, path) {
        let kinds = by_status.entry(kind.status().as_u16()).or_default();
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }
    for (status, kinds) in by_status {
        operation["responses"][status.to_string()] = response(&kinds);
    }
}

fn of(operation: &Object, method: &str, path: &str) -> Vec<Kind> {
    let mut kinds = own(operation);
    let parameters = operation.get("parameters").and_then(Value::as_array).cloned().unwrap_or_default();
    if method == "post" || parameters.iter().any(|parameter| parameter["in"] != "path") {
        kinds.push(Kind::InvalidRequest);
    }
    if path.contains('{') && !kinds.contains(&Kind::ProductNotFound) {
        kinds.push(Kind::NotFound);
    }
    if let Some(body) = operation.get("requestBody") {
        // An image has no fields.
        let json = body["content"].get("application/json").is_some();
        kinds.extend([Kind::RequestTimeout, Kind::PayloadTooLarge, Kind::UnsupportedMediaType]);
        if json {
            kinds.extend([Kind::InvalidRequest, Kind::MalformedJson]);
        }
    }
    if method == "post" {
        kinds.extend([Kind::IdempotencyInProgress, Kind::IdempotencyKeyReused]);
    }
    if let Some(roles) = operation.get("security").and_then(|security| security[0]["bearer"].as_array()) {
        kinds.push(Kind::Unauthorized);
        kinds.extend((roles.len() == 1).then_some(Kind::Forbidden));
    }
    if path == "/images/{file}" {
        kinds.push(Kind::StoreUnavailable);
    }
    if path.starts_with("/v1/") {
        kinds.extend([Kind::StoreUnavailable, Kind::TooManyRequests]);
    }
    if ["/docs", "/docs/{file}", "/openapi.json", "/images/{file}"].contains(&path) {
        kinds.push(Kind::TooManyRequests);
    }
    if path.starts_with("/v1/") && method != "get" {
        kinds.extend([Kind::Overloaded, Kind::Timeout, Kind::ActorRestarting, Kind::ActorQuarantined]);
    }
    kinds.push(Kind::Internal);
    kinds
}

fn own(operation: &Object) -> Vec<Kind> {
    let slugs = operation.get(OWN).and_then(Value::as_array).into_iter().flatten();
    let kind = |slug: &Value| Kind::ALL.iter().copied().find(|kind| slug == kind.slug());
    slugs.map(|slug| kind(slug).unwrap_or_else(|| panic!("{slug} is no kind of problem"))).collect()
}

fn response(kinds: &[Kind]) -> Value {
    let titles: Vec<_> = kinds.iter().map(|kind| kind.title()).collect();
    let reference = |slug| json!({"$ref": format!("#/components/examples/{slug}")});
    let examples: Object =
        kinds.iter().map(|kind| (kind.slug().to_owned(), reference(kind.slug()))).collect();
    let headers: Object =
        kinds.iter().flat_map(|kind| headers(*kind)).map(|name| ((*name).to_owned(), json!({}))).collect();
    json!({
        "description": titles.join(" · "),
        "headers": headers,
        "content": {PROBLEM_JSON: {
            "schema": {"$ref": "#/components/schemas/Problem"},
            "examples": examples,
        }},
    })
}

/// Headers of a kind of problem, in addition to those of its status.
const fn headers(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::PaymentDeclined
        | Kind::AuthenticationRequired
        | Kind::RentalCanceled
        | Kind::PaymentUnavailable => &["Idempotency-Replayed", "Location", "Saem-Position"],
        Kind::PaymentInProgress => &["Retry-After"],
        Kind::Unauthorized => &["WWW-Authenticate"],
        _ => &[],
    }
}

pub(crate) fn examples() -> Value {
    let example = |kind: Kind| {
        let problem = match kind {
            Kind::InvalidRequest => Problem::invalid_field("/name", "must have 1 to 100 characters"),
            kind => Problem::new(kind, kind.happened()),
        };
        let value = problem.body("/v1/…", "4bf92f3577b34da6a3ce929d0e0e4736");
        json!({"summary": kind.title(), "description": kind.advice(), "value": value})
    };
    Kind::ALL.iter().map(|kind| (kind.slug().to_owned(), example(*kind))).collect()
}
