//! A server of its own process, and what it logs.

use std::{fs::File, path::PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::kit::{Answer, Client, eventually, id, operator_key, process::Server};

/// A server that logs into a file.
pub struct Works {
    pub directory: TempDir,
    pub server: Server,
}

impl Works {
    pub async fn start(settings: &[(&str, &str)]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let log = File::create(directory.path().join("log")).unwrap();
        let server = Server::start_logging(&directory.path().join("data"), settings, log.into()).await;
        Self { directory, server }
    }

    pub fn operator_key(&self) -> String {
        operator_key(&self.directory.path().join("data"))
    }

    pub fn operator(&self) -> Client {
        Client::of(&self.server.url, Some(self.operator_key()))
    }

    fn log_path(&self) -> PathBuf {
        self.directory.path().join("log")
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.log_path()).unwrap()
    }

    /// What it logged so far.
    pub fn lines(&self) -> Vec<Value> {
        let log = self.log();
        // The last line may be half written.
        let whole = log.rfind('\n').map_or("", |end| &log[..end]);
        whole.lines().map(|line| serde_json::from_str(line).expect(line)).collect()
    }

    /// Waits until it has logged this.
    pub async fn says(&self, message: &str) {
        let said = || async { self.lines().iter().any(|line| line["message"] == message).then_some(()) };
        eventually(message, said).await;
    }

    pub async fn fault(&self, entity: &str) -> Answer {
        let kind = entity.split_once('_').unwrap().0;
        let fault = json!({"target": {"kind": kind, "id": entity}, "mode": "PANIC"});
        self.operator().post("/v1/operations/faults", fault).await
    }

    /// Has an entity fail until it is left alone.
    pub async fn quarantine(&self, entity: &str) {
        let quarantined = || async {
            self.fault(entity).await.expect(202);
            let actors = self.operator().get("/v1/operations/actors").await.expect(200);
            let mut left_alone =
                actors["items"].as_array().unwrap().iter().map(|kind| &kind["quarantinedIds"]);
            left_alone.any(|ids| ids.as_array().is_some_and(|ids| ids.contains(&json!(entity)))).then_some(())
        };
        eventually("it is in quarantine", quarantined).await;
    }

    /// A field that holds text.
    pub fn text<'a>(value: &'a Value, field: &str) -> &'a str {
        value[field].as_str().unwrap_or_else(|| panic!("{field}: {value}"))
    }

    pub async fn pay(&self, customer: &Client, rental: &Value, token: &str) -> Answer {
        let body = json!({"paymentMethod": {"type": "CARD", "token": token}});
        customer.post(&format!("/v1/rentals/{}/payment", id(rental)), body).await
    }
}
