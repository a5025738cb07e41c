//! Calls to Saem shared by benchmarks and drills: sign-up, orders, lists.

use std::error::Error;

use hyper::{StatusCode, body::Bytes};
use serde_json::{Value, json};

use crate::load::{Call, Connection};

pub const OPERATOR_KEY: &str = "the operator of one run of a benchmark";
/// Fee of each product, in KRW.
pub const FEE_WON: u64 = 29_900;

/// A call without a token. A POST has the body `{"quantity":1}`.
pub fn plain(method: &'static str, path: &str, expected: u16) -> Call {
    let expected = StatusCode::from_u16(expected).expect("a status");
    let body = (method == "POST").then(|| Bytes::from_static(br#"{"quantity":1}"#));
    Call { method, path: path.to_owned(), token: None, body, expected }
}

/// A call with a token.
pub fn call(
    method: &'static str,
    path: impl Into<String>,
    token: &str,
    body: Option<Value>,
    expected: u16,
) -> Call {
    Call {
        method,
        path: path.into(),
        token: Some(token.to_owned()),
        body: body.map(|body| Bytes::from(body.to_string())),
        expected: StatusCode::from_u16(expected).expect("a status"),
    }
}

/// A text field of a JSON answer.
pub fn text(body: &[u8], field: &str) -> Result<String, Box<dyn Error>> {
    let body: Value = serde_json::from_slice(body)?;
    Ok(body[field].as_str().ok_or("an answer lacks a field")?.to_owned())
}

/// A payment method that the simulator approves.
pub fn card() -> Value {
    json!({"type": "CARD", "token": "tok_ok"})
}

/// Registers a product and returns its id.
pub async fn registered(
    connection: &mut Connection,
    name: &str,
    stock: u64,
) -> Result<String, Box<dyn Error>> {
    let body = json!({"name": name, "model": "B-1", "fee": FEE_WON, "stock": stock});
    text(&connection.ask(&call("POST", "/v1/products", OPERATOR_KEY, Some(body), 201)).await?, "id")
}

/// Signs up `customers` customers and returns their session tokens.
pub async fn signed_up(connection: &mut Connection, customers: usize) -> Result<Vec<String>, Box<dyn Error>> {
    let mut tokens = Vec::with_capacity(customers);
    for n in 0..customers {
        let phone = format!("010-2000-{n:04}");
        let body = json!({"name": format!("customer {n}"), "phone": phone, "password": "correct horse"});
        connection.ask(&call("POST", "/v1/customers", "", Some(body), 201)).await?;
        let body = json!({"phone": phone, "password": "correct horse"});
        let session = connection.ask(&call("POST", "/v1/sessions", "", Some(body), 201)).await?;
        tokens.push(text(&session, "token")?);
    }
    Ok(tokens)
}

/// The call that places a rental.
pub fn order(product: &str, token: &str) -> Call {
    let body = json!({
        "productId": product,
        "address": {"recipient": "customer", "postalCode": "04524", "line1": "Sejong-daero 110"},
        "paymentMethod": card(),
    });
    call("POST", "/v1/rentals", token, Some(body), 201)
}

/// All items of a paged list. `path` must already contain a query.
pub async fn listed(
    connection: &mut Connection,
    path: &str,
    token: &str,
) -> Result<Vec<Value>, Box<dyn Error>> {
    let (mut all, mut cursor) = (Vec::new(), String::new());
    loop {
        let answer =
            connection.ask(&call("GET", format!("{path}&limit=100{cursor}"), token, None, 200)).await?;
        let mut list: Value = serde_json::from_slice(&answer)?;
        all.append(list["items"].as_array_mut().ok_or("a list has no items")?);
        match list["nextCursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return Ok(all),
        }
    }
}
