//! Headers of the API, each described once.

use serde_json::{Value, json};

use super::{Object, objects};

const HEADERS: &[(&str, &str)] = &[
    ("ETag", "Version of the editable fields: send it as `If-Match` with a PATCH"),
    ("Idempotency-Replayed", "`true` if this is the response to an earlier call with the same key"),
    ("Location", "Address of the resource"),
    ("Retry-After", "Seconds to wait before the next try"),
    ("Saem-Position", "Send it with a read of My Page that must reflect this command"),
    ("WWW-Authenticate", "`Bearer`: log in and send the token"),
    ("X-Correlation-Id", "Id on every log line and event of this call: quote it to support"),
];

pub(crate) fn parameters() -> Value {
    json!({"IdempotencyKey": {
        "name": "Idempotency-Key",
        "in": "header",
        "description": "A unique value for this call, such as a UUID: the same call with the same key \
                        returns the first response and takes effect once. Quotes around it are allowed \
                        and ignored",
        "required": false,
        "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[ -~]+$",
                   "examples": ["0d1f6c52-6f3b-4a53-9f0e-1c1d6a2b7c11"]},
    }})
}

pub(crate) fn headers() -> Value {
    let header = |name: &str, description: &str| match name {
        "Retry-After" => json!({"description": description, "schema": {"type": "integer", "minimum": 1}}),
        _ => json!({"description": description, "schema": {"type": "string"}}),
    };
    HEADERS.iter().map(|(name, description)| ((*name).to_owned(), header(name, description))).collect()
}

/// References the headers of an operation's responses, and adds those that follow from its shape.
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
