//! A server process whose payment provider is Toss Payments: killed, changed, and its log read.

use serde_json::{Value, json};

use crate::kit::{
    SHORT_DEADLINES, Site, eventually, text,
    toss::{Ends, SECRET, Toss, order_with},
    until,
};

async fn start(toss: &Toss, log: &str) -> Site {
    let settings = [
        ("SAEM_LOG", log),
        ("SAEM_PAYMENT__PROVIDER", "toss"),
        ("SAEM_PAYMENT__TOSS__SECRET_KEY", SECRET),
        ("SAEM_PAYMENT__TOSS__URL", &toss.url),
    ];
    Site::start(&[&SHORT_DEADLINES[..], &settings].concat()).await
}

/// An order that the customer has authorized in the window.
async fn paid(toss: &Toss, site: &Site, ends: Ends) -> Value {
    let purchase = json!({"productId": site.product});
    order_with(&site.product, &toss.check_out(&site.customer, purchase, ends).await)
}

#[tokio::test]
async fn confirmation_during_a_kill_is_found_and_refunded_later() {
    let toss = Toss::start();
    let mut site = start(&toss, "error").await;
    let order = paid(&toss, &site, Ends::Held).await;
    let customer = site.customer.clone();
    let request = customer.request(reqwest::Method::POST, "/v1/rentals").header("idempotency-key", "a");
    let unanswered = tokio::spawn(request.json(&order).send());
    until("it is being confirmed", || async { toss.books().under_way() }).await;
    site.kill().await;
    assert!(unanswered.await.unwrap().is_err());

    site.restart(&[]).await;
    let keyed = async || site.customer.post_keyed("/v1/rentals", "a", &order).await;
    keyed().await.problem(409, "payment-in-progress");
    toss.release();
    let replayed = || async { Some(keyed().await).filter(|answer| answer.status < 400) };
    let rental = eventually("its outcome is known", replayed).await;
    assert!(rental.is_replayed());
    let rental = site.customer.rental_becomes(&rental.body, "CONFIRMED").await;
    assert_eq!(toss.moves(), (1, 0));
    site.kill().await;

    // The provider is changed: a refund still goes to the one that captured.
    site.restart(&[("SAEM_PAYMENT__PROVIDER", "simulator")]).await;
    site.customer.cancel_until(&rental, "PaymentCanceled").await;
    assert_eq!(toss.moves(), (1, 1));
}

#[tokio::test]
async fn secret_and_payment_keys_are_never_logged() {
    let toss = Toss::start();
    let mut site = start(&toss, "trace").await;
    let mut keys = Vec::new();
    for (status, ends) in [
        (201, Ends::Well),
        (202, Ends::Lost),
        (202, Ends::Refused(500, "FAILED_INTERNAL_SYSTEM_PROCESSING")),
        (402, Ends::Refused(403, "REJECT_CARD_PAYMENT")),
    ] {
        let order = paid(&toss, &site, ends).await;
        let payment_key = text(&order["paymentMethod"], "paymentKey").to_owned();
        let rental = site.customer.post("/v1/rentals", order).await;
        assert_eq!(rental.status, status, "{}", rental.body);
        assert!(!rental.body.to_string().contains(&payment_key));
        if status == 201 {
            site.customer.cancel_until(&rental.body, "PaymentCanceled").await;
        }
        keys.push(payment_key);
    }
    site.kill().await;
    let log = site.log();
    assert!(log.contains("FAILED_INTERNAL_SYSTEM_PROCESSING"), "failures are logged");
    for hidden in keys.iter().map(String::as_str).chain([SECRET, "dGVzdF9za19zYWVt"]) {
        assert!(!log.contains(hidden), "{hidden}");
    }
}
