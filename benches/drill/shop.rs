//! The shop of a drill: one product, its customers, and what the operator sees.

use std::error::Error;

use serde_json::{Value, json};

use crate::{
    calls::{OPERATOR_KEY, call, listed, order, registered, signed_up},
    load::{Call, Connection},
};

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
        let product = registered(&mut connection, "purifier", 1_000_000).await?;
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

    /// How many rentals have this status.
    pub async fn count(&self, status: &str) -> Result<u64, Box<dyn Error>> {
        let path = format!("/v1/rentals?status={status}");
        Ok(listed(&mut self.connect().await?, &path, OPERATOR_KEY).await?.len() as u64)
    }
}
