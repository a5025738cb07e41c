//! The shop of a drill: one product, its customers, and what the operator sees.

use std::error::Error;

use serde_json::{Value, json};

use crate::{
    calls::{OPERATOR_KEY, call, listed, order, registered, signed_up, text},
    load::{Call, Connection},
};

/// How many units there are.
const STOCK: u64 = 1_000_000;

/// A shop with customers.
pub struct Shop {
    address: String,
    product: String,
    /// The customers'.
    pub tokens: Vec<String>,
}

impl Shop {
    /// Registers a product, and signs so many customers up.
    pub async fn prepare(address: &str, customers: usize) -> Result<Self, Box<dyn Error>> {
        let mut connection = Connection::open(address).await?;
        let product = registered(&mut connection, "purifier", STOCK).await?;
        let tokens = signed_up(&mut connection, customers).await?;
        Ok(Self { address: address.to_owned(), product, tokens })
    }

    /// A rental of a customer.
    pub fn place(&self, token: &str) -> Call {
        order(&self.product, token)
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

    /// What the simulator in the process has captured, and not given back.
    pub async fn captured_won(&self) -> Result<u64, Box<dyn Error>> {
        let call = call("GET", "/v1/operations/ledger", OPERATOR_KEY, None, 200);
        let ledger: Value = serde_json::from_slice(&self.connect().await?.ask(&call).await?)?;
        let entries = ledger["items"].as_array().ok_or("a ledger has entries")?;
        let captured = entries.iter().filter(|entry| entry["status"] == "CAPTURED");
        Ok(captured.filter_map(|entry| entry["amount"].as_u64()).sum())
    }

    /// How many units of the product are gone.
    pub async fn taken(&self) -> Result<u64, Box<dyn Error>> {
        let call = call("GET", format!("/v1/products/{}", self.product), "", None, 200);
        let product: Value = serde_json::from_slice(&self.connect().await?.ask(&call).await?)?;
        Ok(STOCK - product["stock"].as_u64().ok_or("a product has a stock")?)
    }

    /// The server has moved.
    pub fn move_to(&mut self, address: &str) {
        address.clone_into(&mut self.address);
    }

    /// Returns once the server takes commands.
    pub async fn ready(&self) -> Result<(), Box<dyn Error>> {
        let call = call("GET", "/readyz", OPERATOR_KEY, None, 200);
        self.connect().await?.ask(&call).await.map(drop)
    }

    /// Lets the reactions of a context wait.
    pub async fn pause(&self, context: &str) -> Result<(), Box<dyn Error>> {
        self.operate(format!("/v1/operations/contexts/{context}/pause"), None, 200).await
    }

    /// Lets them go on.
    pub async fn resume(&self, context: &str) -> Result<(), Box<dyn Error>> {
        self.operate(format!("/v1/operations/contexts/{context}/resume"), None, 200).await
    }

    /// Has something hang.
    pub async fn fault(&self, target: &Value) -> Result<(), Box<dyn Error>> {
        let fault = json!({"target": target, "mode": "HANG"});
        self.operate("/v1/operations/faults".to_owned(), Some(fault), 202).await
    }

    async fn operate(&self, path: String, body: Option<Value>, expected: u16) -> Result<(), Box<dyn Error>> {
        let call = call("POST", path, OPERATOR_KEY, body, expected);
        self.connect().await?.ask(&call).await.map(drop)
    }

    /// A customer rents; answers the rental's id.
    pub async fn rent(&self) -> Result<String, Box<dyn Error>> {
        text(&self.connect().await?.ask(&self.place(&self.tokens[0])).await?, "id")
    }

    /// Whether a unit was taken from the stock for a rental.
    pub async fn taken_for(&self, rental: &str) -> Result<bool, Box<dyn Error>> {
        let call = call("GET", format!("/v1/rentals/{rental}/timeline"), OPERATOR_KEY, None, 200);
        let timeline = self.connect().await?.ask(&call).await?;
        Ok(String::from_utf8_lossy(&timeline).contains("ProductDecreased"))
    }

    /// How many rentals have this status.
    pub async fn count(&self, status: &str) -> Result<u64, Box<dyn Error>> {
        let path = format!("/v1/rentals?status={status}");
        Ok(listed(&mut self.connect().await?, &path, OPERATOR_KEY).await?.len() as u64)
    }
}
