//! What earlier versions left is opened, verified and served by this one: `tests/fixtures/README.md`.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    path::{Path, PathBuf},
};

use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    running::{Running, saem, url},
    support::{Client, eventually, id},
    tools::{imported, says, tool},
};

const OPERATOR_KEY: &str = "fixture-fixture-fixture-fixture-fixture";
/// sled's file is a whole number of these.
const SEGMENT_BYTES: u64 = 2 * 1_024 * 1_024;

/// Fixtures whose names begin and end so.
fn fixtures(begin: &str, end: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let mut found: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.retain(|path| {
        let name = path.file_name().unwrap().to_str().unwrap();
        name.starts_with(begin) && name.ends_with(end)
    });
    found.sort();
    assert!(!found.is_empty());
    found
}

/// A copy to work with, as it was.
pub fn copy(fixture: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(fixture).unwrap() {
        let (from, to) = (entry.as_ref().unwrap().path(), to.join(entry.unwrap().file_name()));
        if from.is_dir() {
            copy(&from, &to);
        } else {
            fs::copy(&from, &to).unwrap();
            if from.ends_with("journal/db") {
                let file = File::options().write(true).open(&to).unwrap();
                file.set_len(from.metadata().unwrap().len().next_multiple_of(SEGMENT_BYTES)).unwrap();
            }
        }
    }
}

#[tokio::test]
async fn a_data_directory_of_each_version_is_opened_verified_and_served() {
    for fixture in fixtures("data-", "") {
        let directory = tempfile::tempdir().unwrap();
        let data = directory.path().join("data");
        copy(&fixture, &data);
        is_that_shop(&data).await;
    }
}

#[tokio::test]
async fn an_export_of_each_version_is_imported_verified_and_served() {
    for fixture in fixtures("export-", ".jsonl") {
        let directory = tempfile::tempdir().unwrap();
        let data = directory.path().join("data");
        imported(&fs::read_to_string(&fixture).unwrap(), &data);
        is_that_shop(&data).await;
    }
}

/// The shop that `scripts/fixture` made is in this directory, and goes on.
async fn is_that_shop(data: &Path) {
    assert!(says(&mut tool("verify", data)).ends_with("all is well\n"));
    assert_eq!(holds(data), [1, 0]);
    let (running, said) = Running::start(&mut saem(data));
    let (url, operator) = (url(&said), Client::of(url(&said), Some(OPERATOR_KEY.to_owned())));
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

/// The request that was sent under a key is answered as it was then.
async fn repeats_itself(kim: &Client) {
    let products = items(kim, "/v1/products").await;
    let product = products.iter().find(|product| product["model"] == "SAEM-300").unwrap();
    let rentals = items(kim, "/v1/rentals").await;
    let first = rentals.iter().find(|rental| rental["productId"] == product["id"]).unwrap();
    let body = format!(
        "{{\"productId\":\"{}\",\"address\":{{\"recipient\":\"홍길동\",\"postalCode\":\"04524\",\n        \
         \"line1\":\"서울 중구 세종대로 110\"}},\"paymentMethod\":{{\"type\":\"CARD\",\"token\":\"tok_ok\"}}}}",
        id(product)
    );
    let request = kim.request(Method::POST, "/v1/rentals").header("content-type", "application/json");
    let answer = request.header("idempotency-key", "fixture-key").body(body).send().await.unwrap();
    assert_eq!(answer.status(), 201);
    assert_eq!(answer.headers()["idempotency-replayed"], "true");
    let again: Value = answer.json().await.unwrap();
    assert_eq!(id(&again), id(first));
    assert_eq!(items(kim, "/v1/rentals").await.len(), rentals.len());
}

/// Messages that waited are sent once the context is resumed, and none of the others again.
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

/// What the journal in this directory tells of targets that were held.
fn holds(data: &Path) -> [usize; 2] {
    let exported = says(&mut tool("export", data));
    ["TargetHeld", "TargetReleased"].map(|event| exported.matches(&format!("\"{event}\"")).count())
}
