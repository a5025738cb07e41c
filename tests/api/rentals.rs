//! `/v1/rentals`: rules of an order beyond its schema, canceling, and filters of the list.

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::json;

use crate::kit::{Answer, Client, TestApp, id, order, text};

#[tokio::test]
async fn invalid_order_names_every_field_and_charges_nothing() {
    let app = TestApp::start();
    let (customer, product) = (app.customer(1).await, app.product(100, 5).await);
    for (pointer, value, wrong) in [
        ("/address/recipient", json!(" "), &["/address/recipient"][..]),
        ("/address/postalCode", json!("0452a"), &["/address/postalCode"]),
        ("/paymentMethod/token", json!("4242424242424242"), &["/paymentMethod/token"]),
        (
            "/address",
            json!({"recipient": "", "postalCode": "x", "line1": "길"}),
            &["/address/recipient", "/address/postalCode"],
        ),
    ] {
        let mut body = order(&product, "tok_ok");
        *body.pointer_mut(pointer).unwrap() = value;
        customer.post("/v1/rentals", body).await.invalid(wrong);
    }
    customer.rent("nonsense", "tok_ok").await.problem(404, "product-not-found");
    assert_eq!(customer.items("/v1/rentals").await.len(), 0);
    assert_eq!(app.operator().items("/v1/operations/ledger").await.len(), 0);
}

#[tokio::test]
async fn repeated_cancel_refunds_once() {
    let app = TestApp::start();
    let (customer, product) = (app.customer(1).await, app.product(100, 5).await);
    let rental = customer.rented(&product).await;
    for answer in join_all((0..16).map(|_| customer.cancel(&rental))).await {
        assert_eq!(answer.expect(200)["status"], "CANCELED");
    }
    customer.timeline_holds(&rental, "ProductIncreased").await;
    assert_eq!(app.ledger(&rental["paymentId"]).await, (1, 1));
    assert_eq!(customer.events(&rental).await.iter().filter(|e| *e == "RentalCanceled").count(), 1);
    app.stock_becomes(&product, 5).await;
}

#[tokio::test]
async fn cancel_by_the_operator_has_its_own_reason() {
    let app = TestApp::start();
    let (customer, product) = (app.customer(1).await, app.product(100, 5).await);
    let rental = customer.rented(&product).await;
    assert_eq!(app.operator().cancel(&rental).await.expect(200)["cancelReason"], "OPERATOR");
}

#[tokio::test]
async fn list_is_filtered_and_newest_first() {
    let app = TestApp::start();
    let (customer, other) = (app.customer(1).await, app.customer(2).await);
    let (first, second) = (app.product(100, 50).await, app.product(200, 50).await);
    let mut rentals = Vec::new();
    for product in [&first, &second, &first, &second, &first] {
        rentals.insert(0, customer.rent(product, "tok_ok").await.expect(201));
    }
    let foreign = other.rent(&first, "tok_ok").await.expect(201);
    let canceled = customer.cancel(&rentals[0]).await;
    let position = canceled.header("saem-position").to_owned();
    let ids = async |client: &Client, query: &str| -> Vec<String> {
        let request = client.request(Method::GET, &format!("/v1/rentals?{query}"));
        let list = Answer::of(request.header("saem-position", &position)).await.expect(200);
        list["items"].as_array().unwrap().iter().map(|rental| id(rental).to_owned()).collect()
    };
    let wanted = |indexes: &[usize]| -> Vec<&str> { indexes.iter().map(|at| id(&rentals[*at])).collect() };
    customer.rental_becomes(&rentals[0], "CANCELED").await;
    for (query, found) in [
        (String::new(), &[0, 1, 2, 3, 4][..]),
        (format!("productId={second}"), &[1, 3]),
        ("status=CONFIRMED&limit=2".to_owned(), &[1, 2]),
        ("status=CANCELED".to_owned(), &[0]),
    ] {
        assert_eq!(ids(&customer, &query).await, wanted(found), "{query}");
    }
    let operator = app.operator();
    for query in
        [format!("correlationId={}", text(&foreign, "correlationId")), format!("customerId={}", other.id)]
    {
        assert_eq!(ids(&operator, &query).await, [id(&foreign)]);
    }
    assert_eq!(ids(&operator, "").await.len(), 6);
}
