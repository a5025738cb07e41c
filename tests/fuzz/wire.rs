//! A server, by its OpenAPI document: valid requests with changed bodies, headers and paths. None is answered
//! by a failure of the server.

use std::{cell::RefCell, collections::BTreeMap};

use proptest::{collection::vec, prelude::*, sample::Index, test_runner::TestRunner};
use reqwest::{
    Method,
    header::{HeaderName, HeaderValue},
};
use serde_json::{Value, json};

use crate::kit::{Client, TestApp, id, until};

const CASES: u32 = 768;

/// Not called: they write files, or put the shop into a state that answers the others with 503.
const LEFT_OUT: [&str; 4] =
    ["/v1/operations/backup", "/v1/operations/faults", "/pause", "/v1/operations/payment/breaker"];

/// Headers that the server reads.
const HEADERS: [&str; 14] = [
    "idempotency-key",
    "traceparent",
    "tracestate",
    "authorization",
    "if-match",
    "if-none-match",
    "range",
    "last-event-id",
    "content-type",
    "accept",
    "accept-language",
    "x-correlation-id",
    "x-forwarded-for",
    "origin",
];

/// Values of an attacker.
const ODD: [&str; 14] = [
    "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    "Bearer ",
    "Bearer 0000000000000000000000000000000000000000000000000000000000000000",
    "Basic Og==",
    "bytes=0-18446744073709551615,-1",
    "\"18446744073709551616\"",
    "W/\"1\", *",
    "-1",
    "99999999999999999999999999999999",
    "application/json; charset=utf-16",
    "multipart/form-data",
    "text/event-stream;q=1e999",
    "::1, 1.2.3.4, unknown",
    "",
];

/// A change of a call.
#[derive(Clone, Debug)]
enum Change {
    /// Another value in the body.
    Value(Index, Odd),
    /// Another byte in the body.
    Byte(Index, u8),
    /// The body ends early.
    Cut(Index),
    Header(usize, Vec<u8>),
    OddHeader(usize, usize),
    /// Another parameter of the path.
    Parameter(String),
}

/// An unexpected value.
#[derive(Clone, Debug)]
enum Odd {
    Json(Value),
    /// Never written by serde_json: huge numbers, lone surrogates, repeated keys.
    Raw(&'static str),
    /// Nested lists.
    Deep(usize),
}

fn odd() -> impl Strategy<Value = Odd> {
    let raw = [
        "1e400",
        "-0",
        "1e-400",
        "18446744073709551616",
        "-9223372036854775809",
        "0.1e1",
        r#""\ud800""#,
        r#""\u0000""#,
        r#"{"a":1,"a":2}"#,
        "NaN",
        "tru",
        "\"\u{202e}\u{feff}👩‍👩‍👧\"",
    ];
    prop_oneof![
        any::<String>().prop_map(|text| Odd::Json(json!(text))),
        any::<i64>().prop_map(|number| Odd::Json(json!(number))),
        any::<f64>().prop_map(|number| Odd::Json(json!(number))),
        prop::sample::select(vec![json!(null), json!(true), json!([]), json!({}), json!("x".repeat(70_000))])
            .prop_map(Odd::Json),
        prop::sample::select(raw.to_vec()).prop_map(Odd::Raw),
        (1usize..3_000).prop_map(Odd::Deep),
    ]
}

impl Odd {
    fn text(&self) -> String {
        match self {
            Self::Json(value) => value.to_string(),
            Self::Raw(text) => (*text).to_owned(),
            Self::Deep(depth) => format!("{}{}", "[".repeat(*depth), "]".repeat(*depth)),
        }
    }
}

fn change() -> impl Strategy<Value = Change> {
    let value = || vec(32u8..=255, 0..64);
    prop_oneof![
        4 => (any::<Index>(), odd()).prop_map(|(at, odd)| Change::Value(at, odd)),
        2 => any::<(Index, u8)>().prop_map(|(at, byte)| Change::Byte(at, byte)),
        1 => any::<Index>().prop_map(Change::Cut),
        1 => (0..HEADERS.len(), value()).prop_map(|(which, value)| Change::Header(which, value)),
        2 => (0..HEADERS.len(), 0..ODD.len()).prop_map(|(which, odd)| Change::OddHeader(which, odd)),
        1 => any::<String>().prop_map(Change::Parameter),
    ]
}

/// An operation of the document with a valid body.
struct Operation {
    method: Method,
    path: String,
    body: Option<Value>,
}

/// A server, clients of each role, and the operations of its document.
struct Wire {
    app: TestApp,
    operator: Client,
    customer: Client,
    operations: Vec<Operation>,
    ids: Vec<(&'static str, String)>,
    /// Answers by status.
    told: RefCell<BTreeMap<u16, usize>>,
}

impl Wire {
    async fn start() -> Self {
        let app = TestApp::impatient(|settings| settings.faults.enabled = false);
        let (operator, customer) = (app.operator(), app.customer(1).await);
        let product = app.product(100, 1_000).await;
        let rental = customer.rented(&product).await;
        let of = |name: &str| rental[name].as_str().unwrap().to_owned();
        let ids = vec![
            ("products", product),
            ("rentals", id(&rental).to_owned()),
            ("mypage", id(&rental).to_owned()),
            ("payments", of("paymentId")),
            ("deliveries", of("deliveryId")),
        ];
        let document = operator.get("/openapi.json").await.expect(200);
        let mut operations = Vec::new();
        for (path, item) in document["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                let example = &operation["requestBody"]["content"]["application/json"]["example"];
                let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
                if method != Method::DELETE && !LEFT_OUT.iter().any(|part| path.contains(part)) {
                    let body = (!example.is_null()).then(|| example.clone());
                    operations.push(Operation { method, path: path.clone(), body });
                }
            }
        }
        assert!(operations.iter().filter(|operation| operation.body.is_some()).count() > 10);
        Self { app, operator, customer, operations, ids, told: RefCell::default() }
    }

    /// The path of an operation with a known id, or with `parameter`.
    fn path(&self, operation: &Operation, parameter: Option<&str>) -> String {
        let kind = operation.path.split('/').nth(2).unwrap_or_default();
        let known = self.ids.iter().find(|(of, _)| *of == kind).map_or("x", |(_, id)| id);
        let value: String = match parameter {
            Some(text) => text.bytes().map(|byte| format!("%{byte:02X}")).collect(),
            None => known.to_owned(),
        };
        let parts = operation.path.split('/');
        let parts = parts.map(|part| if part.starts_with('{') { &*value } else { part });
        parts.collect::<Vec<_>>().join("/")
    }

    async fn holds(&self, which: &Index, as_operator: bool, changes: &[Change]) -> Result<(), String> {
        let operation = which.get(&self.operations);
        let (mut headers, mut parameter) = (Vec::new(), None);
        let mut body = operation.body.as_ref().map(|body| body.to_string().into_bytes());
        for change in changes {
            match (change, &mut body) {
                (Change::Value(at, odd), Some(body)) => put(body, at, odd),
                (Change::Byte(at, byte), Some(body)) if !body.is_empty() => {
                    let at = at.index(body.len());
                    body[at] = *byte;
                }
                (Change::Cut(at), Some(body)) => body.truncate(at.index(body.len() + 1)),
                (Change::Header(which, value), _) => headers.push((HEADERS[*which], value.clone())),
                (Change::OddHeader(which, odd), _) => headers.push((HEADERS[*which], ODD[*odd].into())),
                (Change::Parameter(text), _) => parameter = Some(text.clone()),
                _ => {}
            }
        }
        let by = if as_operator { &self.operator } else { &self.customer };
        let path = self.path(operation, parameter.as_deref());
        let mut request = by.request(operation.method.clone(), &path);
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body);
        }
        let mut request = request.build().map_err(|error| error.to_string())?;
        for (name, value) in headers {
            if let Ok(value) = HeaderValue::from_bytes(&value) {
                request.headers_mut().insert(HeaderName::from_static(name), value);
            }
        }
        let shown = format!("{} {path}", operation.method);
        let client = saem::internal::gateways::client().map_err(|error| error.to_string())?;
        let answer =
            client.execute(request).await.map_err(|error| format!("{shown}: no answer: {error:?}"))?;
        let (status, kind) = (answer.status().as_u16(), answer.headers().get("content-type").cloned());
        *self.told.borrow_mut().entry(status).or_default() += 1;
        if kind.as_ref().is_some_and(|kind| kind == "text/event-stream") {
            // It has no end.
            return Ok(());
        }
        let text = answer.text().await.map_err(|error| format!("{shown}: {error}"))?;
        if status < 400 {
            return Ok(());
        }
        let problem: Value = serde_json::from_str(&text).map_err(|_| format!("{shown}: {status} {text}"))?;
        let told = kind.is_some_and(|kind| kind == "application/problem+json") && problem["status"] == status;
        let ours = status >= 500 && status != 503;
        if told && !ours { Ok(()) } else { Err(format!("{shown}: {status} {text}")) }
    }
}

/// Replaces a value of a body, if it is still JSON.
fn put(body: &mut Vec<u8>, at: &Index, odd: &Odd) {
    const PLACE: &str = "replaced";
    let Ok(mut value) = serde_json::from_slice::<Value>(body) else { return };
    let mut pointers = vec![String::new()];
    collect(&value, "", &mut pointers);
    let pointer = at.get(&pointers);
    *value.pointer_mut(pointer).expect("just collected") = json!(PLACE);
    *body = value.to_string().replace(&json!(PLACE).to_string(), &odd.text()).into_bytes();
}

fn collect(value: &Value, at: &str, pointers: &mut Vec<String>) {
    let children: Vec<(String, &Value)> = match value {
        Value::Object(members) => members.iter().map(|(name, child)| (name.clone(), child)).collect(),
        Value::Array(items) => items.iter().enumerate().map(|(at, child)| (at.to_string(), child)).collect(),
        _ => Vec::new(),
    };
    for (name, child) in children {
        let pointer = format!("{at}/{name}");
        collect(child, &pointer, pointers);
        pointers.push(pointer);
    }
}

#[test]
fn changed_requests_are_answered_by_problems_not_failures() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let wire = runtime.block_on(Wire::start());
    let cases = (any::<Index>(), any::<bool>(), vec(change(), 1..4));
    let tried = TestRunner::new(crate::config(CASES)).run(&cases, |(which, as_operator, changes)| {
        let held = runtime.block_on(wire.holds(&which, as_operator, &changes));
        held.map_err(TestCaseError::fail)
    });
    tried.unwrap_or_else(|error| panic!("{error}"));
    let ready = || async { wire.app.anyone().get("/readyz").await.status == 200 };
    runtime.block_on(until("it is ready", ready));
    let told = wire.told.borrow();
    println!("{told:?}");
    assert!([200, 201, 400, 401, 403, 404].iter().all(|status| told.contains_key(status)), "{told:?}");
}
