//! The shop of a drill: one product, its customers, and what the operator sees.

use std::error::Error;

use hyper::{StatusCode, body::Bytes};
use serde_json::{Value, json};

use crate::load::{Call, Connection};

/// The operator's.
pub const OPERATOR_KEY: &str = "the operator of one run of a drill";
/// What a rental costs, in won.
pub const FEE_WON: u64 = 29_900;

/// A shop with customers.
pub struct Shop {
    address: String,
    product: String,
    /// The customers'.
    pub tokens: Vec<String>,
}

/// A call of somebody.
pub fn call(method: &'static str, path: &str, token: &str, body: Option<Value>, expected: u16) -> Call {
    let body = body.map(|body| Bytes::from(body.to_string()));
    let expected = StatusCode::from_u16(expected).expect("a status");
    Call { method, path: path.to_owned(), token: Some(token.to_owned()), body, expected }
}

/// A card that is good.
pub fn card() -> Value {
    json!({"type": "CARD", "token": "tok_ok"})
}

impl Shop {
    /// Registers a product, and signs so many customers up.
    pub async fn prepare(address: &str, customers: usize) -> Result<Self, Box<dyn Error>> {
        let mut connection = Connection::open(address).await?;
        let product = json!({"name": "purifier", "model": "D-1", "fee": FEE_WON, "stock": 1_000_000});
        let product = call("POST", "/v1/products", OPERATOR_KEY, Some(product), 201);
        let product = text(&connection.ask(&product).await?, "id")?;
        let mut tokens = Vec::with_capacity(customers);
        for n in 0..customers {
            let phone = format!("010-2000-{n:04}");
            let body = json!({"name": format!("customer {n}"), "phone": phone, "password": "correct horse"});
            connection.ask(&call("POST", "/v1/customers", "", Some(body), 201)).await?;
            let body = json!({"phone": phone, "password": "correct horse"});
            let session = connection.ask(&call("POST", "/v1/sessions", "", Some(body), 201)).await?;
            tokens.push(text(&session, "token")?);
        }
        Ok(Self { address: address.to_owned(), product, tokens })
    }

    /// A rental of a customer.
    pub fn place(&self, token: &str) -> Call {
        let body = json!({
            "productId": self.product,
            "address": {"recipient": "customer", "postalCode": "04524", "line1": "Sejong-daero 110"},
            "paymentMethod": card(),
        });
        call("POST", "/v1/rentals", token, Some(body), 201)
    }

    /// A connection.
    pub async fn connect(&self) -> Result<Connection, Box<dyn Error>> {
        Connection::open(&self.address).await
    }

    /// Lets the operator decide about the breaker.
    pub async fn set_breaker(&self, mode: &str) -> Result<(), Box<dyn Error>> {
        let mode = Some(json!({"mode": mode}));
        let call = call("PUT", "/v1/operations/payment/breaker", OPERATOR_KEY, mode, 200);
        self.connect().await?.ask(&call).await.map(drop)
    }

    /// How payments are doing.
    pub async fn desk(&self) -> Result<Value, Box<dyn Error>> {
        let call = call("GET", "/v1/operations/payment", OPERATOR_KEY, None, 200);
        Ok(serde_json::from_slice(&self.connect().await?.ask(&call).await?)?)
    }

    /// How many rentals have this status.
    pub async fn count(&self, status: &str) -> Result<u64, Box<dyn Error>> {
        let (mut connection, mut count, mut cursor) = (self.connect().await?, 0, String::new());
        loop {
            let path = format!("/v1/rentals?status={status}&limit=100{cursor}");
            let answer = connection.ask(&call("GET", &path, OPERATOR_KEY, None, 200)).await?;
            let list: Value = serde_json::from_slice(&answer)?;
            count += list["items"].as_array().ok_or("a list has items")?.len() as u64;
            match list["nextCursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return Ok(count),
            }
        }
    }
}

/// A text of an answer.
pub fn text(body: &[u8], field: &str) -> Result<String, Box<dyn Error>> {
    let body: Value = serde_json::from_slice(body)?;
    Ok(body[field].as_str().ok_or("an answer lacks a field")?.to_owned())
}
