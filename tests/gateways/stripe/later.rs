//! What becomes of a charge whose answer was lost: found, voided, given back.

use saem::{
    domain::Money,
    gateways::payment::{
        Found, GatewayError, PaymentGateway as _, PriorCharge, Voided, stripe::StripeGateway,
    },
};

use super::{
    declined,
    double::{Double, Fault, Place},
    gateway, given_up, unknown,
};
use crate::kit::peer::{FEE, card, key, sought};

fn captured(reference: &str, refunded: Money) -> Result<Found, GatewayError> {
    Ok(Found::Captured { reference: reference.to_owned(), refunded })
}

/// Charges, and loses an answer on the way.
async fn charge_in_vain(double: &Double, gateway: &StripeGateway, token: &str, lost: Place) {
    double.fails(lost, Fault::LoseAnswer);
    assert!(given_up(gateway.charge(key(1, 1), FEE, &card(token))).await);
}

#[tokio::test]
async fn a_capture_whose_answer_was_lost_is_found_with_or_without_the_search() {
    for (lags, next_day) in [(true, false), (false, false), (false, true)] {
        let double = Double::start();
        let gateway = gateway(&double);
        charge_in_vain(&double, &gateway, "pm_card_visa", Place::Confirm).await;
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
async fn a_decline_whose_answer_was_lost_is_found() {
    let double = Double::start();
    let gateway = gateway(&double);
    charge_in_vain(&double, &gateway, "pm_card_chargeDeclined", Place::Confirm).await;
    let found = Found::Declined { code: "generic_decline".to_owned() };
    assert_eq!(gateway.find(&sought(1, 1)).await, Ok(found));
    assert_eq!(gateway.void(&sought(1, 1)).await, Ok(Voided::Settled));
}

#[tokio::test]
async fn a_question_to_the_owner_whose_answer_was_lost_is_found_declined_and_closed() {
    for token in ["pm_card_threeDSecure2Required", "pm_card_asks_anyway"] {
        let double = Double::start();
        let gateway = gateway(&double);
        charge_in_vain(&double, &gateway, token, Place::Confirm).await;
        let found = Found::Declined { code: "authentication_required".to_owned() };
        assert_eq!(gateway.find(&sought(1, 1)).await, Ok(found), "{token}");
        assert!(!double.owner_confirms(), "{token}");
    }
}

#[tokio::test]
async fn a_void_is_for_ever_whatever_the_charge_had_got_to() {
    for lost in [None, Some(Place::Create)] {
        let double = Double::start();
        let gateway = gateway(&double);
        double.state().search_lags = true;
        if let Some(lost) = lost {
            charge_in_vain(&double, &gateway, "pm_card_visa", lost).await;
        }
        assert_eq!(gateway.find(&sought(1, 1)).await, Ok(Found::Nothing));
        for _ in 0..2 {
            assert_eq!(gateway.void(&sought(1, 1)).await, Ok(Voided::Settled));
        }
        // As if the charge's second call had been under way all the time.
        assert_eq!(gateway.charge(key(1, 1), FEE, &card("pm_card_visa")).await, declined("canceled"));
        assert_eq!(gateway.find(&sought(1, 1)).await, Ok(Found::Nothing));
        assert_eq!(double.ledger("payment_"), (0, 0));
    }
}

#[tokio::test]
async fn a_first_call_that_failed_inside_stripe_is_settled_though_its_failure_is_repeated() {
    for fault in [Fault::FailBefore, Fault::FailAfter] {
        let double = Double::start();
        let gateway = gateway(&double);
        double.state().search_lags = true;
        double.fails(Place::Create, fault);
        for _ in 0..2 {
            assert!(unknown(&gateway.charge(key(1, 1), FEE, &card("pm_card_visa")).await), "{fault:?}");
        }
        assert_eq!(gateway.find(&sought(1, 1)).await, Ok(Found::Nothing), "{fault:?}");
        assert_eq!(gateway.void(&sought(1, 1)).await, Ok(Voided::Settled), "{fault:?}");
        assert_eq!(double.ledger("payment_"), (0, 0));
    }
    // The first to be told of a failure cannot know whether somebody else got an id.
    let double = Double::start();
    double.fails(Place::Create, Fault::FailBefore);
    assert!(unknown(&gateway(&double).find(&sought(1, 1)).await));
}

#[tokio::test]
async fn a_second_call_that_failed_inside_stripe_is_looked_at() {
    for (fault, found) in
        [(Fault::FailBefore, Ok(Found::Nothing)), (Fault::FailAfter, captured("pi_1", Money::ZERO))]
    {
        let double = Double::start();
        let gateway = gateway(&double);
        double.fails(Place::Confirm, fault);
        assert!(unknown(&gateway.charge(key(1, 1), FEE, &card("pm_card_visa")).await));
        assert_eq!(gateway.find(&sought(1, 1)).await, found);
    }
}

#[tokio::test]
async fn processing_stays_open_until_it_is_over() {
    let double = Double::start();
    let gateway = gateway(&double);
    assert!(unknown(&gateway.charge(key(1, 1), FEE, &card("pm_card_slow")).await));
    assert!(unknown(&gateway.find(&sought(1, 1)).await));
    assert!(unknown(&gateway.void(&sought(1, 1)).await), "it cannot be canceled now");
    double.state().intents[0].status = "something_new";
    assert!(unknown(&gateway.find(&sought(1, 1)).await));
    // Somebody has told Stripe to wait with capturing: that took nothing, and can be let go.
    double.state().intents[0].status = "requires_capture";
    assert_eq!(gateway.find(&sought(1, 1)).await, Ok(Found::Nothing));
    assert_eq!(gateway.void(&sought(1, 1)).await, Ok(Voided::Settled));
}

#[tokio::test]
async fn what_is_in_the_way_of_looking_is_unknown() {
    let faults = [
        Fault::Busy(409, "idempotency_key_in_use"),
        Fault::Busy(429, "rate_limit"),
        Fault::Busy(401, "api_key_expired"),
        Fault::FailBefore,
        Fault::Refuse("search_not_available"),
    ];
    for place in [Place::Search, Place::LookUp] {
        for fault in faults {
            let double = Double::start();
            let gateway = gateway(&double);
            gateway.charge(key(1, 1), FEE, &card("pm_card_visa")).await.unwrap();
            double.fails(place, fault);
            assert!(unknown(&gateway.find(&sought(1, 1)).await), "{place:?}, {fault:?}");
            double.fails(place, fault);
            assert!(unknown(&gateway.refund(&sought(1, 1)).await), "{place:?}, {fault:?}");
        }
    }
    // An intent that carries our key, and is about other money.
    let double = Double::start();
    let gateway = gateway(&double);
    gateway.charge(key(1, 1), FEE, &card("pm_card_visa")).await.unwrap();
    assert!(unknown(&gateway.find(&PriorCharge { amount: Money::won(1), ..sought(1, 1) }).await));
}

#[tokio::test]
async fn a_refund_is_made_once_also_after_its_key_is_forgotten() {
    let double = Double::start();
    let gateway = gateway(&double);
    gateway.charge(key(1, 1), FEE, &card("pm_card_visa")).await.unwrap();
    double.fails(Place::Refund, Fault::LoseAnswer);
    assert!(given_up(gateway.refund(&sought(1, 1))).await);
    for _ in 0..2 {
        assert_eq!(gateway.refund(&sought(1, 1)).await, Ok(()));
        double.a_day_passes();
    }
    assert_eq!(gateway.find(&sought(1, 1)).await, captured("pi_1", FEE));
    assert_eq!((double.ledger("payment_"), double.count(Place::Refund)), ((1, 1), 1));
}

#[tokio::test]
async fn a_known_capture_is_given_back_without_a_search() {
    let double = Double::start();
    let gateway = gateway(&double);
    gateway.charge(key(1, 1), FEE, &card("pm_card_visa")).await.unwrap();
    double.a_day_passes();
    double.state().search_lags = true;
    let known = PriorCharge { reference: Some("pi_1".to_owned()), ..sought(1, 1) };
    assert_eq!(gateway.find(&known).await, captured("pi_1", Money::ZERO));
    assert_eq!(gateway.refund(&known).await, Ok(()));
    assert_eq!((double.ledger("payment_"), double.count(Place::Search)), ((1, 1), 0));
    let elsewhere = PriorCharge { reference: Some("pi_1/../x".to_owned()), ..sought(1, 1) };
    assert!(unknown(&gateway.find(&elsewhere).await));
}

#[tokio::test]
async fn a_refund_is_refused_for_good_only_when_stripe_says_so() {
    let refused = |code: &str| Err(GatewayError::Refused(code.to_owned()));
    let double = Double::start();
    let gateway = gateway(&double);
    assert_eq!(gateway.refund(&sought(9, 1)).await, refused("not_captured"));
    gateway.charge(key(1, 1), FEE, &card("pm_card_visa")).await.unwrap();
    for fault in [Fault::Busy(429, "lock_timeout"), Fault::Busy(409, "idempotency_key_in_use")] {
        double.fails(Place::Refund, fault);
        assert!(unknown(&gateway.refund(&sought(1, 1)).await), "{fault:?}");
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
