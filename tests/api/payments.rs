//! Rentals whose payment does not simply succeed.

use reqwest::Method;
use serde_json::{Value, json};

use crate::kit::{Answer, Client, TestApp, id, until};

/// An application with short deadlines, a customer, and a product with so many units.
async fn impatient(stock: u32) -> (TestApp, Client, String) {
    let app = TestApp::impatient(|_| {});
    let (customer, product) = (app.customer(1).await, app.product(100, stock).await);
    (app, customer, product)
}

#[tokio::test]
async fn declined_card_cancels_the_rental() {
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
    assert_eq!(customer.payment_becomes(&rental, "DECLINED").await["attempts"], 1);
    assert_eq!(app.ledger(&rental["paymentId"]).await, (0, 0));
    assert_eq!(app.stock(&product).await, 1);
}

#[tokio::test]
async fn slow_payment_within_the_deadline_is_confirmed() {
    let app = TestApp::with(|settings| {
        (settings.payment.deadline_ms, settings.payment.timeout_ms) = (5_000, 4_000);
    });
    let (customer, product) = (app.customer(1).await, app.product(100, 1).await);
    assert_eq!(customer.rent(&product, "tok_slow").await.expect(201)["status"], "CONFIRMED");
}

#[tokio::test]
async fn payment_without_an_answer_is_deferred_and_paid_later() {
    let (app, customer, product) = impatient(1).await;
    for token in ["tok_timeout", "tok_error"] {
        let answer = customer.rent(&product, token).await;
        assert!(answer.header("retry-after").parse::<u64>().is_ok_and(|s| s >= 1), "{token}");
        let position = answer.header("saem-position").to_owned();
        let rental = answer.expect(202);
        assert_eq!(rental["status"], "PAYMENT_DEFERRED");
        let row = customer.request(Method::GET, &format!("/v1/mypage/{}", id(&rental)));
        let row = Answer::of(row.header("saem-position", position)).await.expect(200);
        assert!(row["paymentDueAt"].is_string(), "{row}");
        customer.pay_once_settled(&rental, "tok_decline").await.problem(402, "payment-declined");
        customer.rental_becomes(&rental, "PAYMENT_DEFERRED").await;
        let paid = customer.pay_once_settled(&rental, "tok_ok").await.expect(200);
        assert_eq!(paid["status"], "CONFIRMED");
        assert_eq!(app.ledger(&rental["paymentId"]).await, (1, 0));
        customer.pay(&rental, "tok_ok").await.problem(409, "rental-not-payable");
        customer.cancel_until(&rental, "ProductIncreased").await;
        assert_eq!(app.ledger(&rental["paymentId"]).await, (1, 1));
    }
}

#[tokio::test]
async fn lost_answer_is_found_and_not_charged_again() {
    let (app, customer, product) = impatient(1).await;
    let rental = customer.rent(&product, "tok_lost_response").await.expect(202);
    customer.rental_becomes(&rental, "CONFIRMED").await;
    assert_eq!(app.ledger(&rental["paymentId"]).await, (1, 0));
    customer.pay(&rental, "tok_ok").await.problem(409, "rental-not-payable");
    assert_eq!(customer.payment_becomes(&rental, "APPROVED").await["attempts"], 1);
}

#[tokio::test]
async fn cancel_during_an_open_payment_refunds_what_was_captured() {
    let (app, customer, product) = impatient(5).await;
    for (token, ledger) in [("tok_lost_response", (1, 1)), ("tok_timeout", (0, 0))] {
        let rental = customer.rent(&product, token).await.expect(202);
        customer.cancel(&rental).await.expect(200);
        customer.payment_becomes(&rental, "CANCELED").await;
        assert_eq!(app.ledger(&rental["paymentId"]).await, ledger, "{token}");
        let events = customer.events(&rental).await;
        assert!(token != "tok_timeout" || !events.contains(&"DeliveryStarted".to_owned()), "{events:?}");
    }
}

#[tokio::test]
async fn with_fallback_refuse_an_unanswered_payment_cancels() {
    let app = TestApp::impatient(|settings| settings.payment.fallback = "refuse".to_owned());
    let (customer, product) = (app.customer(1).await, app.product(100, 1).await);
    let answer = customer.rent(&product, "tok_lost_response").await;
    let location = answer.header("location").to_owned();
    answer.problem(503, "payment-unavailable");
    let rental = customer.get(&location).await.expect(200);
    assert_eq!(rental["cancelReason"], "PAYMENT_UNAVAILABLE");
    customer.payment_becomes(&rental, "CANCELED").await;
    assert_eq!(app.ledger(&rental["paymentId"]).await, (1, 1));
}

#[tokio::test]
async fn deferral_that_is_not_paid_in_time_expires() {
    let app = TestApp::impatient(|settings| settings.payment.deferral_ttl = "1s".to_owned());
    let (customer, product) = (app.customer(1).await, app.product(100, 1).await);
    let rental = customer.rent(&product, "tok_timeout").await.expect(202);
    let rental = customer.rental_becomes(&rental, "CANCELED").await;
    assert_eq!(rental["cancelReason"], "PAYMENT_EXPIRED");
    customer.payment_becomes(&rental, "CANCELED").await;
    customer.pay(&rental, "tok_ok").await.problem(409, "rental-not-payable");
}

#[tokio::test]
async fn request_beyond_permits_and_queue_is_shed_unrecorded() {
    let app = TestApp::with(|settings| {
        (settings.payment.concurrency, settings.payment.queue) = (1, 1);
        (settings.payment.deadline_ms, settings.payment.timeout_ms) = (6_000, 5_000);
    });
    let (product, operator) = (app.product(100, 10).await, app.operator());
    let (first, second, third) = (app.customer(1).await, app.customer(2).await, app.customer(3).await);
    let payment = async || operator.get("/v1/operations/payment").await.expect(200);
    let reaches_one = async |field: &str| until(field, || async { payment().await[field] == 1 }).await;
    let rent = |customer: &Client, token: &'static str| {
        let (customer, product) = (customer.clone(), product.clone());
        tokio::spawn(async move { customer.rent(&product, token).await })
    };
    // The gateway hangs on the first; the second waits for its permit.
    let hanging = rent(&first, "tok_timeout");
    reaches_one("permitsInUse").await;
    let waiting = rent(&second, "tok_ok");
    reaches_one("queueDepth").await;
    third.rent(&product, "tok_ok").await.problem(503, "payment-overloaded");
    // A permit is taken before anything is recorded.
    until("only the first is recorded", || async {
        let rentals = operator.items("/v1/rentals").await;
        let customers: Vec<&Value> = rentals.iter().map(|rental| &rental["customerId"]).collect();
        assert!(customers.len() < 2, "a waiting or shed request is recorded: {customers:?}");
        customers == [&json!(first.id)]
    })
    .await;
    assert_eq!(payment().await["shed"], 1);
    hanging.abort();
    waiting.abort();
}
