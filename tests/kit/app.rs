//! The HTTP application on a free port, in a temporary directory and a thread of its own.

use std::{net::TcpListener, path::PathBuf, sync::mpsc, thread::JoinHandle};

use saem::internal::{
    config::{Settings, open},
    http,
};
use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::oneshot;

use super::{Client, operator_key, until};

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
    pub fn start() -> Self {
        Self::with(|_| {})
    }

    /// Starts on this store backend.
    pub fn on(backend: &str) -> Self {
        Self::with(|settings| settings.store.backend = backend.to_owned())
    }

    /// Starts with these changes of the settings.
    pub fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut settings = Settings::default();
        settings.store.path = directory.path().join("data");
        settings.faults.enabled = true;
        settings.http.workers = 2;
        // All tests share one address.
        settings.limits.requests_per_second = 0;
        // Long, so that a busy machine fails no payment.
        (settings.payment.deadline_ms, settings.payment.timeout_ms) = (20_000, 15_000);
        change(&mut settings);
        let running = Some(Running::start(settings.clone()));
        Self { settings, directory, running }
    }

    /// Starts with short payment deadlines.
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

    /// Stops and starts again on the same data.
    pub fn restart(&mut self) {
        self.stop();
        self.running = Some(Running::start(self.settings.clone()));
    }

    /// Error of a start on the data of the stopped application.
    pub fn restart_refused(&self) -> String {
        let settings = self.settings.clone();
        let opening = std::thread::spawn(move || {
            let opened = actix_web::rt::System::new().block_on(open::open_shop(&settings));
            opened.map(drop).expect_err("the start is refused").to_string()
        });
        opening.join().unwrap()
    }

    /// Changes settings; the next start uses them.
    pub fn change(&mut self, change: impl FnOnce(&mut Settings)) {
        change(&mut self.settings);
    }

    pub fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    pub fn url(&self) -> String {
        self.running.as_ref().unwrap().url.clone()
    }

    pub fn anyone(&self) -> Client {
        Client::of(&self.url(), None)
    }

    pub fn operator(&self) -> Client {
        Client::of(&self.url(), Some(operator_key(&self.data())))
    }

    /// Signs up customer `number`, and logs in.
    pub async fn customer(&self, number: u32) -> Client {
        Client::sign_up(&self.url(), number).await
    }

    /// Registers a product, and returns its id.
    pub async fn product(&self, fee: u64, stock: u32) -> String {
        self.operator().product(fee, stock).await
    }

    pub async fn stock(&self, product: &str) -> u64 {
        self.anyone().stock(product).await
    }

    pub async fn stock_becomes(&self, product: &str, stock: u64) {
        let what = format!("the stock of {product} is {stock}");
        until(&what, || async { self.stock(product).await == stock }).await;
    }

    /// Captures and refunds of a payment, by the simulator's ledger.
    pub async fn ledger(&self, payment: &Value) -> (u64, u64) {
        self.operator().ledger(payment).await
    }

    /// Value of a metric, by its name and labels as they are written.
    pub async fn metric(&self, name: &str) -> Option<f64> {
        let answer = self.anyone().get("/metrics").await;
        assert_eq!(answer.header("content-type"), "text/plain; version=0.0.4");
        let text = answer.expect(200);
        let mut lines = text.as_str().unwrap().lines();
        lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
    }
}
