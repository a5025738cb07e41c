//! A whole shop that takes its money at the double.

use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::double::{Double, Fault, Place, SECRET};
use crate::kit::{Answer, Client, eventually, id, operator_key, process::Server};

struct Works {
    directory: TempDir,
    double: Double,
    server: Server,
    customer: Client,
    product: String,
}

/// The settings of a shop with this Stripe; its key is in a file.
fn settings<'a>(url: &'a str, secret: &'a str) -> Vec<(&'static str, &'a str)> {
    vec![
        ("SAEM_PAYMENT__PROVIDER", "stripe"),
        ("SAEM_PAYMENT__STRIPE__URL", url),
        ("SAEM_PAYMENT__STRIPE__SECRET_KEY_FILE", secret),
        ("SAEM_PAYMENT__DEADLINE_MS", "2000"),
        ("SAEM_PAYMENT__TIMEOUT_MS", "600"),
        ("SAEM_PAYMENT__CHARGE_MIN_MS", "50"),
    ]
}

impl Works {
    async fn start() -> Self {
        let (directory, double) = (tempfile::tempdir().unwrap(), Double::start());
        let secret = directory.path().join("stripe.key");
        std::fs::write(&secret, format!("{SECRET}\n")).unwrap();
        let data = directory.path().join("data");
        let server = Server::start(&data, &settings(&double.url, secret.to_str().unwrap())).await;
        let customer = Client::sign_up(&server.url, 1).await;
        let product = Client::of(&server.url, Some(operator_key(&data))).product(29_900, 100).await;
        Self { directory, double, server, customer, product }
    }

    async fn restart(self) -> Self {
        self.restart_with(&[]).await
    }

    /// Starts again, with these settings, too.
    async fn restart_with(self, more: &[(&'static str, &str)]) -> Self {
        let Self { directory, double, server, mut customer, product } = self;
        server.kill().await;
        let secret = directory.path().join("stripe.key");
        let data = directory.path().join("data");
        let settings = [&settings(&double.url, secret.to_str().unwrap()), more].concat();
        let server = Server::start(&data, &settings).await;
        customer.move_to(&server.url);
        Self { directory, double, server, customer, product }
    }

    async fn rent(&self, token: &str) -> Answer {
        self.customer.rent(&self.product, token).await
    }

    fn ledger(&self, rental: &Value) -> (u64, u64) {
        self.double.ledger(rental["paymentId"].as_str().unwrap())
    }

    async fn pay(&self, rental: &Value, token: &str, key: &str) -> Answer {
        let path = format!("/v1/rentals/{}/payment", id(rental));
        let body = json!({"paymentMethod": {"type": "CARD", "token": token}});
        let request = self.customer.request(Method::POST, &path).header("idempotency-key", key);
        Answer::of(request.json(&body)).await
    }
}

#[tokio::test]
async fn a_rental_is_paid_canceled_and_refunded() {
    let works = Works::start().await;
    let rental = works.rent("pm_card_visa").await.expect(201);
    let payment = works.customer.get(&format!("/v1/payments?rentalId={}", id(&rental))).await.expect(200);
    let shown = &payment["items"][0];
    assert_eq!((&shown["provider"], &shown["providerReference"]), (&json!("stripe"), &json!("pi_1")));
    works.rent("pm_card_chargeDeclined").await.problem(402, "payment-declined");
    works.rent("tok_ok!").await.problem(400, "invalid-request");
    works.customer.cancel(&rental).await.expect(200);
    works.customer.timeline_holds(&rental, "PaymentCanceled").await;
    assert_eq!(works.ledger(&rental), (1, 1));
}

#[tokio::test]
async fn consent_that_cannot_be_asked_for_is_said_again_alike_also_after_a_restart() {
    const WANTED: &str = "authentication-required";
    let works = Works::start().await;
    let token = "pm_card_threeDSecure2Required";
    let rent = async |works: &Works| works.customer.rent_keyed(&works.product, token, "one").await;
    let first = rent(&works).await;
    let rental = first.header("location").to_owned();
    first.problem(402, WANTED);
    let again = rent(&works).await;
    assert_eq!((again.header("idempotency-replayed"), again.header("location")), ("true", rental.as_str()));
    again.problem(402, WANTED);
    assert_eq!(works.customer.get(&rental).await.expect(200)["cancelReason"], "PAYMENT_DECLINED");

    // Later, too: a rental that waits keeps waiting.
    works.double.fails(Place::Create, Fault::FailBefore);
    let waiting = works.rent("pm_card_visa").await.expect(202);
    let pay = async |works: &Works| works.pay(&waiting, token, "two").await;
    let settled = || async { Some(pay(&works).await).filter(|answer| answer.status != 409) };
    eventually("it may be paid", settled).await.problem(402, WANTED);
    pay(&works).await.problem(402, WANTED);
    let works = works.restart().await;
    rent(&works).await.problem(402, WANTED);
    let again = pay(&works).await;
    assert_eq!(again.header("idempotency-replayed"), "true");
    again.problem(402, WANTED);
    assert!(!works.double.owner_confirms());
    assert_eq!(works.pay(&waiting, "pm_card_visa", "three").await.expect(200)["status"], "CONFIRMED");
    assert_eq!(works.ledger(&waiting), (1, 0));
}

#[tokio::test]
async fn an_answer_that_is_lost_defers_and_the_capture_is_found() {
    let works = Works::start().await;
    works.double.state().search_lags = true;
    works.double.fails(Place::Confirm, Fault::LoseAnswer);
    let rental = works.rent("pm_card_visa").await.expect(202);
    works.customer.rental_becomes(&rental, "CONFIRMED").await;
    assert_eq!(works.ledger(&rental), (1, 0));
}

#[tokio::test]
async fn a_charge_that_was_never_confirmed_is_voided_and_paid_anew() {
    let works = Works::start().await;
    works.double.fails(Place::Create, Fault::LoseAnswer);
    let rental = works.rent("pm_card_visa").await.expect(202);
    let paid = || async { Some(works.pay(&rental, "tok_visa", "again").await).filter(|a| a.status == 200) };
    eventually("it is paid", paid).await;
    assert_eq!(works.ledger(&rental), (1, 0));
    let first = works.double.state().intents[0].clone();
    assert_eq!((first.status, first.captures), ("canceled", 0), "{}", first.id);
}

#[tokio::test]
async fn a_rental_that_is_canceled_while_its_charge_is_open_costs_nothing() {
    let works = Works::start().await;
    works.double.fails(Place::Confirm, Fault::FailAfter);
    // Neither the answer nor the first look: it is canceled before anybody knows.
    works.double.fails(Place::LookUp, Fault::FailBefore);
    let rental = works.rent("pm_card_visa").await.expect(202);
    works.customer.cancel(&rental).await.expect(200);
    works.customer.timeline_holds(&rental, "PaymentCanceled").await;
    let (captures, refunds) = works.ledger(&rental);
    assert_eq!((captures, refunds), (1, 1));
}

#[tokio::test]
async fn what_stripe_took_is_given_back_there_after_the_provider_was_changed() {
    let works = Works::start().await;
    let rental = works.rent("pm_card_visa").await.expect(201);
    let works = works.restart_with(&[("SAEM_PAYMENT__PROVIDER", "simulator")]).await;
    works.rent("tok_ok").await.expect(201);
    works.customer.cancel(&rental).await.expect(200);
    works.customer.timeline_holds(&rental, "PaymentCanceled").await;
    assert_eq!((works.ledger(&rental), works.double.state().intents.len()), ((1, 1), 1));
}

#[tokio::test]
async fn neither_key_nor_token_is_ever_logged() {
    let (directory, double) = (tempfile::tempdir().unwrap(), Double::start());
    let (data, log) = (directory.path().join("data"), directory.path().join("log"));
    let settings = [
        ("SAEM_LOG", "trace"),
        ("SAEM_PAYMENT__PROVIDER", "stripe"),
        ("SAEM_PAYMENT__STRIPE__URL", &double.url),
        ("SAEM_PAYMENT__STRIPE__SECRET_KEY", SECRET),
        ("SAEM_PAYMENT__DEADLINE_MS", "5000"),
        ("SAEM_PAYMENT__TIMEOUT_MS", "4000"),
    ];
    let file = std::fs::File::create(&log).unwrap();
    let server = Server::start_logging(&data, &settings, file.into()).await;
    let customer = Client::sign_up(&server.url, 1).await;
    let product = Client::of(&server.url, Some(operator_key(&data))).product(29_900, 100).await;
    customer.rent(&product, "tok_visa").await.expect(201);
    customer.rent(&product, "pm_card_expired").await.expect(402);
    double.fails(Place::Confirm, Fault::FailAfter);
    let rental = customer.rent(&product, "tok_visa").await.expect(202);
    customer.rental_becomes(&rental, "CONFIRMED").await;
    server.kill().await;
    let log = std::fs::read_to_string(&log).unwrap();
    assert!(log.contains("a charge's outcome is unknown"), "it was logged");
    for secret in [SECRET, "tok_visa", "pm_card_expired"] {
        assert!(!log.contains(secret), "{secret}");
    }
}
