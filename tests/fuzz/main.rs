//! Noise, and valid input changed a little, for everything that reads what others wrote: records on disk,
//! ids and phone numbers, headers and bodies of a real server. None of it may be a panic, and a server says
//! what is wrong as a problem, never as a failure of its own.
//!
//! | module | feeds |
//! | --- | --- |
//! | [`records`] | the record codec, with the golden bytes of `tests/golden/`, damaged and spliced |
//! | [`texts`] | the parsers of ids, phone numbers, keys and trace contexts |
//! | [`wire`] | a real server, by its own document: bodies, headers, paths |
//!
//! `PROPTEST_CASES` says how many cases are tried, `SEED` which ones. A case that fails is made smaller, and
//! shown.
#![allow(unreachable_pub, reason = "a test binary exports nothing")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../kit/mod.rs"]
mod kit;
mod records;
mod texts;
mod wire;

use std::hash::{BuildHasher as _, Hasher as _, RandomState};

use proptest::test_runner::{Config, RngSeed};

/// As many cases as `PROPTEST_CASES` says, or `cases`.
fn config(cases: u32) -> Config {
    let number = |name| std::env::var(name).ok().and_then(|number| number.parse::<u64>().ok());
    let cases = number("PROPTEST_CASES").and_then(|cases| u32::try_from(cases).ok()).unwrap_or(cases);
    let seed = number("SEED").unwrap_or_else(|| RandomState::new().build_hasher().finish());
    println!("to see these cases again: SEED={seed} PROPTEST_CASES={cases} cargo test --test fuzz");
    Config { cases, rng_seed: RngSeed::Fixed(seed), failure_persistence: None, ..Config::default() }
}
