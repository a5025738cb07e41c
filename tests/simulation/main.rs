//! Deterministic simulation: histories of the shop under faults of every kind, each from a seed.
//!
//! The actors, policies, breaker and payment actor run on one thread with a paused clock, over a store, a
//! bank and phones that fail; messages between actors come late, out of order and twice. A seed makes a plan,
//! and a plan alone decides the history.
//!
//! | task | command |
//! | --- | --- |
//! | run more | `SEEDS=100000 FROM=2000 OPERATIONS=200 cargo test --release --test simulation histories` |
//! | print one history | `SEED=242 cargo test --test simulation histories -- --nocapture` |
//! | run more crash points | `SAGAS=50 cargo test --release --test simulation crash -- --nocapture` |
//! | find planted bugs | `cargo test --features planted --test simulation planted` |
//!
//! A failing plan is shrunk and printed as one line, for `corpus.jsonl`.
#![allow(unreachable_pub, reason = "a test binary exports nothing")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod asking;
mod bank;
mod book;
mod checks;
mod clock;
mod crew;
mod disk;
mod generate;
mod history;
#[path = "../kit/mod.rs"]
mod kit;
mod plan;
#[cfg(feature = "planted")]
mod planted;
mod points;
mod properties;
mod roads;
mod shrink;
mod supervision;
mod world;

use self::{
    history::Run,
    plan::{Kept, Plan},
};

// The system's allocator takes a sixth of the time.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Histories, unless `SEEDS` is set.
const SEEDS: u64 = 2_000;
/// Operations of each.
const OPERATIONS: u64 = 100;
/// Seeds that run twice, to show that they decide the history.
const SEEDS_AGAIN: u64 = 60;
/// Canonical sagas that run through all their crash points.
const SAGAS: u64 = 5;

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().map_or(default, |number| number.parse().expect("a number"))
}

fn plan(seed: u64) -> Plan {
    generate::plan(seed, usize::try_from(number("OPERATIONS", OPERATIONS)).expect("a few"))
}

#[test]
fn histories_under_faults_keep_the_invariants() {
    let alone = std::env::var_os("SEED").is_some();
    let from = number("SEED", number("FROM", 0));
    let seeds: Vec<u64> = (from..from + if alone { 1 } else { number("SEEDS", SEEDS) }).collect();
    let told = crew::all(&seeds, |&seed| {
        let Run { events, answers, wrong, hash, text, .. } = history::run(&plan(seed));
        if alone {
            println!("{text}{}\nseed {seed}, hash {hash:016x}", plan(seed).to_line());
        }
        (events, answers, wrong)
    });
    let (events, answers) = told.iter().fold((0, 0), |sum, told| (sum.0 + told.0, sum.1 + told.1));
    println!("{} histories, {events} events, {answers} answers", seeds.len());
    let wrong = seeds.iter().zip(&told).filter_map(|(seed, told)| Some((*seed, told.2.as_ref()?)));
    let wrong: Vec<_> = wrong.collect();
    for (seed, wrong) in &wrong {
        println!("SEED={seed}: {wrong}");
    }
    if let Some((seed, _)) = wrong.first() {
        let smallest =
            crew::all(&[plan(*seed)], |plan| shrink::shrink(plan, |plan| history::run(plan).wrong.is_some()));
        panic!("seed {seed}, shrunk: {}", smallest[0].to_line());
    }
}

#[test]
fn same_seed_gives_the_same_history() {
    let seeds: Vec<u64> = (0..SEEDS_AGAIN).collect();
    let hashes = || crew::all(&seeds, |&seed| history::run(&plan(seed)).hash);
    let (first, again) = (hashes(), hashes());
    let differ: Vec<u64> =
        seeds.iter().copied().filter(|&n| first[n as usize] != again[n as usize]).collect();
    assert!(differ.is_empty(), "{differ:?} had two histories");
    let different: std::collections::BTreeSet<u64> = first.into_iter().collect();
    assert_eq!(different.len(), seeds.len(), "two seeds have the same history");
}

/// Each line is a plan that failed, and the bug that it found.
#[test]
fn corpus_of_past_failures_keeps_the_invariants() {
    let lines: Vec<&str> = include_str!("corpus.jsonl").lines().collect();
    let wrong = crew::all(&lines, |line| {
        let kept = Kept::of_line(line);
        history::run(&kept.plan).wrong.map(|wrong| (kept.found, wrong))
    });
    let wrong: Vec<_> = wrong.into_iter().flatten().collect();
    assert!(!lines.is_empty() && wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn crash_at_any_store_operation_keeps_the_invariants() {
    let sagas = usize::try_from(number("SAGAS", SAGAS)).expect("a few");
    let wrong = points::visit(sagas);
    assert!(wrong.is_empty(), "{} points, such as {}", wrong.len(), wrong[0]);
}
