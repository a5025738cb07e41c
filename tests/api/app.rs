//! A whole server for one test: real port, temporary directory, its own thread; and clients of it.

use std::{
    future::Future,
    net::TcpListener,
    path::{Path, PathBuf},
    sync::mpsc,
    thread::JoinHandle,
    time::Duration,
};

use reqwest::{Method, RequestBuilder, header::HeaderMap};
use saem::{config::Settings, http, open};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::oneshot;

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
                let shop = open::open(&settings).await.unwrap();
                let serving = http::serve(shop.clone(), listener, 2).unwrap();
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

    /// A server with some settings changed.
    pub fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut settings = Settings::default();
        settings.store.path = directory.path().join("data");
        settings.faults.enabled = true;
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

    pub fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    fn client(&self, token: Option<String>) -> Client {
        let url = self.running.as_ref().unwrap().url.clone();
        Client { http: reqwest::Client::new(), url, token, id: String::new() }
    }

    /// Nobody in particular.
    pub fn anyone(&self) -> Client {
        self.client(None)
    }

    pub fn operator(&self) -> Client {
        self.client(Some(operator_key(&self.data())))
    }

    /// A customer who has signed up and logged in; numbers tell customers apart.
    pub async fn customer(&self, number: u32) -> Client {
        let anyone = self.anyone();
        let phone = format!("010-{:04}-{:04}", 1_000 + number / 10_000, number % 10_000);
        let signed_up = json!({"name": "홍길동", "phone": phone, "password": "password"});
        let customer = anyone.post("/v1/customers", signed_up).await.expect(201);
        let logged_in = json!({"phone": phone, "password": "password"});
        let session = anyone.post("/v1/sessions", logged_in).await.expect(201);
        let mut client = self.client(Some(session["token"].as_str().unwrap().to_owned()));
        client.id = customer["id"].as_str().unwrap().to_owned();
        client
    }

    /// Registers a product, and answers its id.
    pub async fn product(&self, fee: u64, stock: u32) -> String {
        let product = json!({"name": "맑은샘", "model": "MS-100", "fee": fee, "stock": stock});
        let product = self.operator().post("/v1/products", product).await.expect(201);
        product["id"].as_str().unwrap().to_owned()
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

pub fn operator_key(data: &Path) -> String {
    std::fs::read_to_string(data.join("operator.key")).unwrap().trim().to_owned()
}

/// Asks again until the answer is there: what is asynchronous has no other sign from outside.
pub async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, ask: impl Fn() -> F) -> T {
    let mut ticks = tokio::time::interval(Duration::from_millis(5));
    let asking = async {
        loop {
            ticks.tick().await;
            if let Some(answer) = ask().await {
                return answer;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(30), asking).await.unwrap_or_else(|_| panic!("never: {what}"))
}

/// Somebody with a token, or nobody.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    url: String,
    token: Option<String>,
    /// A customer's id.
    pub id: String,
}

impl Client {
    /// Somebody known from before a restart.
    pub fn with_token_of(mut self, other: &Self) -> Self {
        self.token.clone_from(&other.token);
        self.id.clone_from(&other.id);
        self
    }

    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.url));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    pub async fn get(&self, path: &str) -> Answer {
        Answer::of(self.request(Method::GET, path)).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        Answer::of(self.request(Method::POST, path).json(&body)).await
    }

    pub async fn patch(&self, path: &str, body: Value) -> Answer {
        Answer::of(self.request(Method::PATCH, path).json(&body)).await
    }

    /// A call without a body.
    pub async fn call(&self, method: Method, path: &str) -> Answer {
        Answer::of(self.request(method, path)).await
    }

    pub async fn rent(&self, product: &str, token: &str) -> Answer {
        self.post("/v1/rentals", order(product, token)).await
    }

    /// A rental that is paid, with its delivery started and its unit taken.
    pub async fn rented(&self, product: &str) -> Value {
        let rental = self.rent(product, "tok_ok").await.expect(201);
        self.timeline_holds(&rental, "ProductDecreased").await;
        rental
    }

    pub async fn events(&self, rental: &Value) -> Vec<String> {
        let timeline = self.get(&format!("/v1/rentals/{}/timeline?limit=100", id(rental))).await.expect(200);
        let events = timeline["items"].as_array().unwrap().iter();
        events.map(|event| event["type"].as_str().unwrap().to_owned()).collect()
    }

    pub async fn timeline_holds(&self, rental: &Value, event: &str) {
        let held = || async { self.events(rental).await.iter().any(|e| e == event).then_some(()) };
        eventually(&format!("{event} on the timeline"), held).await;
    }

    pub async fn cancel(&self, rental: &Value) -> Answer {
        self.call(Method::POST, &format!("/v1/rentals/{}/cancel", id(rental))).await
    }

    /// The rental, once it has this status.
    pub async fn rental_becomes(&self, rental: &Value, status: &str) -> Value {
        let path = format!("/v1/rentals/{}", id(rental));
        let get = || async {
            let rental = self.get(&path).await.expect(200);
            (rental["status"] == status).then_some(rental)
        };
        eventually(&format!("the rental is {status}"), get).await
    }
}

pub fn id(resource: &Value) -> &str {
    resource["id"].as_str().expect("a resource has an id")
}

pub fn order(product: &str, token: &str) -> Value {
    json!({
        "productId": product,
        "address": {"recipient": "홍길동", "postalCode": "04524", "line1": "서울 중구 세종대로 110"},
        "paymentMethod": {"type": "CARD", "token": token},
    })
}

/// What the server answered.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Value,
}

impl Answer {
    pub async fn of(request: RequestBuilder) -> Self {
        let response = request.send().await.expect("the server answers");
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await.expect("the answer arrives whole");
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        Self { status, headers, body }
    }

    /// The body of an answer with this status.
    #[track_caller]
    pub fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.body);
        self.body
    }

    /// A problem of this kind, as RFC 9457 wants it.
    #[track_caller]
    pub fn problem(self, status: u16, slug: &str) -> Value {
        assert_eq!((self.status, self.body["type"].as_str()), (status, Some(&*format!("/problems/{slug}"))));
        assert_eq!(self.header("content-type"), "application/problem+json");
        assert_eq!(self.body["status"], status);
        assert_eq!(self.body["correlationId"], self.header("x-correlation-id"));
        for member in ["title", "detail", "instance"] {
            assert!(self.body[member].is_string(), "{member}: {}", self.body);
        }
        if status == 503 || status == 429 {
            assert!(self.header("retry-after").parse::<u64>().is_ok_and(|s| s >= 1), "Retry-After");
        }
        self.body
    }

    /// A 400 that names exactly these fields.
    #[track_caller]
    pub fn invalid(self, pointers: &[&str]) -> Value {
        let problem = self.problem(400, "invalid-request");
        let errors = problem["errors"].as_array().expect("errors are listed");
        let found: Vec<_> = errors.iter().map(|error| error["pointer"].as_str().unwrap()).collect();
        assert_eq!(found, pointers, "{problem}");
        problem
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}
