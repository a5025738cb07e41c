//! Tests of the payment simulator's timing. `tests/gateways/protocol.rs` has those of tokens and idempotency.

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

#[tokio::test(start_paused = true)]
async fn an_abandoned_charge_is_carried_out() {
    let gateway = simulator(Behaviour { latency_ms: 100, ..Behaviour::default() });
    drop(gateway.charge(KEY, FEE, &card("tok_ok")));
    tokio::time::advance(Duration::from_millis(50)).await;
    // The next call through the same latency ends after the first one has.
    gateway.find_key(ChargeKey { attempt: 9, ..KEY }).await.unwrap();
    assert_eq!(gateway.ledger().unwrap()[0].captures, 1);
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
