//! What becomes of a rental when paying it does not simply work.

use reqwest::Method;
use serde_json::{Value, json};

use crate::kit::{Answer, Client, TestApp, eventually, id};

pub async fn pay(customer: &Client, rental: &Value, token: &str) -> Answer {
    let method = json!({"paymentMethod": {"type": "CARD", "token": token}});
    customer.post(&format!("/v1/rentals/{}/payment", id(rental)), method).await
}

/// Pays as soon as the last try's outcome is known.
async fn pay_once_settled(customer: &Client, rental: &Value, token: &str) -> Answer {
    let tried = || async {
        let answer = pay(customer, rental, token).await;
        (!matches!(answer.status, 202 | 409 | 503)).then_some(answer)
    };
    eventually("the last try is settled", tried).await
}

async fn payment_becomes(customer: &Client, rental: &Value, status: &str) -> Value {
    let path = format!("/v1/payments?rentalId={}", id(rental));
    let get = || async {
        let payment = customer.get(&path).await.expect(200)["items"][0].clone();
        (payment["status"] == status).then_some(payment)
    };
    eventually(&format!("the payment is {status}"), get).await
}

#[tokio::test]
async fn a_declined_card_leaves_no_confirmed_rental() {
    let app = TestApp::start();
    let (customer, product) = (app.customer(1).await, app.product(100, 1).await);
    let answer = customer.rent(&product, "tok_decline").await;
    let location = answer.header("location").to_owned();
    answer.problem(402, "payment-declined");
    let rental = customer.get(&location).await.expect(200);
    assert_eq!(
        (&rental["status"], &rental["cancelReason"]),
        (&json!("CANCELED"), &json!("PAYMENT_DECLINED"))
    );
    assert!(rental.get("deliveryId").is_none());
    assert_eq!(payment_becomes(&customer, &rental, "DECLINED").await["attempts"], 1);
    assert_eq!(app.ledger(&rental["paymentId"]).await, (0, 0));
    assert_eq!(app.stock(&product).await, 1);
}

#[tokio::test]
async fn a_slow_payment_within_the_deadline_is_confirmed() {
    let app = TestApp::with(|settings| {
        settings.payment.deadline_ms = 5_000;
        settings.payment.timeout_ms = 4_000;
    });
    let (customer, product) = (app.customer(1).await, app.product(100, 1).await);
    assert_eq!(customer.rent(&product, "tok_slow").await.expect(201)["status"], "CONFIRMED");
}

#[tokio::test]
async fn a_payment_without_an_answer_is_deferred_and_can_be_paid_later() {
    let app = TestApp::impatient(|_| {});
    let (customer, product) = (app.customer(1).await, app.product(100, 1).await);
    for token in ["tok_timeout", "tok_error"] {
        let answer = customer.rent(&product, token).await;
        assert!(answer.header("retry-after").parse::<u64>().is_ok_and(|s| s >= 1), "{token}");
        let position = answer.header("saem-position").to_owned();
        let rental = answer.expect(202);
        assert_eq!(rental["status"], "PAYMENT_DEFERRED");
        let row = customer.request(Method::GET, &format!("/v1/mypage/{}", id(&rental)));
        let row = Answer::of(row.header("saem-position", position)).await.expect(200);
        assert!(row["paymentDueAt"].is_string(), "{row}");
        let declined = pay_once_settled(&customer, &rental, "tok_decline").await;
        declined.problem(402, "payment-declined");
        assert_eq!(customer.rental_becomes(&rental, "PAYMENT_DEFERRED").await["status"], "PAYMENT_DEFERRED");
        let paid = pay_once_settled(&customer, &rental, "tok_ok").await.expect(200);
        assert_eq!(paid["status"], "CONFIRMED");
        assert_eq!(app.ledger(&rental["paymentId"]).await, (1, 0));
        pay(&customer, &rental, "tok_ok").await.problem(409, "rental-not-payable");
        customer.cancel(&rental).await.expect(200);
        customer.timeline_holds(&rental, "ProductIncreased").await;
        assert_eq!(app.ledger(&rental["paymentId"]).await, (1, 1));
    }
}

#[tokio::test]
async fn a_lost_answer_is_found_and_never_charged_again() {
    let app = TestApp::impatient(|_| {});
    let (customer, product) = (app.customer(1).await, app.product(100, 1).await);
    let rental = customer.rent(&product, "tok_lost_response").await.expect(202);
    customer.rental_becomes(&rental, "CONFIRMED").await;
    assert_eq!(app.ledger(&rental["paymentId"]).await, (1, 0));
    pay(&customer, &rental, "tok_ok").await.problem(409, "rental-not-payable");
    assert_eq!(payment_becomes(&customer, &rental, "APPROVED").await["attempts"], 1);
}

#[tokio::test]
async fn canceled_while_the_outcome_is_open_means_refunded_if_it_was_captured() {
    let app = TestApp::impatient(|_| {});
    let (customer, product) = (app.customer(1).await, app.product(100, 5).await);
    let rental = customer.rent(&product, "tok_lost_response").await.expect(202);
    customer.cancel(&rental).await.expect(200);
    payment_becomes(&customer, &rental, "CANCELED").await;
    assert_eq!(app.ledger(&rental["paymentId"]).await, (1, 1));
    let rental = customer.rent(&product, "tok_timeout").await.expect(202);
    customer.cancel(&rental).await.expect(200);
    payment_becomes(&customer, &rental, "CANCELED").await;
    assert_eq!(app.ledger(&rental["paymentId"]).await, (0, 0));
    assert!(!customer.events(&rental).await.contains(&"DeliveryStarted".to_owned()));
}

#[tokio::test]
async fn with_fallback_refuse_a_rental_without_an_answer_is_canceled() {
    let app = TestApp::impatient(|settings| settings.payment.fallback = "refuse".to_owned());
    let (customer, product) = (app.customer(1).await, app.product(100, 1).await);
    let answer = customer.rent(&product, "tok_lost_response").await;
    let location = answer.header("location").to_owned();
    answer.problem(503, "payment-unavailable");
    let rental = customer.get(&location).await.expect(200);
    assert_eq!(rental["cancelReason"], "PAYMENT_UNAVAILABLE");
    payment_becomes(&customer, &rental, "CANCELED").await;
    assert_eq!(app.ledger(&rental["paymentId"]).await, (1, 1));
}

#[tokio::test]
async fn a_deferral_that_is_not_paid_in_time_expires() {
    let app = TestApp::impatient(|settings| settings.payment.deferral_ttl = "1s".to_owned());
    let (customer, product) = (app.customer(1).await, app.product(100, 1).await);
    let rental = customer.rent(&product, "tok_timeout").await.expect(202);
    let rental = customer.rental_becomes(&rental, "CANCELED").await;
    assert_eq!(rental["cancelReason"], "PAYMENT_EXPIRED");
    payment_becomes(&customer, &rental, "CANCELED").await;
    pay(&customer, &rental, "tok_ok").await.problem(409, "rental-not-payable");
}

#[tokio::test]
async fn beyond_permit_and_queue_a_request_is_shed_and_nothing_is_recorded() {
    let app = TestApp::with(|settings| {
        (settings.payment.concurrency, settings.payment.queue) = (1, 1);
        (settings.payment.deadline_ms, settings.payment.timeout_ms) = (6_000, 5_000);
    });
    let product = app.product(100, 10).await;
    let (first, second, third) = (app.customer(1).await, app.customer(2).await, app.customer(3).await);
    let desk = async |field: &str| {
        let reached = || async {
            let desk = app.operator().get("/v1/operations/payment").await.expect(200);
            (desk[field] == 1).then_some(())
        };
        eventually(field, reached).await;
    };
    let rent = |customer: Client, token: &'static str| {
        let product = product.clone();
        tokio::spawn(async move { customer.rent(&product, token).await })
    };
    // The gateway hangs on the first; the second waits for its permit.
    let hanging = rent(first.clone(), "tok_timeout");
    desk("permitsInUse").await;
    let waiting = rent(second.clone(), "tok_ok");
    desk("queueDepth").await;
    let shed = third.rent(&product, "tok_ok").await;
    shed.problem(503, "payment-overloaded");
    // A permit is taken before anything is recorded.
    let recorded = || async {
        let rentals = app.operator().get("/v1/rentals").await.expect(200);
        let rentals = rentals["items"].as_array().unwrap();
        let customers: Vec<_> = rentals.iter().map(|rental| rental["customerId"].clone()).collect();
        assert!(
            customers.len() < 2,
            "neither the one that waits nor the shed one is recorded: {customers:?}"
        );
        (customers == [json!(first.id)]).then_some(())
    };
    eventually("the first is recorded", recorded).await;
    assert_eq!(app.operator().get("/v1/operations/payment").await.expect(200)["shed"], 1);
    hanging.abort();
    waiting.abort();
}
