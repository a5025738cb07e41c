//! `/v1/deliveries`: the operator's part of a rental.

use reqwest::Method;
use serde_json::{Value, json};

use crate::kit::{Answer, Client, TestApp, eventually};

async fn step(operator: &Client, rental: &Value, step: &str) -> Answer {
    let delivery = rental["deliveryId"].as_str().unwrap();
    operator.call(Method::POST, &format!("/v1/deliveries/{delivery}/{step}")).await
}

async fn delivery_becomes(client: &Client, rental: &Value, status: &str) -> Value {
    let path = format!("/v1/deliveries/{}", rental["deliveryId"].as_str().unwrap());
    let get = || async {
        let delivery = client.get(&path).await.expect(200);
        (delivery["status"] == status).then_some(delivery)
    };
    eventually(&format!("the delivery is {status}"), get).await
}

#[tokio::test]
async fn a_delivery_is_dispatched_completed_and_then_final() {
    let app = TestApp::start();
    let (customer, operator, product) = (app.customer(1).await, app.operator(), app.product(100, 2).await);
    let rental = customer.rented(&product).await;
    step(&operator, &rental, "complete").await.problem(409, "delivery-out-of-order");
    let dispatch = format!("/v1/deliveries/{}/dispatch", rental["deliveryId"].as_str().unwrap());
    let courier = json!({"carrier": "샘택배", "trackingNumber": "123-456"});
    let sent = operator.post(&dispatch, courier).await.expect(200);
    assert_eq!((&sent["status"], &sent["carrier"]), (&json!("IN_TRANSIT"), &json!("샘택배")));
    // Again, without details: nothing new.
    assert_eq!(step(&operator, &rental, "dispatch").await.expect(200)["trackingNumber"], "123-456");
    step(&operator, &rental, "complete").await.expect(200);
    step(&operator, &rental, "complete").await.expect(200);
    let done = delivery_becomes(&customer, &rental, "DELIVERED").await;
    assert!(done["completedAt"].is_string() && done["address"]["line1"].is_string(), "{done}");
    assert_eq!(customer.rental_becomes(&rental, "DELIVERED").await["status"], "DELIVERED");
    customer.cancel(&rental).await.problem(409, "rental-not-cancelable");
    step(&operator, &rental, "dispatch").await.problem(409, "delivery-out-of-order");
    assert_eq!(app.ledger(&rental["paymentId"]).await, (1, 0));
    assert_eq!(app.stock(&product).await, 1);
}

#[tokio::test]
async fn a_purifier_on_its_way_can_still_be_canceled() {
    let app = TestApp::start();
    let (customer, operator, product) = (app.customer(1).await, app.operator(), app.product(100, 2).await);
    let rental = customer.rented(&product).await;
    step(&operator, &rental, "dispatch").await.expect(200);
    customer.cancel(&rental).await.expect(200);
    delivery_becomes(&customer, &rental, "CANCELED").await;
    step(&operator, &rental, "complete").await.problem(409, "rental-canceled");
    step(&operator, &rental, "dispatch").await.problem(409, "rental-canceled");
    app.stock_becomes(&product, 2).await;
}

#[tokio::test]
async fn a_rental_that_is_canceled_is_not_dispatched_while_its_refund_waits() {
    let app = TestApp::start();
    let (customer, operator, product) = (app.customer(1).await, app.operator(), app.product(100, 2).await);
    let rental = customer.rented(&product).await;
    operator.call(Method::POST, "/v1/operations/contexts/payment/pause").await.expect(200);
    customer.cancel(&rental).await.expect(200);
    step(&operator, &rental, "dispatch").await.problem(409, "rental-canceled");
    operator.call(Method::POST, "/v1/operations/contexts/payment/resume").await.expect(200);
    delivery_becomes(&customer, &rental, "CANCELED").await;
    step(&operator, &rental, "dispatch").await.problem(409, "rental-canceled");
}

#[tokio::test]
async fn nothing_is_dispatched_before_its_unit_is_taken() {
    let app = TestApp::start();
    let (customer, operator, product) = (app.customer(1).await, app.operator(), app.product(100, 2).await);
    operator.call(Method::POST, "/v1/operations/contexts/product/pause").await.expect(200);
    let rental = customer.rent(&product, "tok_ok").await.expect(201);
    customer.timeline_holds(&rental, "DeliveryStarted").await;
    step(&operator, &rental, "dispatch").await.problem(409, "delivery-not-ready");
    operator.call(Method::POST, "/v1/operations/contexts/product/resume").await.expect(200);
    customer.timeline_holds(&rental, "ProductDecreased").await;
    step(&operator, &rental, "dispatch").await.expect(200);
}

#[tokio::test]
async fn deliveries_are_the_operators_to_handle_and_list() {
    let app = TestApp::start();
    let (customer, operator, product) = (app.customer(1).await, app.operator(), app.product(100, 9).await);
    let (first, second) = (customer.rented(&product).await, customer.rented(&product).await);
    step(&customer, &first, "dispatch").await.problem(403, "forbidden");
    step(&app.anyone(), &first, "dispatch").await.problem(401, "unauthorized");
    step(&operator, &first, "dispatch").await.expect(200);
    let in_transit = || async {
        let list = operator.get("/v1/deliveries?status=IN_TRANSIT").await.expect(200);
        let found = list["items"].as_array().unwrap().iter().map(|d| d["id"].clone()).collect::<Vec<_>>();
        (found == [first["deliveryId"].clone()]).then_some(())
    };
    eventually("one delivery is on its way", in_transit).await;
    let all = customer.get("/v1/deliveries").await.expect(200);
    assert_eq!(all["items"][0]["id"], second["deliveryId"]);
    operator.get("/v1/deliveries?status=LOST").await.problem(400, "invalid-request");
    let unknown = json!({"deliveryId": "delivery_00000000000000000000000001"});
    step(&operator, &unknown, "dispatch").await.problem(404, "not-found");
}

#[tokio::test]
async fn a_paused_delivery_context_refuses_the_operator_and_keeps_the_customer_going() {
    let app = TestApp::start();
    let (customer, operator, product) = (app.customer(1).await, app.operator(), app.product(100, 9).await);
    let rental = customer.rented(&product).await;
    operator.call(Method::POST, "/v1/operations/contexts/delivery/pause").await.expect(200);
    step(&operator, &rental, "dispatch").await.problem(503, "context-paused");
    let later = customer.rent(&product, "tok_ok").await.expect(201);
    customer.cancel(&rental).await.expect(200);
    operator.call(Method::POST, "/v1/operations/contexts/delivery/resume").await.expect(200);
    customer.timeline_holds(&later, "ProductDecreased").await;
    delivery_becomes(&customer, &rental, "CANCELED").await;
}
