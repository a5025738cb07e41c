//! Charges whose answer was lost: found, voided, refunded.

use saem::{Found, Money, PaymentGateway as _, PriorCharge, Voided, internal::gateways::StripeGateway};

use super::{
    double::{Double, Fault, Place},
    start,
};
use crate::kit::gateway::{FEE, captured, card, declined, is_unknown, key, refused, sought, times_out};

/// Charges, and loses the answer of one call.
async fn lose_answer(double: &Double, gateway: &StripeGateway, token: &str, lost: Place) {
    double.fails(lost, Fault::LoseAnswer);
    assert!(times_out(gateway.charge(key(1, 1), FEE, &card(token))).await);
}

#[tokio::test]
async fn lost_capture_is_found_with_and_without_the_search() {
    for (lags, next_day) in [(true, false), (false, false), (false, true)] {
        let (double, gateway) = start();
        lose_answer(&double, &gateway, "pm_card_visa", Place::Confirm).await;
        double.state().search_lags = lags;
        if next_day {
            double.a_day_passes();
        }
        assert_eq!(gateway.find(&sought(1, 1)).await, captured("pi_1", Money::ZERO), "{lags} {next_day}");
        let voided = gateway.void(&sought(1, 1)).await;
        assert_eq!(voided, Ok(Voided::Captured { reference: "pi_1".to_owned() }));
        assert_eq!(double.ledger("payment_"), (1, 0));
        assert_eq!(double.state().intents.len(), 1, "looking made no other");
    }
}

#[tokio::test]
async fn lost_decline_is_found() {
    let (double, gateway) = start();
    lose_answer(&double, &gateway, "pm_card_chargeDeclined", Place::Confirm).await;
    let found = Found::Declined { code: "generic_decline".to_owned() };
    assert_eq!(gateway.find(&sought(1, 1)).await, Ok(found));
    assert_eq!(gateway.void(&sought(1, 1)).await, Ok(Voided::Settled));
}

#[tokio::test]
async fn lost_request_for_consent_is_declined_and_closed() {
    for token in ["pm_card_threeDSecure2Required", "pm_card_asks_anyway"] {
        let (double, gateway) = start();
        lose_answer(&double, &gateway, token, Place::Confirm).await;
        let found = Found::Declined { code: "authentication_required".to_owned() };
        assert_eq!(gateway.find(&sought(1, 1)).await, Ok(found), "{token}");
        assert!(!double.owner_confirms(), "{token}");
    }
}

#[tokio::test]
async fn void_is_final_at_any_stage_of_the_charge() {
    for lost in [None, Some(Place::Create)] {
        let (double, gateway) = start();
        double.state().search_lags = true;
        if let Some(lost) = lost {
            lose_answer(&double, &gateway, "pm_card_visa", lost).await;
        }
        assert_eq!(gateway.find(&sought(1, 1)).await, Ok(Found::Nothing));
        for _ in 0..2 {
            assert_eq!(gateway.void(&sought(1, 1)).await, Ok(Voided::Settled));
        }
        // As if the charge's second call arrived late.
        assert_eq!(gateway.charge(key(1, 1), FEE, &card("pm_card_visa")).await, declined("canceled"));
        assert_eq!(gateway.find(&sought(1, 1)).await, Ok(Found::Nothing));
        assert_eq!(double.ledger("payment_"), (0, 0));
    }
}

#[tokio::test]
async fn first_call_that_failed_inside_stripe_is_settled() {
    for fault in [Fault::FailBefore, Fault::FailAfter] {
        let (double, gateway) = start();
        double.state().search_lags = true;
        double.fails(Place::Create, fault);
        for _ in 0..2 {
            assert!(is_unknown(&gateway.charge(key(1, 1), FEE, &card("pm_card_visa")).await), "{fault:?}");
        }
        assert_eq!(gateway.find(&sought(1, 1)).await, Ok(Found::Nothing), "{fault:?}");
        assert_eq!(gateway.void(&sought(1, 1)).await, Ok(Voided::Settled), "{fault:?}");
        assert_eq!(double.ledger("payment_"), (0, 0));
    }
    // The first caller that gets a failure cannot know whether another got an id.
    let (double, gateway) = start();
    double.fails(Place::Create, Fault::FailBefore);
    assert!(is_unknown(&gateway.find(&sought(1, 1)).await));
}

#[tokio::test]
async fn second_call_that_failed_inside_stripe_is_looked_up() {
    for (fault, found) in
        [(Fault::FailBefore, Ok(Found::Nothing)), (Fault::FailAfter, captured("pi_1", Money::ZERO))]
    {
        let (double, gateway) = start();
        double.fails(Place::Confirm, fault);
        assert!(is_unknown(&gateway.charge(key(1, 1), FEE, &card("pm_card_visa")).await));
        assert_eq!(gateway.find(&sought(1, 1)).await, found);
    }
}

#[tokio::test]
async fn processing_intent_stays_unknown_until_its_end() {
    let (double, gateway) = start();
    assert!(is_unknown(&gateway.charge(key(1, 1), FEE, &card("pm_card_slow")).await));
    assert!(is_unknown(&gateway.find(&sought(1, 1)).await));
    assert!(is_unknown(&gateway.void(&sought(1, 1)).await), "it cannot be canceled now");
    double.state().intents[0].status = "something_new";
    assert!(is_unknown(&gateway.find(&sought(1, 1)).await));
    // A manual capture took nothing, and can be voided.
    double.state().intents[0].status = "requires_capture";
    assert_eq!(gateway.find(&sought(1, 1)).await, Ok(Found::Nothing));
    assert_eq!(gateway.void(&sought(1, 1)).await, Ok(Voided::Settled));
}

#[tokio::test]
async fn failed_lookup_is_unknown() {
    let faults = [
        Fault::Busy(409, "idempotency_key_in_use"),
        Fault::Busy(429, "rate_limit"),
        Fault::Busy(401, "api_key_expired"),
        Fault::FailBefore,
        Fault::Refuse("search_not_available"),
    ];
    for place in [Place::Search, Place::LookUp] {
        for fault in faults {
            let (double, gateway) = start();
            gateway.charge(key(1, 1), FEE, &card("pm_card_visa")).await.unwrap();
            double.fails(place, fault);
            assert!(is_unknown(&gateway.find(&sought(1, 1)).await), "{place:?}, {fault:?}");
            double.fails(place, fault);
            assert!(is_unknown(&gateway.refund(&sought(1, 1)).await), "{place:?}, {fault:?}");
        }
    }
    // An intent with this key and another amount.
    let (_double, gateway) = start();
    gateway.charge(key(1, 1), FEE, &card("pm_card_visa")).await.unwrap();
    assert!(is_unknown(&gateway.find(&PriorCharge { amount: Money::won(1), ..sought(1, 1) }).await));
}

#[tokio::test]
async fn refund_is_made_once_after_its_key_expired() {
    let (double, gateway) = start();
    gateway.charge(key(1, 1), FEE, &card("pm_card_visa")).await.unwrap();
    double.fails(Place::Refund, Fault::LoseAnswer);
    assert!(times_out(gateway.refund(&sought(1, 1))).await);
    for _ in 0..2 {
        assert_eq!(gateway.refund(&sought(1, 1)).await, Ok(()));
        double.a_day_passes();
    }
    assert_eq!(gateway.find(&sought(1, 1)).await, captured("pi_1", FEE));
    assert_eq!((double.ledger("payment_"), double.count(Place::Refund)), ((1, 1), 1));
}

#[tokio::test]
async fn known_capture_is_refunded_without_a_search() {
    let (double, gateway) = start();
    gateway.charge(key(1, 1), FEE, &card("pm_card_visa")).await.unwrap();
    double.a_day_passes();
    double.state().search_lags = true;
    let known = PriorCharge { reference: Some("pi_1".to_owned()), ..sought(1, 1) };
    assert_eq!(gateway.find(&known).await, captured("pi_1", Money::ZERO));
    assert_eq!(gateway.refund(&known).await, Ok(()));
    assert_eq!((double.ledger("payment_"), double.count(Place::Search)), ((1, 1), 0));
    let elsewhere = PriorCharge { reference: Some("pi_1/../x".to_owned()), ..sought(1, 1) };
    assert!(is_unknown(&gateway.find(&elsewhere).await));
}

#[tokio::test]
async fn only_refusals_by_stripe_refuse_a_refund() {
    let (double, gateway) = start();
    assert_eq!(gateway.refund(&sought(9, 1)).await, refused("not_captured"));
    gateway.charge(key(1, 1), FEE, &card("pm_card_visa")).await.unwrap();
    for fault in [Fault::Busy(429, "lock_timeout"), Fault::Busy(409, "idempotency_key_in_use")] {
        double.fails(Place::Refund, fault);
        assert!(is_unknown(&gateway.refund(&sought(1, 1)).await), "{fault:?}");
    }
    double.fails(Place::Refund, Fault::Refuse("balance_insufficient"));
    for _ in 0..2 {
        assert_eq!(gateway.refund(&sought(1, 1)).await, refused("balance_insufficient"));
    }
    double.a_day_passes();
    double.fails(Place::Refund, Fault::Refuse("charge_already_refunded"));
    assert_eq!(gateway.refund(&sought(1, 1)).await, Ok(()), "somebody did it just now");
    double.a_day_passes();
    assert_eq!(gateway.refund(&sought(1, 1)).await, Ok(()));
    assert_eq!(double.ledger("payment_"), (1, 1));
}
