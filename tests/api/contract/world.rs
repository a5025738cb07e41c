//! A server with somebody in it, and how to bring it into the state that a call needs.

use std::{cell::Cell, future::Future, path::PathBuf};

use reqwest::Method;
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use super::request::Request;
use crate::kit::{
    Answer, Client, TestApp, eventually, id, order,
    toss::{Ends, Toss},
};

/// What tells a refused request from one that changed something.
const SHOWN: [&str; 8] = [
    "/v1/products?limit=100",
    "/v1/rentals?limit=100",
    "/v1/payments?limit=100",
    "/v1/deliveries?limit=100",
    "/v1/notifications?limit=100",
    "/v1/operations/held?limit=100",
    "/v1/operations/contexts",
    "/v1/operations/payment",
];

/// A server, an operator, two customers, and a product with plenty in stock.
pub struct World {
    pub app: TestApp,
    pub operator: Client,
    pub customer: Client,
    pub other: Client,
    pub product: String,
    till: OnceCell<Till>,
    quarantined: Cell<Option<String>>,
    customers: Cell<u32>,
}

/// Whether nothing is under way, as far as it is shown.
fn is_quiet(shown: &[Value]) -> bool {
    let items = |path: &str| {
        let at = SHOWN.iter().position(|of| *of == path).expect("it is shown") + 1;
        shown[at]["items"].as_array().unwrap()
    };
    let contexts = items("/v1/operations/contexts");
    let waiting = |context: &Value| context["backlog"] != 0 && context["held"] == 0;
    // A message is written first, and sent a little later: by then it looks different.
    let paused = contexts.iter().any(|c| c["context"] == "notification" && c["paused"] == true);
    let pending = items("/v1/notifications?limit=100").iter().any(|m| m["status"] == "PENDING");
    !contexts.iter().any(waiting) && (paused || !pending)
}

async fn breaker(operator: &Client, mode: &str) {
    let request = operator.request(Method::PUT, "/v1/operations/payment/breaker");
    Answer::of(request.json(&json!({"mode": mode}))).await.expect(200);
}

/// A server whose customers pay in the window of Toss Payments.
pub struct Till {
    toss: Toss,
    app: TestApp,
    pub customer: Client,
    pub product: String,
}

impl Till {
    async fn start() -> Self {
        let toss = Toss::start();
        let app = TestApp::with(|settings| toss.serve(settings));
        let (customer, product) = (app.customer(1).await, app.product(29_900, 100_000).await);
        Self { toss, app, customer, product }
    }

    /// A payment method that is good for this once: paid in the window, as a checkout says.
    pub async fn paid(&self, purchase: Value) -> Value {
        let checkout = self.customer.post("/v1/checkouts", purchase).await.expect(201);
        let order = checkout["orderId"].as_str().unwrap();
        let payment_key = self.toss.pay(order, checkout["fee"].as_u64().unwrap(), Ends::Well);
        json!({"type": "TOSS", "paymentKey": payment_key, "checkoutId": checkout["checkoutId"]})
    }

    /// A rental that waits for its payment.
    pub async fn deferred(&self) -> Value {
        let operator = self.app.operator();
        let mut order = order(&self.product, "");
        order["paymentMethod"] = self.paid(json!({"productId": self.product})).await;
        breaker(&operator, "FORCED_OPEN").await;
        let rental = self.customer.post("/v1/rentals", order).await.expect(202);
        breaker(&operator, "AUTO").await;
        rental
    }
}

impl World {
    pub async fn start() -> Self {
        let app = TestApp::start();
        let (customer, other) = (app.customer(1).await, app.customer(2).await);
        let (operator, product) = (app.operator(), app.product(29_900, 100_000).await);
        let (quarantined, customers) = (Cell::new(None), Cell::new(100));
        let till = OnceCell::new();
        Self { app, operator, customer, other, product, till, quarantined, customers }
    }

    /// Another server, whose customers pay in a provider's window; started when it is first needed.
    pub async fn till(&self) -> &Till {
        self.till.get_or_init(Till::start).await
    }

    /// Stops the servers and starts them on the same data; says from where to where they have moved.
    pub fn restart(&mut self) -> Vec<(String, String)> {
        let apps = [Some(&mut self.app), self.till.get_mut().map(|till| &mut till.app)];
        let restart = |app: &mut TestApp| {
            let before = app.url();
            app.restart();
            (before, app.url())
        };
        let moved = apps.into_iter().flatten().map(restart).collect::<Vec<_>>();
        for client in [&mut self.operator, &mut self.customer, &mut self.other] {
            client.follow(&moved);
        }
        moved
    }

    /// A mobile number that nobody has.
    pub fn phone(&self) -> String {
        let number = self.customers.get();
        self.customers.set(number + 1);
        format!("010-2000-{number:04}")
    }

    /// A customer without rentals.
    pub async fn fresh_customer(&self) -> Client {
        let number = self.customers.get();
        self.customers.set(number + 1);
        self.app.customer(number).await
    }

    /// A directory that is not there.
    pub fn new_directory(&self) -> PathBuf {
        let number = self.customers.get();
        self.customers.set(number + 1);
        self.app.data().with_file_name(format!("new-{number}"))
    }

    /// A session of this customer's number, to be ended.
    pub async fn session(&self, body: Value) -> Client {
        let session = Request::of("logIn", &self.app.anyone());
        let session = Request { body: Some(body), ..session }.succeeds().await.body;
        Client::of(&self.app.url(), Some(session["token"].as_str().unwrap().to_owned()))
    }

    /// A rental of the customer, with its delivery started and its unit taken.
    pub async fn rental(&self) -> Value {
        self.customer.rented(&self.product).await
    }

    /// A rental that waits for its payment.
    pub async fn deferred(&self) -> Value {
        breaker(&self.operator, "FORCED_OPEN").await;
        let rental = self.customer.rent(&self.product, "tok_ok").await.expect(202);
        breaker(&self.operator, "AUTO").await;
        rental
    }

    /// A product that fails too often, and waits to be revived.
    pub async fn quarantined_product(&self) -> String {
        let product = self.operator.product(100, 1_000).await;
        let fault = json!({"target": {"kind": "product", "id": product}, "mode": "PANIC"});
        let (restock, status) = (
            format!("/v1/products/{product}/restock"),
            format!("/v1/operations/actors?kind=product&id={product}"),
        );
        let quarantined = || async {
            self.operator.post("/v1/operations/faults", fault.clone()).await.expect(202);
            self.operator.post(&restock, json!({"quantity": 1})).await;
            (self.operator.get(&status).await.expect(200)["status"] == "QUARANTINED").then_some(())
        };
        eventually("the product is in quarantine", quarantined).await;
        product
    }

    /// A target that is held: the stock move of a rental whose product is in quarantine.
    pub async fn held(&self) -> String {
        let product = match self.quarantined.take() {
            Some(product) => product,
            None => self.quarantined_product().await,
        };
        let first = || async {
            let held = self.operator.get("/v1/operations/held").await.expect(200);
            held["items"].get(0).map(|held| id(held).to_owned())
        };
        let held = match first().await {
            Some(held) => held,
            None => {
                self.customer.rent(&product, "tok_ok").await.expect(201);
                eventually("its stock move is held", first).await
            }
        };
        self.quarantined.set(Some(product));
        held
    }

    /// Everything the operator sees, once nothing more is under way.
    pub async fn settled(&self) -> Vec<Value> {
        let seen = Cell::new(None);
        // One look says both: something may begin between a look that is quiet and the next one.
        let unchanged = || async {
            let now = self.shown().await;
            let before = seen.replace(Some(now.clone()));
            (before.as_ref() == Some(&now) && is_quiet(&now)).then_some(now)
        };
        eventually("nothing is under way, and what is shown stays", unchanged).await
    }

    async fn shown(&self) -> Vec<Value> {
        let mut shown = vec![self.customer.get("/v1/customers/me").await.body];
        for path in SHOWN {
            shown.push(self.operator.get(path).await.expect(200));
        }
        shown
    }

    /// Says that nothing changed meanwhile.
    pub async fn unchanged_by<F: Future>(&self, what: &str, doing: F) -> F::Output {
        let before = self.settled().await;
        let done = doing.await;
        assert_eq!(before, self.settled().await, "{what} changed something");
        done
    }
}
