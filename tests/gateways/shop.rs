//! A shop whose gateway is another process: slow, killed in mid-flight, back again.

use futures_util::{StreamExt as _, stream::FuturesUnordered};
use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::kit::{Answer, Client, eventually, id, operator_key, peer::Gateway, process::Server};

const IMPATIENT: [(&str, &str); 4] = [
    ("SAEM_PAYMENT__PROVIDER", "http"),
    ("SAEM_PAYMENT__DEADLINE_MS", "600"),
    ("SAEM_PAYMENT__TIMEOUT_MS", "400"),
    ("SAEM_PAYMENT__CHARGE_MIN_MS", "50"),
];

struct Works {
    directory: TempDir,
    server: Server,
    customer: Client,
    product: String,
}

impl Works {
    /// A shop that takes its money at `url`.
    async fn start(url: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let data = directory.path().join("data");
        let mut settings = IMPATIENT.to_vec();
        settings.push(("SAEM_PAYMENT__URL", url));
        let server = Server::start(&data, &settings).await;
        let customer = Client::sign_up(&server.url, 1).await;
        let product = Client::of(&server.url, Some(operator_key(&data))).product(29_900, 100).await;
        Self { directory, server, customer, product }
    }

    async fn rent(&self, token: &str) -> Answer {
        self.customer.rent(&self.product, token).await
    }

    /// Pays as soon as the last try's outcome is known.
    async fn pay_once_settled(&self, rental: &Value) -> Value {
        let path = format!("/v1/rentals/{}/payment", id(rental));
        let body = json!({"paymentMethod": {"type": "CARD", "token": "tok_ok"}});
        let paid = || async {
            let answer = self.customer.post(&path, body.clone()).await;
            (answer.status == 200).then_some(answer.body)
        };
        eventually("it is paid", paid).await
    }
}

#[tokio::test]
async fn a_rental_is_paid_canceled_and_refunded_at_another_process() {
    let directory = tempfile::tempdir().unwrap();
    let gateway = Gateway::start(directory.path(), &[]).await;
    let works = Works::start(&gateway.url).await;
    let rental = works.rent("tok_ok").await.expect(201);
    assert_eq!(gateway.ledger(&rental["paymentId"]).await, (1, 0));
    let payment = works.customer.get(&format!("/v1/payments?rentalId={}", id(&rental))).await.expect(200);
    assert_eq!(payment["items"][0]["provider"], "http");
    works.rent("tok_decline").await.problem(402, "payment-declined");
    works.rent("tok_of_another_gateway").await.problem(402, "payment-declined");
    works.rent("two words").await.problem(400, "invalid-request");
    works.customer.cancel(&rental).await.expect(200);
    works.customer.timeline_holds(&rental, "PaymentCanceled").await;
    assert_eq!(gateway.ledger(&rental["paymentId"]).await, (1, 1));
    let operator = Client::of(&works.server.url, Some(operator_key(&works.directory.path().join("data"))));
    operator.get("/v1/operations/ledger").await.problem(404, "not-found");
}

#[tokio::test]
async fn the_shop_starts_and_defers_while_its_gateway_is_away_and_is_paid_when_it_is_back() {
    let directory = tempfile::tempdir().unwrap();
    let gateway = Gateway::start(directory.path(), &[]).await;
    let (url, address) = (gateway.url.clone(), gateway.url.trim_start_matches("http://").to_owned());
    gateway.kill().await;
    let works = Works::start(&url).await;
    let rental = works.rent("tok_ok").await.expect(202);
    assert_eq!(rental["status"], "PAYMENT_DEFERRED");
    let gateway = Gateway::start_at(&address, directory.path(), &[]).await;
    assert_eq!(works.pay_once_settled(&rental).await["status"], "CONFIRMED");
    assert_eq!(gateway.ledger(&rental["paymentId"]).await, (1, 0));
}

#[tokio::test]
async fn charges_under_way_when_the_gateway_is_killed_are_found_or_paid_anew_never_twice() {
    let directory = tempfile::tempdir().unwrap();
    // Some are answered, some are being served, and some wait inside, when it dies.
    let slow = [("SAEM_PAYMENT__SIMULATOR__LATENCY_MS", "50"), ("SAEM_PAYMENT__SIMULATOR__CAPACITY", "4")];
    let gateway = Gateway::start(directory.path(), &slow).await;
    let address = gateway.url.trim_start_matches("http://").to_owned();
    let works = Works::start(&gateway.url).await;
    let mut answers = FuturesUnordered::new();
    for n in 0..24 {
        answers.push(works.rent(if n % 3 == 1 { "tok_lost_response" } else { "tok_ok" }));
    }
    let first = answers.next().await.unwrap();
    gateway.kill().await;
    let answers: Vec<Answer> = std::iter::once(first).chain(answers.collect::<Vec<_>>().await).collect();
    let gateway = Gateway::start_at(&address, directory.path(), &[]).await;
    let mut deferred = 0;
    for answer in answers {
        let rental = match answer.status {
            201 => answer.body,
            202 => {
                deferred += 1;
                let resolved = || async {
                    let path = format!("/v1/rentals/{}", id(&answer.body));
                    let rental = works.customer.get(&path).await.expect(200);
                    let pay = works.customer.request(Method::POST, &format!("{path}/payment"));
                    let body = json!({"paymentMethod": {"type": "CARD", "token": "tok_ok"}});
                    (rental["status"] == "CONFIRMED" || Answer::of(pay.json(&body)).await.status == 200)
                        .then_some(rental)
                };
                eventually("it is found or paid", resolved).await
            }
            status => panic!("{status}: {}", answer.body),
        };
        let captured = || async { (gateway.ledger(&rental["paymentId"]).await == (1, 0)).then_some(()) };
        eventually("it is captured once", captured).await;
    }
    assert!(deferred > 0, "the kill hit some");
}
