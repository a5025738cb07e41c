//! A client of a running server, and how to wait for what is asynchronous.
#![allow(dead_code, unreachable_pub, unused_imports, reason = "each test binary uses a part of the kit")]

pub mod app;
pub mod audit;
pub mod peer;
pub mod process;
pub mod runtime;
pub mod services;
pub mod toss;
pub mod wire;

use std::{future::Future, path::Path, time::Duration};

use reqwest::{Method, RequestBuilder, header::HeaderMap};
use serde_json::{Value, json};

pub use self::app::TestApp;

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
    pub fn of(url: &str, token: Option<String>) -> Self {
        // It follows no redirect: where an answer leads is part of it.
        let http = saem::gateways::payment::http::client().expect("a client needs nothing");
        Self { http, url: url.to_owned(), token, id: String::new() }
    }

    /// The same somebody, at a server that listens elsewhere.
    pub fn move_to(&mut self, url: &str) {
        url.clone_into(&mut self.url);
    }

    /// The same somebody, where the server has moved to, if it is among these.
    pub fn follow(&mut self, moved: &[(String, String)]) {
        if let Some((_, to)) = moved.iter().find(|(from, _)| *from == self.url) {
            self.url.clone_from(to);
        }
    }

    /// Signs up and logs in; numbers tell customers apart.
    pub async fn sign_up(url: &str, number: u32) -> Self {
        let anyone = Self::of(url, None);
        let phone = format!("010-{:04}-{:04}", 1_000 + number / 10_000, number % 10_000);
        let signed_up = json!({"name": "홍길동", "phone": phone, "password": "password"});
        let customer = anyone.post("/v1/customers", signed_up).await.expect(201);
        let logged_in = json!({"phone": phone, "password": "password"});
        let session = anyone.post("/v1/sessions", logged_in).await.expect(201);
        let mut client = Self::of(url, Some(session["token"].as_str().unwrap().to_owned()));
        client.id = customer["id"].as_str().unwrap().to_owned();
        client
    }

    /// Registers a product, and answers its id.
    pub async fn product(&self, fee: u64, stock: u32) -> String {
        let product = json!({"name": "맑은샘", "model": "MS-100", "fee": fee, "stock": stock});
        id(&self.post("/v1/products", product).await.expect(201)).to_owned()
    }

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

    pub async fn rent_keyed(&self, product: &str, token: &str, key: &str) -> Answer {
        let request = self.request(Method::POST, "/v1/rentals").header("idempotency-key", key);
        Answer::of(request.json(&order(product, token))).await
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
        let mut response = request.send().await.expect("the server answers");
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let endless = headers.get("content-type").is_some_and(|of_type| of_type == "text/event-stream");
        let text = if endless {
            // Its first words are enough: it has no end.
            let words = response.chunk().await.expect("it says something");
            String::from_utf8_lossy(&words.unwrap_or_default()).into_owned()
        } else {
            response.text().await.expect("the answer arrives whole")
        };
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
