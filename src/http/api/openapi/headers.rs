//! The headers of the contract, described once.

use serde_json::{Value, json};

use super::{Object, objects};

/// What the headers of answers say.
const HEADERS: &[(&str, &str)] = &[
    ("ETag", "Names the editable fields as they are: send it as `If-Match` with a PATCH"),
    ("Idempotency-Replayed", "`true` when this is the answer to an earlier call with the same key"),
    ("Location", "Where it is found"),
    ("Retry-After", "After how many seconds to come back"),
    ("Saem-Position", "Send it with a read of My Page to see what this command did"),
    ("WWW-Authenticate", "`Bearer`: log in, and send the token"),
    ("X-Correlation-Id", "On every log line and event of this call: tell it to whoever helps you"),
];

/// The header that makes repeating safe, to be referred to.
pub(crate) fn parameters() -> Value {
    json!({"IdempotencyKey": {
        "name": "Idempotency-Key",
        "in": "header",
        "description": "A name of your own for this call, such as a UUID: the same call with the same key \
                        again gets the first outcome and happens once. It may stand in quotes, which are no \
                        part of it",
        "required": false,
        "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[ -~]+$",
                   "examples": ["0d1f6c52-6f3b-4a53-9f0e-1c1d6a2b7c11"]},
    }})
}

/// The headers of answers, to be referred to.
pub(crate) fn headers() -> Value {
    let header = |name: &str, description: &str| match name {
        "Retry-After" => json!({"description": description, "schema": {"type": "integer", "minimum": 1}}),
        _ => json!({"description": description, "schema": {"type": "string"}}),
    };
    HEADERS.iter().map(|(name, description)| ((*name).to_owned(), header(name, description))).collect()
}

/// Refers to the headers of an operation's answers, and adds those that follow from its shape.
pub(crate) fn add(operation: &mut Object, method: &str) {
    if method == "post" {
        let parameters = operation.entry("parameters").or_insert_with(|| json!([]));
        let parameters = parameters.as_array_mut().expect("parameters are a list");
        parameters.push(json!({"$ref": "#/components/parameters/IdempotencyKey"}));
    }
    for (status, response) in objects(operation.get_mut("responses")) {
        let retry_after = matches!(status.as_str(), "429" | "503").then_some("Retry-After");
        let own: Vec<String> = objects(response.get_mut("headers")).map(|(name, _)| name.clone()).collect();
        let names = own.iter().map(String::as_str).chain(["X-Correlation-Id"]).chain(retry_after);
        response["headers"] = names.map(|name| (name.to_owned(), reference(name))).collect();
    }
}

fn reference(name: &str) -> Value {
    assert!(HEADERS.iter().any(|(known, _)| *known == name), "{name} has no description");
    json!({"$ref": format!("#/components/headers/{name}")})
}
