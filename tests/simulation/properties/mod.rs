//! Random requests of customers and operators, crashes and faults; each request has its expected answers.
//!
//! The shop runs on one thread with a paused clock, so a case is fast, and its seed repeats it. After every
//! step the S invariants are asserted; at the end of a case the faults stop, and the Q invariants are, too.
//!
//! `PROPTEST_CASES` is the number of cases, `SEED` chooses them. A failing case is shrunk; its steps and its
//! seed are printed.

mod asking;
mod checks;
mod commands;
mod doing;
mod expect;
mod generate;
mod keys;
mod model;
mod people;
mod regressions;
mod world;

use std::hash::{BuildHasher as _, Hasher as _, RandomState};

use actix_rt::SystemRunner;
use proptest::test_runner::{Config, RngSeed};
use proptest_state_machine::{StateMachineTest, prop_state_machine};

use self::{commands::Step, model::Model, world::World};
use crate::kit::runtime::paused;

/// Cases, unless `PROPTEST_CASES` is set.
const CASES: u32 = 32;

fn config() -> Config {
    let number = |name| std::env::var(name).ok().and_then(|number| number.parse::<u64>().ok());
    let cases = number("PROPTEST_CASES").and_then(|cases| u32::try_from(cases).ok()).unwrap_or(CASES);
    let seed = number("SEED").unwrap_or_else(|| RandomState::new().build_hasher().finish());
    // A change of a strategy gives the seed another meaning; the printed steps last, in `regressions.rs`.
    println!("repeat with: SEED={seed} PROPTEST_CASES={cases} cargo test --test simulation properties");
    Config { cases, rng_seed: RngSeed::Fixed(seed), failure_persistence: None, ..Config::default() }
}

/// A shop under test, and its runtime.
struct Running {
    system: SystemRunner,
    world: World,
}

struct AShop;

impl StateMachineTest for AShop {
    type SystemUnderTest = Running;
    type Reference = Model;

    fn init_test(model: &Model) -> Running {
        let template = crate::world::template();
        let system = paused();
        let world = system.block_on(World::open(template, model.defer));
        Running { system, world }
    }

    fn apply(mut running: Running, model: &Model, step: Step) -> Running {
        running.system.block_on(running.world.take(model, step));
        running
    }

    fn check_invariants(running: &Running, _: &Model) {
        let held = running.system.block_on(running.world.holds_always());
        held.unwrap_or_else(|violation| panic!("{violation}"));
    }

    fn teardown(mut running: Running, _: Model) {
        running.system.block_on(running.world.comes_to_rest());
    }
}

prop_state_machine! {
    #![proptest_config(config())]

    #[test]
    fn random_requests_get_the_expected_answers(sequential 8..=30 => AShop);
}
