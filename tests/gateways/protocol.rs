//! What the client of provider `http` and `saem gateway` make of each other.

use std::time::Duration;

use saem::{
    domain::Money,
    gateways::payment::{Call, Charged, Found, GatewayError, PaymentGateway as _, PriorCharge, Voided},
};
use serde_json::json;

use crate::kit::peer::{FEE, Gateway, card, client, key, sought};

async fn waits_in_vain<T>(call: Call<T>) -> bool {
    tokio::time::timeout(Duration::from_millis(300), call).await.is_err()
}

fn approved(reference: &str) -> Result<Charged, GatewayError> {
    Ok(Charged::Approved { reference: reference.to_owned() })
}

#[tokio::test]
async fn each_token_does_what_it_stands_for() {
    let directory = tempfile::tempdir().unwrap();
    let peer = Gateway::start(directory.path(), &[]).await;
    let gateway = client(&peer.url, None);
    let charge = |attempt, token| gateway.charge(key(1, attempt), FEE, &card(token));
    let reference = format!("sim_{}", key(1, 1));
    for _ in 0..2 {
        assert_eq!(charge(1, "tok_ok").await, approved(&reference), "once, however often it is asked for");
    }
    let declined = Charged::Declined { code: "card_declined".to_owned() };
    assert_eq!(charge(2, "tok_decline").await, Ok(declined.clone()));
    assert_eq!(charge(2, "tok_ok").await, Ok(declined), "a key's decline is final");
    assert!(matches!(charge(3, "tok_error").await, Err(GatewayError::Unknown(_))));
    assert!(waits_in_vain(charge(4, "tok_timeout")).await);
    assert!(waits_in_vain(charge(5, "tok_lost_response")).await);
    assert_eq!(charge(6, "tok_what").await, Err(GatewayError::Refused("unknown_token".to_owned())));
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
async fn a_refund_is_made_once_and_a_void_is_for_ever() {
    let directory = tempfile::tempdir().unwrap();
    let peer = Gateway::start(directory.path(), &[]).await;
    let gateway = client(&peer.url, None);
    let payment = json!(key(1, 1).payment.to_string());
    gateway.charge(key(1, 1), FEE, &card("tok_ok")).await.unwrap();
    let wrong = gateway.refund(&PriorCharge { amount: Money::won(1), ..sought(1, 1) }).await;
    assert_eq!(wrong, Err(GatewayError::Refused("amount_mismatch".to_owned())));
    for _ in 0..2 {
        assert_eq!(gateway.refund(&sought(1, 1)).await, Ok(()));
    }
    assert_eq!(peer.ledger(&payment).await, (1, 1));
    assert!(matches!(gateway.find(&sought(1, 1)).await, Ok(Found::Captured { refunded: FEE, .. })));
    let nothing = gateway.refund(&sought(2, 1)).await;
    assert_eq!(nothing, Err(GatewayError::Refused("not_captured".to_owned())));

    for _ in 0..2 {
        assert_eq!(gateway.void(&sought(2, 1)).await, Ok(Voided::Settled));
    }
    let after = gateway.charge(key(2, 1), FEE, &card("tok_ok")).await;
    assert_eq!(after, Ok(Charged::Declined { code: "voided".to_owned() }));
    assert!(matches!(gateway.void(&sought(1, 1)).await, Ok(Voided::Captured { .. })));
}

#[tokio::test]
async fn its_ledger_survives_a_kill() {
    let directory = tempfile::tempdir().unwrap();
    let peer = Gateway::start(directory.path(), &[]).await;
    client(&peer.url, None).charge(key(1, 1), FEE, &card("tok_ok")).await.unwrap();
    peer.kill().await;
    let peer = Gateway::start(directory.path(), &[]).await;
    assert!(matches!(client(&peer.url, None).find(&sought(1, 1)).await, Ok(Found::Captured { .. })));
}

#[tokio::test]
async fn its_behaviour_is_told_and_changed_in_part() {
    let directory = tempfile::tempdir().unwrap();
    let peer = Gateway::start(directory.path(), &[("SAEM_PAYMENT__SIMULATOR__LATENCY_MS", "7")]).await;
    let (status, now) = peer.behave(json!({"declineRate": 1.0, "capacity": 20})).await;
    assert_eq!((status, &now["latencyMs"], &now["capacity"]), (200, &json!(7), &json!(20)));
    let gateway = client(&peer.url, None);
    assert!(matches!(gateway.charge(key(1, 1), FEE, &card("tok_ok")).await, Ok(Charged::Declined { .. })));
    peer.behave(json!({"declineRate": 0.0, "errorRate": 1.0})).await;
    let failed = gateway.charge(key(1, 2), FEE, &card("tok_ok")).await;
    assert!(matches!(failed, Err(GatewayError::Unknown(_))));
    peer.behave(json!({"errorRate": 0.0, "dropRate": 1.0})).await;
    assert!(waits_in_vain(gateway.charge(key(1, 3), FEE, &card("tok_ok"))).await);
    assert!(matches!(gateway.find(&sought(1, 3)).await, Ok(Found::Captured { .. })));
    for wrong in [json!({"dropRate": 1.5}), json!({"dropRate": -0.1}), json!({"speed": 1})] {
        assert_eq!(peer.behave(wrong).await.0, 400);
    }
}

#[tokio::test]
async fn who_does_not_bring_its_key_learns_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let peer = Gateway::start(directory.path(), &[("SAEM_PAYMENT__KEY", "open sesame")]).await;
    let known = client(&peer.url, Some("open sesame"));
    assert!(known.charge(key(1, 1), FEE, &card("tok_ok")).await.is_ok());
    for secret in [None, Some("open barley")] {
        let stranger = client(&peer.url, secret);
        assert!(matches!(
            stranger.charge(key(1, 2), FEE, &card("tok_ok")).await,
            Err(GatewayError::Unknown(_))
        ));
        assert!(matches!(stranger.find(&sought(1, 1)).await, Err(GatewayError::Unknown(_))));
        assert!(matches!(stranger.refund(&sought(1, 1)).await, Err(GatewayError::Unknown(_))));
        assert!(matches!(stranger.void(&sought(1, 2)).await, Err(GatewayError::Unknown(_))));
    }
    assert_eq!(known.find(&sought(1, 2)).await, Ok(Found::Nothing));
}
