//! A shop whose payment gateway is another process: slow, killed during charges, back again.

use futures_util::{StreamExt as _, stream::FuturesUnordered};

use crate::kit::{Answer, SHORT_DEADLINES, Site, eventually, gateway::Gateway, id, until};

async fn shop_at(url: &str) -> Site {
    let settings = [("SAEM_PAYMENT__PROVIDER", "http"), ("SAEM_PAYMENT__URL", url)];
    Site::start(&[&SHORT_DEADLINES[..], &settings].concat()).await
}

#[tokio::test]
async fn rental_is_paid_and_refunded_at_another_process() {
    let directory = tempfile::tempdir().unwrap();
    let gateway = Gateway::start(directory.path(), &[]).await;
    let shop = shop_at(&gateway.url).await;
    let rental = shop.rent("tok_ok").await.expect(201);
    assert_eq!(gateway.ledger(&rental["paymentId"]).await, (1, 0));
    assert_eq!(shop.customer.payment_becomes(&rental, "APPROVED").await["provider"], "http");
    shop.rent("tok_decline").await.problem(402, "payment-declined");
    shop.rent("tok_of_another_gateway").await.problem(402, "payment-declined");
    shop.rent("two words").await.problem(400, "invalid-request");
    shop.customer.cancel_until(&rental, "PaymentCanceled").await;
    assert_eq!(gateway.ledger(&rental["paymentId"]).await, (1, 1));
    shop.operator().get("/v1/operations/ledger").await.problem(404, "not-found");
}

#[tokio::test]
async fn shop_defers_while_its_gateway_is_down() {
    let directory = tempfile::tempdir().unwrap();
    let gateway = Gateway::start(directory.path(), &[]).await;
    let (url, address) = (gateway.url.clone(), gateway.url.trim_start_matches("http://").to_owned());
    gateway.kill().await;
    let shop = shop_at(&url).await;
    let rental = shop.rent("tok_ok").await.expect(202);
    assert_eq!(rental["status"], "PAYMENT_DEFERRED");
    let gateway = Gateway::start_at(&address, directory.path(), &[]).await;
    eventually("it is paid", || async {
        Some(shop.customer.pay(&rental, "tok_ok").await).filter(|answer| answer.status == 200)
    })
    .await;
    shop.customer.rental_becomes(&rental, "CONFIRMED").await;
    assert_eq!(gateway.ledger(&rental["paymentId"]).await, (1, 0));
}

#[tokio::test]
async fn charges_during_a_kill_of_the_gateway_are_made_once() {
    let directory = tempfile::tempdir().unwrap();
    // At the kill, some are answered, some are being served, and some wait inside.
    let slow = [("SAEM_PAYMENT__SIMULATOR__LATENCY_MS", "50"), ("SAEM_PAYMENT__SIMULATOR__CAPACITY", "4")];
    let gateway = Gateway::start(directory.path(), &slow).await;
    let address = gateway.url.trim_start_matches("http://").to_owned();
    let shop = shop_at(&gateway.url).await;
    let mut answers = FuturesUnordered::new();
    for n in 0..24 {
        answers.push(shop.rent(if n % 3 == 1 { "tok_lost_response" } else { "tok_ok" }));
    }
    let first = answers.next().await.unwrap();
    gateway.kill().await;
    let answers: Vec<Answer> = std::iter::once(first).chain(answers.collect::<Vec<_>>().await).collect();
    let gateway = Gateway::start_at(&address, directory.path(), &[]).await;
    let mut deferred = 0;
    for Answer { status, body: rental, .. } in answers {
        assert!(matches!(status, 201 | 202), "{status}: {rental}");
        if status == 202 {
            deferred += 1;
            until("it is found or paid", || async {
                let path = format!("/v1/rentals/{}", id(&rental));
                let confirmed = shop.customer.get(&path).await.expect(200)["status"] == "CONFIRMED";
                confirmed || shop.customer.pay(&rental, "tok_ok").await.status == 200
            })
            .await;
        }
        until("it is captured once", || async { gateway.ledger(&rental["paymentId"]).await == (1, 0) }).await;
    }
    assert!(deferred > 0, "the kill hit some");
}
