//! Exports of earlier versions are imported, verified and served: `tests/fixtures/README.md`.

use std::{collections::BTreeMap, fs, path::Path};

use reqwest::Method;
use serde_json::{Value, json};

use super::tools::imported;
use crate::kit::{
    Client,
    binary::{Running, saem, says, tool, url},
    eventually, id,
};

const OPERATOR_KEY: &str = "fixture-fixture-fixture-fixture-fixture";

#[tokio::test]
async fn an_export_with_old_messages_is_imported_and_served() {
    is_imported_and_served("export-2026-11-26.jsonl", 0).await;
}

#[tokio::test]
async fn an_export_with_images_and_unsent_messages_is_imported() {
    // A product's current image, and those before it.
    is_imported_and_served("export-2026-11-30.jsonl", 3).await;
}

/// Imports a fixture, which `scripts/fixture` made, and checks that its shop is whole and goes on.
async fn is_imported_and_served(name: &str, images: usize) {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name);
    let directory = tempfile::tempdir().unwrap();
    let data = &directory.path().join("data");
    imported(&fs::read_to_string(fixture).unwrap(), data);
    assert_eq!(fs::read_dir(data.join("images")).map_or(0, Iterator::count), images);
    assert!(!data.join("product.images").exists());
    assert!(says(&mut tool("verify", data)).ends_with("all is well\n"));
    assert_eq!(holds(data), [1, 0]);
    let (running, said) = Running::start(&mut saem(data));
    let (url, operator) = (url(&said), Client::of(url(&said), Some(OPERATOR_KEY.to_owned())));
    if images > 0 {
        shows_its_images(&operator).await;
    }
    shows_its_rentals(&log_in(url, "010-1000-0001").await.unwrap()).await;
    assert!(log_in(url, "010-1000-0003").await.is_none(), "who has left is not known any more");
    repeats_itself(&log_in(url, "010-1000-0002").await.unwrap()).await;
    lets_messages_go(&operator).await;
    counts_what_was_held(&operator).await;
    running.end();
    assert_eq!(holds(data), [1, 1]);
    assert!(says(&mut tool("verify", data)).ends_with("all is well\n"));
}

async fn log_in(url: &str, phone: &str) -> Option<Client> {
    let credentials = json!({"phone": phone, "password": "correct horse"});
    let answer = Client::of(url, None).post("/v1/sessions", credentials).await;
    if answer.status == 401 {
        return None;
    }
    let session = answer.expect(201);
    Some(Client::of(url, Some(session["token"].as_str().unwrap().to_owned())))
}

async fn items(client: &Client, path: &str) -> Vec<Value> {
    client.get(path).await.expect(200)["items"].as_array().unwrap().clone()
}

/// Two products have an image: a PNG of 49 KB, and the first bytes of a JPEG.
async fn shows_its_images(operator: &Client) {
    let mut shown = BTreeMap::new();
    for product in items(operator, "/v1/products").await {
        if let Some(url) = product["imageUrl"].as_str() {
            let answer = operator.request(Method::GET, url).send().await.unwrap();
            assert_eq!(answer.status(), 200, "{url}");
            let media_type = answer.headers()["content-type"].to_str().unwrap().to_owned();
            shown.insert(media_type, answer.bytes().await.unwrap().len());
        }
    }
    assert_eq!(shown, [("image/jpeg".to_owned(), 43), ("image/png".to_owned(), 49_363)].into());
}

async fn shows_its_rentals(hong: &Client) {
    let mut shown = BTreeMap::new();
    for row in items(hong, "/v1/mypage").await {
        let states = ["rentalStatus", "paymentStatus", "deliveryStatus", "cancelReason"];
        let states = states.map(|state| row[state].as_str().unwrap_or("-").to_owned());
        *shown.entry(states.join(" ")).or_insert(0) += 1;
    }
    let count = |states: &str| shown.get(states).copied().unwrap_or(0);
    assert_eq!(count("DELIVERED APPROVED DELIVERED -"), 1, "{shown:?}");
    assert_eq!(count("CANCELED CANCELED CANCELED CUSTOMER"), 1, "{shown:?}");
    assert_eq!(count("CONFIRMED APPROVED STARTED -"), 2, "{shown:?}");
    assert_eq!(count("CANCELED DECLINED - PAYMENT_DECLINED"), 1, "{shown:?}");
    // The sixth was deferred; its time has been over since the day after.
    assert_eq!(shown.values().sum::<i32>(), 6, "{shown:?}");
}

/// Asserts that an order with a known key gets its old answer.
async fn repeats_itself(kim: &Client) {
    let products = items(kim, "/v1/products").await;
    let product = products.iter().find(|product| product["model"] == "SAEM-300").unwrap();
    let rentals = items(kim, "/v1/rentals").await;
    let first = rentals.iter().find(|rental| rental["productId"] == product["id"]).unwrap();
    // Compact and sorted by field: the versions that wrote the fixtures took the digest of this form.
    let address = json!({"recipient": "홍길동", "postalCode": "04524", "line1": "서울 중구 세종대로 110"});
    let payment = json!({"type": "CARD", "token": "tok_ok"});
    let mut body = json!({"productId": id(product), "address": address, "paymentMethod": payment});
    body.sort_all_objects();
    let request = kim.request(Method::POST, "/v1/rentals").header("content-type", "application/json");
    let answer =
        request.header("idempotency-key", "fixture-key").body(body.to_string()).send().await.unwrap();
    assert_eq!(answer.status(), 201);
    assert_eq!(answer.headers()["idempotency-replayed"], "true");
    let again: Value = answer.json().await.unwrap();
    assert_eq!(id(&again), id(first));
    assert_eq!(items(kim, "/v1/rentals").await.len(), rentals.len());
}

/// Asserts that unsent messages are sent once the context is resumed, and sent ones not again.
async fn lets_messages_go(operator: &Client) {
    let all = "/v1/notifications?limit=100";
    let before = items(operator, all).await;
    let with = |status: &str| before.iter().filter(|message| message["status"] == status).count();
    assert!(with("PENDING") >= 2 && with("SENT") >= 10, "{before:?}");
    operator.call(Method::POST, "/v1/operations/contexts/notification/resume").await.expect(200);
    let after = eventually("all is sent", || async {
        let after = items(operator, all).await;
        after.iter().all(|message| message["status"] != "PENDING").then_some(after)
    })
    .await;
    for message in before.iter().filter(|message| message["status"] == "SENT") {
        assert!(after.contains(message), "{message} was sent again");
    }
}

/// The target that was held is tried again at each start: its unit is counted now.
async fn counts_what_was_held(operator: &Client) {
    eventually("the unit is counted, and nothing is held", || async {
        let products = items(operator, "/v1/products").await;
        let product = products.iter().find(|product| product["model"] == "SAEM-100").unwrap();
        let held = items(operator, "/v1/operations/held").await;
        // One of ten is out.
        (product["stock"] == 9 && held.is_empty()).then_some(())
    })
    .await;
}

/// Numbers of parked and released targets in this directory's journal.
fn holds(data: &Path) -> [usize; 2] {
    let exported = says(&mut tool("export", data));
    ["TargetHeld", "TargetReleased"].map(|event| exported.matches(&format!("\"{event}\"")).count())
}
