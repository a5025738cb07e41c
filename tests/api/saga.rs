//! The source's own scenario, whole; and what may not keep it from ending.

use reqwest::Method;
use serde_json::{Value, json};

use crate::kit::{TestApp, eventually, id};

const SOURCE_ORDER: [&str; 5] =
    ["RentalPlaced", "PaymentApproved", "RentalConfirmed", "DeliveryStarted", "ProductDecreased"];
const COMPENSATION: [&str; 5] =
    ["RentalCanceled", "PaymentCancelRequested", "PaymentCanceled", "DeliveryCanceled", "ProductIncreased"];

#[tokio::test]
async fn a_rental_runs_through_every_context_and_back() {
    for backend in ["sled", "redb", "memory"] {
        runs_through_every_context_and_back(&TestApp::on(backend)).await;
    }
}

async fn runs_through_every_context_and_back(app: &TestApp) {
    let (product, customer) = (app.product(29_900, 3).await, app.customer(1).await);
    let rental = customer.rented(&product).await;
    assert_eq!((&rental["status"], &rental["fee"]), (&json!("CONFIRMED"), &json!(29_900)));
    assert_eq!(customer.events(&rental).await, SOURCE_ORDER);
    let payment = customer.get(&format!("/v1/payments/{}", rental["paymentId"].as_str().unwrap())).await;
    assert_eq!(payment.expect(200)["status"], "APPROVED");
    let delivery = format!("/v1/deliveries/{}", rental["deliveryId"].as_str().unwrap());
    assert_eq!(customer.get(&delivery).await.expect(200)["status"], "STARTED");
    app.stock_becomes(&product, 2).await;
    assert_eq!(app.ledger(&rental["paymentId"]).await, (1, 0));

    let canceled = customer.cancel(&rental).await.expect(200);
    assert_eq!((&canceled["status"], &canceled["cancelReason"]), (&json!("CANCELED"), &json!("CUSTOMER")));
    customer.timeline_holds(&rental, "ProductIncreased").await;
    assert_eq!(customer.events(&rental).await, [SOURCE_ORDER, COMPENSATION].concat());
    app.stock_becomes(&product, 3).await;
    assert_eq!(customer.get(&delivery).await.expect(200)["status"], "CANCELED");
    assert_eq!(app.ledger(&rental["paymentId"]).await, (1, 1));
}

#[tokio::test]
async fn every_event_of_a_rental_carries_its_correlation_and_its_cause() {
    let app = TestApp::start();
    let (product, customer) = (app.product(100, 1).await, app.customer(1).await);
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let request = customer.request(Method::POST, "/v1/rentals").json(&crate::kit::order(&product, "tok_ok"));
    let answer =
        request.header("traceparent", format!("00-{trace}-00f067aa0ba902b7-01")).send().await.unwrap();
    assert_eq!(answer.headers()["x-correlation-id"], trace);
    let rental: Value = answer.json().await.unwrap();
    customer.timeline_holds(&rental, "ProductDecreased").await;
    customer.cancel(&rental).await.expect(200);
    customer.timeline_holds(&rental, "ProductIncreased").await;
    let timeline = customer.get(&format!("/v1/rentals/{}/timeline", id(&rental))).await.expect(200);
    let events = timeline["items"].as_array().unwrap();
    assert!(events.iter().all(|event| event["correlationId"] == trace), "{timeline}");
    let sequences: Vec<_> = events.iter().map(|event| event["sequence"].as_u64().unwrap()).collect();
    assert!(sequences.is_sorted());
    for event in &events[2..] {
        let cause = event["causationId"].as_str().unwrap();
        let by_event = cause.strip_prefix("event-").and_then(|n| n.parse().ok());
        assert!(event["type"] == "RentalCanceled" || sequences.contains(&by_event.unwrap()), "{event}");
    }
}

#[tokio::test]
async fn with_the_product_context_paused_ordering_goes_on_and_the_stock_is_right_after_resume() {
    for backend in ["sled", "redb"] {
        ordering_goes_on_and_the_stock_is_right_after_resume(TestApp::on(backend)).await;
    }
}

async fn ordering_goes_on_and_the_stock_is_right_after_resume(mut app: TestApp) {
    let (product, customer) = (app.product(100, 4).await, app.customer(1).await);
    let context = |verb: &str| format!("/v1/operations/contexts/product/{verb}");
    app.operator().call(Method::POST, &context("pause")).await.expect(200);
    let mut rentals = Vec::new();
    for _ in 0..4 {
        rentals.push(customer.rent(&product, "tok_ok").await.expect(201));
    }
    customer.cancel(&rentals[0]).await.expect(200);
    customer.timeline_holds(&rentals[0], "DeliveryCanceled").await;
    assert_eq!(app.stock(&product).await, 4);
    let restock = format!("/v1/products/{product}/restock");
    app.operator().post(&restock, json!({"quantity": 1})).await.problem(503, "context-paused");

    // A pause outlives the process.
    app.restart();
    let operator = app.operator();
    let contexts = app.operator().get("/v1/operations/contexts").await.expect(200);
    let paused = |c: &&Value| c["context"] == "product" && c["paused"] == true && c["backlog"] != 0;
    assert!(contexts["items"].as_array().unwrap().iter().any(|c| paused(&c)), "{contexts}");
    app.operator().call(Method::POST, &context("resume")).await.expect(200);
    for rental in &rentals[1..] {
        operator.timeline_holds(rental, "ProductDecreased").await;
    }
    // Its delivery was canceled before its turn came: its unit goes out, and comes back.
    operator.timeline_holds(&rentals[0], "ProductIncreased").await;
    app.stock_becomes(&product, 1).await;
}

#[tokio::test]
async fn all_that_was_acknowledged_is_there_after_a_restart() {
    for backend in ["sled", "redb"] {
        is_there_after_a_restart(TestApp::on(backend)).await;
    }
}

async fn is_there_after_a_restart(mut app: TestApp) {
    let (product, customer) = (app.product(100, 5).await, app.customer(1).await);
    let rental = customer.rented(&product).await;
    let path = format!("/v1/rentals/{}", id(&rental));
    let before = customer.get(&path).await.expect(200);
    app.restart();
    let customer = app.anyone().with_token_of(&customer);
    let row = customer.get(&format!("/v1/mypage/{}", id(&rental))).await.expect(200);
    assert_eq!((&row["rentalStatus"], &row["deliveryStatus"]), (&json!("CONFIRMED"), &json!("STARTED")));
    let session = json!({"phone": "010-1000-0001", "password": "password"});
    app.anyone().post("/v1/sessions", session).await.expect(201);
    let operator = app.operator();
    assert_eq!(operator.get(&path).await.expect(200), before);
    assert_eq!(app.stock(&product).await, 4);
    operator.cancel(&rental).await.expect(200);
    app.stock_becomes(&product, 5).await;
    assert_eq!(app.ledger(&rental["paymentId"]).await, (1, 1));
}

#[tokio::test]
async fn the_last_unit_goes_to_one_and_the_other_is_refunded() {
    let app = TestApp::start();
    let (product, customer) = (app.product(100, 1).await, app.customer(1).await);
    // While the context is paused nobody knows that the stock is gone.
    app.operator().call(Method::POST, "/v1/operations/contexts/product/pause").await.expect(200);
    let first = customer.rent(&product, "tok_ok").await.expect(201);
    let second = customer.rent(&product, "tok_ok").await.expect(201);
    app.operator().call(Method::POST, "/v1/operations/contexts/product/resume").await.expect(200);
    let settled = || async {
        let both = [
            customer.get(&format!("/v1/rentals/{}", id(&first))).await.expect(200),
            customer.get(&format!("/v1/rentals/{}", id(&second))).await.expect(200),
        ];
        both.iter().any(|rental| rental["status"] == "CANCELED").then_some(both)
    };
    let both = eventually("one of them is canceled", settled).await;
    let lost = both.iter().find(|rental| rental["status"] == "CANCELED").unwrap();
    let won = both.iter().find(|rental| rental["status"] == "CONFIRMED").expect("the other keeps its unit");
    assert_eq!(lost["cancelReason"], "OUT_OF_STOCK");
    customer.timeline_holds(lost, "DeliveryCanceled").await;
    assert_eq!(app.ledger(&lost["paymentId"]).await, (1, 1));
    assert_eq!(app.ledger(&won["paymentId"]).await, (1, 0));
    assert_eq!(app.stock(&product).await, 0);
}
