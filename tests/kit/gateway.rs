//! `saem gateway` as a process, and clients of payment providers.

use std::{path::Path, process::Stdio, time::Duration};

use saem::{
    Call, ChargeKey, Charged, Found, GatewayError, Money, PaymentId, PaymentMethod, PriorCharge,
    internal::gateways::{HttpGateway, http},
};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader, Lines},
    process::{Child, ChildStdout, Command},
};

pub const FEE: Money = Money::won(29_900);

pub const fn key(payment: u128, attempt: u32) -> ChargeKey {
    ChargeKey { payment: PaymentId(payment), attempt }
}

pub const fn sought(payment: u128, attempt: u32) -> PriorCharge {
    PriorCharge { key: key(payment, attempt), amount: FEE, reference: None }
}

pub fn card(token: &str) -> PaymentMethod {
    PaymentMethod::Card { token: token.to_owned() }
}

pub fn client(url: &str, secret: Option<&str>) -> HttpGateway {
    HttpGateway::new(http::client().unwrap(), http::base_url(url).unwrap(), secret.map(str::to_owned))
}

/// The process; it is killed when dropped.
pub struct Gateway {
    process: Child,
    /// Kept open, so that the process can write to it.
    _output: Lines<BufReader<ChildStdout>>,
    pub url: String,
}

impl Gateway {
    /// Starts on any port; the ledger is in `directory`.
    pub async fn start(directory: &Path, settings: &[(&str, &str)]) -> Self {
        Self::start_at("127.0.0.1:0", directory, settings).await
    }

    pub async fn start_at(address: &str, directory: &Path, settings: &[(&str, &str)]) -> Self {
        Self::start_logging(address, directory, settings, Stdio::inherit()).await
    }

    pub async fn start_logging(
        address: &str,
        directory: &Path,
        settings: &[(&str, &str)],
        log: Stdio,
    ) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_saem"))
            .args(["gateway", "--listen", address, "--ledger"])
            .arg(directory.join("gateway.ledger"))
            .envs([("SAEM_LOG", "error")])
            .envs(settings.iter().copied())
            .stdout(Stdio::piped())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut output = BufReader::new(process.stdout.take().unwrap()).lines();
        let line = output.next_line().await.unwrap().expect("the address is printed");
        let url = line.split_once("listens on ").unwrap().1.to_owned();
        Self { process, _output: output, url }
    }

    pub async fn kill(mut self) {
        self.process.kill().await.unwrap();
    }

    pub async fn behave(&self, behaviour: Value) -> (u16, Value) {
        let request = http::client().unwrap().put(format!("{}/behaviour", self.url)).json(&behaviour);
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    /// Captures and refunds of a payment.
    pub async fn ledger(&self, payment: &Value) -> (u64, u64) {
        let answer = http::client().unwrap().get(format!("{}/ledger", self.url)).send().await.unwrap();
        let ledger: Value = answer.json().await.unwrap();
        let entry = ledger["items"].as_array().unwrap().iter().find(|e| e["paymentId"] == *payment).cloned();
        entry.map_or((0, 0), |e| (e["captures"].as_u64().unwrap(), e["refunds"].as_u64().unwrap()))
    }
}

/// True if the call has no answer within 300 ms.
pub async fn times_out<T>(call: Call<T>) -> bool {
    tokio::time::timeout(Duration::from_millis(300), call).await.is_err()
}

pub fn approved(reference: &str) -> Result<Charged, GatewayError> {
    Ok(Charged::Approved { reference: reference.to_owned() })
}

pub fn declined(code: &str) -> Result<Charged, GatewayError> {
    Ok(Charged::Declined { code: code.to_owned() })
}

pub fn refused<T>(code: &str) -> Result<T, GatewayError> {
    Err(GatewayError::Refused(code.to_owned()))
}

pub fn captured(reference: &str, refunded: Money) -> Result<Found, GatewayError> {
    Ok(Found::Captured { reference: reference.to_owned(), refunded })
}

pub fn is_unknown<T>(answer: &Result<T, GatewayError>) -> bool {
    matches!(answer, Err(GatewayError::Unknown(_)))
}
