//! Provider `http`: its client against `saem gateway`.

use saem::{
    Charged, Found, Money, PaymentGateway as _, PriorCharge, Voided, internal::gateways::HttpGateway,
};
use serde_json::json;
use tempfile::TempDir;

use crate::kit::gateway::{
    FEE, Gateway, approved, card, client, declined, is_unknown, key, refused, sought, times_out,
};

/// `saem gateway` with its ledger's directory, and a client of it.
async fn start(settings: &[(&str, &str)]) -> (TempDir, Gateway, HttpGateway) {
    let directory = tempfile::tempdir().unwrap();
    let peer = Gateway::start(directory.path(), settings).await;
    let gateway = client(&peer.url, None);
    (directory, peer, gateway)
}

#[tokio::test]
async fn tokens_have_their_outcomes() {
    let (_directory, peer, gateway) = start(&[]).await;
    let charge = |attempt, token| gateway.charge(key(1, attempt), FEE, &card(token));
    let reference = format!("sim_{}", key(1, 1));
    for _ in 0..2 {
        assert_eq!(charge(1, "tok_ok").await, approved(&reference), "once, however often it is asked for");
    }
    assert_eq!(charge(2, "tok_decline").await, declined("card_declined"));
    assert_eq!(charge(2, "tok_ok").await, declined("card_declined"), "a key's decline is final");
    assert!(is_unknown(&charge(3, "tok_error").await));
    assert!(times_out(charge(4, "tok_timeout")).await);
    assert!(times_out(charge(5, "tok_lost_response")).await);
    assert_eq!(charge(6, "tok_what").await, refused("unknown_token"));
    let find = async |attempt| gateway.find(&sought(1, attempt)).await.unwrap();
    assert_eq!(find(1).await, Found::Captured { reference, refunded: Money::ZERO });
    assert_eq!(find(2).await, Found::Declined { code: "card_declined".to_owned() });
    assert_eq!(
        (find(3).await, find(4).await, find(6).await),
        (Found::Nothing, Found::Nothing, Found::Nothing)
    );
    assert!(matches!(find(5).await, Found::Captured { .. }));
    assert_eq!(peer.ledger(&json!(key(1, 1).payment.to_string())).await, (2, 0));
}

#[tokio::test]
async fn refund_is_made_once_and_void_is_final() {
    let (_directory, peer, gateway) = start(&[]).await;
    let payment = json!(key(1, 1).payment.to_string());
    gateway.charge(key(1, 1), FEE, &card("tok_ok")).await.unwrap();
    let wrong = gateway.refund(&PriorCharge { amount: Money::won(1), ..sought(1, 1) }).await;
    assert_eq!(wrong, refused("amount_mismatch"));
    for _ in 0..2 {
        assert_eq!(gateway.refund(&sought(1, 1)).await, Ok(()));
    }
    assert_eq!(peer.ledger(&payment).await, (1, 1));
    assert!(matches!(gateway.find(&sought(1, 1)).await, Ok(Found::Captured { refunded: FEE, .. })));
    let nothing = gateway.refund(&sought(2, 1)).await;
    assert_eq!(nothing, refused("not_captured"));

    for _ in 0..2 {
        assert_eq!(gateway.void(&sought(2, 1)).await, Ok(Voided::Settled));
    }
    let after = gateway.charge(key(2, 1), FEE, &card("tok_ok")).await;
    assert_eq!(after, declined("voided"));
    assert!(matches!(gateway.void(&sought(1, 1)).await, Ok(Voided::Captured { .. })));
}

#[tokio::test]
async fn ledger_survives_a_kill() {
    let directory = tempfile::tempdir().unwrap();
    let peer = Gateway::start(directory.path(), &[]).await;
    client(&peer.url, None).charge(key(1, 1), FEE, &card("tok_ok")).await.unwrap();
    peer.kill().await;
    let peer = Gateway::start(directory.path(), &[]).await;
    assert!(matches!(client(&peer.url, None).find(&sought(1, 1)).await, Ok(Found::Captured { .. })));
}

#[tokio::test]
async fn behaviour_is_changed_in_part() {
    let (_directory, peer, gateway) = start(&[("SAEM_PAYMENT__SIMULATOR__LATENCY_MS", "7")]).await;
    let (status, now) = peer.behave(json!({"declineRate": 1.0, "capacity": 20})).await;
    assert_eq!((status, &now["latencyMs"], &now["capacity"]), (200, &json!(7), &json!(20)));
    assert!(matches!(gateway.charge(key(1, 1), FEE, &card("tok_ok")).await, Ok(Charged::Declined { .. })));
    peer.behave(json!({"declineRate": 0.0, "errorRate": 1.0})).await;
    assert!(is_unknown(&gateway.charge(key(1, 2), FEE, &card("tok_ok")).await));
    peer.behave(json!({"errorRate": 0.0, "dropRate": 1.0})).await;
    assert!(times_out(gateway.charge(key(1, 3), FEE, &card("tok_ok"))).await);
    assert!(matches!(gateway.find(&sought(1, 3)).await, Ok(Found::Captured { .. })));
    for wrong in [json!({"dropRate": 1.5}), json!({"dropRate": -0.1}), json!({"speed": 1})] {
        assert_eq!(peer.behave(wrong).await.0, 400);
    }
}

#[tokio::test]
async fn wrong_key_makes_every_outcome_unknown() {
    let directory = tempfile::tempdir().unwrap();
    let peer = Gateway::start(directory.path(), &[("SAEM_PAYMENT__KEY", "open sesame")]).await;
    let known = client(&peer.url, Some("open sesame"));
    assert!(known.charge(key(1, 1), FEE, &card("tok_ok")).await.is_ok());
    for secret in [None, Some("open barley")] {
        let stranger = client(&peer.url, secret);
        assert!(is_unknown(&stranger.charge(key(1, 2), FEE, &card("tok_ok")).await));
        assert!(is_unknown(&stranger.find(&sought(1, 1)).await));
        assert!(is_unknown(&stranger.refund(&sought(1, 1)).await));
        assert!(is_unknown(&stranger.void(&sought(1, 2)).await));
    }
    assert_eq!(known.find(&sought(1, 2)).await, Ok(Found::Nothing));
}
