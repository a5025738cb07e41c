//! A real process, killed by SIGKILL in the middle of its work, ten times over: nothing that was
//! acknowledged is lost, nobody pays twice, and every saga comes to its end. On each durable backend.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::{
    collections::HashMap,
    path::Path,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use reqwest::Method;
use serde_json::{Value, json};
use support::{Answer, Client, eventually, id, operator_key, order, process::Server};
use tokio::task::JoinSet;

const ROUNDS: usize = 10;
const CUSTOMERS: u32 = 8;
const FEE_WON: u64 = 29_900;
const STOCK: u32 = 100_000;

/// A server on this backend, whose payments come to an end soon, however they end.
const fn impatient_on(backend: &'static str) -> [(&'static str, &'static str); 4] {
    [
        ("SAEM_STORE__BACKEND", backend),
        ("SAEM_PAYMENT__DEADLINE_MS", "300"),
        ("SAEM_PAYMENT__TIMEOUT_MS", "150"),
        ("SAEM_PAYMENT__CHARGE_MIN_MS", "50"),
    ]
}

impl Client {
    /// The answer, if the server lives long enough to give it.
    async fn try_post(&self, path: &str, key: &str, body: &Value) -> Option<Answer> {
        let request = self.request(Method::POST, path).header("idempotency-key", key).json(body);
        let response = request.send().await.ok()?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Some(Answer { status, headers, body: response.json().await.ok()? })
    }
}

/// What one customer knows of one rental.
#[derive(Default)]
struct Known {
    token: &'static str,
    /// The answer to placing it, once there was one.
    placed: Option<Value>,
    canceled: bool,
}

/// One customer's book: by idempotency key.
type Book = HashMap<String, Known>;

/// Rents, and cancels every third rental, until the server is gone.
async fn shop(
    client: Client,
    product: String,
    round: usize,
    mut book: Book,
    acknowledged: Arc<AtomicUsize>,
) -> Book {
    for n in 0.. {
        let token = ["tok_ok", "tok_ok", "tok_ok", "tok_lost_response"][n % 4];
        let key = format!("{round}-{n}");
        let known = book.entry(key.clone()).or_insert(Known { token, ..Known::default() });
        let Some(answer) = client.try_post("/v1/rentals", &key, &order(&product, token)).await else { break };
        if !matches!(answer.status, 201 | 202) {
            assert_eq!(answer.status, 503, "{}", answer.body);
            continue;
        }
        acknowledged.fetch_add(1, Ordering::Relaxed);
        let cancel = format!("/v1/rentals/{}/cancel", id(&answer.body));
        known.placed = Some(answer.body);
        if n % 3 == 0 {
            let Some(answer) = client.try_post(&cancel, "c", &json!({})).await else { break };
            answer.expect(200);
            known.canceled = true;
        }
    }
    book
}

/// Asks again, under the same key, for whatever got no answer: now there is one.
async fn catch_up(client: &Client, product: &str, book: &mut Book) {
    for (key, known) in book.iter_mut().filter(|(_, known)| known.placed.is_none()) {
        let settled = || async {
            let answer = client.try_post("/v1/rentals", key, &order(product, known.token)).await.unwrap();
            matches!(answer.status, 201 | 202).then_some(answer.body)
        };
        known.placed = Some(eventually("the request under that key is settled", settled).await);
    }
}

/// The rental, once nothing about it is under way any more. A deferred one waits for its customer; but
/// one whose fee was captured must find that out by itself.
async fn settled(client: &Client, operator: &Client, known: &Known) -> Value {
    let path = format!("/v1/mypage/{}", id(known.placed.as_ref().unwrap()));
    let row = || async {
        let row = client.get(&path).await.expect(200);
        let states =
            ["rentalStatus", "paymentStatus", "deliveryStatus"].map(|s| row[s].as_str().unwrap_or(""));
        let done = match states {
            ["CONFIRMED", "APPROVED", "STARTED"] | ["CANCELED", "CANCELED", "CANCELED" | ""] => true,
            ["PAYMENT_DEFERRED", _, ""] => captures(operator, &row["paymentId"]).await == 0,
            _ => false,
        };
        done.then_some(row)
    };
    eventually("the saga is finished", row).await
}

async fn captures(operator: &Client, payment: &Value) -> u64 {
    let ledger = operator.get("/v1/operations/ledger").await.expect(200);
    let entry = ledger["items"].as_array().unwrap().iter().find(|entry| entry["paymentId"] == *payment);
    entry.map_or(0, |entry| entry["captures"].as_u64().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_kills_in_mid_traffic_lose_nothing_and_charge_nobody_twice() {
    ten_kills_on("sled").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_kills_in_mid_traffic_lose_nothing_and_charge_nobody_twice_on_redb() {
    ten_kills_on("redb").await;
}

async fn ten_kills_on(backend: &'static str) {
    let settings = impatient_on(backend);
    let directory = tempfile::tempdir().unwrap();
    let mut server = Server::start(directory.path(), &settings).await;
    let operator = Client::of(&server.url, Some(operator_key(directory.path())));
    let product = operator.product(FEE_WON, STOCK).await;
    let mut customers = Vec::new();
    for number in 0..CUSTOMERS {
        customers.push((Client::sign_up(&server.url, number).await, Book::new()));
    }
    for round in 0..ROUNDS {
        let acknowledged = Arc::new(AtomicUsize::new(0));
        let mut shopping = JoinSet::new();
        for (client, book) in customers {
            let (product, acknowledged) = (product.clone(), Arc::clone(&acknowledged));
            shopping.spawn(async move {
                let seller = client.clone();
                (client, shop(seller, product, round, book, acknowledged).await)
            });
        }
        // In the middle of things, at another place each round.
        let enough = 30 + 11 * round;
        eventually("enough is under way", || async {
            (acknowledged.load(Ordering::Relaxed) >= enough).then_some(())
        })
        .await;
        server.kill().await;
        is_well(directory.path(), backend);
        customers = shopping.join_all().await;
        server = Server::start(directory.path(), &settings).await;
        for (client, book) in &mut customers {
            client.move_to(&server.url);
            catch_up(client, &product, book).await;
        }
    }
    let operator = Client::of(&server.url, Some(operator_key(directory.path())));
    everything_adds_up(&operator, &product, &customers).await;
    server.kill().await;
    is_well(directory.path(), backend);
}

/// Whatever was under way: what is there is whole, and what is derived agrees with the journal.
fn is_well(data: &Path, backend: &str) {
    let mut verify = Command::new(env!("CARGO_BIN_EXE_saem"));
    verify.args(["verify", "--data"]).arg(data);
    let output = verify.envs([("SAEM_STORE__BACKEND", backend), ("SAEM_LOG", "error")]).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && said.ends_with("all is well\n"), "{said}");
}

async fn everything_adds_up(operator: &Client, product: &str, customers: &[(Client, Book)]) {
    let (mut rentals, mut live, mut kept_won) = (0, 0, 0);
    let mut rows = HashMap::new();
    for (client, book) in customers {
        let ids: std::collections::HashSet<_> =
            book.values().map(|k| id(k.placed.as_ref().unwrap())).collect();
        assert_eq!(ids.len(), book.len(), "one rental a key");
        for known in book.values() {
            let row = settled(client, operator, known).await;
            assert!(!known.canceled || row["rentalStatus"] == "CANCELED", "a cancel was lost: {row}");
            let confirmed = known.placed.as_ref().unwrap()["status"] == "CONFIRMED";
            assert!(
                !confirmed || row["rentalStatus"] != "PAYMENT_DEFERRED",
                "a confirmation was lost: {row}"
            );
            rentals += 1;
            live += usize::from(row["rentalStatus"] == "CONFIRMED");
            rows.insert(row["paymentId"].as_str().unwrap().to_owned(), row);
        }
    }
    let ledger = operator.get("/v1/operations/ledger").await.expect(200);
    for entry in ledger["items"].as_array().unwrap() {
        let row = &rows[entry["paymentId"].as_str().unwrap()];
        let (captures, refunds) = (entry["captures"].as_u64().unwrap(), entry["refunds"].as_u64().unwrap());
        assert_eq!((captures, entry["amount"].as_u64().unwrap()), (1, FEE_WON), "{row}");
        assert_eq!(refunds, u64::from(row["rentalStatus"] == "CANCELED"), "{row}");
        kept_won += (captures - refunds) * FEE_WON;
    }
    assert_eq!(kept_won, live as u64 * FEE_WON, "the ledger and My Page agree to the won");
    let stock = || async {
        let product = operator.get(&format!("/v1/products/{product}")).await.expect(200);
        (product["stock"] == u64::from(STOCK) - live as u64).then_some(())
    };
    eventually("the stock is what was not rented out", stock).await;
    assert_eq!(operator.get("/v1/operations/held").await.expect(200)["items"], json!([]));
    assert!(rentals >= ROUNDS * 30 && live > 0 && live < rentals, "{live} of {rentals}");
}
