//! Rounds of renting, each ended by SIGKILL, and starts that are killed.

use std::{
    hash::{BuildHasher as _, Hasher as _, RandomState},
    ops::Range,
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use tempfile::TempDir;
use tokio::{task::JoinSet, time::Instant};

use super::{
    book::{Book, Cancel, Customer},
    checks::{everything_adds_up, no_fee_is_captured_twice, nothing_is_lost},
};
use crate::kit::{
    Client, SHORTEST_DEADLINES, operator_key,
    process::{BINARY, Server, Starting},
    until,
};

/// Rounds on each backend, unless `CRASH_ROUNDS` is set.
const ROUNDS: usize = 25;
/// Rounds with one data directory: the final check takes longer with each.
const ROUNDS_A_DIRECTORY: usize = 100;
/// In one of so many rounds the server is also killed while it starts, up to `STARTS_MAX` times.
const START_UP_EVERY: usize = 4;
const STARTS_MAX: usize = 3;
/// Part of the last start's time before such a kill: at its end the server already listens.
const START_UP: f64 = 0.7;
/// In one of so many rounds the data is verified before the next start, as at the end.
const VERIFIED_EVERY: usize = 10;
/// Acknowledged rentals before a kill.
const ACKNOWLEDGED: Range<usize> = 1..60;
const CUSTOMERS: u32 = 8;
const SHOWN_EVERY: usize = 25;
pub const FEE_WON: u64 = 29_900;
pub const STOCK: u32 = 1_000_000;

struct Tally {
    began: Instant,
    rounds: usize,
    kills_in_start_up: usize,
    starts_that_were_over: usize,
    rentals: usize,
    cancels: usize,
}

impl Tally {
    fn begin() -> Self {
        let began = now();
        Self { began, rounds: 0, kills_in_start_up: 0, starts_that_were_over: 0, rentals: 0, cancels: 0 }
    }

    /// The checks fail by panicking: if this is printed, nothing was lost.
    fn show(&self, backend: &str) {
        let Self { began, rounds, kills_in_start_up, starts_that_were_over, rentals, cancels } = self;
        println!(
            "{backend}: {rounds} rounds in {:.0} s, {kills_in_start_up} kills in start-up \
             ({starts_that_were_over} came just after it), acknowledged: {rentals} rentals and {cancels} \
             cancels, lost: 0, double charges: 0",
            began.elapsed().as_secs_f64()
        );
    }
}

/// A data directory, which is kept when a check fails.
struct Data(Option<TempDir>);

impl Data {
    fn path(&self) -> PathBuf {
        self.0.as_ref().expect("only drop takes it").path().to_owned()
    }
}

impl Drop for Data {
    fn drop(&mut self) {
        if std::thread::panicking()
            && let Some(directory) = self.0.take()
        {
            eprintln!("data directory kept: {}", directory.keep().display());
        }
    }
}

/// Runs all rounds with one backend.
pub async fn all(backend: &str) {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().expect(name));
    let rounds = number("CRASH_ROUNDS").map_or(ROUNDS, |rounds| usize::try_from(rounds).unwrap());
    let seed = number("SEED").unwrap_or_else(|| RandomState::new().build_hasher().finish());
    println!("repeat with: SEED={seed} CRASH_ROUNDS={rounds} cargo test --test process crash");
    let mut dice = StdRng::seed_from_u64(seed);
    let mut tally = Tally::begin();
    while tally.rounds < rounds {
        let data = Data(Some(tempfile::tempdir().unwrap()));
        let until = rounds.min(tally.rounds + ROUNDS_A_DIRECTORY);
        directory(&data, backend, until, &mut dice, &mut tally).await;
    }
}

#[expect(clippy::disallowed_methods, reason = "outside the server: moments of kills, and a report")]
fn now() -> Instant {
    Instant::now()
}

/// Runs the rounds of one data directory.
async fn directory(data: &Data, backend: &str, last: usize, dice: &mut StdRng, tally: &mut Tally) {
    let path = data.path();
    let settings = [&SHORTEST_DEADLINES[..], &[("SAEM_STORE__BACKEND", backend)]].concat();
    let began = now();
    let mut server = Server::start(&path, &settings).await;
    let mut start_takes = began.elapsed();
    let mut operator = Client::of(&server.url, Some(operator_key(&path)));
    let product = operator.product(FEE_WON, STOCK).await;
    let mut customers = Vec::new();
    for number in 0..CUSTOMERS {
        let client = Client::sign_up(&server.url, number).await;
        customers.push(Customer { client, book: Book::new() });
    }
    while tally.rounds < last {
        let round = tally.rounds;
        let acknowledged = Arc::new(AtomicUsize::new(0));
        let mut shopping = JoinSet::new();
        for customer in customers {
            shopping.spawn(customer.shop(product.clone(), round, Arc::clone(&acknowledged)));
        }
        let enough = dice.random_range(ACKNOWLEDGED);
        until("enough are acknowledged", || async { acknowledged.load(Ordering::Relaxed) >= enough }).await;
        server.kill().await;
        customers = shopping.join_all().await;
        if round.is_multiple_of(START_UP_EVERY) {
            for _ in 0..dice.random_range(1..=STARTS_MAX) {
                let starting = Server::spawn(&path, &settings, std::process::Stdio::inherit());
                let within = start_takes.mul_f64(dice.random_range(0.0..START_UP));
                killed_while_starting(starting, within, tally).await;
            }
        }
        if round.is_multiple_of(VERIFIED_EVERY) {
            is_well(&path, backend);
        }
        let began = now();
        server = Server::start(&path, &settings).await;
        start_takes = began.elapsed();
        for customer in &mut customers {
            customer.client.move_to(&server.url);
            customer.catch_up(&product, round).await;
            nothing_is_lost(customer, round).await;
            let known = customer.book.values().filter(|known| known.round == round);
            for known in known {
                tally.rentals += usize::from(known.at_once);
                tally.cancels += usize::from(known.cancel == Cancel::Acknowledged);
            }
        }
        operator.move_to(&server.url);
        no_fee_is_captured_twice(&operator).await;
        tally.rounds += 1;
        if tally.rounds.is_multiple_of(SHOWN_EVERY) || tally.rounds == last {
            tally.show(backend);
        }
    }
    everything_adds_up(&operator, &product, &customers).await;
    server.kill().await;
    is_well(&path, backend);
}

/// Asserts that `saem verify` finds nothing.
fn is_well(data: &Path, backend: &str) {
    let mut verify = Command::new(BINARY);
    verify.args(["verify", "--data"]).arg(data);
    let output = verify.envs([("SAEM_STORE__BACKEND", backend), ("SAEM_LOG", "error")]).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && said.ends_with("all is well\n"), "{said}");
}

/// Kills a starting server. The moment itself is under test, so this one sleeps.
async fn killed_while_starting(starting: Starting, within: Duration, tally: &mut Tally) {
    tokio::time::sleep(within).await;
    if starting.kill().await {
        tally.starts_that_were_over += 1;
    } else {
        tally.kills_in_start_up += 1;
    }
}
