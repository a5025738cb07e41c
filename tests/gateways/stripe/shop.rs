//! A whole shop whose payment provider is the double of Stripe.

use serde_json::{Value, json};

use super::double::{Double, Fault, Place, SECRET};
use crate::kit::{Answer, Site, eventually, id, text};

struct Shop {
    site: Site,
    double: Double,
}

impl Shop {
    /// The secret key is in a file.
    async fn start() -> Self {
        let (directory, double) = (tempfile::tempdir().unwrap(), Double::start());
        let secret = directory.path().join("stripe.key");
        std::fs::write(&secret, format!("{SECRET}\n")).unwrap();
        let settings = [
            ("SAEM_PAYMENT__PROVIDER", "stripe"),
            ("SAEM_PAYMENT__STRIPE__URL", &double.url),
            ("SAEM_PAYMENT__STRIPE__SECRET_KEY_FILE", secret.to_str().unwrap()),
            ("SAEM_PAYMENT__DEADLINE_MS", "2000"),
            ("SAEM_PAYMENT__TIMEOUT_MS", "600"),
            ("SAEM_PAYMENT__CHARGE_MIN_MS", "50"),
        ];
        Self { site: Site::start_in(directory, &settings).await, double }
    }

    async fn rent(&self, token: &str) -> Answer {
        self.site.rent(token).await
    }

    fn ledger(&self, rental: &Value) -> (u64, u64) {
        self.double.ledger(text(rental, "paymentId"))
    }

    async fn pay(&self, rental: &Value, token: &str, key: &str) -> Answer {
        let body = json!({"paymentMethod": {"type": "CARD", "token": token}});
        self.site.customer.post_keyed(&format!("/v1/rentals/{}/payment", id(rental)), key, &body).await
    }
}

#[tokio::test]
async fn rental_is_paid_canceled_and_refunded() {
    let shop = Shop::start().await;
    let rental = shop.rent("pm_card_visa").await.expect(201);
    let payment = shop.site.customer.payment_becomes(&rental, "APPROVED").await;
    assert_eq!((&payment["provider"], &payment["providerReference"]), (&json!("stripe"), &json!("pi_1")));
    shop.rent("pm_card_chargeDeclined").await.problem(402, "payment-declined");
    shop.rent("tok_ok!").await.problem(400, "invalid-request");
    shop.site.customer.cancel_until(&rental, "PaymentCanceled").await;
    assert_eq!(shop.ledger(&rental), (1, 1));
}

#[tokio::test]
async fn decline_for_consent_is_replayed_after_a_restart() {
    const WANTED: &str = "authentication-required";
    let mut shop = Shop::start().await;
    let token = "pm_card_threeDSecure2Required";
    let rent = async |site: &Site| site.customer.rent_keyed(&site.product, token, "one").await;
    let first = rent(&shop.site).await;
    let rental = first.header("location").to_owned();
    first.problem(402, WANTED);
    let again = rent(&shop.site).await;
    assert!(again.is_replayed());
    assert_eq!(again.header("location"), rental);
    again.problem(402, WANTED);
    assert_eq!(shop.site.customer.get(&rental).await.expect(200)["cancelReason"], "PAYMENT_DECLINED");

    // Paying later: the rental still waits for its payment.
    shop.double.fails(Place::Create, Fault::FailBefore);
    let waiting = shop.rent("pm_card_visa").await.expect(202);
    let pay = async |shop: &Shop| shop.pay(&waiting, token, "two").await;
    let settled = || async { Some(pay(&shop).await).filter(|answer| answer.status != 409) };
    eventually("it may be paid", settled).await.problem(402, WANTED);
    pay(&shop).await.problem(402, WANTED);
    shop.site.kill().await;
    shop.site.restart(&[]).await;
    rent(&shop.site).await.problem(402, WANTED);
    let again = pay(&shop).await;
    assert!(again.is_replayed());
    again.problem(402, WANTED);
    assert!(!shop.double.owner_confirms());
    assert_eq!(shop.pay(&waiting, "pm_card_visa", "three").await.expect(200)["status"], "CONFIRMED");
    assert_eq!(shop.ledger(&waiting), (1, 0));
}

#[tokio::test]
async fn lost_answer_defers_and_the_capture_is_found() {
    let shop = Shop::start().await;
    shop.double.state().search_lags = true;
    shop.double.fails(Place::Confirm, Fault::LoseAnswer);
    let rental = shop.rent("pm_card_visa").await.expect(202);
    shop.site.customer.rental_becomes(&rental, "CONFIRMED").await;
    assert_eq!(shop.ledger(&rental), (1, 0));
}

#[tokio::test]
async fn unconfirmed_charge_is_voided_and_paid_anew() {
    let shop = Shop::start().await;
    shop.double.fails(Place::Create, Fault::LoseAnswer);
    let rental = shop.rent("pm_card_visa").await.expect(202);
    let paid = || async { Some(shop.pay(&rental, "tok_visa", "again").await).filter(|a| a.status == 200) };
    eventually("it is paid", paid).await;
    assert_eq!(shop.ledger(&rental), (1, 0));
    let first = shop.double.state().intents[0].clone();
    assert_eq!((first.status, first.captures), ("canceled", 0), "{}", first.id);
}

#[tokio::test]
async fn rental_canceled_during_an_open_charge_is_refunded() {
    let shop = Shop::start().await;
    shop.double.fails(Place::Confirm, Fault::FailAfter);
    // Neither the answer nor the first lookup shows the outcome before the cancel.
    shop.double.fails(Place::LookUp, Fault::FailBefore);
    let rental = shop.rent("pm_card_visa").await.expect(202);
    shop.site.customer.cancel_until(&rental, "PaymentCanceled").await;
    assert_eq!(shop.ledger(&rental), (1, 1));
}

#[tokio::test]
async fn refund_goes_to_stripe_after_the_provider_changed() {
    let mut shop = Shop::start().await;
    let rental = shop.rent("pm_card_visa").await.expect(201);
    shop.site.kill().await;
    shop.site.restart(&[("SAEM_PAYMENT__PROVIDER", "simulator")]).await;
    shop.rent("tok_ok").await.expect(201);
    shop.site.customer.cancel_until(&rental, "PaymentCanceled").await;
    assert_eq!((shop.ledger(&rental), shop.double.state().intents.len()), ((1, 1), 1));
}

#[tokio::test]
async fn key_and_tokens_are_never_logged() {
    let double = Double::start();
    let mut site = Site::start(&[
        ("SAEM_LOG", "trace"),
        ("SAEM_PAYMENT__PROVIDER", "stripe"),
        ("SAEM_PAYMENT__STRIPE__URL", &double.url),
        ("SAEM_PAYMENT__STRIPE__SECRET_KEY", SECRET),
        ("SAEM_PAYMENT__DEADLINE_MS", "5000"),
        ("SAEM_PAYMENT__TIMEOUT_MS", "4000"),
    ])
    .await;
    site.rent("tok_visa").await.expect(201);
    site.rent("pm_card_expired").await.expect(402);
    double.fails(Place::Confirm, Fault::FailAfter);
    let rental = site.rent("tok_visa").await.expect(202);
    site.customer.rental_becomes(&rental, "CONFIRMED").await;
    site.kill().await;
    let log = site.log();
    assert!(log.contains("a charge's outcome is unknown"), "it was logged");
    for secret in [SECRET, "tok_visa", "pm_card_expired"] {
        assert!(!log.contains(secret), "{secret}");
    }
}
