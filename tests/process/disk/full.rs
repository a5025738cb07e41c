//! A full disk loses no acknowledged rental and captures no fee twice.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use serde_json::Value;
use tokio::task::JoinSet;

use super::small::SmallDisk;
use crate::kit::{Client, SHORTEST_DEADLINES, eventually, id, until};

const DISK_MB: u32 = 64;
const CUSTOMERS: u32 = 4;
/// Tries: a disk that is filled during a write stops the store for good, and the test starts again.
const TRIES: usize = 5;
const FEE_WON: u64 = 29_900;

fn settings(backend: &'static str, min_free_mb: &'static str) -> Vec<(&'static str, &'static str)> {
    let ours =
        [("SAEM_STORE__BACKEND", backend), ("SAEM_STORE__MIN_FREE_MB", min_free_mb), ("SAEM_LOG", "off")];
    [&SHORTEST_DEADLINES[..], &ours].concat()
}

/// Customers who rent until they are told to end, also when they are refused.
struct Crowd {
    renting: JoinSet<Shopper>,
    acknowledged: Arc<AtomicUsize>,
    refused: Arc<AtomicUsize>,
    enough: Arc<AtomicBool>,
}

/// A customer, and the answers by idempotency key; none if it was refused.
struct Shopper {
    client: Client,
    book: HashMap<String, Option<Value>>,
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
                    let answer = client.rent_keyed(&product, "tok_ok", &key).await;
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
        until("so many more were answered", || async { count.load(Ordering::Relaxed) >= before + more })
            .await;
    }

    async fn ends(self) -> Vec<Shopper> {
        self.enough.store(true, Ordering::Relaxed);
        self.renting.join_all().await
    }
}

/// Payments that the gateway captured.
async fn captured(operator: &Client) -> Vec<Value> {
    let ledger = operator.items("/v1/operations/ledger").await;
    ledger.into_iter().map(|entry| entry["paymentId"].clone()).collect()
}

/// Asserts that each order, repeated with its key, has the same rental, which is settled and captured once.
async fn nothing_is_lost(shoppers: &mut [Shopper], operator: &Client, url: &str, product: &str) {
    for Shopper { client, book } in shoppers {
        client.move_to(url);
        for (key, told) in book {
            let settled = || async {
                let answer = client.rent_keyed(product, "tok_ok", key).await;
                matches!(answer.status, 201 | 202).then_some(answer.body)
            };
            let now = eventually("the order with this key is settled", settled).await;
            if let Some(told) = told {
                assert_eq!(id(told), id(&now));
                assert!(told["status"] != "CONFIRMED" || now["status"] == "CONFIRMED", "{told} became {now}");
            }
            let at_rest = || async {
                let row = client.get(&format!("/v1/mypage/{}", id(&now))).await;
                // My Page waited for room, too.
                let row = (row.status == 200).then_some(row.body)?;
                let captured = captured(operator).await.contains(&row["paymentId"]);
                match row["rentalStatus"].as_str().unwrap() {
                    "CONFIRMED" => {
                        assert!(captured, "{row}");
                        Some(())
                    }
                    // Its charge could not be recorded, so it was not sent.
                    "PAYMENT_DEFERRED" => (!captured).then_some(()),
                    _ => None,
                }
            };
            eventually("the rental is settled", at_rest).await;
        }
    }
    let ledger = operator.items("/v1/operations/ledger").await;
    assert!(ledger.iter().all(|entry| entry["captures"] == 1 && entry["refunds"] == 0), "{ledger:?}");
}

/// Waits for this status of `/readyz` or `/healthz`.
async fn answers(operator: &Client, path: &str, status: u16) {
    until(&format!("{path} answers {status}"), || async { operator.get(path).await.status == status }).await;
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
    operator.restock(&product, 1).await.problem(503, "store-unavailable");
    operator.get("/readyz").await.problem(503, "not-ready");
    operator.get("/healthz").await.expect(200);
    operator.get("/v1/products").await.expect(200);
    operator.get(&format!("/v1/products/{product}")).await.expect(200);
    disk.make_room();
    answers(&operator, "/readyz", 200).await;
    crowd.was_answered(&crowd.acknowledged, 20).await;
    operator.restock(&product, 1).await.expect(200);
    let mut shoppers = crowd.ends().await;
    nothing_is_lost(&mut shoppers, &operator, &server.url, &product).await;
    server.kill().await;
    let server = disk.server(&settings(backend, "16")).await;
    let operator = disk.operator(&server.url);
    nothing_is_lost(&mut shoppers, &operator, &server.url, &product).await;
    server.kill().await;
}

/// Asserts that commands are refused for longer than records wait to be written; returns true if the store is
/// alive after that.
async fn refuses_all_and_lives(operator: &Client, product: &str) -> bool {
    for _ in 0..40 {
        operator.restock(product, 1).await.problem(503, "store-unavailable");
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
        // Records of these rentals are still to be written, and must not be tried now.
        disk.fill_at_once();
        answers(&operator, "/readyz", 503).await;
        if !refuses_all_and_lives(&operator, &product).await {
            continue;
        }
        disk.make_room();
        answers(&operator, "/readyz", 200).await;
        operator.restock(&product, 1).await.expect(200);
        nothing_is_lost(&mut shoppers, &operator, &server.url, &product).await;
        server.kill().await;
        return;
    }
    panic!("{TRIES} times the disk was filled during a write");
}

pub async fn a_completely_full_disk_needs_free_space_and_a_restart(backend: &'static str) {
    let Some(disk) = SmallDisk::make(DISK_MB).await else { return };
    let server = disk.server(&settings(backend, "0")).await;
    let operator = disk.operator(&server.url);
    let product = operator.product(FEE_WON, 100_000).await;
    let crowd = Crowd::begins(&server.url, &product).await;
    crowd.was_answered(&crowd.acknowledged, 20).await;
    disk.fill(0);
    // The file itself has room at first; after the first failed write the store accepts no more.
    answers(&operator, "/healthz", 503).await;
    operator.get("/readyz").await.problem(503, "not-ready");
    operator.restock(&product, 1).await.problem(503, "store-unavailable");
    operator.get("/v1/products").await.expect(200);
    let mut shoppers = crowd.ends().await;
    server.kill().await;
    if backend == "sled" {
        let (code, said) = disk.server_refuses(&settings(backend, "0")).await;
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains("No space left on device") && said.lines().count() == 1, "{said}");
    } else {
        // It opens in the room that its file has, until it must write.
        let (code, said) = disk.verified(&settings(backend, "0")).await;
        assert!(code == Some(0) && said.ends_with("all is well\n"), "{said}");
    }
    disk.make_room();
    let server = disk.server(&settings(backend, "0")).await;
    let operator = disk.operator(&server.url);
    nothing_is_lost(&mut shoppers, &operator, &server.url, &product).await;
    server.kill().await;
}
