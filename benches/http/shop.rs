//! Saem under load: its products and customers, the calls of the load, and when it has come to rest.

use std::{error::Error, time::Duration};

use hyper::{StatusCode, body::Bytes};
use serde_json::{Value, json};

use crate::load::{Call, Connection};

/// The operator's.
pub const OPERATOR_KEY: &str = "the operator of one run of a benchmark";
/// How many products there are.
pub const PRODUCTS: usize = 1_000;
/// How many units of each: half of what there may be, so that there is room to restock.
const STOCK: u64 = 500_000;
/// How often is asked whether there is something left to do.
const POLL: Duration = Duration::from_millis(5);

/// A shop that has products and customers.
pub struct Shop {
    products: Vec<String>,
    tokens: Vec<String>,
    address: String,
}

/// A call of somebody.
fn call(
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

fn text(value: &Value) -> Result<String, Box<dyn Error>> {
    Ok(value.as_str().ok_or("an answer lacks a field")?.to_owned())
}

impl Shop {
    /// Registers products, and signs so many customers up.
    pub async fn prepare(address: &str, customers: usize) -> Result<Self, Box<dyn Error>> {
        let mut operator = Connection::open(address).await?;
        let mut products = Vec::with_capacity(PRODUCTS);
        for n in 0..PRODUCTS {
            let body =
                json!({"name": format!("purifier {n}"), "model": "B-1", "fee": 29_900, "stock": STOCK});
            let answer = operator.ask(&call("POST", "/v1/products", OPERATOR_KEY, Some(body), 201)).await?;
            products.push(text(&serde_json::from_slice::<Value>(&answer)?["id"])?);
        }
        let mut tokens = Vec::with_capacity(customers);
        for n in 0..customers {
            let phone = format!("010-2000-{n:04}");
            let body = json!({"name": format!("customer {n}"), "phone": phone, "password": "correct horse"});
            operator.ask(&call("POST", "/v1/customers", "", Some(body), 201)).await?;
            let body = json!({"phone": phone, "password": "correct horse"});
            let answer = operator.ask(&call("POST", "/v1/sessions", "", Some(body), 201)).await?;
            tokens.push(text(&serde_json::from_slice::<Value>(&answer)?["token"])?);
        }
        Ok(Self { products, tokens, address: address.to_owned() })
    }

    /// A rental of a customer, over the first so many products in turn.
    pub fn place(&self, customer: usize, request: u64, products: usize) -> Call {
        let product = &self.products[usize::try_from(request).unwrap_or_default() % products];
        let body = json!({
            "productId": product,
            "address": {"recipient": "customer", "postalCode": "04524", "line1": "Sejong-daero 110"},
            "paymentMethod": {"type": "CARD", "token": "tok_ok"},
        });
        call("POST", "/v1/rentals", &self.tokens[customer], Some(body), 201)
    }

    /// One more unit of some product.
    pub fn restock(&self, request: u64) -> Call {
        let product = &self.products[usize::try_from(request).unwrap_or_default() % PRODUCTS];
        let path = format!("/v1/products/{product}/restock");
        call("POST", path, OPERATOR_KEY, Some(json!({"quantity": 1})), 200)
    }

    /// A customer's My Page.
    pub fn my_page(&self, customer: usize) -> Call {
        call("GET", "/v1/mypage", &self.tokens[customer], None, 200)
    }

    /// How many rows a customer's My Page shows.
    pub async fn rows(&self, customer: usize) -> Result<usize, Box<dyn Error>> {
        let mut reader = Connection::open(&self.address).await?;
        let page: Value = serde_json::from_slice(&reader.ask(&self.my_page(customer)).await?)?;
        Ok(page["items"].as_array().ok_or("a list has no items")?.len())
    }

    /// Waits until every context has handled every event there is.
    pub async fn rests(&self) -> Result<(), Box<dyn Error>> {
        let contexts = call("GET", "/v1/operations/contexts", OPERATOR_KEY, None, 200);
        let mut operator = Connection::open(&self.address).await?;
        loop {
            let answer: Value = serde_json::from_slice(&operator.ask(&contexts).await?)?;
            let contexts = answer["items"].as_array().ok_or("a list has no items")?;
            if contexts.iter().all(|context| context["backlog"] == 0) {
                return Ok(());
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// How many units there are in all.
    pub async fn units(&self) -> Result<u64, Box<dyn Error>> {
        let (mut units, mut cursor) = (0, String::new());
        let mut anyone = Connection::open(&self.address).await?;
        loop {
            let path = format!("/v1/products?limit=100{cursor}");
            let list: Value = serde_json::from_slice(&anyone.ask(&call("GET", path, "", None, 200)).await?)?;
            let items = list["items"].as_array().ok_or("a list has no items")?;
            units += items.iter().filter_map(|product| product["stock"].as_u64()).sum::<u64>();
            match list["nextCursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return Ok(units),
            }
        }
    }
}
