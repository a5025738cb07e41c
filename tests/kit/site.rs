//! A server process with its own data directory, a customer, a product, and its log in a file.

use std::{fs::File, path::PathBuf};

use serde_json::Value;
use tempfile::TempDir;

use super::{Answer, Client, operator_key, process::Server, until};

pub struct Site {
    pub directory: TempDir,
    pub customer: Client,
    pub product: String,
    server: Option<Server>,
    settings: Vec<(String, String)>,
}

impl Site {
    pub async fn start(settings: &[(&str, &str)]) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), settings).await
    }

    pub async fn start_in(directory: TempDir, settings: &[(&str, &str)]) -> Self {
        let (customer, product) = (Client::of("", None), String::new());
        let mut site = Self { directory, customer, product, server: None, settings: Vec::new() };
        site.restart(settings).await;
        site.customer = Client::sign_up(site.url(), 1).await;
        site.product = site.operator().product(29_900, 100).await;
        site
    }

    /// Starts the stopped server again with these settings on top of the earlier ones.
    pub async fn restart(&mut self, more: &[(&str, &str)]) {
        self.settings.extend(more.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())));
        let log = File::options().create(true).append(true).open(self.directory.path().join("log")).unwrap();
        let settings: Vec<_> =
            self.settings.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let server = Server::start_logging(&self.data(), &settings, log.into()).await;
        self.customer.move_to(&server.url);
        self.server = Some(server);
    }

    pub async fn kill(&mut self) {
        self.server.take().expect("it is running").kill().await;
    }

    pub async fn end(&mut self) {
        self.server.take().expect("it is running").end().await;
    }

    pub fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    pub fn url(&self) -> &str {
        &self.server.as_ref().expect("it is running").url
    }

    pub fn operator(&self) -> Client {
        Client::of(self.url(), Some(operator_key(&self.data())))
    }

    pub async fn rent(&self, token: &str) -> Answer {
        self.customer.rent(&self.product, token).await
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("log")).unwrap()
    }

    /// Complete lines of the log: the last one may be half written.
    pub fn log_lines(&self) -> Vec<Value> {
        let log = self.log();
        let whole = log.rfind('\n').map_or("", |end| &log[..end]);
        whole.lines().map(|line| serde_json::from_str(line).expect(line)).collect()
    }

    /// Waits until this message was logged.
    pub async fn logs(&self, message: &str) {
        until(message, || async { self.log_lines().iter().any(|line| line["message"] == message) }).await;
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("log of the server:\n{}", self.log());
        }
    }
}
