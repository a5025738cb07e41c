//! Random and slightly changed input for every parser of foreign input: records on disk, ids and phone
//! numbers, headers and bodies of a server. No parser panics, and the server answers with a problem.
//!
//! | module | input |
//! | --- | --- |
//! | [`records`] | of the record codec: the golden bytes of `tests/golden/`, damaged and spliced |
//! | [`texts`] | of the parsers of ids, phone numbers, keys and trace contexts |
//! | [`wire`] | of a server, by its OpenAPI document: bodies, headers, paths |
//!
//! `PROPTEST_CASES` is the number of cases, `SEED` chooses them. A failing case is shrunk and printed.
#![allow(unreachable_pub, reason = "a test binary exports nothing")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../kit/mod.rs"]
mod kit;
mod records;
mod texts;
mod wire;

use std::hash::{BuildHasher as _, Hasher as _, RandomState};

use proptest::test_runner::{Config, RngSeed};

/// `PROPTEST_CASES` cases, or `cases`.
fn config(cases: u32) -> Config {
    let number = |name| std::env::var(name).ok().and_then(|number| number.parse::<u64>().ok());
    let cases = number("PROPTEST_CASES").and_then(|cases| u32::try_from(cases).ok()).unwrap_or(cases);
    let seed = number("SEED").unwrap_or_else(|| RandomState::new().build_hasher().finish());
    println!("repeat with: SEED={seed} PROPTEST_CASES={cases} cargo test --test fuzz");
    Config { cases, rng_seed: RngSeed::Fixed(seed), failure_persistence: None, ..Config::default() }
}
