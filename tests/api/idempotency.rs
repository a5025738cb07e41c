//! `Idempotency-Key` on `POST /v1/rentals`: a repeated request takes effect once.

use futures_util::future::join_all;

use crate::kit::{TestApp, id};

#[tokio::test]
async fn repeated_request_gets_the_first_answer() {
    let mut app = TestApp::start();
    let (mut customer, product) = (app.customer(1).await, app.product(100, 9).await);
    let first = customer.rent_keyed(&product, "tok_ok", "key 1").await;
    assert!(!first.is_replayed());
    let first = first.expect(201);
    for key in ["key 1", "\"key 1\""] {
        let again = customer.rent_keyed(&product, "tok_ok", key).await;
        assert!(again.is_replayed());
        assert_eq!(id(&again.expect(201)), id(&first));
    }
    customer.rent_keyed(&product, "tok_decline", "key 2").await.problem(402, "payment-declined");
    app.restart();
    customer.move_to(&app.url());
    let again = customer.rent_keyed(&product, "tok_ok", "key 1").await;
    assert!(again.is_replayed());
    assert_eq!(id(&again.expect(201)), id(&first));
    let again = customer.rent_keyed(&product, "tok_decline", "key 2").await;
    assert!(again.is_replayed());
    again.problem(402, "payment-declined");
    assert_eq!(app.ledger(&first["paymentId"]).await, (1, 0));
    assert_eq!(customer.items("/v1/rentals").await.len(), 2);
}

#[tokio::test]
async fn concurrent_requests_with_one_key_place_one_rental() {
    let app = TestApp::start();
    let (customer, product) = (app.customer(1).await, app.product(100, 99).await);
    for answer in join_all((0..64).map(|_| customer.rent_keyed(&product, "tok_ok", "key"))).await {
        match answer.status {
            201 => {}
            409 => drop(answer.problem(409, "idempotency-in-progress")),
            other => panic!("{other}: {}", answer.body),
        }
    }
    let rentals = customer.items("/v1/rentals").await;
    assert_eq!(rentals.len(), 1);
    assert_eq!(app.ledger(&rentals[0]["paymentId"]).await, (1, 0));
}

#[tokio::test]
async fn refused_request_frees_its_key() {
    let app = TestApp::start();
    let (customer, product) = (app.customer(1).await, app.product(100, 0).await);
    customer.rent_keyed(&product, "tok_nonsense", "key").await.problem(400, "invalid-request");
    customer.rent_keyed(&product, "tok_ok", "key").await.problem(409, "out-of-stock");
    app.operator().restock(&product, 1).await.expect(200);
    customer.rent_keyed(&product, "tok_ok", "key").await.expect(201);
}

#[tokio::test]
async fn empty_or_long_key_is_invalid() {
    let app = TestApp::start();
    let (customer, product) = (app.customer(1).await, app.product(100, 1).await);
    for bad in ["", "\"\"", &"x".repeat(256)] {
        customer.rent_keyed(&product, "tok_ok", bad).await.invalid(&["/headers/Idempotency-Key"]);
    }
}
