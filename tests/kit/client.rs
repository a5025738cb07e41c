//! HTTP client of the shop's API.

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use super::{Answer, eventually, id, text, until};

/// A client of one server, with a token or anonymous.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    url: String,
    token: Option<String>,
    /// Id of the customer; empty for anybody else.
    pub id: String,
}

impl Client {
    /// The client follows no redirects.
    pub fn of(url: &str, token: Option<String>) -> Self {
        let http = saem::internal::gateways::client().expect("a client needs no resources");
        Self { http, url: url.to_owned(), token, id: String::new() }
    }

    /// Continues at a server that listens elsewhere.
    pub fn move_to(&mut self, url: &str) {
        url.clone_into(&mut self.url);
    }

    /// Continues where the server has moved to, if it is among these pairs of old and new address.
    pub fn follow(&mut self, moved: &[(String, String)]) {
        if let Some((_, to)) = moved.iter().find(|(from, _)| *from == self.url) {
            self.url.clone_from(to);
        }
    }

    /// Uses the token of a client from before a restart.
    pub fn with_token_of(mut self, other: &Self) -> Self {
        self.token.clone_from(&other.token);
        self.id.clone_from(&other.id);
        self
    }

    /// Signs up customer `number`, and logs in.
    pub async fn sign_up(url: &str, number: u32) -> Self {
        let anyone = Self::of(url, None);
        let phone = format!("010-{:04}-{:04}", 1_000 + number / 10_000, number % 10_000);
        let signed_up = json!({"name": "홍길동", "phone": phone, "password": "password"});
        let customer = anyone.post("/v1/customers", signed_up).await.expect(201);
        let client = Self::log_in(url, json!({"phone": phone, "password": "password"})).await;
        Self { id: id(&customer).to_owned(), ..client }
    }

    pub async fn log_in(url: &str, credentials: Value) -> Self {
        let session = Self::of(url, None).post("/v1/sessions", credentials).await.expect(201);
        Self::of(url, Some(text(&session, "token").to_owned()))
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

    pub async fn post_keyed(&self, path: &str, key: &str, body: &Value) -> Answer {
        let request = self.request(Method::POST, path).header("idempotency-key", key);
        Answer::of(request.json(body)).await
    }

    pub async fn patch(&self, path: &str, body: Value) -> Answer {
        Answer::of(self.request(Method::PATCH, path).json(&body)).await
    }

    /// Sends a request without a body.
    pub async fn call(&self, method: Method, path: &str) -> Answer {
        Answer::of(self.request(method, path)).await
    }

    /// Items of a list's first page.
    pub async fn items(&self, path: &str) -> Vec<Value> {
        let list = self.get(path).await.expect(200);
        list["items"].as_array().unwrap_or_else(|| panic!("no list: {list}")).clone()
    }

    /// Returns the resource once its field has this value.
    pub async fn becomes(&self, path: &str, field: &str, value: &str) -> Value {
        let get = || async { Some(self.get(path).await.expect(200)).filter(|found| found[field] == value) };
        eventually(&format!("{field} of {path} is {value}"), get).await
    }
}

/// Calls of customers.
impl Client {
    pub async fn rent(&self, product: &str, token: &str) -> Answer {
        self.post("/v1/rentals", order(product, token)).await
    }

    pub async fn rent_keyed(&self, product: &str, token: &str, key: &str) -> Answer {
        self.post_keyed("/v1/rentals", key, &order(product, token)).await
    }

    /// Places a rental that is paid, and waits until its unit was taken.
    pub async fn rented(&self, product: &str) -> Value {
        let rental = self.rent(product, "tok_ok").await.expect(201);
        self.timeline_holds(&rental, "ProductDecreased").await;
        rental
    }

    pub async fn pay(&self, rental: &Value, token: &str) -> Answer {
        self.pay_with(rental, json!({"type": "CARD", "token": token})).await
    }

    pub async fn pay_with(&self, rental: &Value, method: Value) -> Answer {
        self.post(&format!("/v1/rentals/{}/payment", id(rental)), json!({"paymentMethod": method})).await
    }

    /// Pays as soon as the outcome of the last attempt is known.
    pub async fn pay_once_settled(&self, rental: &Value, token: &str) -> Answer {
        eventually("the last attempt is settled", || async {
            let answer = self.pay(rental, token).await;
            (!matches!(answer.status, 202 | 409 | 503)).then_some(answer)
        })
        .await
    }

    pub async fn cancel(&self, rental: &Value) -> Answer {
        self.call(Method::POST, &format!("/v1/rentals/{}/cancel", id(rental))).await
    }

    /// Cancels a rental, and waits for an event that follows.
    pub async fn cancel_until(&self, rental: &Value, event: &str) {
        self.cancel(rental).await.expect(200);
        self.timeline_holds(rental, event).await;
    }

    pub async fn rental_becomes(&self, rental: &Value, status: &str) -> Value {
        self.becomes(&format!("/v1/rentals/{}", id(rental)), "status", status).await
    }

    pub async fn payment_becomes(&self, rental: &Value, status: &str) -> Value {
        self.becomes(&format!("/v1/payments/{}", text(rental, "paymentId")), "status", status).await
    }

    pub async fn delivery_becomes(&self, rental: &Value, status: &str) -> Value {
        self.becomes(&format!("/v1/deliveries/{}", text(rental, "deliveryId")), "status", status).await
    }

    /// The rental's events, in order.
    pub async fn timeline(&self, rental: &Value) -> Vec<Value> {
        self.items(&format!("/v1/rentals/{}/timeline?limit=100", id(rental))).await
    }

    /// Names of the rental's events, in order.
    pub async fn events(&self, rental: &Value) -> Vec<String> {
        self.timeline(rental).await.iter().map(|event| text(event, "type").to_owned()).collect()
    }

    pub async fn timeline_holds(&self, rental: &Value, event: &str) {
        let holds = || async { self.events(rental).await.iter().any(|name| name == event) };
        until(&format!("{event} on the timeline"), holds).await;
    }

    /// The customer's messages, oldest first, once they are about these events and sent.
    pub async fn messages(&self, events: &[&str]) -> Vec<Value> {
        eventually(&format!("messages about {events:?}"), || async {
            let mut items = self.items("/v1/notifications?limit=100").await;
            items.reverse();
            let complete = items.iter().map(|message| text(message, "event")).eq(events.iter().copied());
            (complete && items.iter().all(|message| message["status"] == "SENT")).then_some(items)
        })
        .await
    }
}

/// Calls of the operator.
impl Client {
    /// Registers a product, and returns its id.
    pub async fn product(&self, fee: u64, stock: u32) -> String {
        let product = json!({"name": "맑은샘", "model": "MS-100", "fee": fee, "stock": stock});
        id(&self.post("/v1/products", product).await.expect(201)).to_owned()
    }

    pub async fn restock(&self, product: &str, quantity: u32) -> Answer {
        self.post(&format!("/v1/products/{product}/restock"), json!({"quantity": quantity})).await
    }

    pub async fn stock(&self, product: &str) -> u64 {
        self.get(&format!("/v1/products/{product}")).await.expect(200)["stock"].as_u64().unwrap()
    }

    /// `dispatch` or `complete` of the rental's delivery.
    pub async fn deliver(&self, rental: &Value, step: &str) -> Answer {
        self.call(Method::POST, &format!("/v1/deliveries/{}/{step}", text(rental, "deliveryId"))).await
    }

    pub async fn pause(&self, context: &str) {
        self.call(Method::POST, &format!("/v1/operations/contexts/{context}/pause")).await.expect(200);
    }

    pub async fn resume(&self, context: &str) {
        self.call(Method::POST, &format!("/v1/operations/contexts/{context}/resume")).await.expect(200);
    }

    /// The view of one context.
    pub async fn context(&self, name: &str) -> Value {
        let contexts = self.items("/v1/operations/contexts").await;
        contexts.into_iter().find(|context| context["context"] == name).expect("a context by this name")
    }

    pub async fn set_breaker(&self, mode: &str) -> Answer {
        let request = self.request(Method::PUT, "/v1/operations/payment/breaker");
        Answer::of(request.json(&json!({"mode": mode}))).await
    }

    /// Rents while the breaker is open: the rental waits for its payment, and nothing was sent.
    pub async fn deferring<F: Future>(&self, renting: F) -> F::Output {
        self.set_breaker("FORCED_OPEN").await.expect(200);
        let rented = renting.await;
        self.set_breaker("AUTO").await.expect(200);
        rented
    }

    /// Injects a fault into an entity, which is named by its id, or into a service.
    pub async fn fault(&self, target: Value, mode: &str) -> Answer {
        self.post("/v1/operations/faults", json!({"target": target, "mode": mode})).await
    }

    pub async fn fail_entity(&self, entity: &str) {
        let kind = entity.split_once('_').expect("an id has a prefix").0;
        self.fault(json!({"kind": kind, "id": entity}), "PANIC").await.expect(202);
    }

    /// Makes an entity fail until it is in quarantine. A product needs a command for each failure.
    pub async fn quarantine(&self, entity: &str) {
        until("the entity is in quarantine", || async {
            self.fail_entity(entity).await;
            if entity.starts_with("product_") {
                self.restock(entity, 1).await;
            }
            let actors = self.items("/v1/operations/actors").await;
            actors
                .iter()
                .any(|kind| kind["quarantinedIds"].as_array().is_some_and(|ids| ids.contains(&json!(entity))))
        })
        .await;
    }

    pub async fn revive(&self, entity: &str) -> Answer {
        let kind = entity.split_once('_').expect("an id has a prefix").0;
        self.call(Method::POST, &format!("/v1/operations/actors/{kind}/{entity}/revive")).await
    }

    /// Parked targets.
    pub async fn held(&self) -> Vec<Value> {
        self.items("/v1/operations/held").await
    }

    /// Returns the first parked target, once there is one.
    pub async fn first_held(&self) -> Value {
        eventually("a target is parked", || async { self.held().await.into_iter().next() }).await
    }

    /// Captures and refunds of a payment, by the simulator's ledger.
    pub async fn ledger(&self, payment: &Value) -> (u64, u64) {
        let ledger = self.items("/v1/operations/ledger").await;
        let count = |entry: &Value, what: &str| entry[what].as_u64().unwrap();
        let entry = ledger.iter().find(|entry| entry["paymentId"] == *payment);
        entry.map_or((0, 0), |entry| (count(entry, "captures"), count(entry, "refunds")))
    }
}

pub fn order(product: &str, token: &str) -> Value {
    json!({
        "productId": product,
        "address": {"recipient": "홍길동", "postalCode": "04524", "line1": "서울 중구 세종대로 110"},
        "paymentMethod": {"type": "CARD", "token": token},
    })
}
