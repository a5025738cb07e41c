//! Table of what cannot be generated: for each operation, a call that succeeds.
//!
//! An operation of the document without an entry fails the suite, and so does an entry without an
//! operation. An operation whose body has several shapes has an entry for each.

use std::{collections::BTreeSet, future::Future, pin::Pin};

use serde_json::{Value, json};

use super::{document::CONTRACT, request::Request, world::World};
use crate::kit::{Client, id, operator_key, text};

type Making<'a> = Pin<Box<dyn Future<Output = Request> + 'a>>;

pub struct Case {
    /// The operation's id in the document.
    pub operation: &'static str,
    /// Brings the server into the state that the call needs, and makes the call.
    pub make: for<'a> fn(&'a World) -> Making<'a>,
    /// Fields with rules beyond their schema, and the status for other values.
    pub beyond: &'static [(&'static str, u16)],
}

macro_rules! cases {
    ($($operation:ident($world:ident) $([$($field:literal = $status:literal),+])? => $make:expr;)+) => {
        /// The table.
        pub const CASES: &[Case] = &[$(Case {
            operation: stringify!($operation),
            make: |$world| Box::pin(async move { $make }),
            beyond: &[$($(($field, $status)),+)?],
        },)+];
    };
}

// operation(world) [fields with rules beyond their schema = status for other values] => a call that succeeds
cases! {
    signUp(w) => of("signUp", &w.app.anyone()).with("/phone", w.phone());
    showMe(w) => of("showMe", &w.customer);
    changeMe(w) => of("changeMe", &w.fresh_customer().await);
    leave(w) => of("leave", &w.fresh_customer().await);
    logIn(w) ["/phone" = 401, "/password" = 401] => {
        let sign_up = of("signUp", &w.app.anyone()).with("/phone", w.phone());
        sign_up.succeeds().await;
        let body = sign_up.body.unwrap();
        of("logIn", &w.app.anyone()).body(json!({"phone": body["phone"], "password": body["password"]}))
    };
    logIn(w) ["/operatorKey" = 401] => {
        let key = operator_key(&w.app.data());
        of("logIn", &w.app.anyone()).body(json!({"operatorKey": key}))
    };
    logOut(w) => {
        let key = operator_key(&w.app.data());
        of("logOut", &w.session(json!({"operatorKey": key})).await)
    };

    listProducts(w) => of("listProducts", &w.app.anyone());
    showProduct(w) => of("showProduct", &w.app.anyone()).at("id", &w.product);
    registerProduct(w) => of("registerProduct", &w.operator);
    changeProduct(w) => of("changeProduct", &w.operator).at("id", product(w).await).header("If-Match", "*");
    changeProductImage(w) => image(w).await;
    showImage(w) => {
        let product = image(w).await.succeeds().await.body;
        let name = product["imageUrl"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
        of("showImage", &w.app.anyone()).at("file", name)
    };
    restockProduct(w) => of("restockProduct", &w.operator).at("id", product(w).await);
    withdrawProduct(w) => of("withdrawProduct", &w.operator).at("id", product(w).await);

    openCheckout(w) => {
        let till = w.till().await;
        of("openCheckout", &till.customer).body(json!({"productId": till.product}))
    };
    openCheckout(w) => {
        let till = w.till().await;
        of("openCheckout", &till.customer).body(json!({"rentalId": till.deferred().await["id"]}))
    };
    listRentals(w) => of("listRentals", &w.customer);
    placeRental(w) ["/productId" = 404, "/paymentMethod/token" = 400, "/expectedFee" = 409] =>
        of("placeRental", &w.customer).with("/productId", w.product.as_str());
    placeRental(w) [
        "/expectedFee" = 409, "/paymentMethod/paymentKey" = 400, "/paymentMethod/paymentKey" = 402
    ] => {
        let till = w.till().await;
        let paid = till.paid(json!({"productId": till.product})).await;
        let order = of("placeRental", &till.customer).with("/productId", till.product.as_str());
        order.with("/paymentMethod", paid)
    };
    showRental(w) => of("showRental", &w.customer).at("id", id(&w.rental().await));
    payRental(w) ["/paymentMethod/token" = 400] =>
        of("payRental", &w.customer).at("id", id(&w.deferred().await));
    payRental(w) ["/paymentMethod/paymentKey" = 400, "/paymentMethod/paymentKey" = 402] => {
        let till = w.till().await;
        let rental = till.deferred().await;
        let paid = till.paid(json!({"rentalId": rental["id"]})).await;
        of("payRental", &till.customer).at("id", id(&rental)).with("/paymentMethod", paid)
    };
    cancelRental(w) => of("cancelRental", &w.customer).at("id", id(&w.rental().await));
    showTimeline(w) => of("showTimeline", &w.customer).at("id", id(&w.rental().await));

    listPayments(w) => of("listPayments", &w.customer);
    showPayment(w) => of("showPayment", &w.customer).at("id", text(&w.rental().await, "paymentId"));
    listDeliveries(w) => of("listDeliveries", &w.customer);
    showDelivery(w) => of("showDelivery", &w.customer).at("id", text(&w.rental().await, "deliveryId"));
    dispatchDelivery(w) =>
        of("dispatchDelivery", &w.operator).at("id", text(&w.rental().await, "deliveryId"));
    completeDelivery(w) => {
        let rental = w.rental().await;
        let delivery = text(&rental, "deliveryId");
        of("dispatchDelivery", &w.operator).at("id", delivery).succeeds().await;
        of("completeDelivery", &w.operator).at("id", delivery)
    };

    listMyPage(w) => of("listMyPage", &w.customer);
    showMyPageRow(w) => of("showMyPageRow", &w.customer).at("rentalId", id(&w.rental().await));
    watchMyPage(w) => of("watchMyPage", &w.customer);
    listNotifications(w) => of("listNotifications", &w.customer);

    showActors(w) => of("showActors", &w.operator);
    reviveActor(w) =>
        of("reviveActor", &w.operator).at("kind", "product").at("id", w.quarantined_product().await);
    listContexts(w) => of("listContexts", &w.operator);
    pauseContext(w) => of("pauseContext", &w.operator).at("context", "notification");
    resumeContext(w) => of("resumeContext", &w.operator).at("context", "notification");
    listHeld(w) => of("listHeld", &w.operator);
    retryHeld(w) => of("retryHeld", &w.operator).at("id", w.held().await);
    dismissHeld(w) => of("dismissHeld", &w.operator).at("id", w.held().await);
    showLedger(w) => of("showLedger", &w.operator);
    showPaymentDesk(w) => of("showPaymentDesk", &w.operator);
    setBreaker(w) => of("setBreaker", &w.operator);
    backUp(w) ["/directory" = 400] => {
        let directory = w.new_directory().to_str().unwrap().to_owned();
        of("backUp", &w.operator).with("/directory", directory)
    };
    injectFault(w) ["/target/kind" = 404, "/target/id" = 404] => {
        let target = json!({"kind": "product", "id": product(w).await});
        of("injectFault", &w.operator).with("/target", target).with("/mode", "STOP")
    };

    healthz(w) => of("healthz", &w.app.anyone());
    readyz(w) => of("readyz", &w.app.anyone());
    metrics(w) => of("metrics", &w.app.anyone());
    showContract(w) => of("showContract", &w.app.anyone());
    findDocs(w) => of("findDocs", &w.app.anyone());
    showDocs(w) => of("showDocs", &w.app.anyone()).at("file", "index.html");
    explainProblem(w) => of("explainProblem", &w.app.anyone()).at("slug", "out-of-stock");
}

fn of(operation: &str, by: &Client) -> Request {
    Request::of(operation, by)
}

impl Request {
    fn body(mut self, body: Value) -> Self {
        self.body = Some(body);
        self
    }
}

async fn product(world: &World) -> String {
    world.operator.product(100, 10).await
}

impl Case {
    /// The operation's first case.
    pub fn of(operation: &str) -> &'static Self {
        let missing = || {
            panic!(
                "{operation} is in the document, but not in `cases!` of tests/api/contract/cases.rs: add a \
                 line there that makes a call of it that succeeds"
            )
        };
        CASES.iter().find(|case| case.operation == operation).unwrap_or_else(missing)
    }
}

#[test]
fn cases_and_operations_are_the_same() {
    let cases: BTreeSet<_> = CASES.iter().map(|case| case.operation).collect();
    let operations: BTreeSet<_> = CONTRACT.operations.iter().map(|o| o.id.as_str()).collect();
    for operation in &operations {
        Case::of(operation);
    }
    let stale: Vec<_> = cases.difference(&operations).collect();
    assert!(
        stale.is_empty(),
        "take these out of tests/api/contract/cases.rs, they are not served: {stale:?}"
    );
}

#[tokio::test]
async fn every_case_succeeds() {
    let world = World::start().await;
    for case in CASES {
        (case.make)(&world).await.succeeds().await;
    }
}

async fn image(world: &World) -> Request {
    let mut request = of("changeProductImage", &world.operator).at("id", product(world).await);
    request.bytes = Some(("image/png", b"\x89PNG\r\n\x1a\nsmall"));
    request
}
