//! Charges: the outcome of each answer and of missing ones.

use saem::{
    Money, PaymentGateway as _,
    internal::gateways::{StripeGateway, http},
};

use super::{
    double::{Fault, Place},
    start,
};
use crate::kit::gateway::{FEE, approved, card, declined, is_unknown, key, refused, times_out};

#[tokio::test]
async fn card_is_charged_once_by_method_or_token() {
    let (double, gateway) = start();
    for (attempt, token) in [(1, "pm_card_visa"), (2, "tok_visa")] {
        let reference = format!("pi_{attempt}");
        for _ in 0..2 {
            let charged = gateway.charge(key(1, attempt), FEE, &card(token)).await;
            assert_eq!(charged, approved(&reference), "once, however often it is asked for");
        }
    }
    assert_eq!(double.ledger("payment_"), (2, 0));
    assert_eq!(double.state().intents[0].saem_key, key(1, 1).to_string());
}

#[tokio::test]
async fn decline_has_the_issuers_reason_and_is_final() {
    let (double, gateway) = start();
    let charge = |attempt, token: &str| gateway.charge(key(1, attempt), FEE, &card(token));
    assert_eq!(charge(1, "pm_card_chargeDeclined").await, declined("generic_decline"));
    assert_eq!(charge(2, "pm_card_expired").await, declined("expired_card"));
    assert_eq!(charge(1, "pm_card_chargeDeclined").await, declined("generic_decline"));
    assert!(is_unknown(&charge(1, "pm_card_visa").await), "the key was used with another card");
    assert_eq!(double.ledger("payment_"), (0, 0));
}

#[tokio::test]
async fn unknown_method_is_declined_and_its_intent_canceled() {
    let (double, gateway) = start();
    let charged = gateway.charge(key(1, 1), FEE, &card("pm_of_somebody_else")).await;
    assert_eq!(charged, declined("resource_missing"));
    assert_eq!(double.state().intents[0].status, "canceled");
}

#[tokio::test]
async fn refused_intent_is_refused() {
    let (double, gateway) = start();
    let charged = gateway.charge(key(1, 1), Money::won(10), &card("pm_card_visa")).await;
    assert_eq!(charged, refused("amount_too_small"));
    assert_eq!(double.count(Place::Confirm), 0);
}

#[tokio::test]
async fn card_that_needs_consent_is_declined_for_ever() {
    for token in ["pm_card_threeDSecure2Required", "pm_card_asks_anyway"] {
        let (double, gateway) = start();
        for _ in 0..2 {
            let charged = gateway.charge(key(1, 1), FEE, &card(token)).await;
            assert_eq!(charged, declined("authentication_required"), "{token}");
        }
        assert!(!double.owner_confirms(), "{token}: canceled is canceled");
        assert_eq!(double.ledger("payment_"), (0, 0));
    }
}

#[tokio::test]
async fn consent_before_the_cancel_is_a_capture() {
    let (double, gateway) = start();
    double.fails(Place::Cancel, Fault::FailBefore);
    assert!(is_unknown(&gateway.charge(key(1, 1), FEE, &card("pm_card_asks_anyway")).await));
    assert!(double.owner_confirms());
    assert_eq!(gateway.charge(key(1, 1), FEE, &card("pm_card_asks_anyway")).await, approved("pi_1"));
}

#[tokio::test]
async fn processing_intent_is_unknown() {
    let (double, gateway) = start();
    for _ in 0..2 {
        assert!(is_unknown(&gateway.charge(key(1, 1), FEE, &card("pm_card_slow")).await));
    }
    assert_eq!(double.state().intents[0].status, "processing", "it was left alone");
}

#[tokio::test]
async fn collisions_limits_and_failures_are_unknown() {
    let busy = [
        Fault::Busy(409, "idempotency_key_in_use"),
        Fault::Busy(429, "rate_limit"),
        Fault::Busy(429, "lock_timeout"),
        Fault::Busy(401, "api_key_expired"),
        Fault::Busy(403, "more_permissions_required"),
        Fault::Busy(503, "away"),
        Fault::FailBefore,
        Fault::FailAfter,
    ];
    for place in [Place::Create, Place::Confirm] {
        for fault in busy {
            let (double, gateway) = start();
            double.fails(place, fault);
            let charged = gateway.charge(key(1, 1), FEE, &card("pm_card_visa")).await;
            assert!(is_unknown(&charged), "{place:?}, {fault:?}: {charged:?}");
        }
    }
}

#[tokio::test]
async fn charge_abandoned_at_its_first_call_is_not_confirmed() {
    let (double, gateway) = start();
    double.fails(Place::Create, Fault::LoseAnswer);
    assert!(times_out(gateway.charge(key(1, 1), FEE, &card("pm_card_visa"))).await);
    assert_eq!((double.count(Place::Create), double.count(Place::Confirm)), (1, 0));
    assert_eq!(double.ledger("payment_"), (0, 0));
}

#[test]
fn foreign_tokens_are_refused_before_they_are_sent() {
    let base = http::base_url("http://127.0.0.1:1/").unwrap();
    let gateway = StripeGateway::new(http::client().unwrap(), base, "sk_test_x".to_owned());
    for good in ["pm_1Pgc76B7LkdIwHu7", "tok_visa"] {
        assert!(gateway.accepts(&card(good)).is_ok(), "{good}");
    }
    let long = format!("pm_{}", "x".repeat(253));
    for bad in ["pm_", "tok_", "4242424242424242", "src_1", "pm_a b", "pm_a&confirm=true", "pm_../x", &long] {
        assert!(gateway.accepts(&card(bad)).is_err(), "{bad}");
    }
}
