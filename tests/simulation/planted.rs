//! The simulation finds each planted bug.

use saem::internal::planted::{BUGS, Bug, plant};

use crate::{crew, generate, history, plan::Plan, shrink::shrink};

/// Seeds that are tried for a bug.
const SEEDS_MAX: u64 = 3_000;
const OPERATIONS: usize = 100;

/// The invariant that a plan breaks with this bug.
fn fails(plan: &Plan, bug: Bug) -> Option<String> {
    plant(Some(bug));
    let told = history::run(plan);
    plant(None);
    told.wrong
}

/// The first seed that finds a bug, and the invariant that it breaks.
fn hunt(bug: Bug) -> Option<(u64, String)> {
    (0..SEEDS_MAX).find_map(|seed| Some((seed, fails(&generate::plan(seed, OPERATIONS), bug)?)))
}

#[test]
fn each_planted_bug_is_found() {
    let found = crew::all(&BUGS, |bug| (*bug, hunt(*bug)));
    for (bug, hunted) in &found {
        match hunted {
            Some((seed, wrong)) => {
                let wrong: String = wrong.chars().take(120).collect();
                println!("{bug:?}: seed {seed}: {wrong}");
            }
            None => println!("{bug:?}: NOT FOUND in {SEEDS_MAX} seeds"),
        }
    }
    let missed: Vec<Bug> = found.iter().filter(|(_, hunted)| hunted.is_none()).map(|(bug, _)| *bug).collect();
    assert!(missed.is_empty(), "{missed:?}");
}

/// `BUG=… cargo test --features planted --test simulation smallest -- --nocapture` prints the smallest plan
/// for one bug, for the corpus.
#[test]
fn smallest_plan_for_a_bug_still_finds_it() {
    let wanted = std::env::var("BUG").unwrap_or_else(|_| "SkipFence".to_owned());
    let bugs: Vec<Bug> = BUGS.into_iter().filter(|bug| format!("{bug:?}") == wanted).collect();
    let smallest = crew::all(&bugs, |bug| {
        let (seed, _) = hunt(*bug).expect("it is found");
        let plan = shrink(&generate::plan(seed, OPERATIONS), |plan| fails(plan, *bug).is_some());
        (plan.clone(), fails(&plan, *bug))
    });
    for (plan, wrong) in smallest {
        println!("{} steps: {wrong:?}\n{}", plan.steps.len(), plan.to_line());
        assert!(wrong.is_some() && plan.steps.len() < OPERATIONS);
    }
}
