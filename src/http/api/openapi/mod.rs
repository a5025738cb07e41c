//! The OpenAPI 3.1 document.
//!
//! A handler's annotation describes only what is special about it. What follows from the shape of an
//! operation (authentication, body, idempotency key) is added here: problems, headers and examples.

mod examples;
mod headers;
mod problems;

use serde_json::{Map, Value, json};
use utoipa::OpenApi as _;

use super::table::Described;

type Object = Map<String, Value>;

const INTRODUCTION: &str = "\
Saem rents water purifiers: a customer signs up, browses, places a rental and pays it in the same call, \
and follows it on My Page.

**Log in** with `POST /v1/sessions`, and send the token as `Authorization: Bearer …`. The operator logs in \
with `operatorKey`, or sends the key itself as the token.

**Failures** are RFC 9457 problems (`application/problem+json`): distinguish them by `type`, show `detail`, \
and find the fields at fault in `errors`. 429 and 503 carry `Retry-After`, in seconds.

**Idempotency:** send an `Idempotency-Key` of your own (such as a UUID) with a POST. The same call with the \
same key returns the first response, with `Idempotency-Replayed: true`, and takes effect once: after a lost \
connection, send it again, byte for byte. A key belongs to its caller and to one path, and is kept for at \
least a day. Refusals (4xx except 402, 429, most 503) are not kept: correct the call and send it with the \
same key.

**Read your writes:** the response to a command carries `Saem-Position`. A read of My Page that sends it \
back waits until it reflects that command, for at most one second.

**A paid rental is not delivered yet.** 201 is `CONFIRMED`: paid. The unit is taken from stock right \
afterwards; if several customers compete for the last one, the others are canceled with `OUT_OF_STOCK` \
within moments, refunded, and notified by text message. Show the state of My Page. 202 is \
`PAYMENT_DEFERRED`: the customer pays by `POST /v1/rentals/{id}/payment`, best after `paymentRetryAt`, at \
the latest at `paymentDueAt`. 402 leaves a canceled rental; `Location` is its address.

**Test cards** of the built-in payment simulator: `tok_ok` approves, `tok_decline` declines, `tok_slow` \
approves after 700 ms, `tok_timeout` never answers, `tok_error` fails, `tok_lost_response` approves but the \
response is lost. The last three end as 202, and `tok_lost_response` becomes `CONFIRMED` by itself. Other \
tokens are 400.

**Payment windows** (Toss Payments) need an order and an amount before the customer pays: \
`POST /v1/checkouts` fixes both, for a product, or for a deferred rental. What the window returns goes, with \
the checkout, into `paymentMethod` of type `TOSS`. The server's payment provider determines the type of \
`paymentMethod`; the other type is 400.

**Limits:** requests per second and client address (`limits.requests_per_second`, default 50), then 429. \
After five wrong passwords an account is locked for increasing times, also for the right password. Bodies \
have at most 64 KiB and 16 levels. Pages of other origins may call only if `http.cors_origins` lists them.

**Deleting an account** erases name, number, password and addresses from every response at once. Changing \
the password keeps open sessions; `DELETE /v1/sessions/current` ends one.

**Lists** are sorted newest first and paged by `limit` (1 to 100, default 20) and `cursor`, the \
`nextCursor` of the previous page.

**Support:** every response carries `X-Correlation-Id`; a `traceparent` (W3C Trace Context) is continued.";

/// Returns the document.
pub fn document() -> Value {
    let described = Described::openapi().to_json().expect("a described API can be written");
    let mut document: Value = serde_json::from_str(&described).expect("what was written can be read");
    document["info"] = json!({
        "title": "Saem",
        "version": env!("CARGO_PKG_VERSION"),
        "description": INTRODUCTION,
        "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
    });
    document["servers"] = json!([{"url": "/", "description": "This server"}]);
    document["tags"] = json!([
        {"name": "customers", "description": "Accounts and sessions"},
        {"name": "products", "description": "Browsing, and editing by the operator"},
        {"name": "rentals", "description": "Placing, paying, canceling, showing"},
        {"name": "my page", "description": "A customer's rentals and messages"},
        {"name": "payments", "description": "One per rental"},
        {"name": "deliveries", "description": "One per rental"},
        {"name": "operations", "description": "For the operator of the server"},
        {"name": "health", "description": "Monitoring"},
        {"name": "docs", "description": "This document"},
    ]);
    document["components"]["securitySchemes"] = json!({
        "bearer": {
            "type": "http",
            "scheme": "bearer",
            "description": "The `token` of `POST /v1/sessions`, or the operator's key. \
                            Each operation lists its roles.",
        },
        "session": {
            "type": "apiKey",
            "in": "cookie",
            "name": "saem_session",
            "description": "The session of this server's pages. Calls other than GET must come from such a \
                            page and carry its token in `X-CSRF-Token`.",
        },
    });
    document["components"]["parameters"] = headers::parameters();
    document["components"]["headers"] = headers::headers();
    document["components"]["examples"] = problems::examples();
    refer_to_items(&mut document["components"]["schemas"]);
    never_null(&mut document["components"]["schemas"]);
    let schemas = document["components"]["schemas"].clone();
    for (path, item) in objects(&mut document["paths"]) {
        for (method, operation) in objects(item) {
            let operation = operation.as_object_mut().expect("an operation is an object");
            complete(operation, method, path, &schemas);
        }
    }
    document
}

fn objects<'a>(value: impl Into<Option<&'a mut Value>>) -> impl Iterator<Item = (&'a String, &'a mut Value)> {
    value.into().and_then(Value::as_object_mut).into_iter().flatten()
}

/// Adds what follows from the shape of an operation.
fn complete(operation: &mut Object, method: &str, path: &str, schemas: &Value) {
    problems::add(operation, method, path);
    add_cookie(operation);
    headers::add(operation, method);
    let mut bodies: Vec<&mut Value> = Vec::new();
    for (name, part) in operation.iter_mut() {
        match name.as_str() {
            "requestBody" => {
                // An optional body is never null.
                objects(part.get_mut("content")).for_each(|(_, media)| without_null(&mut media["schema"]));
                bodies.push(part);
            }
            // A missing parameter is left out, never null.
            "parameters" => {
                let parameters = part.as_array_mut().into_iter().flatten();
                parameters.filter_map(|parameter| parameter.get_mut("schema")).for_each(without_null);
            }
            "responses" => bodies.extend(objects(part).map(|(_, response)| response)),
            _ => {}
        }
    }
    for body in bodies {
        objects(body.get_mut("content")).for_each(|(name, media)| as_bytes(name, media));
        examples::add(body.get_mut("content"), schemas);
    }
}

fn add_cookie(operation: &mut Object) {
    let Some(security) = operation.get_mut("security").and_then(Value::as_array_mut) else { return };
    let roles = security.iter().find_map(|way| way.get("bearer")).cloned();
    security.extend(roles.map(|roles| json!({"session": roles})));
}

/// utoipa describes bytes as an array of numbers.
fn as_bytes(media_type: &str, media: &mut Value) {
    if media_type.starts_with("image/") {
        *media =
            json!({"schema": {"type": "string", "format": "binary"}, "example": "the bytes of the image"});
    }
}

/// Replaces the inline item schemas of generic lists by references.
fn refer_to_items(schemas: &mut Value) {
    for (name, schema) in objects(schemas) {
        if let Some(("List" | "Items", item)) = name.split_once('_') {
            schema["properties"]["items"]["items"] = json!({"$ref": format!("#/components/schemas/{item}")});
        }
    }
}

/// Responses leave out absent fields instead of sending null; request bodies may contain null.
fn never_null(schemas: &mut Value) {
    for (_, schema) in objects(schemas) {
        if schema["additionalProperties"] == false {
            continue;
        }
        let required = schema["required"].as_array().cloned().unwrap_or_default();
        for (name, property) in objects(schema.get_mut("properties")) {
            if !required.contains(&json!(name)) {
                without_null(property);
            }
        }
    }
}

fn without_null(property: &mut Value) {
    if let Some(types) = property.get_mut("type").and_then(Value::as_array_mut) {
        types.retain(|of_type| of_type != "null");
        if let [only] = types.as_slice() {
            property["type"] = only.clone();
        }
    }
    if let Some(variants) = property.get_mut("oneOf").and_then(Value::as_array_mut) {
        variants.retain(|variant| variant["type"] != "null");
        if let [only] = variants.as_slice() {
            *property = only.clone();
        }
    }
}

#[cfg(test)]
mod tests;
