//! Tests of the payment simulator: tokens, idempotency, capacity.

use super::*;
use crate::domain::PaymentId;

const KEY: ChargeKey = ChargeKey { payment: PaymentId(7), attempt: 1 };
const FEE: Money = Money::won(29_900);

fn simulator(behaviour: Behaviour) -> Simulator {
    Simulator::new(Ledger::in_memory(), behaviour, 1)
}

fn card(token: &str) -> PaymentMethod {
    PaymentMethod::Card { token: token.to_owned() }
}

fn captures(simulator: &Simulator) -> u32 {
    simulator.ledger().unwrap().iter().map(|entry| entry.captures).sum()
}

async fn is_never_answered<T>(call: Call<T>) -> bool {
    tokio::time::timeout(Duration::from_secs(3_600), call).await.is_err()
}

#[tokio::test(start_paused = true)]
async fn each_token_does_what_it_stands_for() {
    let gateway = simulator(Behaviour::default());
    let key = |attempt| ChargeKey { attempt, ..KEY };
    assert_eq!(gateway.charge(key(1), FEE, &card("tok_ok")).await, Ok(approved(key(1))));
    let declined = Charged::Declined { code: "card_declined".to_owned() };
    assert_eq!(gateway.charge(key(2), FEE, &card("tok_decline")).await, Ok(declined));
    let error = GatewayError::Unknown("500".to_owned());
    assert_eq!(gateway.charge(key(3), FEE, &card("tok_error")).await, Err(error));
    assert!(is_never_answered(gateway.charge(key(4), FEE, &card("tok_timeout"))).await);
    assert_eq!(captures(&gateway), 1);
    assert!(is_never_answered(gateway.charge(key(5), FEE, &card("tok_lost_response"))).await);
    assert_eq!(captures(&gateway), 2);
}

#[tokio::test(start_paused = true)]
#[expect(clippy::disallowed_methods, reason = "tokio's clock, paused")]
async fn slow_means_ten_times_the_latency_and_at_least_700_ms() {
    for (latency_ms, expected_ms) in [(0, 700), (100, 1_000)] {
        let gateway = simulator(Behaviour { latency_ms, ..Behaviour::default() });
        let began = tokio::time::Instant::now();
        gateway.charge(KEY, FEE, &card("tok_slow")).await.unwrap();
        assert_eq!(began.elapsed().as_millis(), expected_ms);
    }
}

#[tokio::test]
async fn a_key_is_charged_once_and_refunded_once() {
    let gateway = simulator(Behaviour::default());
    for _ in 0..2 {
        assert_eq!(gateway.charge(KEY, FEE, &card("tok_ok")).await, Ok(approved(KEY)));
    }
    for _ in 0..2 {
        assert_eq!(gateway.refund_key(KEY, FEE).await, Ok(()));
    }
    let [entry] = &gateway.ledger().unwrap()[..] else { panic!("one payment") };
    assert_eq!((entry.captures, entry.refunds), (1, 1));
    assert!(matches!(gateway.find_key(KEY).await, Ok(Found::Captured { refunded: FEE, .. })));
}

#[tokio::test]
async fn a_voided_key_is_never_charged() {
    let gateway = simulator(Behaviour::default());
    assert_eq!(gateway.find_key(KEY).await, Ok(Found::Nothing));
    assert_eq!(gateway.void_key(KEY).await, Ok(Voided::Settled));
    let declined = Charged::Declined { code: "voided".to_owned() };
    assert_eq!(gateway.charge(KEY, FEE, &card("tok_ok")).await, Ok(declined));
    assert_eq!(captures(&gateway), 0);
}

#[tokio::test]
async fn captured_keys_cannot_be_voided_and_others_not_refunded() {
    let gateway = simulator(Behaviour::default());
    assert!(matches!(gateway.refund_key(KEY, FEE).await, Err(GatewayError::Refused(_))));
    gateway.charge(KEY, FEE, &card("tok_ok")).await.unwrap();
    assert_eq!(gateway.void_key(KEY).await, Ok(Voided::Captured { reference: reference(KEY) }));
    assert!(matches!(gateway.refund_key(KEY, Money::won(1)).await, Err(GatewayError::Refused(_))));
}

#[tokio::test(start_paused = true)]
async fn an_abandoned_charge_is_carried_out() {
    let gateway = simulator(Behaviour { latency_ms: 100, ..Behaviour::default() });
    drop(gateway.charge(KEY, FEE, &card("tok_ok")));
    tokio::time::advance(Duration::from_millis(50)).await;
    // The next call through the same latency ends after the first one has.
    gateway.find_key(ChargeKey { attempt: 9, ..KEY }).await.unwrap();
    assert_eq!(captures(&gateway), 1);
}

#[tokio::test(start_paused = true)]
#[expect(clippy::disallowed_methods, reason = "tokio's clock, paused")]
async fn calls_beyond_capacity_wait() {
    let gateway = simulator(Behaviour { latency_ms: 100, capacity: 1, ..Behaviour::default() });
    let began = tokio::time::Instant::now();
    let calls = (1..=3).map(|attempt| gateway.charge(ChargeKey { attempt, ..KEY }, FEE, &card("tok_ok")));
    futures_util::future::join_all(calls).await;
    assert_eq!(began.elapsed().as_millis(), 300);
}

#[test]
fn unknown_tokens_are_refused_before_they_are_sent() {
    let gateway = simulator(Behaviour::default());
    assert!(gateway.accepts(&card("tok_ok")).is_ok() && gateway.accepts(&card("4242")).is_err());
}
