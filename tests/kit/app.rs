//! A whole server for one test: real port, temporary directory, its own thread.

use std::{net::TcpListener, path::PathBuf, sync::mpsc, thread::JoinHandle};

use saem::{
    config::{Settings, open},
    http,
};
use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::oneshot;

use super::{Client, eventually, operator_key};

/// A running server.
pub struct TestApp {
    settings: Settings,
    directory: TempDir,
    running: Option<Running>,
}

struct Running {
    url: String,
    stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

impl Running {
    fn start(settings: Settings) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (stop, stopped) = oneshot::channel();
        let (started, ready) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let shop = open::open_shop(&settings).await.unwrap();
                let serving = http::serve(shop.clone(), listener, &settings.server()).unwrap();
                let (handle, draining) = (serving.server.handle(), serving.draining());
                started.send(()).unwrap();
                let stopping = async {
                    let _ = stopped.await;
                    draining.begin();
                    handle.stop(true).await;
                };
                let (served, ()) = tokio::join!(serving.server, stopping);
                served.unwrap();
                shop.close().await;
            });
        });
        ready.recv().expect("the server starts");
        Self { url, stop, thread }
    }

    fn stop(self) {
        let _ = self.stop.send(());
        self.thread.join().unwrap();
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            let _ = running.stop.send(());
            let ended = running.thread.join();
            assert!(ended.is_ok() || std::thread::panicking(), "the server ends well");
        }
    }
}

impl TestApp {
    /// A server with the default settings, but for a temporary directory.
    pub fn start() -> Self {
        Self::with(|_| {})
    }

    /// A server on another backend.
    pub fn on(backend: &str) -> Self {
        Self::with(|settings| settings.store.backend = backend.to_owned())
    }

    /// A server with some settings changed.
    pub fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut settings = Settings::default();
        settings.store.path = directory.path().join("data");
        settings.faults.enabled = true;
        settings.http.workers = 2;
        // Tests are one client: only those about the limit have one.
        settings.limits.requests_per_second = 0;
        // A busy machine is not a slow gateway: only tests about deadlines have short ones.
        (settings.payment.deadline_ms, settings.payment.timeout_ms) = (20_000, 15_000);
        change(&mut settings);
        let running = Some(Running::start(settings.clone()));
        Self { settings, directory, running }
    }

    /// A server whose payments come to an end soon, however they end.
    pub fn impatient(change: impl FnOnce(&mut Settings)) -> Self {
        Self::with(|settings| {
            settings.payment.deadline_ms = 300;
            settings.payment.timeout_ms = 150;
            settings.payment.charge_min_ms = 50;
            change(settings);
        })
    }

    pub fn stop(&mut self) {
        if let Some(running) = self.running.take() {
            running.stop();
        }
    }

    /// Stops it, and starts it again on the same data.
    pub fn restart(&mut self) {
        self.stop();
        self.running = Some(Running::start(self.settings.clone()));
    }

    /// Why it does not start again on the same data, once it is stopped.
    pub fn restart_refused(&self) -> String {
        let settings = self.settings.clone();
        let opening = std::thread::spawn(move || {
            let opened = actix_web::rt::System::new().block_on(open::open_shop(&settings));
            opened.map(drop).expect_err("it is not to start").to_string()
        });
        opening.join().unwrap()
    }

    /// Changes settings, from the next start on.
    pub fn change(&mut self, change: impl FnOnce(&mut Settings)) {
        change(&mut self.settings);
    }

    pub fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    pub fn url(&self) -> String {
        self.running.as_ref().unwrap().url.clone()
    }

    /// Nobody in particular.
    pub fn anyone(&self) -> Client {
        Client::of(&self.url(), None)
    }

    pub fn operator(&self) -> Client {
        Client::of(&self.url(), Some(operator_key(&self.data())))
    }

    /// A customer who has signed up and logged in; numbers tell customers apart.
    pub async fn customer(&self, number: u32) -> Client {
        Client::sign_up(&self.url(), number).await
    }

    /// Registers a product, and answers its id.
    pub async fn product(&self, fee: u64, stock: u32) -> String {
        self.operator().product(fee, stock).await
    }

    pub async fn stock(&self, product: &str) -> u64 {
        let product = self.anyone().get(&format!("/v1/products/{product}")).await.expect(200);
        product["stock"].as_u64().unwrap()
    }

    pub async fn stock_becomes(&self, product: &str, stock: u64) {
        let settled = || async { (self.stock(product).await == stock).then_some(()) };
        eventually(&format!("the stock of {product} is {stock}"), settled).await;
    }

    /// What the gateway knows of a payment: captures, refunds.
    pub async fn ledger(&self, payment: &Value) -> (u64, u64) {
        let ledger = self.operator().get("/v1/operations/ledger").await.expect(200);
        let entry = ledger["items"].as_array().unwrap().iter().find(|e| e["paymentId"] == *payment);
        entry.map_or((0, 0), |e| (e["captures"].as_u64().unwrap(), e["refunds"].as_u64().unwrap()))
    }
}
