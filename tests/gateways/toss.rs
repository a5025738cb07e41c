//! What the client of provider `toss` makes of Toss Payments' answers.

use std::time::Duration;

use saem::{
    domain::{CheckoutId, Money},
    gateways::payment::{
        Call, ChargeKey, Charged, Found, GatewayError, PaymentGateway as _, PaymentMethod, PriorCharge,
        Voided, http, toss::TossGateway,
    },
};

use serde_json::json;

use crate::{
    kit::{
        eventually,
        peer::{FEE, card, key},
        toss::{Ends, SECRET, Toss},
    },
    unclear::parrot,
};

fn client(url: &str, secret: &str) -> TossGateway {
    TossGateway::new(http::client().unwrap(), http::base_url(url).unwrap(), secret.to_owned())
}

fn method(payment_key: &str) -> PaymentMethod {
    PaymentMethod::Toss { payment_key: payment_key.to_owned(), checkout_id: CheckoutId(1) }
}

/// A customer who pays the fee of this attempt in the window.
fn authorized(toss: &Toss, key: ChargeKey, ends: Ends) -> PaymentMethod {
    method(&toss.pay(&key.to_string(), FEE.as_won(), ends))
}

fn about(key: ChargeKey) -> PriorCharge {
    PriorCharge { key, amount: FEE, reference: None }
}

fn unknown<T>(answer: &Result<T, GatewayError>) -> bool {
    matches!(answer, Err(GatewayError::Unknown(_)))
}

async fn waits_in_vain<T>(call: Call<T>) -> bool {
    tokio::time::timeout(Duration::from_millis(300), call).await.is_err()
}

fn refused<T>(code: &str) -> Result<T, GatewayError> {
    Err(GatewayError::Refused(code.to_owned()))
}

#[tokio::test]
async fn a_charge_is_confirmed_once_and_found_by_its_order() {
    let toss = Toss::start();
    let gateway = client(&toss.url, SECRET);
    let (key, nobodys) = (key(1, 1), key(1, 2));
    let PaymentMethod::Toss { payment_key: reference, .. } = authorized(&toss, key, Ends::Well) else {
        panic!("it is authorized in the window")
    };
    assert!(unknown(&gateway.find(&about(key)).await), "authorized: a confirmation may be under way");
    assert!(unknown(&gateway.void(&about(key)).await));
    for _ in 0..2 {
        let approved = gateway.charge(key, FEE, &method(&reference)).await;
        assert_eq!(approved, Ok(Charged::Approved { reference: reference.clone() }));
    }
    assert_eq!(toss.books().captures, 1);
    let captured = Found::Captured { reference: reference.clone(), refunded: Money::ZERO };
    assert_eq!(gateway.find(&about(key)).await, Ok(captured));
    assert_eq!(gateway.void(&about(key)).await, Ok(Voided::Captured { reference }));
    assert_eq!(gateway.find(&about(nobodys)).await, Ok(Found::Nothing));
    assert_eq!(gateway.void(&about(nobodys)).await, Ok(Voided::Unsupported), "only time settles");
    assert_eq!(gateway.refund(&about(nobodys)).await, refused("NOT_FOUND_PAYMENT"));
}

#[tokio::test]
async fn a_decline_is_final_and_what_only_looks_like_one_is_not() {
    let toss = Toss::start();
    let gateway = client(&toss.url, SECRET);
    for (attempt, code) in (1..).zip(["REJECT_CARD_PAYMENT", "INVALID_STOPPED_CARD", "EXCEED_MAX_AMOUNT"]) {
        let paid = authorized(&toss, key(1, attempt), Ends::Refused(403, code));
        let declined = Charged::Declined { code: code.to_owned() };
        assert_eq!(gateway.charge(key(1, attempt), FEE, &paid).await, Ok(declined));
        let found = Found::Declined { code: code.to_owned() };
        assert_eq!(gateway.find(&about(key(1, attempt))).await, Ok(found));
        assert_eq!(gateway.void(&about(key(1, attempt))).await, Ok(Voided::Settled));
        assert_eq!(gateway.refund(&about(key(1, attempt))).await, refused("not_captured"));
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
        assert!(unknown(&gateway.charge(key(2, attempt), FEE, &paid).await), "{status} {code}");
    }
    assert_eq!(toss.books().captures, 0);
}

#[tokio::test]
async fn a_key_that_nobody_authorized_or_too_long_ago_charges_nothing() {
    let toss = Toss::start();
    let gateway = client(&toss.url, SECRET);
    let declined = |code: &str| Ok(Charged::Declined { code: code.to_owned() });
    let made_up = gateway.charge(key(1, 1), FEE, &method("made_up")).await;
    assert_eq!(made_up, declined("NOT_FOUND_PAYMENT"));
    let others = authorized(&toss, key(1, 2), Ends::Well);
    let stolen = gateway.charge(key(1, 3), FEE, &others).await;
    assert_eq!(stolen, declined("NOT_FOUND_PAYMENT_SESSION"), "it was for another order");
    let cheap = method(&toss.pay(&key(1, 4).to_string(), 100, Ends::Well));
    assert!(unknown(&gateway.charge(key(1, 4), FEE, &cheap).await), "the window had another amount");
    let late = authorized(&toss, key(1, 5), Ends::Well);
    toss.books().expire();
    assert_eq!(gateway.charge(key(1, 5), FEE, &late).await, declined("NOT_FOUND_PAYMENT_SESSION"));
    let expired = Found::Declined { code: "EXPIRED_PAYMENT".to_owned() };
    assert_eq!(gateway.find(&about(key(1, 4))).await, Ok(expired));
    assert_eq!(gateway.void(&about(key(1, 4))).await, Ok(Voided::Settled), "nothing confirms it any more");
    assert_eq!(toss.books().captures, 0);
}

#[tokio::test]
async fn what_was_captured_without_a_clear_answer_is_found() {
    let toss = Toss::start();
    let gateway = client(&toss.url, SECRET);
    let lost = authorized(&toss, key(1, 1), Ends::Lost);
    assert!(waits_in_vain(gateway.charge(key(1, 1), FEE, &lost)).await);
    let odd = authorized(&toss, key(1, 2), Ends::DoneBut(400, "PROVIDER_ERROR"));
    assert!(unknown(&gateway.charge(key(1, 2), FEE, &odd).await));
    for attempt in 1..=2 {
        assert!(matches!(gateway.find(&about(key(1, attempt))).await, Ok(Found::Captured { .. })));
    }
}

#[tokio::test]
async fn a_confirmation_that_takes_its_time_is_neither_nothing_nor_sent_again() {
    let toss = Toss::start();
    let gateway = client(&toss.url, SECRET);
    let slow = authorized(&toss, key(1, 1), Ends::Held);
    assert!(waits_in_vain(gateway.charge(key(1, 1), FEE, &slow)).await);
    assert!(unknown(&gateway.charge(key(1, 1), FEE, &slow).await), "409: it is being processed");
    assert!(unknown(&gateway.find(&about(key(1, 1))).await));
    assert!(unknown(&gateway.void(&about(key(1, 1))).await));
    toss.release();
    let found = || async { gateway.find(&about(key(1, 1))).await.ok() };
    assert!(matches!(eventually("it is confirmed", found).await, Found::Captured { .. }));
    assert_eq!(toss.books().captures, 1);
}

#[tokio::test]
async fn a_refund_is_made_once_whatever_becomes_of_its_answers() {
    let toss = Toss::start();
    let gateway = client(&toss.url, SECRET);
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
        let first = tokio::time::timeout(Duration::from_millis(300), gateway.refund(&about(key))).await;
        match ends {
            Ends::Lost => assert!(first.is_err()),
            Ends::Refused(..) => assert!(unknown(&first.unwrap())),
            // Its failure is looked into at once.
            _ => assert_eq!(first.unwrap(), Ok(())),
        }
        for _ in 0..2 {
            // A failure is kept under its idempotency key there: this try needs another one.
            assert_eq!(gateway.refund(&about(key)).await, Ok(()), "{ends:?}");
        }
        assert_eq!(toss.books().kept_won(&key.to_string()), 0);
        assert_eq!(toss.moves(), (attempt, attempt));
        let found = gateway.find(&about(key)).await;
        assert!(matches!(found, Ok(Found::Captured { refunded: FEE, .. })), "{found:?}");
    }
}

#[tokio::test]
async fn a_refund_that_is_refused_for_good_says_why_and_can_be_tried_again() {
    let toss = Toss::start();
    let gateway = client(&toss.url, SECRET);
    let paid = authorized(&toss, key(1, 1), Ends::Well);
    gateway.charge(key(1, 1), FEE, &paid).await.unwrap();
    toss.books().cancels = vec![Ends::Refused(403, "EXCEED_MAX_REFUND_DUE")];
    assert_eq!(gateway.refund(&about(key(1, 1))).await, refused("EXCEED_MAX_REFUND_DUE"));
    assert_eq!(
        gateway.refund(&PriorCharge { amount: Money::won(1), ..about(key(1, 1)) }).await,
        refused("amount_mismatch")
    );
    assert_eq!(gateway.refund(&about(key(1, 1))).await, Ok(()), "once somebody has seen to it");
    assert_eq!(toss.books().refunds, 1);
}

#[tokio::test]
async fn an_account_that_waits_for_a_transfer_is_closed_by_a_void() {
    let toss = Toss::start();
    let gateway = client(&toss.url, SECRET);
    for attempt in 1..=2 {
        let account = authorized(&toss, key(1, attempt), Ends::Deposit);
        assert!(unknown(&gateway.charge(key(1, attempt), FEE, &account).await), "nothing came yet");
        assert_eq!(gateway.find(&about(key(1, attempt))).await, Ok(Found::Nothing));
    }
    toss.books().deposit(&key(1, 2).to_string());
    assert!(matches!(gateway.void(&about(key(1, 2))).await, Ok(Voided::Captured { .. })), "it came just now");
    for _ in 0..2 {
        assert_eq!(gateway.void(&about(key(1, 1))).await, Ok(Voided::Settled));
    }
    assert_eq!(toss.books().status(&key(1, 1).to_string()), "CANCELED");
    let found = gateway.find(&about(key(1, 1))).await;
    assert_eq!(found, Ok(Found::Declined { code: "CANCELED".to_owned() }), "nothing was ever taken");
    assert_eq!(toss.moves(), (1, 0));
}

#[tokio::test]
async fn whoever_has_not_the_secret_key_learns_nothing_of_the_money() {
    let toss = Toss::start();
    let paid = authorized(&toss, key(1, 1), Ends::Well);
    let stranger = client(&toss.url, "test_sk_stranger");
    assert!(unknown(&stranger.charge(key(1, 1), FEE, &paid).await));
    assert!(unknown(&stranger.find(&about(key(1, 1))).await));
    assert!(unknown(&stranger.refund(&about(key(1, 1))).await));
    assert!(unknown(&stranger.void(&about(key(1, 1))).await));
    assert_eq!(toss.books().captures, 0);
}

#[tokio::test]
async fn answers_that_say_nothing_of_the_money_are_unknown_and_are_not_told() {
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
        let told = [
            gateway.charge(key(1, 1), FEE, &method("k")).await.map(drop),
            gateway.find(&about(key(1, 1))).await.map(drop),
            gateway.refund(&about(key(1, 1))).await,
            gateway.void(&about(key(1, 1))).await.map(drop),
        ];
        for told in told {
            assert!(unknown(&told), "{answer}: {told:?}");
            let told = format!("{told:?}");
            assert!(!told.contains("010") && !told.contains(SECRET) && !told.contains("http:"), "{told}");
        }
    }
    let more = client(&parrot(done(&key(1, 1).to_string(), 1).leak()).await, SECRET);
    assert!(unknown(&more.charge(key(1, 1), FEE, &method("k")).await), "another amount than was asked for");
    let other = client(&parrot(done(&key(1, 1).to_string(), FEE.as_won()).leak()).await, SECRET);
    assert!(unknown(&other.charge(key(1, 1), FEE, &method("j")).await), "another payment");
    assert!(other.charge(key(1, 1), FEE, &method("k")).await.is_ok(), "it would be an answer");
}

#[test]
fn methods_are_taken_by_the_provider_they_are_for_and_never_shown() {
    let gateway = client("http://127.0.0.1:9", SECRET);
    assert!(gateway.accepts(&method("tgen_1")).is_ok() && gateway.needs_checkout());
    let wrong = |method: &PaymentMethod| gateway.accepts(method).unwrap_err().field;
    assert_eq!(wrong(&card("tok_ok")), "type");
    for payment_key in ["", "two words", "결제", &"x".repeat(201)] {
        assert_eq!(wrong(&method(payment_key)), "paymentKey", "{payment_key}");
    }
    assert_eq!(format!("{:?}", method("tgen_1")), "Toss(…)");
}
