//! The OpenAPI 3.1 document: what the handlers say of themselves, and what holds for every call.
//!
//! A handler's annotation says what is special about it; what follows from a call's shape (its log-in,
//! its body, its key) is added here, once: problems, headers, and an example on every operation.

mod examples;
mod headers;
mod problems;

use serde_json::{Map, Value, json};
use utoipa::OpenApi as _;

use super::table::Described;

/// An object of the document.
type Object = Map<String, Value>;

/// What a front-end developer should know before the first call.
const INTRODUCTION: &str = "\
Saem rents water purifiers: a customer signs up, browses, places a rental and pays it in the same call, \
and watches it on My Page.

**Log in** by `POST /v1/sessions`, and send the token as `Authorization: Bearer …`. The operator does the \
same with `operatorKey`, or sends the key itself as the token.

**Failures** are RFC 9457 problems (`application/problem+json`): tell them apart by `type`, show `detail`, \
and find the fields at fault in `errors`. 429 and 503 say in `Retry-After` how many seconds to wait.

**Repeating safely:** send an `Idempotency-Key` of your own (a UUID will do) with a POST. The same call \
again with the same key gets the first outcome, with `Idempotency-Replayed: true`, and happens once: after \
a broken connection, just send it again. A key is yours, for one path, and is kept for a day at least; \
what was refused for a rule (4xx but 402, 429, most 503) is not kept: mend it, and send it with the same key.

**Reading your writes:** an answer to a command carries `Saem-Position`. A read of My Page that sends it \
back waits for what the command did, a second at most, and then shows what there is.

**A rental that is paid is not delivered yet.** 201 is `CONFIRMED`: paid. The unit is taken from stock \
right after; of customers who race for the last one, the others are canceled with `OUT_OF_STOCK` within \
moments, refunded, and told by a text message. So show what My Page says. 202 is `PAYMENT_DEFERRED`: the \
customer pays by `POST /v1/rentals/{id}/payment`, best after `paymentRetryAt`, at the latest at \
`paymentDueAt`. 402 leaves a canceled rental behind, where `Location` says.

**Test cards** of the built-in payment simulator: `tok_ok` approves, `tok_decline` declines, `tok_slow` \
approves after 700 ms, `tok_timeout` never answers, `tok_error` fails, `tok_lost_response` approves but the \
answer is lost: these three end as 202, and the third turns `CONFIRMED` by itself. Other tokens are 400.

**A payment window** (Toss Payments) is told an order and an amount before the customer pays: \
`POST /v1/checkouts` fixes both, for a product, or for a rental that is to be paid later. What the window \
hands back goes, with the checkout, into `paymentMethod` of type `TOSS`. Which type fits follows from the \
server's payment provider; the other one is 400.

**Limits:** so many requests a second from one address (`limits.requests_per_second`, 50 unless told), then \
429; after five wrong passwords an account waits, ever longer, also with the right one. Bodies have up to \
64 KiB and 16 levels. Pages of another origin may call only if `http.cors_origins` names it.

**Leaving** erases name, number, password and addresses from every answer at once. Changing the password \
leaves sessions open that are; `DELETE /v1/sessions/current` ends one.

**Lists** come newest first, in parts: `limit` (1 to 100, 20 unless told), and `cursor`, which the part \
before gave as `nextCursor`.

**Support:** each answer carries `X-Correlation-Id`; a `traceparent` of yours (W3C Trace Context) is \
continued.";

/// The document.
#[must_use]
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
        {"name": "customers", "description": "Signing up, logging in, leaving"},
        {"name": "products", "description": "Browsing, and the operator's registering and editing"},
        {"name": "rentals", "description": "Placing, paying, canceling, looking"},
        {"name": "my page", "description": "What a customer watches"},
        {"name": "payments", "description": "One a rental"},
        {"name": "deliveries", "description": "One a rental"},
        {"name": "operations", "description": "For the operator"},
        {"name": "health", "description": "For whoever looks after the process"},
        {"name": "docs", "description": "This contract"},
    ]);
    document["components"]["securitySchemes"] = json!({
        "bearer": {
            "type": "http",
            "scheme": "bearer",
            "description": "The `token` of `POST /v1/sessions`, or the operator's key. \
                            An operation lists the roles it is for.",
        },
        "session": {
            "type": "apiKey",
            "in": "cookie",
            "name": "saem_session",
            "description": "What the pages of this server log in with. A call that changes something must \
                            come from one of them, and say its token in `X-CSRF-Token`.",
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

/// Adds what follows from a call's shape.
fn complete(operation: &mut Object, method: &str, path: &str, schemas: &Value) {
    problems::add(operation, method, path);
    add_cookie(operation);
    headers::add(operation, method);
    let mut bodies: Vec<&mut Value> = Vec::new();
    for (name, part) in operation.iter_mut() {
        match name.as_str() {
            "requestBody" => {
                // A body that may be left out is still never null.
                objects(part.get_mut("content")).for_each(|(_, media)| without_null(&mut media["schema"]));
                bodies.push(part);
            }
            // A parameter that is not given is left out: it has no way to be null.
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

/// Whoever may call by a token may by the pages' cookie.
fn add_cookie(operation: &mut Object) {
    let Some(security) = operation.get_mut("security").and_then(Value::as_array_mut) else { return };
    let roles = security.iter().find_map(|way| way.get("bearer")).cloned();
    security.extend(roles.map(|roles| json!({"session": roles})));
}

/// A picture is bytes, and no list of numbers.
fn as_bytes(media_type: &str, media: &mut Value) {
    if media_type.starts_with("image/") {
        *media = json!({"schema": {"type": "string", "format": "binary"}, "example": "the picture's bytes"});
    }
}

/// A list's items are written out by its generic schema: refer to theirs instead.
fn refer_to_items(schemas: &mut Value) {
    for (name, schema) in objects(schemas) {
        if let Some(("List" | "Items", item)) = name.split_once('_') {
            schema["properties"]["items"]["items"] = json!({"$ref": format!("#/components/schemas/{item}")});
        }
    }
}

/// What an answer leaves out is never null; only bodies that come in may say null for nothing.
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
