//! A server with an operator and customers, and how to bring it into the state that a call needs.

use std::{cell::Cell, future::Future, path::PathBuf};

use serde_json::{Value, json};
use tokio::sync::OnceCell;

use super::request::Request;
use crate::kit::{
    Client, TestApp, eventually, id, text,
    toss::{Ends, Toss, order_with},
};

/// Lists that show whether a request changed something.
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

pub struct World {
    pub app: TestApp,
    pub operator: Client,
    pub customer: Client,
    pub other: Client,
    pub product: String,
    till: OnceCell<Till>,
    quarantined: Cell<Option<String>>,
    numbers: Cell<u32>,
}

/// True if the lists show nothing under way.
fn is_quiet(shown: &[Value]) -> bool {
    let items = |path: &str| {
        let at = SHOWN.iter().position(|of| *of == path).expect("it is shown") + 1;
        shown[at]["items"].as_array().unwrap()
    };
    let contexts = items("/v1/operations/contexts");
    let waiting = |context: &Value| context["backlog"] != 0 && context["held"] == 0;
    // A message is recorded first and sent later, which changes it.
    let paused = contexts.iter().any(|c| c["context"] == "notification" && c["paused"] == true);
    let pending = items("/v1/notifications?limit=100").iter().any(|m| m["status"] == "PENDING");
    !contexts.iter().any(waiting) && (paused || !pending)
}

/// A server whose payment provider is Toss Payments.
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

    /// A payment method, paid in the window for this purchase.
    pub async fn paid(&self, purchase: Value) -> Value {
        self.toss.check_out(&self.customer, purchase, Ends::Well).await
    }

    /// A rental that waits for its payment.
    pub async fn deferred(&self) -> Value {
        let order = order_with(&self.product, &self.paid(json!({"productId": self.product})).await);
        self.app.operator().deferring(self.customer.post("/v1/rentals", order)).await.expect(202)
    }
}

impl World {
    pub async fn start() -> Self {
        let app = TestApp::start();
        let (customer, other) = (app.customer(1).await, app.customer(2).await);
        let (operator, product) = (app.operator(), app.product(29_900, 100_000).await);
        let (quarantined, numbers) = (Cell::new(None), Cell::new(100));
        let till = OnceCell::new();
        Self { app, operator, customer, other, product, till, quarantined, numbers }
    }

    /// The other server; it is started at the first call.
    pub async fn till(&self) -> &Till {
        self.till.get_or_init(Till::start).await
    }

    /// Restarts the servers on their data; returns their old and new addresses.
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

    fn number(&self) -> u32 {
        self.numbers.replace(self.numbers.get() + 1)
    }

    /// A mobile number that nobody has.
    pub fn phone(&self) -> String {
        format!("010-2000-{:04}", self.number())
    }

    /// A customer without rentals.
    pub async fn fresh_customer(&self) -> Client {
        self.app.customer(self.number()).await
    }

    /// A directory that is not there.
    pub fn new_directory(&self) -> PathBuf {
        self.app.data().with_file_name(format!("new-{}", self.number()))
    }

    /// Logs in, and returns a client of the new session.
    pub async fn session(&self, body: Value) -> Client {
        let session = Request::of("logIn", &self.app.anyone());
        let session = Request { body: Some(body), ..session }.succeeds().await.body;
        Client::of(&self.app.url(), Some(text(&session, "token").to_owned()))
    }

    /// A rental of the customer, with its delivery started and its unit taken.
    pub async fn rental(&self) -> Value {
        self.customer.rented(&self.product).await
    }

    /// A rental that waits for its payment.
    pub async fn deferred(&self) -> Value {
        self.operator.deferring(self.customer.rent(&self.product, "tok_ok")).await.expect(202)
    }

    pub async fn quarantined_product(&self) -> String {
        let product = self.operator.product(100, 1_000).await;
        self.operator.quarantine(&product).await;
        product
    }

    /// A parked target: the stock move of a rental whose product is in quarantine.
    pub async fn held(&self) -> String {
        let product = match self.quarantined.take() {
            Some(product) => product,
            None => self.quarantined_product().await,
        };
        if self.operator.held().await.is_empty() {
            self.customer.rent(&product, "tok_ok").await.expect(201);
        }
        self.quarantined.set(Some(product));
        id(&self.operator.first_held().await).to_owned()
    }

    /// Waits for the end of a retry that was requested: it fails again, which counts as an attempt.
    pub async fn retried(&self, operation: &str) {
        if operation == "retryHeld" {
            let again = || async {
                self.operator.held().await.iter().any(|held| held["attempts"] != 1).then_some(())
            };
            eventually("the retry has failed again", again).await;
        }
    }

    /// Everything the operator sees, once nothing is under way.
    pub async fn settled(&self) -> Vec<Value> {
        let seen = Cell::new(None);
        // Both by one look: work may begin between a quiet look and the next one.
        let unchanged = || async {
            let now = self.shown().await;
            let before = seen.replace(Some(now.clone()));
            (before.as_ref() == Some(&now) && is_quiet(&now)).then_some(now)
        };
        eventually("nothing is under way", unchanged).await
    }

    async fn shown(&self) -> Vec<Value> {
        let mut shown = vec![self.customer.get("/v1/customers/me").await.body];
        for path in SHOWN {
            shown.push(self.operator.get(path).await.expect(200));
        }
        shown
    }

    /// Asserts that nothing changes meanwhile.
    pub async fn unchanged_by<F: Future>(&self, what: &str, work: F) -> F::Output {
        let before = self.settled().await;
        let done = work.await;
        assert_eq!(before, self.settled().await, "{what} changed something");
        done
    }
}
