//! Provider `stripe` against `localstripe`, call by call.

use saem::{
    ChargeKey, Found, Money, PaymentGateway as _, PriorCharge, Voided,
    internal::gateways::{StripeGateway, http},
};
use serde_json::Value;

use crate::{
    bridge::{Bridge, SECRET},
    kit::{
        gateway::{self, FEE, approved, captured, card, declined, is_unknown, refused},
        text,
    },
};

fn gateway(bridge: &Bridge, secret: &str) -> StripeGateway {
    StripeGateway::new(http::client().unwrap(), http::base_url(&bridge.url).unwrap(), secret.to_owned())
}

/// Each test has a payment of its own: they share the peer.
fn key(payment: u128) -> ChargeKey {
    gateway::key(payment, 1)
}

fn sought(payment: u128) -> PriorCharge {
    gateway::sought(payment, 1)
}

/// The only intent of a payment.
async fn intent(bridge: &Bridge, payment: u128) -> Value {
    let intents = bridge.intents(&key(payment).to_string()).await;
    let [intent] = &intents[..] else { panic!("one intent, not {intents:?}") };
    intent.clone()
}

/// Creates a payment method for a card number.
async fn numbered(bridge: &Bridge, number: &str) -> String {
    let form = [
        ("type", "card"),
        ("card[number]", number),
        ("card[exp_month]", "12"),
        ("card[exp_year]", "2040"),
        ("card[cvc]", "123"),
    ];
    let (status, method) = bridge.post("/v1/payment_methods", &form).await;
    assert_eq!(status, 200, "{method}");
    text(&method, "id").to_owned()
}

#[tokio::test]
async fn charge_is_made_found_and_refunded_once() {
    let bridge = Bridge::start();
    let gateway = gateway(&bridge, SECRET);
    let charged = gateway.charge(key(1), FEE, &card("pm_card_visa")).await;
    let paid = intent(&bridge, 1).await;
    let reference = text(&paid, "id").to_owned();
    assert_eq!(charged, approved(&reference));
    assert_eq!((&paid["amount"], &paid["currency"]), (&29_900.into(), &"krw".into()));
    let known = PriorCharge { reference: Some(reference.clone()), ..sought(1) };
    for sought in [&sought(1), &known] {
        assert_eq!(gateway.find(sought).await, captured(&reference, Money::ZERO));
        assert_eq!(gateway.void(sought).await, Ok(Voided::Captured { reference: reference.clone() }));
    }
    // It would accept a second refund: the gateway looks first.
    for sought in [&sought(1), &known, &known] {
        assert_eq!(gateway.refund(sought).await, Ok(()));
        assert_eq!(gateway.find(sought).await, captured(&reference, FEE));
    }
    assert_eq!(bridge.ledger(&key(1).to_string()).await, (1, 1));
}

#[tokio::test]
async fn decline_of_another_type_is_a_decline() {
    let bridge = Bridge::start();
    let gateway = gateway(&bridge, SECRET);
    let method = numbered(&bridge, "4000000000000341").await;
    assert_eq!(gateway.charge(key(2), FEE, &card(&method)).await, declined("card_declined"));
    assert_eq!(gateway.find(&sought(2)).await, Ok(Found::Declined { code: "card_declined".to_owned() }));
    assert_eq!(gateway.refund(&sought(2)).await, refused("not_captured"));
    assert_eq!(gateway.void(&sought(2)).await, Ok(Voided::Settled));
    assert_eq!(gateway.charge(key(3), FEE, &card("pm_of_nobody")).await, declined("invalid_request_error"));
    assert_eq!(intent(&bridge, 3).await["status"], "canceled");
}

#[tokio::test]
async fn card_that_needs_consent_is_declined_for_ever() {
    let bridge = Bridge::start();
    let method = numbered(&bridge, "4000002500003155").await;
    let charged = gateway(&bridge, SECRET).charge(key(4), FEE, &card(&method)).await;
    assert_eq!(charged, declined("authentication_required"));
    let waiting = intent(&bridge, 4).await;
    assert_eq!(waiting["status"], "canceled");
    let path = format!("/v1/payment_intents/{}/_authenticate", text(&waiting, "id"));
    let form = [("client_secret", text(&waiting, "client_secret")), ("success", "true")];
    assert_eq!(bridge.post(&path, &form).await.0, 400);
    assert_eq!(bridge.ledger(&key(4).to_string()).await, (0, 0));
}

#[tokio::test]
async fn void_is_final() {
    let bridge = Bridge::start();
    let gateway = gateway(&bridge, SECRET);
    assert_eq!(gateway.find(&sought(5)).await, Ok(Found::Nothing));
    for _ in 0..2 {
        assert_eq!(gateway.void(&sought(5)).await, Ok(Voided::Settled));
    }
    // The second call of a charge, late.
    let confirm = format!("/v1/payment_intents/{}/confirm", text(&intent(&bridge, 5).await, "id"));
    assert_eq!(bridge.post(&confirm, &[]).await.0, 400);
    assert_eq!(intent(&bridge, 5).await["status"], "canceled");
}

#[tokio::test]
async fn wrong_key_makes_every_outcome_unknown() {
    let bridge = Bridge::start();
    let stranger = gateway(&bridge, "not-a-secret-key");
    assert!(is_unknown(&stranger.charge(key(6), FEE, &card("pm_card_visa")).await));
    let known = PriorCharge { reference: Some("pi_any".to_owned()), ..sought(6) };
    assert!(is_unknown(&stranger.find(&known).await));
    assert!(is_unknown(&stranger.refund(&known).await));
    assert!(is_unknown(&stranger.void(&known).await));
    assert_eq!(bridge.intents(&key(6).to_string()).await, Vec::<Value>::new());
}
