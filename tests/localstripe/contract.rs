//! Call by call: what `localstripe` makes of ours, and what we make of its answers.

use saem::{
    domain::{Money, PaymentId},
    gateways::payment::{
        ChargeKey, Charged, Found, GatewayError, PaymentGateway as _, PaymentMethod, PriorCharge, Voided,
        http, stripe::StripeGateway,
    },
};
use serde_json::Value;

use crate::bridge::{Bridge, SECRET};

const FEE: Money = Money::won(29_900);

fn gateway(bridge: &Bridge, secret: &str) -> StripeGateway {
    StripeGateway::new(http::client().unwrap(), http::base_url(&bridge.url).unwrap(), secret.to_owned())
}

/// A key of one test's own: the peer is there for all of them.
fn key(payment: u128) -> ChargeKey {
    ChargeKey { payment: PaymentId(payment), attempt: 1 }
}

fn sought(payment: u128) -> PriorCharge {
    PriorCharge { key: key(payment), amount: FEE, reference: None }
}

fn card(token: &str) -> PaymentMethod {
    PaymentMethod::Card { token: token.to_owned() }
}

fn declined(code: &str) -> Result<Charged, GatewayError> {
    Ok(Charged::Declined { code: code.to_owned() })
}

/// The only intent of a payment.
async fn intent(bridge: &Bridge, payment: u128) -> Value {
    let intents = bridge.intents(&key(payment).to_string()).await;
    let [intent] = &intents[..] else { panic!("one intent, not {intents:?}") };
    intent.clone()
}

/// A card with this number.
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
    method["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_charge_is_made_found_and_given_back_once() {
    let bridge = Bridge::start();
    let gateway = gateway(&bridge, SECRET);
    let charged = gateway.charge(key(1), FEE, &card("pm_card_visa")).await;
    let paid = intent(&bridge, 1).await;
    let reference = paid["id"].as_str().unwrap().to_owned();
    assert_eq!(charged, Ok(Charged::Approved { reference: reference.clone() }));
    assert_eq!((&paid["amount"], &paid["currency"]), (&29_900.into(), &"krw".into()));
    let captured = |refunded| Ok(Found::Captured { reference: reference.clone(), refunded });
    let known = PriorCharge { reference: Some(reference.clone()), ..sought(1) };
    for sought in [&sought(1), &known] {
        assert_eq!(gateway.find(sought).await, captured(Money::ZERO));
        assert_eq!(gateway.void(sought).await, Ok(Voided::Captured { reference: reference.clone() }));
    }
    // It would let a second refund pass: we look before we ask for one.
    for sought in [&sought(1), &known, &known] {
        assert_eq!(gateway.refund(sought).await, Ok(()));
        assert_eq!(gateway.find(sought).await, captured(FEE));
    }
    assert_eq!(bridge.ledger(&key(1).to_string()).await, (1, 1));
}

#[tokio::test]
async fn a_decline_is_one_though_its_type_does_not_say_so() {
    let bridge = Bridge::start();
    let gateway = gateway(&bridge, SECRET);
    let method = numbered(&bridge, "4000000000000341").await;
    assert_eq!(gateway.charge(key(2), FEE, &card(&method)).await, declined("card_declined"));
    assert_eq!(gateway.find(&sought(2)).await, Ok(Found::Declined { code: "card_declined".to_owned() }));
    let nothing = GatewayError::Refused("not_captured".to_owned());
    assert_eq!(gateway.refund(&sought(2)).await, Err(nothing));
    assert_eq!(gateway.void(&sought(2)).await, Ok(Voided::Settled));
    assert_eq!(gateway.charge(key(3), FEE, &card("pm_of_nobody")).await, declined("invalid_request_error"));
    assert_eq!(intent(&bridge, 3).await["status"], "canceled");
}

#[tokio::test]
async fn a_card_that_wants_its_owners_consent_cannot_be_paid_with_later() {
    let bridge = Bridge::start();
    let method = numbered(&bridge, "4000002500003155").await;
    let charged = gateway(&bridge, SECRET).charge(key(4), FEE, &card(&method)).await;
    assert_eq!(charged, declined("authentication_required"));
    let waiting = intent(&bridge, 4).await;
    assert_eq!(waiting["status"], "canceled");
    let path = format!("/v1/payment_intents/{}/_authenticate", waiting["id"].as_str().unwrap());
    let form = [("client_secret", waiting["client_secret"].as_str().unwrap()), ("success", "true")];
    assert_eq!(bridge.post(&path, &form).await.0, 400);
    assert_eq!(bridge.ledger(&key(4).to_string()).await, (0, 0));
}

#[tokio::test]
async fn a_void_is_for_ever() {
    let bridge = Bridge::start();
    let gateway = gateway(&bridge, SECRET);
    assert_eq!(gateway.find(&sought(5)).await, Ok(Found::Nothing));
    for _ in 0..2 {
        assert_eq!(gateway.void(&sought(5)).await, Ok(Voided::Settled));
    }
    // A charge's second call, late.
    let confirm = format!("/v1/payment_intents/{}/confirm", intent(&bridge, 5).await["id"].as_str().unwrap());
    assert_eq!(bridge.post(&confirm, &[]).await.0, 400);
    assert_eq!(intent(&bridge, 5).await["status"], "canceled");
}

#[tokio::test]
async fn a_wrong_key_is_unknown() {
    let bridge = Bridge::start();
    let stranger = gateway(&bridge, "not-a-secret-key");
    let unknown = |error| matches!(error, Some(GatewayError::Unknown(_)));
    assert!(unknown(stranger.charge(key(6), FEE, &card("pm_card_visa")).await.err()));
    let known = PriorCharge { reference: Some("pi_any".to_owned()), ..sought(6) };
    assert!(unknown(stranger.find(&known).await.err()));
    assert!(unknown(stranger.refund(&known).await.err()));
    assert!(unknown(stranger.void(&known).await.err()));
    assert_eq!(bridge.intents(&key(6).to_string()).await, Vec::<Value>::new());
}
