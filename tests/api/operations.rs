//! `/v1/operations`: injected faults, quarantine, and parked targets.

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::kit::{Client, SERVICES, TestApp, eventually, until};

async fn kind(operator: &Client, kind: &str) -> Value {
    operator.items(&format!("/v1/operations/actors?kind={kind}")).await.swap_remove(0)
}

async fn nothing_is_parked(operator: &Client) {
    until("nothing is parked", || async { operator.held().await.is_empty() }).await;
}

/// An application with a customer, the operator, and a product with so many units.
async fn started(stock: u32) -> (TestApp, Client, Client, String) {
    let app = TestApp::start();
    let (customer, operator, product) = (app.customer(1).await, app.operator(), app.product(1, stock).await);
    (app, customer, operator, product)
}

#[tokio::test]
async fn failed_product_keeps_its_state_and_harms_no_other() {
    let (app, customer, operator, product) = started(5).await;
    let other = app.product(2, 5).await;
    for mode in ["PANIC", "STOP"] {
        operator.fault(json!({"kind": "product", "id": product}), mode).await.expect(202);
        let failed = operator.restock(&product, 1).await;
        assert!(failed.status == 503 || failed.status == 200, "{}", failed.body);
        operator.restock(&other, 1).await.expect(200);
        customer.rented(&other).await;
        until("the product is back", || async { operator.restock(&product, 1).await.status == 200 }).await;
    }
    assert!(app.stock(&product).await >= 7);
    let products = kind(&operator, "product").await;
    assert!(products["restarted"].as_u64().unwrap() >= 1);
    assert_eq!(products["quarantined"], 0);
}

#[tokio::test]
async fn product_in_quarantine_parks_its_stock_moves_until_revived() {
    let (app, customer, operator, product) = started(5).await;
    let other = app.product(2, 5).await;
    operator.quarantine(&product).await;
    operator.restock(&product, 1).await.problem(503, "actor-quarantined");
    let status = kind(&operator, "product").await;
    assert_eq!((&status["quarantined"], &status["quarantinedIds"]), (&json!(1), &json!([product])));
    operator.restock(&other, 1).await.expect(200);
    customer.rented(&other).await;

    // Rentals of the product in quarantine are still placed.
    let rental = customer.rent(&product, "tok_ok").await.expect(201);
    let held = operator.first_held().await;
    assert_eq!((&held["group"], &held["target"]), (&json!("product"), &json!(product)));
    assert!(held["reason"].as_str().is_some_and(|reason| !reason.is_empty()), "{held}");

    assert_ne!(operator.revive(&product).await.expect(200)["status"], "QUARANTINED");
    operator.revive(&product).await.problem(404, "not-found");
    customer.timeline_holds(&rental, "ProductDecreased").await;
    nothing_is_parked(&operator).await;
    operator.restock(&product, 1).await.expect(200);
}

#[tokio::test]
async fn stock_is_right_after_parked_moves_of_every_lane() {
    let (app, customer, operator, product) = started(500).await;
    operator.quarantine(&product).await;
    let stock = app.stock(&product).await;
    let rentals = join_all((0..40).map(|_| customer.rent(&product, "tok_ok"))).await;
    let rentals: Vec<Value> = rentals.into_iter().map(|answer| answer.expect(201)).collect();
    for rental in &rentals[..10] {
        customer.cancel(rental).await.expect(200);
    }
    until("all moves are parked", || async {
        let context = operator.context("product").await;
        context["backlog"] == 0 && context["held"].as_u64() > Some(10)
    })
    .await;
    operator.revive(&product).await.expect(200);
    for rental in &rentals {
        customer.timeline_holds(rental, "ProductDecreased").await;
    }
    for rental in &rentals[..10] {
        customer.timeline_holds(rental, "ProductIncreased").await;
    }
    assert_eq!(app.stock(&product).await, stock - 30);
    nothing_is_parked(&operator).await;
}

#[tokio::test]
async fn parked_target_is_retried_or_dismissed() {
    let (app, customer, operator, product) = started(5).await;
    operator.quarantine(&product).await;
    let stock = app.stock(&product).await;
    customer.rent(&product, "tok_ok").await.expect(201);
    let first = operator.first_held().await;
    let path = |verb: &str| format!("/v1/operations/held/{}/{verb}", first["id"].as_str().unwrap());
    operator.call(Method::POST, &path("retry")).await.expect(202);
    operator.first_held().await;
    operator.post(&path("dismiss"), json!({"reason": ""})).await.invalid(&["/reason"]);
    operator.post(&path("dismiss"), json!({"reason": "counted by hand"})).await.expect(200);
    operator.post(&path("dismiss"), json!({"reason": "again"})).await.problem(404, "not-found");
    operator.revive(&product).await.expect(200);
    operator.restock(&product, 1).await.expect(200);
    assert_eq!(app.stock(&product).await, stock + 1, "the dismissed move is not made");
}

#[tokio::test]
async fn every_service_is_restarted_after_a_panic() {
    let (app, customer, operator, product) = started(50).await;
    for (kind, name) in SERVICES {
        operator.fault(json!({"kind": kind, "id": name}), "PANIC").await.expect(202);
    }
    let rental = customer.rented(&product).await;
    customer.cancel_until(&rental, "ProductIncreased").await;
    app.stock_becomes(&product, 50).await;
    until("every message is sent", || async {
        let messages = customer.items("/v1/notifications").await;
        messages.len() == 5 && messages.iter().all(|message| message["status"] == "SENT")
    })
    .await;
    let actors = operator.items("/v1/operations/actors").await;
    for (kind, name) in SERVICES {
        let actor = actors.iter().find(|actor| actor["kind"] == kind && actor["name"] == name).unwrap();
        assert_eq!((&actor["live"], &actor["restarted"]), (&json!(1), &json!(1)), "{kind} {name}");
    }
}

#[tokio::test]
async fn failed_payment_actor_is_restarted_and_charges_once() {
    let app = TestApp::impatient(|_| {});
    let (customer, operator, product) = (app.customer(1).await, app.operator(), app.product(1, 50).await);
    for mode in ["PANIC", "STOP", "HANG"] {
        operator.fault(json!({"kind": "payment"}), mode).await.expect(202);
        // Requests notice a hang; a stop is noticed by a look.
        if mode == "STOP" {
            operator.get("/v1/operations/payment").await.expect(200);
        }
        let rental = eventually("rentals are placed again", || async {
            let answer = customer.rent(&product, "tok_ok").await;
            (answer.status == 201).then_some(answer.body)
        })
        .await;
        assert_eq!(app.ledger(&rental["paymentId"]).await, (1, 0));
    }
    assert!(kind(&operator, "payment-actor").await["restarted"].as_u64().unwrap() >= 1);
    let ledger = operator.items("/v1/operations/ledger").await;
    assert!(ledger.iter().all(|entry| entry["captures"] == 1), "{ledger:?}");
}

#[tokio::test]
async fn permits_of_a_hung_payment_actor_are_given_back() {
    let app = TestApp::impatient(|settings| (settings.payment.concurrency, settings.payment.queue) = (1, 1));
    let (customer, operator, product) = (app.customer(1).await, app.operator(), app.product(1, 50).await);
    operator.fault(json!({"kind": "payment"}), "HANG").await.expect(202);
    // Two of three orders take all permits there are, into a mailbox that nobody reads.
    let mut orders = JoinSet::new();
    for _ in 0..3 {
        let (customer, product) = (customer.clone(), product.clone());
        orders.spawn(async move { customer.rent(&product, "tok_ok").await });
    }
    orders.join_next().await.unwrap().unwrap().problem(503, "payment-overloaded");
    operator.get("/v1/operations/payment").await.expect(200);
    until("rentals are placed again", || async { customer.rent(&product, "tok_ok").await.status == 201 })
        .await;
}

#[tokio::test]
async fn faults_are_refused_unless_enabled() {
    let app = TestApp::with(|settings| settings.faults.enabled = false);
    let product = app.product(1, 1).await;
    let target = json!({"kind": "product", "id": product});
    app.operator().fault(target, "PANIC").await.problem(404, "not-found");
    app.operator().restock(&product, 1).await.expect(200);
}

#[tokio::test]
async fn fault_of_an_unknown_target_is_refused() {
    let app = TestApp::start();
    let operator = app.operator();
    for (kind, id) in [("product", "nonsense"), ("reactor", "nonsense"), ("cook", "x")] {
        operator.fault(json!({"kind": kind, "id": id}), "PANIC").await.problem(404, "not-found");
    }
}
