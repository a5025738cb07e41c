//! Provider `toss`: how its client reads the answers of Toss Payments.

use std::time::Duration;

use saem::{
    ChargeKey, CheckoutId, Found, Money, PaymentGateway as _, PaymentMethod, PriorCharge, Voided,
    internal::gateways::{TossGateway, http},
};
use serde_json::json;

use crate::{
    kit::{
        eventually,
        gateway::{FEE, approved, captured, card, declined, is_unknown, key, refused, times_out},
        toss::{Ends, SECRET, Toss},
    },
    unclear::parrot,
};

fn start() -> (Toss, TossGateway) {
    let toss = Toss::start();
    let gateway = client(&toss.url, SECRET);
    (toss, gateway)
}

fn client(url: &str, secret: &str) -> TossGateway {
    TossGateway::new(http::client().unwrap(), http::base_url(url).unwrap(), secret.to_owned())
}

fn method(payment_key: &str) -> PaymentMethod {
    PaymentMethod::Toss { payment_key: payment_key.to_owned(), checkout_id: CheckoutId(1) }
}

/// The customer authorizes the fee of this attempt in the window.
fn authorized(toss: &Toss, key: ChargeKey, ends: Ends) -> PaymentMethod {
    method(&toss.pay(&key.to_string(), FEE.as_won(), ends))
}

fn prior(key: ChargeKey) -> PriorCharge {
    PriorCharge { key, amount: FEE, reference: None }
}

#[tokio::test]
async fn charge_is_confirmed_once_and_found_by_its_order() {
    let (toss, gateway) = start();
    let (key, nobodys) = (key(1, 1), key(1, 2));
    let PaymentMethod::Toss { payment_key: reference, .. } = authorized(&toss, key, Ends::Well) else {
        panic!("it is authorized in the window")
    };
    assert!(is_unknown(&gateway.find(&prior(key)).await), "authorized: a confirmation may be under way");
    assert!(is_unknown(&gateway.void(&prior(key)).await));
    for _ in 0..2 {
        assert_eq!(gateway.charge(key, FEE, &method(&reference)).await, approved(&reference));
    }
    assert_eq!(toss.books().captures, 1);
    assert_eq!(gateway.find(&prior(key)).await, captured(&reference, Money::ZERO));
    assert_eq!(gateway.void(&prior(key)).await, Ok(Voided::Captured { reference }));
    assert_eq!(gateway.find(&prior(nobodys)).await, Ok(Found::Nothing));
    assert_eq!(gateway.void(&prior(nobodys)).await, Ok(Voided::Unsupported), "only time settles");
    assert_eq!(gateway.refund(&prior(nobodys)).await, refused("NOT_FOUND_PAYMENT"));
}

#[tokio::test]
async fn decline_is_final_and_other_failures_are_unknown() {
    let (toss, gateway) = start();
    for (attempt, code) in (1..).zip(["REJECT_CARD_PAYMENT", "INVALID_STOPPED_CARD", "EXCEED_MAX_AMOUNT"]) {
        let paid = authorized(&toss, key(1, attempt), Ends::Refused(403, code));
        assert_eq!(gateway.charge(key(1, attempt), FEE, &paid).await, declined(code));
        let found = Found::Declined { code: code.to_owned() };
        assert_eq!(gateway.find(&prior(key(1, attempt))).await, Ok(found));
        assert_eq!(gateway.void(&prior(key(1, attempt))).await, Ok(Voided::Settled));
        assert_eq!(gateway.refund(&prior(key(1, attempt))).await, refused("not_captured"));
    }
    for (attempt, (status, code)) in (1..).zip([
        (400, "ALREADY_PROCESSED_PAYMENT"),
        (400, "PROVIDER_ERROR"),
        (400, "INVALID_REQUEST"),
        (400, "SOMETHING_NEW"),
        (401, "REJECT_CARD_PAYMENT"),
        (403, "FORBIDDEN_REQUEST"),
        (429, "REJECT_CARD_PAYMENT"),
        (500, "REJECT_CARD_PAYMENT"),
        (500, "FAILED_INTERNAL_SYSTEM_PROCESSING"),
    ]) {
        let paid = authorized(&toss, key(2, attempt), Ends::Refused(status, code));
        assert!(is_unknown(&gateway.charge(key(2, attempt), FEE, &paid).await), "{status} {code}");
    }
    assert_eq!(toss.books().captures, 0);
}

#[tokio::test]
async fn unauthorized_or_expired_key_charges_nothing() {
    let (toss, gateway) = start();
    let made_up = gateway.charge(key(1, 1), FEE, &method("made_up")).await;
    assert_eq!(made_up, declined("NOT_FOUND_PAYMENT"));
    let others = authorized(&toss, key(1, 2), Ends::Well);
    let stolen = gateway.charge(key(1, 3), FEE, &others).await;
    assert_eq!(stolen, declined("NOT_FOUND_PAYMENT_SESSION"), "it was for another order");
    let cheap = method(&toss.pay(&key(1, 4).to_string(), 100, Ends::Well));
    assert!(is_unknown(&gateway.charge(key(1, 4), FEE, &cheap).await), "the window had another amount");
    let late = authorized(&toss, key(1, 5), Ends::Well);
    toss.books().expire();
    assert_eq!(gateway.charge(key(1, 5), FEE, &late).await, declined("NOT_FOUND_PAYMENT_SESSION"));
    let expired = Found::Declined { code: "EXPIRED_PAYMENT".to_owned() };
    assert_eq!(gateway.find(&prior(key(1, 4))).await, Ok(expired));
    assert_eq!(gateway.void(&prior(key(1, 4))).await, Ok(Voided::Settled), "nothing confirms it any more");
    assert_eq!(toss.books().captures, 0);
}

#[tokio::test]
async fn capture_without_a_clear_answer_is_found() {
    let (toss, gateway) = start();
    let lost = authorized(&toss, key(1, 1), Ends::Lost);
    assert!(times_out(gateway.charge(key(1, 1), FEE, &lost)).await);
    let odd = authorized(&toss, key(1, 2), Ends::DoneBut(400, "PROVIDER_ERROR"));
    assert!(is_unknown(&gateway.charge(key(1, 2), FEE, &odd).await));
    for attempt in 1..=2 {
        assert!(matches!(gateway.find(&prior(key(1, attempt))).await, Ok(Found::Captured { .. })));
    }
}

#[tokio::test]
async fn slow_confirmation_is_unknown_and_sent_once() {
    let (toss, gateway) = start();
    let slow = authorized(&toss, key(1, 1), Ends::Held);
    assert!(times_out(gateway.charge(key(1, 1), FEE, &slow)).await);
    assert!(is_unknown(&gateway.charge(key(1, 1), FEE, &slow).await), "409: it is being processed");
    assert!(is_unknown(&gateway.find(&prior(key(1, 1))).await));
    assert!(is_unknown(&gateway.void(&prior(key(1, 1))).await));
    toss.release();
    let found = || async { gateway.find(&prior(key(1, 1))).await.ok() };
    assert!(matches!(eventually("it is confirmed", found).await, Found::Captured { .. }));
    assert_eq!(toss.books().captures, 1);
}

#[tokio::test]
async fn refund_is_made_once_after_any_answer() {
    let (toss, gateway) = start();
    for (attempt, ends) in (1..).zip([
        Ends::Well,
        Ends::Lost,
        Ends::DoneBut(400, "PROVIDER_ERROR"),
        Ends::Refused(500, "FAILED_REFUND_PROCESS"),
    ]) {
        let key = key(1, attempt);
        let paid = authorized(&toss, key, Ends::Well);
        gateway.charge(key, FEE, &paid).await.unwrap();
        toss.books().cancels = vec![ends.clone()];
        let first = tokio::time::timeout(Duration::from_millis(300), gateway.refund(&prior(key))).await;
        match ends {
            Ends::Lost => assert!(first.is_err()),
            Ends::Refused(..) => assert!(is_unknown(&first.unwrap())),
            // The failure is looked up at once.
            _ => assert_eq!(first.unwrap(), Ok(())),
        }
        for _ in 0..2 {
            // Toss keeps a failure under its idempotency key: this attempt needs another key.
            assert_eq!(gateway.refund(&prior(key)).await, Ok(()), "{ends:?}");
        }
        assert_eq!(toss.books().kept_won(&key.to_string()), 0);
        assert_eq!(toss.moves(), (attempt, attempt));
        let found = gateway.find(&prior(key)).await;
        assert!(matches!(found, Ok(Found::Captured { refunded: FEE, .. })), "{found:?}");
    }
}

#[tokio::test]
async fn refused_refund_has_its_code_and_can_be_retried() {
    let (toss, gateway) = start();
    let paid = authorized(&toss, key(1, 1), Ends::Well);
    gateway.charge(key(1, 1), FEE, &paid).await.unwrap();
    toss.books().cancels = vec![Ends::Refused(403, "EXCEED_MAX_REFUND_DUE")];
    assert_eq!(gateway.refund(&prior(key(1, 1))).await, refused("EXCEED_MAX_REFUND_DUE"));
    let less = PriorCharge { amount: Money::won(1), ..prior(key(1, 1)) };
    assert_eq!(gateway.refund(&less).await, refused("amount_mismatch"));
    assert_eq!(gateway.refund(&prior(key(1, 1))).await, Ok(()), "once somebody has seen to it");
    assert_eq!(toss.books().refunds, 1);
}

#[tokio::test]
async fn void_closes_an_account_that_waits_for_a_transfer() {
    let (toss, gateway) = start();
    for attempt in 1..=2 {
        let account = authorized(&toss, key(1, attempt), Ends::Deposit);
        assert!(is_unknown(&gateway.charge(key(1, attempt), FEE, &account).await), "nothing came yet");
        assert_eq!(gateway.find(&prior(key(1, attempt))).await, Ok(Found::Nothing));
    }
    toss.books().deposit(&key(1, 2).to_string());
    assert!(matches!(gateway.void(&prior(key(1, 2))).await, Ok(Voided::Captured { .. })), "it came just now");
    for _ in 0..2 {
        assert_eq!(gateway.void(&prior(key(1, 1))).await, Ok(Voided::Settled));
    }
    assert_eq!(toss.books().status(&key(1, 1).to_string()), "CANCELED");
    let found = gateway.find(&prior(key(1, 1))).await;
    assert_eq!(found, Ok(Found::Declined { code: "CANCELED".to_owned() }), "nothing was ever taken");
    assert_eq!(toss.moves(), (1, 0));
}

#[tokio::test]
async fn wrong_secret_key_makes_every_outcome_unknown() {
    let toss = Toss::start();
    let paid = authorized(&toss, key(1, 1), Ends::Well);
    let stranger = client(&toss.url, "test_sk_stranger");
    assert!(is_unknown(&stranger.charge(key(1, 1), FEE, &paid).await));
    assert!(is_unknown(&stranger.find(&prior(key(1, 1))).await));
    assert!(is_unknown(&stranger.refund(&prior(key(1, 1))).await));
    assert!(is_unknown(&stranger.void(&prior(key(1, 1))).await));
    assert_eq!(toss.books().captures, 0);
}

#[tokio::test]
async fn unclear_answers_are_unknown_and_not_repeated() {
    let done = |order: &str, won: u64| {
        let body = json!({
            "paymentKey": "k", "orderId": order, "status": "DONE", "totalAmount": won, "balanceAmount": won,
            "approvedAt": "2026-11-25T21:00:00+09:00", "failure": null,
        })
        .to_string();
        format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len())
    };
    let secret = "HTTP/1.1 500 Oh\r\ncontent-length: 36\r\n\r\n{\"code\":\"call 010-1234-5678 for it!\"}";
    for answer in [
        done("another order", FEE.as_won()),
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}".to_owned(),
        "HTTP/1.1 404 Not Found\r\ncontent-length: 9\r\n\r\nnot found".to_owned(),
        "HTTP/1.1 302 Moved\r\nlocation: http://127.0.0.1:9/\r\ncontent-length: 0\r\n\r\n".to_owned(),
        "HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{\"status\":\"DO".to_owned(),
        secret.to_owned(),
        String::new(),
    ] {
        let gateway = client(&parrot(answer.clone().leak()).await, SECRET);
        let outcomes = [
            gateway.charge(key(1, 1), FEE, &method("k")).await.map(drop),
            gateway.find(&prior(key(1, 1))).await.map(drop),
            gateway.refund(&prior(key(1, 1))).await,
            gateway.void(&prior(key(1, 1))).await.map(drop),
        ];
        for outcome in outcomes {
            assert!(is_unknown(&outcome), "{answer}: {outcome:?}");
            let text = format!("{outcome:?}");
            assert!(!text.contains("010") && !text.contains(SECRET) && !text.contains("http:"), "{text}");
        }
    }
    let more = client(&parrot(done(&key(1, 1).to_string(), 1).leak()).await, SECRET);
    assert!(
        is_unknown(&more.charge(key(1, 1), FEE, &method("k")).await),
        "another amount than was asked for"
    );
    let other = client(&parrot(done(&key(1, 1).to_string(), FEE.as_won()).leak()).await, SECRET);
    assert!(is_unknown(&other.charge(key(1, 1), FEE, &method("j")).await), "another payment");
    assert!(other.charge(key(1, 1), FEE, &method("k")).await.is_ok(), "it would be an answer");
}

#[test]
fn methods_of_other_providers_are_refused() {
    let gateway = client("http://127.0.0.1:9", SECRET);
    assert!(gateway.accepts(&method("tgen_1")).is_ok() && gateway.needs_checkout());
    let wrong = |method: &PaymentMethod| gateway.accepts(method).unwrap_err().field;
    assert_eq!(wrong(&card("tok_ok")), "type");
    for payment_key in ["", "two words", "결제", &"x".repeat(201)] {
        assert_eq!(wrong(&method(payment_key)), "paymentKey", "{payment_key}");
    }
    assert_eq!(format!("{:?}", method("tgen_1")), "Toss(…)");
}
