//! The shop of a drill: one product, customers, and the operator's calls.

use std::error::Error;

use serde_json::{Value, json};

use crate::{
    calls::{OPERATOR_KEY, call, listed, order, registered, signed_up, text},
    load::{Call, Connection},
};

const STOCK: u64 = 1_000_000;

pub struct Shop {
    address: String,
    product: String,
    /// Session tokens of the customers.
    pub tokens: Vec<String>,
}

impl Shop {
    /// Registers a product and signs up `customers` customers.
    pub async fn prepare(address: &str, customers: usize) -> Result<Self, Box<dyn Error>> {
        let mut connection = Connection::open(address).await?;
        let product = registered(&mut connection, "purifier", STOCK).await?;
        let tokens = signed_up(&mut connection, customers).await?;
        Ok(Self { address: address.to_owned(), product, tokens })
    }

    /// The call that places a rental.
    pub fn place(&self, token: &str) -> Call {
        order(&self.product, token)
    }

    pub async fn connect(&self) -> Result<Connection, Box<dyn Error>> {
        Connection::open(&self.address).await
    }

    /// Sets the mode of the circuit breaker.
    pub async fn set_breaker(&self, mode: &str) -> Result<(), Box<dyn Error>> {
        let mode = Some(json!({"mode": mode}));
        let call = call("PUT", "/v1/operations/payment/breaker", OPERATOR_KEY, mode, 200);
        self.connect().await?.ask(&call).await.map(drop)
    }

    /// State of the payment actor, as `GET /v1/operations/payment` shows it.
    pub async fn payment(&self) -> Result<Value, Box<dyn Error>> {
        let call = call("GET", "/v1/operations/payment", OPERATOR_KEY, None, 200);
        Ok(serde_json::from_slice(&self.connect().await?.ask(&call).await?)?)
    }

    /// Amount that the built-in simulator has captured and not refunded, in KRW.
    pub async fn captured_won(&self) -> Result<u64, Box<dyn Error>> {
        let call = call("GET", "/v1/operations/ledger", OPERATOR_KEY, None, 200);
        let ledger: Value = serde_json::from_slice(&self.connect().await?.ask(&call).await?)?;
        let entries = ledger["items"].as_array().ok_or("a ledger has entries")?;
        let captured = entries.iter().filter(|entry| entry["status"] == "CAPTURED");
        Ok(captured.filter_map(|entry| entry["amount"].as_u64()).sum())
    }

    /// Units taken from the product's stock.
    pub async fn taken(&self) -> Result<u64, Box<dyn Error>> {
        let call = call("GET", format!("/v1/products/{}", self.product), "", None, 200);
        let product: Value = serde_json::from_slice(&self.connect().await?.ask(&call).await?)?;
        Ok(STOCK - product["stock"].as_u64().ok_or("a product has a stock")?)
    }

    /// Sets the address of a restarted server.
    pub fn move_to(&mut self, address: &str) {
        address.clone_into(&mut self.address);
    }

    /// Fails unless the server accepts commands.
    pub async fn ready(&self) -> Result<(), Box<dyn Error>> {
        let call = call("GET", "/readyz", OPERATOR_KEY, None, 200);
        self.connect().await?.ask(&call).await.map(drop)
    }

    pub async fn pause(&self, context: &str) -> Result<(), Box<dyn Error>> {
        self.operate(format!("/v1/operations/contexts/{context}/pause"), None, 200).await
    }

    pub async fn resume(&self, context: &str) -> Result<(), Box<dyn Error>> {
        self.operate(format!("/v1/operations/contexts/{context}/resume"), None, 200).await
    }

    /// Makes a component hang.
    pub async fn fault(&self, target: &Value) -> Result<(), Box<dyn Error>> {
        let fault = json!({"target": target, "mode": "HANG"});
        self.operate("/v1/operations/faults".to_owned(), Some(fault), 202).await
    }

    async fn operate(&self, path: String, body: Option<Value>, expected: u16) -> Result<(), Box<dyn Error>> {
        let call = call("POST", path, OPERATOR_KEY, body, expected);
        self.connect().await?.ask(&call).await.map(drop)
    }

    /// Places a rental for the first customer. Returns its id.
    pub async fn rent(&self) -> Result<String, Box<dyn Error>> {
        text(&self.connect().await?.ask(&self.place(&self.tokens[0])).await?, "id")
    }

    /// `true` if a unit was taken from the stock for this rental.
    pub async fn taken_for(&self, rental: &str) -> Result<bool, Box<dyn Error>> {
        let call = call("GET", format!("/v1/rentals/{rental}/timeline"), OPERATOR_KEY, None, 200);
        let timeline = self.connect().await?.ask(&call).await?;
        Ok(String::from_utf8_lossy(&timeline).contains("ProductDecreased"))
    }

    /// Number of rentals with this status.
    pub async fn count(&self, status: &str) -> Result<u64, Box<dyn Error>> {
        let path = format!("/v1/rentals?status={status}");
        Ok(listed(&mut self.connect().await?, &path, OPERATOR_KEY).await?.len() as u64)
    }
}
