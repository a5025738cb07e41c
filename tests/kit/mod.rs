//! Test kit of every suite: applications on port 0, clients, peers, processes and oracles.
//!
//! | module | holds |
//! | --- | --- |
//! | [`app`] | the HTTP application in this process |
//! | [`runtime`] | the shop without HTTP, which can crash and whose clock can be advanced |
//! | [`process`], [`site`] | a server process; the same with a customer, a product and a log file |
//! | [`binary`] | the commands of the binary, and their output |
//! | [`client`], [`answer`] | HTTP calls by name, and assertions on their answers |
//! | [`doubles`], [`toss`], [`gateway`] | peers: servers of this process, Toss Payments, `saem gateway` |
//! | [`audit`] | the oracle of a whole shop |
//! | [`wire`], [`unreliable`], [`phones`] | connections, journals and phones that fail on demand |
#![allow(dead_code, unreachable_pub, unused_imports, reason = "each test binary uses a part of the kit")]

pub mod answer;
pub mod app;
pub mod audit;
pub mod binary;
pub mod client;
pub mod doubles;
pub mod gateway;
pub mod phones;
pub mod process;
pub mod runtime;
pub mod site;
pub mod toss;
pub mod unreliable;
pub mod wire;

use std::{future::Future, path::Path, time::Duration};

use serde_json::Value;

pub use self::{
    answer::Answer,
    app::TestApp,
    client::{Client, order},
    site::Site,
};

/// Services of the supervision tree, by kind and name.
pub const SERVICES: [(&str, &str); 10] = [
    ("reactor", "rental"),
    ("reactor", "payment"),
    ("reactor", "delivery"),
    ("reactor", "product"),
    ("projection", "mypage"),
    ("projection", "catalogue"),
    ("projection", "notification"),
    ("projection", "agenda"),
    ("errands", "agenda"),
    ("courier", "notification"),
];

/// Deadlines of payment calls that a test can wait for.
pub const SHORT_DEADLINES: [(&str, &str); 3] = [
    ("SAEM_PAYMENT__DEADLINE_MS", "600"),
    ("SAEM_PAYMENT__TIMEOUT_MS", "400"),
    ("SAEM_PAYMENT__CHARGE_MIN_MS", "50"),
];

/// Deadlines that settle payments sooner still; a slow machine defers some of them.
pub const SHORTEST_DEADLINES: [(&str, &str); 3] = [
    ("SAEM_PAYMENT__DEADLINE_MS", "300"),
    ("SAEM_PAYMENT__TIMEOUT_MS", "150"),
    ("SAEM_PAYMENT__CHARGE_MIN_MS", "50"),
];

pub fn operator_key(data: &Path) -> String {
    std::fs::read_to_string(data.join("operator.key")).unwrap().trim().to_owned()
}

/// Polls until `ask` has an answer; fails after 30 s.
pub async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, ask: impl Fn() -> F) -> T {
    let mut ticks = tokio::time::interval(Duration::from_millis(5));
    let asking = async {
        loop {
            ticks.tick().await;
            if let Some(answer) = ask().await {
                return answer;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(30), asking).await.unwrap_or_else(|_| panic!("never: {what}"))
}

/// Waits until `holds` is true; fails after 30 s.
pub async fn until<F: Future<Output = bool>>(what: &str, holds: impl Fn() -> F) {
    eventually(what, || async { holds().await.then_some(()) }).await;
}

pub fn id(resource: &Value) -> &str {
    text(resource, "id")
}

/// A field that holds text.
#[track_caller]
pub fn text<'a>(resource: &'a Value, field: &str) -> &'a str {
    resource[field].as_str().unwrap_or_else(|| panic!("{field}: {resource}"))
}

pub fn contains(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|part| part == text.as_bytes())
}

/// Bytes of all files below a directory.
pub fn files(directory: &Path) -> Vec<u8> {
    let paths = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    paths.flat_map(|path| if path.is_dir() { files(&path) } else { std::fs::read(path).unwrap() }).collect()
}
