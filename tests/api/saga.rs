//! The source's scenario as a whole, and what must not keep it from ending.

use reqwest::Method;
use serde_json::{Value, json};

use crate::kit::{Answer, TestApp, eventually, id, order, text};

const SOURCE_ORDER: [&str; 5] =
    ["RentalPlaced", "PaymentApproved", "RentalConfirmed", "DeliveryStarted", "ProductDecreased"];
const COMPENSATION: [&str; 5] =
    ["RentalCanceled", "PaymentCancelRequested", "PaymentCanceled", "DeliveryCanceled", "ProductIncreased"];

#[tokio::test]
async fn rental_runs_through_every_context_and_back() {
    for backend in ["sled", "redb", "memory"] {
        runs_through_every_context_and_back(&TestApp::on(backend)).await;
    }
}

async fn runs_through_every_context_and_back(app: &TestApp) {
    let (product, customer) = (app.product(29_900, 3).await, app.customer(1).await);
    let rental = customer.rented(&product).await;
    assert_eq!((&rental["status"], &rental["fee"]), (&json!("CONFIRMED"), &json!(29_900)));
    assert_eq!(customer.events(&rental).await, SOURCE_ORDER);
    customer.payment_becomes(&rental, "APPROVED").await;
    customer.delivery_becomes(&rental, "STARTED").await;
    app.stock_becomes(&product, 2).await;
    assert_eq!(app.ledger(&rental["paymentId"]).await, (1, 0));

    let canceled = customer.cancel(&rental).await.expect(200);
    assert_eq!((&canceled["status"], &canceled["cancelReason"]), (&json!("CANCELED"), &json!("CUSTOMER")));
    customer.timeline_holds(&rental, "ProductIncreased").await;
    assert_eq!(customer.events(&rental).await, [SOURCE_ORDER, COMPENSATION].concat());
    app.stock_becomes(&product, 3).await;
    customer.delivery_becomes(&rental, "CANCELED").await;
    assert_eq!(app.ledger(&rental["paymentId"]).await, (1, 1));
}

#[tokio::test]
async fn every_event_of_a_rental_has_its_correlation_and_cause() {
    let app = TestApp::start();
    let (product, customer) = (app.product(100, 1).await, app.customer(1).await);
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let request = customer.request(Method::POST, "/v1/rentals").json(&order(&product, "tok_ok"));
    let answer = Answer::of(request.header("traceparent", format!("00-{trace}-00f067aa0ba902b7-01"))).await;
    assert_eq!(answer.header("x-correlation-id"), trace);
    let rental = answer.expect(201);
    customer.timeline_holds(&rental, "ProductDecreased").await;
    customer.cancel_until(&rental, "ProductIncreased").await;
    let events = customer.timeline(&rental).await;
    assert!(events.iter().all(|event| event["correlationId"] == trace), "{events:?}");
    let sequences: Vec<_> = events.iter().map(|event| event["sequence"].as_u64().unwrap()).collect();
    assert!(sequences.is_sorted());
    for event in &events[2..] {
        let cause = text(event, "causationId").strip_prefix("event-").and_then(|n| n.parse().ok());
        assert!(event["type"] == "RentalCanceled" || sequences.contains(&cause.unwrap()), "{event}");
    }
}

#[tokio::test]
async fn paused_product_context_catches_up_after_resume() {
    for backend in ["sled", "redb"] {
        catches_up_after_resume(TestApp::on(backend)).await;
    }
}

async fn catches_up_after_resume(mut app: TestApp) {
    let (product, customer) = (app.product(100, 4).await, app.customer(1).await);
    app.operator().pause("product").await;
    let mut rentals = Vec::new();
    for _ in 0..4 {
        rentals.push(customer.rent(&product, "tok_ok").await.expect(201));
    }
    customer.cancel_until(&rentals[0], "DeliveryCanceled").await;
    assert_eq!(app.stock(&product).await, 4);
    app.operator().restock(&product, 1).await.problem(503, "context-paused");

    // A pause outlives the process.
    app.restart();
    let operator = app.operator();
    let context = operator.context("product").await;
    assert!(context["paused"] == true && context["backlog"] != 0, "{context}");
    operator.resume("product").await;
    for rental in &rentals[1..] {
        operator.timeline_holds(rental, "ProductDecreased").await;
    }
    // The unit of the delivery that was canceled meanwhile is taken, and put back.
    operator.timeline_holds(&rentals[0], "ProductIncreased").await;
    app.stock_becomes(&product, 1).await;
}

#[tokio::test]
async fn acknowledged_state_is_there_after_a_restart() {
    for backend in ["sled", "redb"] {
        is_there_after_a_restart(TestApp::on(backend)).await;
    }
}

async fn is_there_after_a_restart(mut app: TestApp) {
    let (product, mut customer) = (app.product(100, 5).await, app.customer(1).await);
    let rental = customer.rented(&product).await;
    let path = format!("/v1/rentals/{}", id(&rental));
    let before = customer.get(&path).await.expect(200);
    app.restart();
    customer.move_to(&app.url());
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
async fn of_two_rentals_for_the_last_unit_one_is_refunded() {
    let app = TestApp::start();
    let (product, customer) = (app.product(100, 1).await, app.customer(1).await);
    // While the context is paused, the catalogue does not show that the stock is gone.
    app.operator().pause("product").await;
    for _ in 0..2 {
        customer.rent(&product, "tok_ok").await.expect(201);
    }
    app.operator().resume("product").await;
    let is = |status: &'static str| move |rental: &&Value| rental["status"] == status;
    let rentals = eventually("one of them is canceled", || async {
        let rentals = customer.items("/v1/rentals").await;
        rentals.iter().any(|rental| is("CANCELED")(&rental)).then_some(rentals)
    })
    .await;
    let lost = rentals.iter().find(is("CANCELED")).unwrap();
    let won = rentals.iter().find(is("CONFIRMED")).expect("the other keeps its unit");
    assert_eq!(lost["cancelReason"], "OUT_OF_STOCK");
    customer.timeline_holds(lost, "DeliveryCanceled").await;
    assert_eq!(app.ledger(&lost["paymentId"]).await, (1, 1));
    assert_eq!(app.ledger(&won["paymentId"]).await, (1, 0));
    assert_eq!(app.stock(&product).await, 0);
}
