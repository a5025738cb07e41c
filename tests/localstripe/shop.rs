//! A whole shop that takes its money at `localstripe`.

use reqwest::Method;
use serde_json::json;

use crate::{
    bridge::{Bridge, SECRET},
    kit::{Answer, Client, eventually, id, operator_key, process::Server},
};

#[tokio::test]
async fn rentals_are_paid_declined_deferred_found_and_refunded() {
    let (directory, bridge) = (tempfile::tempdir().unwrap(), Bridge::start());
    let data = directory.path().join("data");
    let settings = [
        ("SAEM_PAYMENT__PROVIDER", "stripe"),
        ("SAEM_PAYMENT__STRIPE__URL", &bridge.url),
        ("SAEM_PAYMENT__STRIPE__SECRET_KEY", SECRET),
        ("SAEM_PAYMENT__DEADLINE_MS", "12000"),
        ("SAEM_PAYMENT__TIMEOUT_MS", "3000"),
    ];
    let server = Server::start(&data, &settings).await;
    let customer = Client::sign_up(&server.url, 1).await;
    let product = Client::of(&server.url, Some(operator_key(&data))).product(29_900, 100).await;

    let rental = customer.rent(&product, "pm_card_visa").await.expect(201);
    let payment = rental["paymentId"].as_str().unwrap();
    assert_eq!(bridge.ledger(payment).await, (1, 0));
    customer.cancel(&rental).await.expect(200);
    customer.timeline_holds(&rental, "PaymentCanceled").await;
    assert_eq!(bridge.ledger(payment).await, (1, 1));

    customer.rent(&product, "pm_card_chargeCustomerFail").await.problem(402, "payment-declined");

    bridge.loses_a_confirmation();
    let rental = customer.rent(&product, "pm_card_visa").await.expect(202);
    customer.rental_becomes(&rental, "CONFIRMED").await;
    assert_eq!(bridge.ledger(rental["paymentId"].as_str().unwrap()).await, (1, 0));

    // A decline that is not heard of: found out, and the rental still waits to be paid.
    bridge.loses_a_confirmation();
    let rental = customer.rent(&product, "pm_card_chargeCustomerFail").await.expect(202);
    let path = format!("/v1/rentals/{}/payment", id(&rental));
    let pay = || async {
        let body = json!({"paymentMethod": {"type": "CARD", "token": "pm_card_visa"}});
        let answer = Answer::of(customer.request(Method::POST, &path).json(&body)).await;
        (answer.status == 200).then_some(())
    };
    eventually("it is paid by another card", pay).await;
    assert_eq!(bridge.ledger(rental["paymentId"].as_str().unwrap()).await, (1, 0));
}
