//! The payment gateway of a drill (`saem gateway`) and its ledger.

use std::{error::Error, path::Path};

use hyper::{StatusCode, body::Bytes};
use serde_json::Value;

use crate::{
    load::{Call, Connection},
    process::Server,
};

pub struct Gateway(Server);

/// Totals of the gateway's ledger.
pub struct Takings {
    /// Payments captured and not refunded.
    pub kept: u64,
    /// Amount captured and not refunded, in KRW.
    pub won: u64,
    /// Payments captured more than once. A good run has none.
    pub twice: u64,
}

impl Gateway {
    /// Starts a gateway with `settings` that keeps its ledger in `directory`.
    pub fn start(directory: &Path, settings: &[(&str, &str)]) -> Result<Self, Box<dyn Error>> {
        Ok(Self(Server::gateway(&directory.join("gateway.ledger"), settings)?))
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.0.address)
    }

    async fn call(
        &self,
        method: &'static str,
        path: &str,
        body: Option<Value>,
    ) -> Result<Value, Box<dyn Error>> {
        let body = body.map(|body| Bytes::from(body.to_string()));
        let call = Call { method, path: path.to_owned(), token: None, body, expected: StatusCode::OK };
        Ok(serde_json::from_slice(&Connection::open(&self.0.address).await?.ask(&call).await?)?)
    }

    /// Changes latency, jitter and capacity of the running gateway.
    pub async fn behave(&self, manner: Value) -> Result<(), Box<dyn Error>> {
        self.call("PUT", "/behaviour", Some(manner)).await.map(drop)
    }

    /// Reads the ledger.
    pub async fn takings(&self) -> Result<Takings, Box<dyn Error>> {
        let ledger = self.call("GET", "/ledger", None).await?;
        let mut takings = Takings { kept: 0, won: 0, twice: 0 };
        for entry in ledger["items"].as_array().ok_or("a ledger has items")? {
            let number = |name: &str| entry[name].as_u64().unwrap_or_default();
            let kept = number("captures") - number("refunds");
            takings.kept += kept;
            takings.won += kept * number("amount");
            takings.twice += u64::from(number("captures") > 1);
        }
        Ok(takings)
    }
}
