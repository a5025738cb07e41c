//! The payment gateway of a drill: `saem gateway`, and its own record of what it took.

use std::{
    error::Error,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
};

use hyper::{StatusCode, body::Bytes};
use serde_json::Value;

use crate::load::{Call, Connection};

/// It ends with the value that stands for it.
pub struct Gateway {
    process: Child,
    /// Kept open: it has more to say.
    _output: BufReader<ChildStdout>,
    address: String,
}

/// What it took.
pub struct Takings {
    /// Payments that it has the money of.
    pub kept: u64,
    /// In won.
    pub won: u64,
    /// Payments that were captured more than once: there must be none.
    pub twice: u64,
}

impl Gateway {
    /// One that behaves like this, and keeps its ledger in `directory`.
    pub fn start(directory: &Path, settings: &[(&str, &str)]) -> Result<Self, Box<dyn Error>> {
        let mut process = Command::new(env!("CARGO_BIN_EXE_saem"))
            .args(["gateway", "--listen", "127.0.0.1:0", "--ledger"])
            .arg(directory.join("gateway.ledger"))
            .env("SAEM_LOG", "error")
            .envs(settings.iter().copied())
            .stdout(Stdio::piped())
            .spawn()?;
        let (mut line, mut output) =
            (String::new(), BufReader::new(process.stdout.take().ok_or("no output")?));
        output.read_line(&mut line)?;
        let address = line.trim().rsplit_once("http://").map(|(_, address)| address.to_owned());
        let address = address.ok_or("the gateway did not say where it listens")?;
        Ok(Self { process, _output: output, address })
    }

    /// Where it is.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    async fn call(
        &self,
        method: &'static str,
        path: &str,
        body: Option<Value>,
    ) -> Result<Value, Box<dyn Error>> {
        let body = body.map(|body| Bytes::from(body.to_string()));
        let call = Call { method, path: path.to_owned(), token: None, body, expected: StatusCode::OK };
        Ok(serde_json::from_slice(&Connection::open(&self.address).await?.ask(&call).await?)?)
    }

    /// Behaves like this from now on.
    pub async fn behave(&self, manner: Value) -> Result<(), Box<dyn Error>> {
        self.call("PUT", "/behaviour", Some(manner)).await.map(drop)
    }

    /// Its own record.
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

impl Drop for Gateway {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
