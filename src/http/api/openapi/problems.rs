//! Problems of each operation: its own, and those that follow from its shape.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Object;
use crate::http::problem::{PROBLEM_JSON, Problem, ProblemKind};

/// Annotation of a handler that lists its own problems.
const OWN: &str = "x-problems";

/// Adds all problems of an operation, by status, each with an example.
pub(crate) fn add(operation: &mut Object, method: &str, path: &str) {
    let mut by_status = BTreeMap::<u16, Vec<ProblemKind>>::new();
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

fn of(operation: &Object, method: &str, path: &str) -> Vec<ProblemKind> {
    let mut kinds = own(operation);
    let parameters = operation.get("parameters").and_then(Value::as_array).cloned().unwrap_or_default();
    if method == "post" || parameters.iter().any(|parameter| parameter["in"] != "path") {
        kinds.push(ProblemKind::InvalidRequest);
    }
    if path.contains('{') && !kinds.contains(&ProblemKind::ProductNotFound) {
        kinds.push(ProblemKind::NotFound);
    }
    if let Some(body) = operation.get("requestBody") {
        // An image has no fields.
        let json = body["content"].get("application/json").is_some();
        kinds.extend([
            ProblemKind::RequestTimeout,
            ProblemKind::PayloadTooLarge,
            ProblemKind::UnsupportedMediaType,
        ]);
        kinds.extend(
            json.then_some([ProblemKind::InvalidRequest, ProblemKind::MalformedJson]).into_iter().flatten(),
        );
    }
    if method == "post" {
        kinds.extend([ProblemKind::IdempotencyInProgress, ProblemKind::IdempotencyKeyReused]);
    }
    if let Some(roles) = operation.get("security").and_then(|security| security[0]["bearer"].as_array()) {
        kinds.push(ProblemKind::Unauthorized);
        kinds.extend((roles.len() == 1).then_some(ProblemKind::Forbidden));
    }
    if path == "/images/{file}" {
        kinds.push(ProblemKind::StoreUnavailable);
    }
    if path.starts_with("/v1/") {
        kinds.extend([ProblemKind::StoreUnavailable, ProblemKind::TooManyRequests]);
    }
    if ["/docs", "/docs/{file}", "/openapi.json", "/images/{file}"].contains(&path) {
        kinds.push(ProblemKind::TooManyRequests);
    }
    if path.starts_with("/v1/") && method != "get" {
        kinds.extend([
            ProblemKind::Overloaded,
            ProblemKind::Timeout,
            ProblemKind::ActorRestarting,
            ProblemKind::ActorQuarantined,
        ]);
    }
    kinds.push(ProblemKind::Internal);
    kinds
}

fn own(operation: &Object) -> Vec<ProblemKind> {
    let slugs = operation.get(OWN).and_then(Value::as_array).into_iter().flatten();
    let kind = |slug: &Value| ProblemKind::ALL.iter().copied().find(|kind| slug == kind.slug());
    slugs.map(|slug| kind(slug).unwrap_or_else(|| panic!("{slug} is no kind of problem"))).collect()
}

fn response(kinds: &[ProblemKind]) -> Value {
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
const fn headers(kind: ProblemKind) -> &'static [&'static str] {
    match kind {
        ProblemKind::PaymentDeclined
        | ProblemKind::AuthenticationRequired
        | ProblemKind::RentalCanceled
        | ProblemKind::PaymentUnavailable => &["Idempotency-Replayed", "Location", "Saem-Position"],
        ProblemKind::PaymentInProgress => &["Retry-After"],
        ProblemKind::Unauthorized => &["WWW-Authenticate"],
        _ => &[],
    }
}

/// One example of each kind, as components.
pub(crate) fn examples() -> Value {
    let example = |kind: ProblemKind| {
        let problem = match kind {
            ProblemKind::InvalidRequest => Problem::invalid_field("/name", "must have 1 to 100 characters"),
            kind => Problem::new(kind, kind.happened()),
        };
        let value = problem.body("/v1/…", "4bf92f3577b34da6a3ce929d0e0e4736");
        json!({"summary": kind.title(), "description": kind.advice(), "value": value})
    };
    ProblemKind::ALL.iter().map(|kind| (kind.slug().to_owned(), example(*kind))).collect()
}
