//! The circuit breaker, as customers and the operator see it.

use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    kit::{Answer, Client, TestApp, eventually},
    metrics::sample,
    payments::pay,
};

async fn set_breaker(app: &TestApp, mode: &str) -> Answer {
    let operator = app.operator();
    let request = operator.request(Method::PUT, "/v1/operations/payment/breaker");
    Answer::of(request.json(&json!({"mode": mode}))).await
}

async fn desk(app: &TestApp) -> Value {
    app.operator().get("/v1/operations/payment").await.expect(200)
}

/// Places rentals whose payments fail until the breaker has opened.
async fn open_by_failures(customer: &Client, product: &str) {
    for _ in 0..4 {
        customer.rent(product, "tok_error").await.expect(202);
    }
}

/// A server whose breaker decides after four calls, and opens for so long.
fn wary(open_wait_ms: u64) -> TestApp {
    TestApp::with(|settings| {
        let breaker = &mut settings.payment.breaker;
        (breaker.minimum_calls, breaker.half_open_calls) = (4, 2);
        (breaker.open_wait_ms, breaker.open_wait_max_ms) = (open_wait_ms, 60_000);
        // A busy machine is not a slow gateway.
        breaker.slow_call_ms = 60_000;
    })
}

#[tokio::test]
async fn it_opens_when_payments_fail_and_customers_are_put_off_without_a_call() {
    let app = wary(50_000);
    let (customer, product) = (app.customer(1).await, app.product(100, 9).await);
    for _ in 0..2 {
        customer.rent(&product, "tok_ok").await.expect(201);
        customer.rent(&product, "tok_error").await.expect(202);
    }
    let opened = desk(&app).await;
    assert_eq!((&opened["breaker"], &opened["mode"]), (&json!("OPEN"), &json!("AUTO")));
    assert_eq!(opened["openings"], 1);
    let answer = customer.rent(&product, "tok_ok").await;
    let seconds: u64 = answer.header("retry-after").parse().unwrap();
    assert!((1..=50).contains(&seconds), "{seconds}");
    let rental = answer.expect(202);
    assert_eq!(rental["status"], "PAYMENT_DEFERRED");
    assert_eq!(customer.events(&rental).await, ["RentalPlaced", "PaymentDeferred"]);
    assert_eq!(app.ledger(&rental["paymentId"]).await, (0, 0));
    pay(&customer, &rental, "tok_ok").await.expect(202);
    assert_eq!(app.ledger(&rental["paymentId"]).await, (0, 0));
    assert_eq!(desk(&app).await["notPermitted"], 2);
    assert_eq!(sample(&app, "saem_payment_breaker{state=\"OPEN\"}").await, Some(1.0));
    assert_eq!(sample(&app, "saem_payment_breaker_openings_total").await, Some(1.0));
}

#[tokio::test]
async fn it_closes_by_itself_once_payments_work_again() {
    let app = wary(100);
    let (customer, product) = (app.customer(1).await, app.product(100, 9).await);
    open_by_failures(&customer, &product).await;
    let opened = desk(&app).await;
    assert_eq!(opened["openings"], 1);
    let confirmed = || async { (customer.rent(&product, "tok_ok").await.status == 201).then_some(()) };
    eventually("it is half open", confirmed).await;
    eventually("its second call went well, too", confirmed).await;
    assert_eq!(desk(&app).await["breaker"], "CLOSED");
}

#[tokio::test]
async fn declines_do_not_open_it() {
    let app = wary(50_000);
    let (customer, product) = (app.customer(1).await, app.product(100, 9).await);
    for _ in 0..6 {
        customer.rent(&product, "tok_decline").await.problem(402, "payment-declined");
    }
    let closed = desk(&app).await;
    assert_eq!(closed["breaker"], "CLOSED");
    assert_eq!((&closed["window"]["calls"], &closed["window"]["failedCalls"]), (&json!(6), &json!(0)));
}

#[tokio::test]
async fn with_fallback_refuse_nothing_is_recorded_while_it_is_open() {
    let app = TestApp::with(|settings| settings.payment.fallback = "refuse".to_owned());
    let (customer, product) = (app.customer(1).await, app.product(100, 9).await);
    set_breaker(&app, "FORCED_OPEN").await.expect(200);
    customer.rent(&product, "tok_ok").await.problem(503, "payment-overloaded");
    assert_eq!(customer.get("/v1/mypage").await.expect(200)["items"], json!([]));
    set_breaker(&app, "AUTO").await.expect(200);
    customer.rent(&product, "tok_ok").await.expect(201);
}

#[tokio::test]
async fn disabled_it_lets_everything_through() {
    let app = wary(50_000);
    let (customer, product) = (app.customer(1).await, app.product(100, 9).await);
    set_breaker(&app, "DISABLED").await.expect(200);
    open_by_failures(&customer, &product).await;
    let disabled = desk(&app).await;
    assert_eq!((&disabled["breaker"], &disabled["mode"]), (&json!("CLOSED"), &json!("DISABLED")));
    customer.rent(&product, "tok_ok").await.expect(201);
}

#[tokio::test]
async fn an_open_breaker_defers_without_asking_the_gateway() {
    let app = TestApp::start();
    let (customer, product) = (app.customer(1).await, app.product(100, 1).await);
    assert_eq!(set_breaker(&app, "FORCED_OPEN").await.expect(200)["mode"], "FORCED_OPEN");
    let rental = customer.rent(&product, "tok_ok").await.expect(202);
    assert_eq!(customer.events(&rental).await, ["RentalPlaced", "PaymentDeferred"]);
    assert_eq!(app.ledger(&rental["paymentId"]).await, (0, 0));
    let text = || async {
        let messages = customer.get("/v1/notifications").await.expect(200);
        messages["items"].as_array().unwrap().iter().any(|m| m["event"] == "RentalPlaced").then_some(())
    };
    eventually("the customer is told to pay later", text).await;
    set_breaker(&app, "AUTO").await.expect(200);
    assert_eq!(pay(&customer, &rental, "tok_ok").await.expect(200)["status"], "CONFIRMED");
    assert_eq!(app.ledger(&rental["paymentId"]).await, (1, 0));
    set_breaker(&app, "SHUT").await.invalid(&["/mode"]);
}

#[tokio::test]
async fn nobody_tries_cards_for_ever() {
    let app = TestApp::start();
    let (customer, product) = (app.customer(1).await, app.product(100, 1).await);
    set_breaker(&app, "FORCED_OPEN").await.expect(200);
    let rental = customer.rent(&product, "tok_ok").await.expect(202);
    set_breaker(&app, "AUTO").await.expect(200);
    // The first attempt was never sent.
    for _ in 2..=50 {
        pay(&customer, &rental, "tok_decline").await.problem(402, "payment-declined");
    }
    pay(&customer, &rental, "tok_ok").await.problem(409, "rental-not-payable");
    assert_eq!(app.ledger(&rental["paymentId"]).await, (0, 0));
    customer.cancel(&rental).await.expect(200);
}
