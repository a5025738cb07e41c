//! `saem verify`, `saem export` and `saem import`: output, refusals, and complete results.

use std::{
    collections::BTreeSet,
    fs,
    io::Write as _,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Command, Output, Stdio},
};

use reqwest::Method;
use serde_json::{Value, json};

use crate::kit::{
    Answer, Client,
    binary::{Running, fails_with, saem, says, tool, url},
    eventually, id, operator_key, order,
};

/// Sets the store backend.
fn on<'a>(backend: &str, command: &'a mut Command) -> &'a mut Command {
    command.env("SAEM_STORE__BACKEND", backend)
}

pub fn import(lines: &str, data: &Path) -> Output {
    fed(lines, &mut tool("import", data))
}

/// Runs a command with these lines as its input.
fn fed(lines: &str, command: &mut Command) -> Output {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = command.spawn().unwrap();
    let mut input = process.stdin.take().unwrap();
    // A refused input is not read to its end.
    let _ = input.write_all(lines.as_bytes());
    drop(input);
    process.wait_with_output().unwrap()
}

#[track_caller]
pub fn imported(lines: &str, data: &Path) {
    imported_on("sled", lines, data);
}

#[track_caller]
fn imported_on(backend: &str, lines: &str, data: &Path) {
    let Output { status, stdout, stderr } = fed(lines, on(backend, &mut tool("import", data)));
    assert_eq!((status.code(), String::from_utf8(stderr).unwrap().as_str()), (Some(0), ""));
    assert!(String::from_utf8(stdout).unwrap().contains(" events, "));
}

/// Makes a shop with events: returns its customer, who rented under a key, a product, and its lists.
pub async fn shop(data: &Path) -> (Client, String, Vec<Value>) {
    let (running, said) = Running::start(saem(data).arg("--demo"));
    let (operator, customer) = (operator(data, url(&said)), Client::sign_up(url(&said), 1).await);
    let product = operator.product(29_900, 5).await;
    let image = operator.request(Method::PUT, &format!("/v1/products/{product}/image")).body(PNG);
    Answer::of(image).await.expect(200);
    let kept = customer.rent_keyed(&product, "tok_ok", "a key").await.expect(201);
    operator.timeline_holds(&kept, "ProductDecreased").await;
    let canceled = customer.rented(&product).await;
    customer.post(&format!("/v1/rentals/{}/cancel", id(&canceled)), Value::Null).await.expect(200);
    operator.timeline_holds(&canceled, "ProductIncreased").await;
    settled(&operator, &customer, &canceled).await;
    let paths = paths(&kept);
    let seen = seen(&operator, &customer, &paths).await;
    running.end();
    (customer, product, seen)
}

pub fn operator(data: &Path, url: &str) -> Client {
    Client::of(url, Some(operator_key(data)))
}

/// Waits until every message is sent, and My Page has the last event of this rental.
async fn settled(operator: &Client, customer: &Client, rental: &Value) {
    let timeline = operator.get(&format!("/v1/rentals/{}/timeline", id(rental))).await.expect(200);
    let last = timeline["items"].as_array().unwrap().last().unwrap()["sequence"].clone();
    eventually("all is sent and shown", || async {
        let messages = operator.get("/v1/notifications").await.expect(200);
        let messages = messages["items"].as_array().unwrap().clone();
        let row = customer.get(&format!("/v1/mypage/{}", id(rental))).await.expect(200);
        let sent = messages.iter().all(|message| message["status"] == "SENT");
        (sent && messages.len() == MESSAGES && row["version"] == last).then_some(())
    })
    .await;
}

const PNG: &[u8] = b"\x89PNG\r\n\x1a\na small image";

/// Two of a rental that is on its way, five of one that was canceled then.
const MESSAGES: usize = 2 + 5;

fn paths(rental: &Value) -> [String; 7] {
    let id = id(rental);
    [
        "/v1/mypage".to_owned(),
        "/v1/rentals".to_owned(),
        "/v1/products".to_owned(),
        "/v1/notifications".to_owned(),
        "/v1/payments".to_owned(),
        "/v1/deliveries".to_owned(),
        format!("/v1/rentals/{id}/timeline"),
    ]
}

async fn seen(operator: &Client, customer: &Client, paths: &[String]) -> Vec<Value> {
    let mut seen = Vec::new();
    for path in paths {
        // Only the customer has My Page.
        let who = if path == "/v1/mypage" { customer } else { operator };
        seen.push(who.get(path).await.expect(200));
    }
    seen
}

#[tokio::test]
async fn moved_shop_is_the_same() {
    let directory = tempfile::tempdir().unwrap();
    let [data, moved, file] = ["data", "moved", "shop.jsonl"].map(|name| directory.path().join(name));
    let (customer, product, before) = shop(&data).await;
    assert!(says(&mut tool("verify", &data)).ends_with("all is well\n"));
    let said = says(tool("export", &data).arg("--to").arg(&file));
    assert!(said.contains("shop.jsonl") && said.contains(" events, "), "{said}");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600, "it holds personal data");
    let exported = fs::read_to_string(&file).unwrap();
    assert_eq!(says(&mut tool("export", &data)), exported, "the same again, to stdout");
    fails_with(tool("export", &data).arg("--to").arg(&file).output().unwrap(), &["shop.jsonl", "exists"]);
    imported(&exported, &moved);
    assert!(says(&mut tool("verify", &moved)).ends_with("all is well\n"));
    assert_eq!(says(&mut tool("export", &moved)), exported, "byte by byte");
    assert_eq!(operator_key(&moved), operator_key(&data));
    is_the_same_shop(&moved, "sled", &customer, &product, &before).await;
}

#[tokio::test]
async fn shop_moved_to_redb_and_back_is_the_same() {
    let directory = tempfile::tempdir().unwrap();
    let [data, moved, back] = ["data", "moved", "back"].map(|name| directory.path().join(name));
    let (customer, product, before) = shop(&data).await;
    let exported = says(&mut tool("export", &data));
    for (backend, data, format) in [("redb", &moved, "saem 2 redb\n"), ("sled", &back, "saem 3\n")] {
        imported_on(backend, &exported, data);
        assert_eq!(fs::read_to_string(data.join("FORMAT")).unwrap(), format);
        assert!(!data.join("importing").exists());
        assert!(says(on(backend, &mut tool("verify", data))).ends_with("all is well\n"));
        assert_eq!(says(on(backend, &mut tool("export", data))), exported, "byte by byte, from {backend}");
    }
    let files = fs::read_dir(&moved).unwrap().map(|entry| entry.unwrap().file_name());
    let files: BTreeSet<_> = files.map(|name| name.into_string().unwrap()).collect();
    assert!(
        files.iter().eq(["FORMAT", "images", "journal.redb", "operator.key", "simulator.ledger"]),
        "{files:?}"
    );
    for (configured, data, holds) in [("sled", &moved, "redb"), ("redb", &back, "sled")] {
        let other = format!("a store of {holds}, but store.backend is {configured}");
        for name in ["verify", "export"] {
            let refused = on(configured, &mut tool(name, data)).output().unwrap();
            fails_with(refused, &[&other, "saem export and saem import"]);
        }
    }
    is_the_same_shop(&moved, "redb", &customer, &product, &before).await;
    is_the_same_shop(&back, "sled", &customer, &product, &before).await;
}

/// Asserts that it answers as before, continues, and verifies.
async fn is_the_same_shop(moved: &Path, backend: &str, customer: &Client, product: &str, before: &[Value]) {
    let (running, said) = Running::start(on(backend, &mut saem(moved)));
    let operator = operator(moved, url(&said));
    // The session is still valid.
    let customer = Client::of(url(&said), None).with_token_of(customer);
    let again = customer.rent_keyed(product, "tok_ok", "a key").await;
    assert_eq!(again.header("idempotency-replayed"), "true");
    let after = seen(&operator, &customer, &paths(&again.expect(201))).await;
    assert!(after[..] == *before, "{after:#?}\nnot\n{before:#?}");
    let product_view = operator.get(&format!("/v1/products/{product}")).await.expect(200);
    let image = operator.request(Method::GET, product_view["imageUrl"].as_str().unwrap()).send().await;
    assert_eq!(image.unwrap().bytes().await.unwrap(), PNG);
    // New events follow, and no old message is sent again.
    customer.post("/v1/rentals", order(product, "tok_ok")).await.expect(201);
    let old = before[3]["items"].as_array().unwrap();
    let messages = eventually("another message", || async {
        let messages = operator.get("/v1/notifications").await.expect(200);
        let messages = messages["items"].as_array().unwrap().clone();
        (messages.len() > old.len()).then_some(messages)
    })
    .await;
    assert_eq!(messages[messages.len() - old.len()..], old[..], "sent once, and then");
    running.end();
    assert!(says(on(backend, &mut tool("verify", moved))).ends_with("all is well\n"));
}

#[tokio::test]
async fn incomplete_or_unknown_export_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let [data, into] = ["data", "into"].map(|name| directory.path().join(name));
    shop(&data).await;
    let whole = says(&mut tool("export", &data));
    let lines: Vec<&str> = whole.lines().collect();
    let without = |at: usize| [&lines[..at], &lines[at + 1..]].concat().join("\n") + "\n";
    let commit = lines.iter().rposition(|line| line.starts_with("{\"commit\"")).unwrap();
    let vault = lines.iter().position(|line| line.starts_with("{\"vault\"")).unwrap();
    let last = lines.len() - 1;
    for (altered, words) in [
        (String::new(), "no export of Saem"),
        ("{\"name\":\"홍길동\"}\n".to_owned(), "no export of Saem"),
        (whole.replacen("\"saem\":1", "\"saem\":2", 1), "export format 2; this version reads up to 1"),
        (whole.replacen("\"format\":1", "\"format\":9", 1), "data format 9; this version reads up to 1"),
        (without(last), "not whole"),
        (whole[..whole.len() - 9].to_owned(), "cut off"),
        (without(vault), "not those that were exported"),
        (without(commit - 1), "does not follow"),
        (whole.replacen("29900", "29901", 1), "not those that were exported"),
        (whole.replacen("operator.key", "../evil.key", 1), "no file \"../evil.key\""),
        (format!("{whole}{{}}\n"), "something follows"),
        (format!("{whole}\n{whole}"), "something follows"),
        (format!("{whole}\n"), "something follows"),
        (whole.replacen("\"saem\":1", "\"saem\":0", 1), "no export format 0"),
        (whole.replacen("\"format\":1", "\"format\":0", 1), "no data format 0"),
        (whole.replacen("\"stock\":5", "\"stock\":5,\"colour\":\"blue\"", 1), "does not know"),
        (whole.replacen("{\"commit\"", "{\"commission\"", 1), "cannot be read"),
    ] {
        fails_with(import(&altered, &into), &[words]);
        assert_eq!(fs::read_dir(&into).unwrap().count(), 0, "{words}");
        assert!(!directory.path().join("evil.key").exists());
    }
    // A unit that never existed cannot be taken.
    let impossible = import(&whole.replace("\"stock\":5", "\"stock\":0"), &into);
    let told = String::from_utf8(impossible.stderr).unwrap();
    assert_eq!(impossible.status.code(), Some(1), "{told}");
    assert!(told.contains("the events of product_") && told.contains("violate a rule"), "{told}");
    assert_eq!(fs::read_dir(&into).unwrap().count(), 0);
    // Foreign files are not touched.
    fs::write(into.join("holiday.jpg"), "").unwrap();
    fails_with(import(&whole, &into), &["into", "not empty"]);
    fs::remove_file(into.join("holiday.jpg")).unwrap();
    // The rest of a killed import is not a data directory, and does not prevent another import.
    fs::create_dir(into.join("importing")).unwrap();
    fs::write(into.join("importing/FORMAT"), "saem 1\n").unwrap();
    fails_with(saem(&into).output().unwrap(), &["no FORMAT file"]);
    imported(&whole, &into);
    fails_with(import(&whole, &into), &["into", "not empty"]);
}

#[tokio::test]
async fn data_in_use_and_other_directories_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let [data, nowhere, backup] = ["data", "nowhere", "backup"].map(|name| directory.path().join(name));
    let (running, said) = Running::start(saem(&data).arg("--demo"));
    says(tool("backup", &data).arg(&backup).args(["--url", url(&said)]));
    for name in ["verify", "export"] {
        fails_with(tool(name, &data).output().unwrap(), &["data", "in use by another process"]);
        fails_with(tool(name, &nowhere).output().unwrap(), &["nowhere", "cannot be used"]);
        fails_with(tool(name, directory.path()).output().unwrap(), &["no FORMAT file"]);
    }
    fails_with(import("", &data), &["in use by another process"]);
    assert!(!nowhere.exists());
    drop(running);
    // Complete after a kill, and in a backup under load.
    for data in [&data, &backup] {
        let said = says(&mut tool("verify", data));
        assert!(said.contains("3 events, 3 entities, 0 rows of My Page"), "{said}");
    }
    let forgets = tool("verify", &data).env("SAEM_STORE__BACKEND", "memory").output().unwrap();
    fails_with(forgets, &["it stores no data"]);
}

#[tokio::test]
async fn verify_prints_one_line_for_each_violation() {
    let directory = tempfile::tempdir().unwrap();
    let [data, moved] = ["data", "moved"].map(|name| directory.path().join(name));
    shop(&data).await;
    let whole = says(&mut tool("export", &data));
    // An export without a row of My Page is imported as it is.
    let row = whole.lines().find(|line| line.starts_with("{\"view\":{\"key\":\"6d2f72")).unwrap();
    let altered: Vec<&str> = whole.lines().filter(|line| *line != row).collect();
    imported(&resealed(&altered[..altered.len() - 1]), &moved);
    let output = tool("verify", &moved).output().unwrap();
    let said = String::from_utf8(output.stdout.clone()).unwrap();
    let found: Vec<&str> = said.lines().filter(|line| line.starts_with("rental_")).collect();
    assert!(found.len() == 1 && found[0].contains("it has no row of My Page"), "{said}");
    fails_with(output, &["moved", "1 finding"]);
}

/// Lines with a trailer that fits.
pub fn resealed(lines: &[&str]) -> String {
    use sha2::Digest as _;
    let mut text = lines.join("\n") + "\n";
    let of = |kind: &'static str| lines.iter().filter(move |line| line.starts_with(kind));
    let events: usize = of("{\"commit\"").map(|line| line.matches("\"at\":").count()).sum();
    let [files, commits, vault, views] =
        ["{\"file\"", "{\"commit\"", "{\"vault\"", "{\"view\""].map(|kind| of(kind).count());
    let sha256: String = sha2::Sha256::digest(&text).iter().map(|byte| format!("{byte:02x}")).collect();
    let counts =
        json!({"files": files, "commits": commits, "events": events, "vault": vault, "views": views});
    let mut trailer = json!({"trailer": counts});
    trailer["trailer"]["sha256"] = sha256.into();
    text += &format!("{trailer}\n");
    text
}
