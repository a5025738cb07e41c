//! A server that takes its money at Toss Payments, as a process: killed, changed, and its log read.

use std::fs::File;

use reqwest::Method;
use serde_json::{Value, json};

use crate::kit::{
    Answer, Client, eventually, operator_key, order,
    process::Server,
    toss::{Ends, SECRET, Toss},
};

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap()
}

/// A server of its own process that waits for no answer for long.
fn settings(toss: &Toss) -> [(&str, &str); 6] {
    [
        ("SAEM_PAYMENT__PROVIDER", "toss"),
        ("SAEM_PAYMENT__TOSS__SECRET_KEY", SECRET),
        ("SAEM_PAYMENT__TOSS__URL", &toss.url),
        ("SAEM_PAYMENT__DEADLINE_MS", "600"),
        ("SAEM_PAYMENT__TIMEOUT_MS", "400"),
        ("SAEM_PAYMENT__CHARGE_MIN_MS", "50"),
    ]
}

/// An order that the customer has authorized in the window.
async fn paid(toss: &Toss, customer: &Client, product: &str, ends: Ends) -> Value {
    let checkout = customer.post("/v1/checkouts", json!({"productId": product})).await.expect(201);
    let payment_key = toss.pay(text(&checkout, "orderId"), checkout["fee"].as_u64().unwrap(), ends);
    let mut order = order(product, "");
    order["paymentMethod"] =
        json!({"type": "TOSS", "paymentKey": payment_key, "checkoutId": checkout["checkoutId"]});
    order
}

#[tokio::test]
async fn a_server_killed_while_a_confirmation_is_under_way_finds_it_and_still_refunds_there_later() {
    let (toss, directory) = (Toss::start(), tempfile::tempdir().unwrap());
    let data = directory.path().join("data");
    let server = Server::start(&data, &settings(&toss)).await;
    let mut customer = Client::sign_up(&server.url, 1).await;
    let product = Client::of(&server.url, Some(operator_key(&data))).product(29_900, 9).await;
    let order = paid(&toss, &customer, &product, Ends::Held).await;
    let keyed = |customer: &Client| {
        let request = customer.request(Method::POST, "/v1/rentals").header("idempotency-key", "a");
        request.json(&order)
    };
    let unanswered = tokio::spawn(keyed(&customer).send());
    eventually("it is being confirmed", || async { toss.books().under_way().then_some(()) }).await;
    server.kill().await;
    assert!(unanswered.await.unwrap().is_err());

    let server = Server::start(&data, &settings(&toss)).await;
    customer.move_to(&server.url);
    Answer::of(keyed(&customer)).await.problem(409, "payment-in-progress");
    toss.release();
    let replayed = || async {
        let answer = Answer::of(keyed(&customer)).await;
        (answer.status < 400).then_some(answer)
    };
    let rental = eventually("what became of it is known", replayed).await;
    assert_eq!(rental.header("idempotency-replayed"), "true");
    let rental = customer.rental_becomes(&rental.body, "CONFIRMED").await;
    assert_eq!(toss.moves(), (1, 0));
    server.kill().await;

    // The provider was changed: what it took is given back where it was taken.
    let mut settings = settings(&toss);
    settings[0].1 = "simulator";
    let server = Server::start(&data, &settings).await;
    customer.move_to(&server.url);
    customer.cancel(&rental).await.expect(200);
    customer.timeline_holds(&rental, "PaymentCanceled").await;
    assert_eq!(toss.moves(), (1, 1));
}

#[tokio::test]
async fn neither_secret_nor_payment_key_is_logged_whatever_goes_wrong() {
    let (toss, directory) = (Toss::start(), tempfile::tempdir().unwrap());
    let (data, log) = (directory.path().join("data"), directory.path().join("log"));
    let mut settings = settings(&toss).to_vec();
    settings.push(("SAEM_LOG", "trace"));
    let server = Server::start_logging(&data, &settings, File::create(&log).unwrap().into()).await;
    let customer = Client::sign_up(&server.url, 1).await;
    let product = Client::of(&server.url, Some(operator_key(&data))).product(29_900, 9).await;
    let mut keys = Vec::new();
    for (status, ends) in [
        (201, Ends::Well),
        (202, Ends::Lost),
        (202, Ends::Refused(500, "FAILED_INTERNAL_SYSTEM_PROCESSING")),
        (402, Ends::Refused(403, "REJECT_CARD_PAYMENT")),
    ] {
        let order = paid(&toss, &customer, &product, ends).await;
        let payment_key = text(&order["paymentMethod"], "paymentKey").to_owned();
        let rental = customer.post("/v1/rentals", order).await;
        assert_eq!(rental.status, status, "{}", rental.body);
        assert!(!rental.body.to_string().contains(&payment_key));
        if status == 201 {
            customer.cancel(&rental.body).await.expect(200);
            customer.timeline_holds(&rental.body, "PaymentCanceled").await;
        }
        keys.push(payment_key);
    }
    server.kill().await;
    let said = std::fs::read_to_string(log).unwrap();
    assert!(said.contains("FAILED_INTERNAL_SYSTEM_PROCESSING"), "what went wrong is said");
    for hidden in keys.iter().map(String::as_str).chain([SECRET, "dGVzdF9za19zYWVt"]) {
        assert!(!said.contains(hidden), "{hidden}");
    }
}
