//! What stands between the gateway and `localstripe`: it passes everything on, but for two calls that
//! `localstripe` 1.15 does not have.
//!
//! - Its `confirm` takes no payment method (500 `Not implemented`). So the intent is told of it by an update
//!   first, which it does have, and is then confirmed.
//! - It has no search. So its list of intents is looked through.

use std::{net::TcpListener, sync::Mutex};

use actix_web::{
    App, HttpRequest, HttpResponse, HttpServer,
    http::{Method, StatusCode},
    web::{self, Bytes, Data},
};
use reqwest::{Client, RequestBuilder};
use saem::gateways::payment::http;
use serde_json::{Value, json};

/// A secret key such as `localstripe` takes: any that begins like one.
pub const SECRET: &str = "sk_test_contract";

struct Peer {
    client: Client,
    url: String,
    /// How many answers to confirmations are still to be swallowed.
    lost: Mutex<usize>,
}

/// The bridge, and what tests ask `localstripe` directly.
#[derive(Clone)]
pub struct Bridge {
    peer: Data<Peer>,
    pub url: String,
}

impl Bridge {
    pub fn start() -> Self {
        let url = std::env::var("LOCALSTRIPE_URL").expect("scripts/localstripe says where it listens");
        let peer = Data::new(Peer { client: http::client().unwrap(), url, lost: Mutex::new(0) });
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let shared = peer.clone();
        let app = move || App::new().app_data(shared.clone()).default_service(web::to(pass));
        tokio::spawn(HttpServer::new(app).workers(1).disable_signals().listen(listener).unwrap().run());
        Self { peer, url }
    }

    /// The next confirmation is carried out, and its answer never arrives.
    pub fn loses_a_confirmation(&self) {
        *self.peer.lost.lock().unwrap() += 1;
    }

    pub async fn get(&self, path: &str) -> Value {
        self.peer.told(self.peer.request(Method::GET, path)).await.1
    }

    pub async fn post(&self, path: &str, form: &[(&str, &str)]) -> (u16, Value) {
        let (status, body) = self.peer.told(self.peer.request(Method::POST, path).form(form)).await;
        (status.as_u16(), body)
    }

    /// The intents that carry a key that begins like this.
    pub async fn intents(&self, key: &str) -> Vec<Value> {
        self.peer.intents(|its| its.starts_with(key)).await
    }

    /// What a payment cost: how often it was captured and refunded.
    pub async fn ledger(&self, payment: &str) -> (usize, u64) {
        let intents = self.intents(payment).await;
        let charges = intents.iter().map(|intent| &intent["latest_charge"]);
        let paid: Vec<_> = charges.filter(|charge| charge["status"] == "succeeded").collect();
        let refunds = paid.iter().map(|charge| charge["refunds"]["total_count"].as_u64().unwrap()).sum();
        (paid.len(), refunds)
    }
}

impl Peer {
    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let method = reqwest::Method::from_bytes(method.as_str().as_bytes()).unwrap();
        self.client.request(method, format!("{}{path}", self.url)).bearer_auth(SECRET)
    }

    async fn told(&self, request: RequestBuilder) -> (StatusCode, Value) {
        let answer = request.send().await.expect("localstripe answers");
        let status = StatusCode::from_u16(answer.status().as_u16()).unwrap();
        let text = answer.text().await.expect("its answer arrives whole");
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    async fn intents(&self, ours: impl Fn(&str) -> bool) -> Vec<Value> {
        let (_, list) = self.told(self.request(Method::GET, "/v1/payment_intents?limit=100000")).await;
        let intents = list["data"].as_array().expect("a list").iter();
        let carries = |intent: &&Value| intent["metadata"]["saem_key"].as_str().is_some_and(&ours);
        intents.filter(carries).cloned().collect()
    }
}

async fn pass(peer: Data<Peer>, request: HttpRequest, body: Bytes) -> HttpResponse {
    let (method, path) = (request.method().clone(), request.path().to_owned());
    let header = |name| request.headers().get(name).map_or("", |value| value.to_str().unwrap());
    let forwarded = |path: &str, body: Vec<u8>| {
        let to = peer.client.request(
            reqwest::Method::from_bytes(method.as_str().as_bytes()).unwrap(),
            format!("{}{path}", peer.url),
        );
        let to = to.header("authorization", header("authorization"));
        peer.told(to.header("content-type", header("content-type")).body(body))
    };
    if path == "/v1/payment_intents/search" {
        let wanted = format!("x:?{}", request.query_string());
        let wanted = reqwest::Url::parse(&wanted).unwrap();
        let query = wanted.query_pairs().find(|(name, _)| name == "query").expect("a query").1.into_owned();
        let data = peer.intents(|key| query == format!("metadata['saem_key']:'{key}'")).await;
        return HttpResponse::Ok().json(json!({"data": data, "has_more": false}));
    }
    if let Some(intent) = path.strip_suffix("/confirm") {
        let form = reqwest::Url::parse(&format!("x:?{}", String::from_utf8_lossy(&body))).unwrap();
        let form: Vec<(String, String)> = form.query_pairs().into_owned().collect();
        let method = form.iter().find(|(name, _)| name == "payment_method").expect("a payment method");
        let (status, told) = forwarded(intent, format!("payment_method={}", method.1).into_bytes()).await;
        assert!(status.is_success(), "{told}");
        let (status, told) = forwarded(&path, Vec::new()).await;
        let lost = {
            let mut lost = peer.lost.lock().unwrap();
            let swallow = *lost > 0;
            *lost = lost.saturating_sub(1);
            swallow
        };
        if lost {
            std::future::pending::<()>().await;
        }
        return HttpResponse::build(status).json(told);
    }
    let query = request.query_string();
    let whole = if query.is_empty() { path } else { format!("{path}?{query}") };
    let (status, told) = forwarded(&whole, body.to_vec()).await;
    HttpResponse::build(status).json(told)
}
