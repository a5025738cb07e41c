//! `/v1/deliveries`: the operator's part of a rental.

use serde_json::json;

use crate::kit::{Client, TestApp, text, until};

/// An application, a customer, the operator, and a product with so many units.
async fn started(stock: u32) -> (TestApp, Client, Client, String) {
    let app = TestApp::start();
    let (customer, operator, product) =
        (app.customer(1).await, app.operator(), app.product(100, stock).await);
    (app, customer, operator, product)
}

#[tokio::test]
async fn completed_delivery_is_final() {
    let (app, customer, operator, product) = started(2).await;
    let rental = customer.rented(&product).await;
    operator.deliver(&rental, "complete").await.problem(409, "delivery-out-of-order");
    let dispatch = format!("/v1/deliveries/{}/dispatch", text(&rental, "deliveryId"));
    let courier = json!({"carrier": "샘택배", "trackingNumber": "123-456"});
    let sent = operator.post(&dispatch, courier).await.expect(200);
    assert_eq!((&sent["status"], &sent["carrier"]), (&json!("IN_TRANSIT"), &json!("샘택배")));
    // A repetition without details changes nothing.
    assert_eq!(operator.deliver(&rental, "dispatch").await.expect(200)["trackingNumber"], "123-456");
    operator.deliver(&rental, "complete").await.expect(200);
    operator.deliver(&rental, "complete").await.expect(200);
    let done = customer.delivery_becomes(&rental, "DELIVERED").await;
    assert!(done["completedAt"].is_string() && done["address"]["line1"].is_string(), "{done}");
    customer.rental_becomes(&rental, "DELIVERED").await;
    customer.cancel(&rental).await.problem(409, "rental-not-cancelable");
    operator.deliver(&rental, "dispatch").await.problem(409, "delivery-out-of-order");
    assert_eq!(app.ledger(&rental["paymentId"]).await, (1, 0));
    assert_eq!(app.stock(&product).await, 1);
}

#[tokio::test]
async fn rental_in_transit_can_be_canceled() {
    let (app, customer, operator, product) = started(2).await;
    let rental = customer.rented(&product).await;
    operator.deliver(&rental, "dispatch").await.expect(200);
    customer.cancel(&rental).await.expect(200);
    customer.delivery_becomes(&rental, "CANCELED").await;
    operator.deliver(&rental, "complete").await.problem(409, "rental-canceled");
    operator.deliver(&rental, "dispatch").await.problem(409, "rental-canceled");
    app.stock_becomes(&product, 2).await;
}

#[tokio::test]
async fn canceled_rental_is_not_dispatched_while_its_refund_waits() {
    let (_app, customer, operator, product) = started(2).await;
    let rental = customer.rented(&product).await;
    operator.pause("payment").await;
    customer.cancel(&rental).await.expect(200);
    operator.deliver(&rental, "dispatch").await.problem(409, "rental-canceled");
    operator.resume("payment").await;
    customer.delivery_becomes(&rental, "CANCELED").await;
    operator.deliver(&rental, "dispatch").await.problem(409, "rental-canceled");
}

#[tokio::test]
async fn dispatch_before_the_unit_is_taken_is_refused() {
    let (_app, customer, operator, product) = started(2).await;
    operator.pause("product").await;
    let rental = customer.rent(&product, "tok_ok").await.expect(201);
    customer.timeline_holds(&rental, "DeliveryStarted").await;
    operator.deliver(&rental, "dispatch").await.problem(409, "delivery-not-ready");
    operator.resume("product").await;
    customer.timeline_holds(&rental, "ProductDecreased").await;
    operator.deliver(&rental, "dispatch").await.expect(200);
}

#[tokio::test]
async fn deliveries_are_listed_by_status() {
    let (_app, customer, operator, product) = started(9).await;
    let (first, second) = (customer.rented(&product).await, customer.rented(&product).await);
    operator.deliver(&first, "dispatch").await.expect(200);
    until("one delivery is in transit", || async {
        let found = operator.items("/v1/deliveries?status=IN_TRANSIT").await;
        found.iter().map(|delivery| &delivery["id"]).eq([&first["deliveryId"]])
    })
    .await;
    assert_eq!(customer.items("/v1/deliveries").await[0]["id"], second["deliveryId"]);
}

#[tokio::test]
async fn paused_delivery_context_refuses_the_operator_only() {
    let (_app, customer, operator, product) = started(9).await;
    let rental = customer.rented(&product).await;
    operator.pause("delivery").await;
    operator.deliver(&rental, "dispatch").await.problem(503, "context-paused");
    let later = customer.rent(&product, "tok_ok").await.expect(201);
    customer.cancel(&rental).await.expect(200);
    operator.resume("delivery").await;
    customer.timeline_holds(&later, "ProductDecreased").await;
    customer.delivery_becomes(&rental, "CANCELED").await;
}
