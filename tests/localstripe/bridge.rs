//! Proxy between the gateway and `localstripe`, which supplies two calls that `localstripe` 1.15 lacks.
//!
//! - Its `confirm` takes no payment method (500 `Not implemented`): the proxy sets it by an update first.
//! - It has no search: the proxy filters its list of intents.

use std::sync::Mutex;

use actix_web::{
    HttpRequest, HttpResponse,
    http::{Method, StatusCode},
    web::{self, Bytes, Data},
};
use reqwest::{Client, RequestBuilder};
use saem::internal::gateways::http;
use serde_json::{Value, json};

use crate::kit::doubles::{Served, serve};

/// A secret key such as `localstripe` takes: any that begins like one.
pub const SECRET: &str = "sk_test_contract";

struct Peer {
    client: Client,
    url: String,
    /// Number of confirmations whose answers are still to be lost.
    lost: Mutex<usize>,
}

pub struct Bridge {
    peer: Data<Peer>,
    pub url: String,
    _served: Served,
}

impl Bridge {
    pub fn start() -> Self {
        let url = std::env::var("LOCALSTRIPE_URL").expect("scripts/localstripe sets the address");
        let peer = Data::new(Peer { client: http::client().unwrap(), url, lost: Mutex::new(0) });
        let shared = peer.clone();
        let served = serve(move |config| {
            config.app_data(shared.clone()).default_service(web::to(pass));
        });
        Self { peer, url: served.url.clone(), _served: served }
    }

    /// Loses the answer of the next confirmation.
    pub fn loses_a_confirmation(&self) {
        *self.peer.lost.lock().unwrap() += 1;
    }

    pub async fn post(&self, path: &str, form: &[(&str, &str)]) -> (u16, Value) {
        let (status, body) = self.peer.told(self.peer.request(Method::POST, path).form(form)).await;
        (status.as_u16(), body)
    }

    /// Intents whose key begins so.
    pub async fn intents(&self, key: &str) -> Vec<Value> {
        self.peer.intents(|its| its.starts_with(key)).await
    }

    /// Captures and refunds of a payment.
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
