//! The gateway as a process of its own, and a client of it.

use std::{path::Path, process::Stdio};

use saem::{
    domain::{Money, PaymentId},
    gateways::payment::{
        ChargeKey, PaymentMethod, PriorCharge,
        http::{self, HttpGateway},
    },
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

/// A client of whatever is at `url`.
pub fn client(url: &str, secret: Option<&str>) -> HttpGateway {
    HttpGateway::new(http::client().unwrap(), http::base_url(url).unwrap(), secret.map(str::to_owned))
}

/// `saem gateway`; it dies with the test.
pub struct Gateway {
    process: Child,
    /// Kept open: it may say more.
    _output: Lines<BufReader<ChildStdout>>,
    pub url: String,
}

impl Gateway {
    /// One that keeps its ledger in `directory`, on any port.
    pub async fn start(directory: &Path, settings: &[(&str, &str)]) -> Self {
        Self::start_at("127.0.0.1:0", directory, settings).await
    }

    pub async fn start_at(address: &str, directory: &Path, settings: &[(&str, &str)]) -> Self {
        Self::start_logging(address, directory, settings, Stdio::inherit()).await
    }

    /// The same, with its log going to `log`.
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
        let said = output.next_line().await.unwrap().expect("it says where it listens");
        let url = said.split_once("listens on ").unwrap().1.to_owned();
        Self { process, _output: output, url }
    }

    /// SIGKILL.
    pub async fn kill(mut self) {
        self.process.kill().await.unwrap();
    }

    pub async fn behave(&self, manner: Value) -> (u16, Value) {
        let request = http::client().unwrap().put(format!("{}/behaviour", self.url)).json(&manner);
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    /// What it took of a payment: captures, refunds.
    pub async fn ledger(&self, payment: &Value) -> (u64, u64) {
        let answer = http::client().unwrap().get(format!("{}/ledger", self.url)).send().await.unwrap();
        let ledger: Value = answer.json().await.unwrap();
        let entry = ledger["items"].as_array().unwrap().iter().find(|e| e["paymentId"] == *payment).cloned();
        entry.map_or((0, 0), |e| (e["captures"].as_u64().unwrap(), e["refunds"].as_u64().unwrap()))
    }
}
