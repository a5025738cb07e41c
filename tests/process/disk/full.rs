//! A full disk: nothing that was acknowledged is lost, and no customer pays twice.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::small::SmallDisk;
use crate::kit::{Answer, Client, eventually, id, order};

const DISK_MB: u32 = 64;
const CUSTOMERS: u32 = 4;
/// Attempts: filling the disk at once may happen during a write behind, which then fails.
const TRIES: usize = 5;
const FEE_WON: u64 = 29_900;

/// Settings with short timeouts of payments.
const IMPATIENT: [(&str, &str); 3] = [
    ("SAEM_PAYMENT__DEADLINE_MS", "300"),
    ("SAEM_PAYMENT__TIMEOUT_MS", "150"),
    ("SAEM_PAYMENT__CHARGE_MIN_MS", "50"),
];

fn settings(backend: &'static str, min_free_mb: &'static str) -> Vec<(&'static str, &'static str)> {
    let ours =
        [("SAEM_STORE__BACKEND", backend), ("SAEM_STORE__MIN_FREE_MB", min_free_mb), ("SAEM_LOG", "off")];
    [&IMPATIENT[..], &ours].concat()
}

/// Customers who place rentals until they are stopped.
struct Crowd {
    renting: JoinSet<Shopper>,
    acknowledged: Arc<AtomicUsize>,
    refused: Arc<AtomicUsize>,
    enough: Arc<AtomicBool>,
}

/// A customer, with the answers to its requests, by idempotency key; none for a refused one.
struct Shopper {
    client: Client,
    book: HashMap<String, Option<Value>>,
}

async fn ask(client: &Client, product: &str, key: &str) -> Answer {
    let request = client.request(Method::POST, "/v1/rentals").header("idempotency-key", key);
    Answer::of(request.json(&order(product, "tok_ok"))).await
}

impl Crowd {
    async fn begins(url: &str, product: &str) -> Self {
        let mut renting = JoinSet::new();
        let (acknowledged, refused) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let enough = Arc::new(AtomicBool::new(false));
        for number in 0..CUSTOMERS {
            let client = Client::sign_up(url, number).await;
            let (acknowledged, refused) = (Arc::clone(&acknowledged), Arc::clone(&refused));
            let (enough, product) = (Arc::clone(&enough), product.to_owned());
            renting.spawn(async move {
                let mut book = HashMap::new();
                while !enough.load(Ordering::Relaxed) {
                    let key = format!("{}", book.len());
                    let answer = ask(&client, &product, &key).await;
                    let told = matches!(answer.status, 201 | 202).then_some(answer.body);
                    let count = if told.is_some() { &acknowledged } else { &refused };
                    count.fetch_add(1, Ordering::Relaxed);
                    assert!(told.is_some() || answer.status == 503, "{}", answer.status);
                    book.insert(key, told);
                }
                Shopper { client, book }
            });
        }
        Self { renting, acknowledged, refused, enough }
    }

    async fn was_answered(&self, count: &AtomicUsize, more: usize) {
        let before = count.load(Ordering::Relaxed);
        let told = || async { (count.load(Ordering::Relaxed) >= before + more).then_some(()) };
        eventually("that many answers more", told).await;
    }

    async fn ends(self) -> Vec<Shopper> {
        self.enough.store(true, Ordering::Relaxed);
        self.renting.join_all().await
    }
}

/// Ids of the payments that the gateway has captured.
async fn captured(operator: &Client) -> Vec<Value> {
    let ledger = operator.get("/v1/operations/ledger").await.expect(200);
    ledger["items"].as_array().unwrap().iter().map(|entry| entry["paymentId"].clone()).collect()
}

/// Checks that every acknowledged rental exists, that refused ones can be repeated, and that each is paid
/// once.
async fn nothing_is_lost(shoppers: &mut [Shopper], operator: &Client, url: &str, product: &str) {
    for Shopper { client, book } in shoppers {
        client.move_to(url);
        for (key, told) in book {
            let settled = || async {
                let answer = ask(client, product, key).await;
                matches!(answer.status, 201 | 202).then_some(answer.body)
            };
            let now = eventually("the request under that key is settled", settled).await;
            if let Some(told) = told {
                assert_eq!(id(told), id(&now));
                assert!(told["status"] != "CONFIRMED" || now["status"] == "CONFIRMED", "{told} became {now}");
            }
            let come_to_rest = || async {
                let row = client.get(&format!("/v1/mypage/{}", id(&now))).await;
                // My Page waited for space, too, and catches up.
                let row = (row.status == 200).then_some(row.body)?;
                let captured = captured(operator).await.contains(&row["paymentId"]);
                match row["rentalStatus"].as_str().unwrap() {
                    "CONFIRMED" => {
                        assert!(captured, "{row}");
                        Some(())
                    }
                    // The charge could not be recorded, so there was none: the customer can pay later.
                    "PAYMENT_DEFERRED" => (!captured).then_some(()),
                    _ => None,
                }
            };
            eventually("the rental has come to rest", come_to_rest).await;
        }
    }
    let ledger = operator.get("/v1/operations/ledger").await.expect(200);
    let entries = ledger["items"].as_array().unwrap();
    assert!(entries.iter().all(|entry| entry["captures"] == 1 && entry["refunds"] == 0), "{ledger}");
}

async fn is_ready(client: &Client) -> Option<()> {
    (client.get("/readyz").await.status == 200).then_some(())
}

pub async fn a_filling_disk_stops_commands_but_no_reads(backend: &'static str) {
    let Some(disk) = SmallDisk::make(DISK_MB).await else { return };
    let server = disk.server(&settings(backend, "16")).await;
    let operator = disk.operator(&server.url);
    let product = operator.product(FEE_WON, 100_000).await;
    let crowd = Crowd::begins(&server.url, &product).await;
    crowd.was_answered(&crowd.acknowledged, 20).await;
    disk.fill(12 << 20);
    crowd.was_answered(&crowd.refused, 20).await;
    let restock = format!("/v1/products/{product}/restock");
    operator.post(&restock, json!({"quantity": 1})).await.problem(503, "store-unavailable");
    operator.get("/readyz").await.problem(503, "not-ready");
    operator.get("/healthz").await.expect(200);
    operator.get("/v1/products").await.expect(200);
    operator.get(&format!("/v1/products/{product}")).await.expect(200);
    disk.make_room();
    eventually("it is ready by itself", || is_ready(&operator)).await;
    crowd.was_answered(&crowd.acknowledged, 20).await;
    operator.post(&restock, json!({"quantity": 1})).await.expect(200);
    let mut shoppers = crowd.ends().await;
    nothing_is_lost(&mut shoppers, &operator, &server.url, &product).await;
    server.kill().await;
    let server = disk.server(&settings(backend, "16")).await;
    let operator = disk.operator(&server.url);
    nothing_is_lost(&mut shoppers, &operator, &server.url, &product).await;
    server.kill().await;
}

/// Checks that commands are refused for longer than records wait to be written behind. Returns false if the
/// store was poisoned.
async fn takes_nothing_and_lives(operator: &Client, product: &str) -> bool {
    let restock = format!("/v1/products/{product}/restock");
    for _ in 0..40 {
        operator.post(&restock, json!({"quantity": 1})).await.problem(503, "store-unavailable");
        if operator.get("/healthz").await.status != 200 {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    true
}

pub async fn a_disk_filled_at_once_needs_free_space_only(backend: &'static str) {
    for _ in 0..TRIES {
        let Some(disk) = SmallDisk::make(DISK_MB).await else { return };
        let server = disk.server(&settings(backend, "16")).await;
        let operator = disk.operator(&server.url);
        let product = operator.product(FEE_WON, 100_000).await;
        let crowd = Crowd::begins(&server.url, &product).await;
        crowd.was_answered(&crowd.acknowledged, 40).await;
        let mut shoppers = crowd.ends().await;
        // The index records of these rentals are not written yet, and must not be written now.
        disk.fill_at_once();
        let short = || async { (operator.get("/readyz").await.status == 503).then_some(()) };
        eventually("it is not ready", short).await;
        if !takes_nothing_and_lives(&operator, &product).await {
            continue;
        }
        disk.make_room();
        eventually("it is ready by itself", || is_ready(&operator)).await;
        let restock = format!("/v1/products/{product}/restock");
        operator.post(&restock, json!({"quantity": 1})).await.expect(200);
        nothing_is_lost(&mut shoppers, &operator, &server.url, &product).await;
        server.kill().await;
        return;
    }
    panic!("{TRIES} times in a row, a write was not done any more");
}

pub async fn a_completely_full_disk_needs_free_space_and_a_restart(backend: &'static str) {
    let Some(disk) = SmallDisk::make(DISK_MB).await else { return };
    let server = disk.server(&settings(backend, "0")).await;
    let operator = disk.operator(&server.url);
    let product = operator.product(FEE_WON, 100_000).await;
    let crowd = Crowd::begins(&server.url, &product).await;
    crowd.was_answered(&crowd.acknowledged, 20).await;
    disk.fill(0);
    // The file has space for some commits; the first write that fails poisons the store.
    let dead = || async { (operator.get("/healthz").await.status == 503).then_some(()) };
    eventually("the store takes nothing more, and the process says so", dead).await;
    operator.get("/readyz").await.problem(503, "not-ready");
    let restock = format!("/v1/products/{product}/restock");
    operator.post(&restock, json!({"quantity": 1})).await.problem(503, "store-unavailable");
    operator.get("/v1/products").await.expect(200);
    let mut shoppers = crowd.ends().await;
    server.kill().await;
    if backend == "sled" {
        let (code, said) = disk.server_refuses(&settings(backend, "0")).await;
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains("No space left on device") && said.lines().count() == 1, "{said}");
    } else {
        // It opens in the space that its file has, so that it can be verified.
        let (code, said) = disk.verified(&settings(backend, "0")).await;
        assert!(code == Some(0) && said.ends_with("all is well\n"), "{said}");
    }
    disk.make_room();
    let server = disk.server(&settings(backend, "0")).await;
    let operator = disk.operator(&server.url);
    nothing_is_lost(&mut shoppers, &operator, &server.url, &product).await;
    server.kill().await;
}
