//! The circuit breaker, as customers and the operator see it.

use serde_json::{Value, json};

use crate::kit::{Client, TestApp, until};

async fn payment_view(app: &TestApp) -> Value {
    app.operator().get("/v1/operations/payment").await.expect(200)
}

/// Places rentals whose payments fail until the breaker has opened.
async fn open_by_failures(customer: &Client, product: &str) {
    for _ in 0..4 {
        customer.rent(product, "tok_error").await.expect(202);
    }
}

/// A breaker that decides after four calls and stays open for this long, a customer, and a product.
async fn wary(open_wait_ms: u64) -> (TestApp, Client, String) {
    let app = TestApp::with(|settings| {
        let breaker = &mut settings.payment.breaker;
        (breaker.minimum_calls, breaker.half_open_calls) = (4, 2);
        (breaker.open_wait_ms, breaker.open_wait_max_ms) = (open_wait_ms, 60_000);
        // Long, so that a busy machine makes no call slow.
        breaker.slow_call_ms = 60_000;
    });
    let (customer, product) = (app.customer(1).await, app.product(100, 9).await);
    (app, customer, product)
}

#[tokio::test]
async fn failing_payments_open_it_and_later_ones_are_deferred() {
    let (app, customer, product) = wary(50_000).await;
    for _ in 0..2 {
        customer.rent(&product, "tok_ok").await.expect(201);
        customer.rent(&product, "tok_error").await.expect(202);
    }
    let opened = payment_view(&app).await;
    assert_eq!((&opened["breaker"], &opened["mode"]), (&json!("OPEN"), &json!("AUTO")));
    assert_eq!(opened["openings"], 1);
    let answer = customer.rent(&product, "tok_ok").await;
    let seconds: u64 = answer.header("retry-after").parse().unwrap();
    assert!((1..=50).contains(&seconds), "{seconds}");
    let rental = answer.expect(202);
    assert_eq!(rental["status"], "PAYMENT_DEFERRED");
    assert_eq!(customer.events(&rental).await, ["RentalPlaced", "PaymentDeferred"]);
    assert_eq!(app.ledger(&rental["paymentId"]).await, (0, 0));
    customer.pay(&rental, "tok_ok").await.expect(202);
    assert_eq!(app.ledger(&rental["paymentId"]).await, (0, 0));
    assert_eq!(payment_view(&app).await["notPermitted"], 2);
    assert_eq!(app.metric("saem_payment_breaker{state=\"OPEN\"}").await, Some(1.0));
    assert_eq!(app.metric("saem_payment_breaker_openings_total").await, Some(1.0));
}

#[tokio::test]
async fn successful_calls_close_it_after_the_wait() {
    let (app, customer, product) = wary(100).await;
    open_by_failures(&customer, &product).await;
    assert_eq!(payment_view(&app).await["openings"], 1);
    let confirmed = || async { customer.rent(&product, "tok_ok").await.status == 201 };
    until("the breaker is half open", confirmed).await;
    until("the second call succeeds, too", confirmed).await;
    assert_eq!(payment_view(&app).await["breaker"], "CLOSED");
}

#[tokio::test]
async fn declines_do_not_open_it() {
    let (app, customer, product) = wary(50_000).await;
    for _ in 0..6 {
        customer.rent(&product, "tok_decline").await.problem(402, "payment-declined");
    }
    let closed = payment_view(&app).await;
    assert_eq!(closed["breaker"], "CLOSED");
    assert_eq!((&closed["window"]["calls"], &closed["window"]["failedCalls"]), (&json!(6), &json!(0)));
}

#[tokio::test]
async fn with_fallback_refuse_an_open_breaker_records_nothing() {
    let app = TestApp::with(|settings| settings.payment.fallback = "refuse".to_owned());
    let (customer, product) = (app.customer(1).await, app.product(100, 9).await);
    let refused = app.operator().deferring(customer.rent(&product, "tok_ok")).await;
    refused.problem(503, "payment-overloaded");
    assert_eq!(customer.items("/v1/mypage").await.len(), 0);
    customer.rent(&product, "tok_ok").await.expect(201);
}

#[tokio::test]
async fn disabled_breaker_permits_every_call() {
    let (app, customer, product) = wary(50_000).await;
    app.operator().set_breaker("DISABLED").await.expect(200);
    open_by_failures(&customer, &product).await;
    let disabled = payment_view(&app).await;
    assert_eq!((&disabled["breaker"], &disabled["mode"]), (&json!("CLOSED"), &json!("DISABLED")));
    customer.rent(&product, "tok_ok").await.expect(201);
}

#[tokio::test]
async fn forced_open_breaker_defers_until_it_is_automatic_again() {
    let app = TestApp::start();
    let (customer, product, operator) = (app.customer(1).await, app.product(100, 1).await, app.operator());
    assert_eq!(operator.set_breaker("FORCED_OPEN").await.expect(200)["mode"], "FORCED_OPEN");
    let rental = customer.rent(&product, "tok_ok").await.expect(202);
    assert_eq!(customer.events(&rental).await, ["RentalPlaced", "PaymentDeferred"]);
    assert_eq!(app.ledger(&rental["paymentId"]).await, (0, 0));
    until("a message asks to pay later", || async {
        customer.items("/v1/notifications").await.iter().any(|message| message["event"] == "RentalPlaced")
    })
    .await;
    operator.set_breaker("AUTO").await.expect(200);
    assert_eq!(customer.pay(&rental, "tok_ok").await.expect(200)["status"], "CONFIRMED");
    assert_eq!(app.ledger(&rental["paymentId"]).await, (1, 0));
}

#[tokio::test]
async fn attempts_to_pay_one_rental_are_limited() {
    let app = TestApp::start();
    let (customer, product) = (app.customer(1).await, app.product(100, 1).await);
    let rental = app.operator().deferring(customer.rent(&product, "tok_ok")).await.expect(202);
    // The first attempt was never sent.
    for _ in 2..=50 {
        customer.pay(&rental, "tok_decline").await.problem(402, "payment-declined");
    }
    customer.pay(&rental, "tok_ok").await.problem(409, "rental-not-payable");
    assert_eq!(app.ledger(&rental["paymentId"]).await, (0, 0));
    customer.cancel(&rental).await.expect(200);
}
