//! `Idempotency-Key` on `POST /v1/rentals`: the same request again happens once.

use serde_json::json;

use crate::kit::{TestApp, id};

#[tokio::test]
async fn the_same_request_again_gets_the_first_answer() {
    let mut app = TestApp::start();
    let (customer, product) = (app.customer(1).await, app.product(100, 9).await);
    let first = customer.rent_keyed(&product, "tok_ok", "key 1").await;
    assert_eq!(first.header("idempotency-replayed"), "");
    let first = first.expect(201);
    for key in ["key 1", "\"key 1\""] {
        let again = customer.rent_keyed(&product, "tok_ok", key).await;
        assert_eq!(again.header("idempotency-replayed"), "true");
        assert_eq!(id(&again.expect(201)), id(&first));
    }
    let other = app.customer(2).await.rent_keyed(&product, "tok_ok", "key 1").await.expect(201);
    assert_ne!(id(&other), id(&first));
    let declined = customer.rent_keyed(&product, "tok_decline", "key 2").await;
    declined.problem(402, "payment-declined");

    let token = customer.clone();
    app.restart();
    let customer = app.anyone().with_token_of(&token);
    let again = customer.rent_keyed(&product, "tok_ok", "key 1").await;
    assert_eq!(again.header("idempotency-replayed"), "true");
    assert_eq!(id(&again.expect(201)), id(&first));
    let again = customer.rent_keyed(&product, "tok_decline", "key 2").await;
    assert_eq!(again.header("idempotency-replayed"), "true");
    again.problem(402, "payment-declined");
    assert_eq!(app.ledger(&first["paymentId"]).await, (1, 0));
    assert_eq!(customer.get("/v1/rentals").await.expect(200)["items"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn another_request_under_the_same_key_is_refused() {
    let app = TestApp::start();
    let (customer, product) = (app.customer(1).await, app.product(100, 9).await);
    customer.rent_keyed(&product, "tok_ok", "key").await.expect(201);
    customer.rent_keyed(&product, "tok_slow", "key").await.problem(422, "idempotency-key-reused");
    assert_eq!(customer.get("/v1/rentals").await.expect(200)["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn sixty_four_at_once_under_one_key_place_one_rental() {
    let app = TestApp::start();
    let (customer, product) = (app.customer(1).await, app.product(100, 99).await);
    let answers =
        futures_util::future::join_all((0..64).map(|_| customer.rent_keyed(&product, "tok_ok", "key"))).await;
    for answer in answers {
        match answer.status {
            201 => {}
            409 => drop(answer.problem(409, "idempotency-in-progress")),
            other => panic!("{other}: {}", answer.body),
        }
    }
    let rentals = customer.get("/v1/rentals").await.expect(200);
    assert_eq!(rentals["items"].as_array().unwrap().len(), 1);
    assert_eq!(app.ledger(&rentals["items"][0]["paymentId"]).await, (1, 0));
}

#[tokio::test]
async fn a_request_that_was_invalid_or_refused_is_not_kept() {
    let app = TestApp::start();
    let (customer, product) = (app.customer(1).await, app.product(100, 0).await);
    customer.rent_keyed(&product, "tok_nonsense", "key").await.problem(400, "invalid-request");
    customer.rent_keyed(&product, "tok_ok", "key").await.problem(409, "out-of-stock");
    app.operator().post(&format!("/v1/products/{product}/restock"), json!({"quantity": 1})).await.expect(200);
    customer.rent_keyed(&product, "tok_ok", "key").await.expect(201);
}

#[tokio::test]
async fn a_key_that_is_none_is_named() {
    let app = TestApp::start();
    let (customer, product) = (app.customer(1).await, app.product(100, 1).await);
    for bad in ["", "\"\"", &"x".repeat(256)] {
        customer.rent_keyed(&product, "tok_ok", bad).await.invalid(&["/headers/Idempotency-Key"]);
    }
}
