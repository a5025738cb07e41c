//! Bugs on purpose: each is planted, and the simulation must find it.

use saem::internal::planted::{BUGS, Bug, plant};

use crate::{crew, generate, history, plan::Plan, shrink::shrink};

/// Every bug is found within so many seeds, or it counts as not found.
const SEEDS_MAX: u64 = 3_000;
const OPERATIONS: usize = 100;

/// Whether a plan goes wrong with this bug in it.
fn fails(plan: &Plan, bug: Bug) -> Option<String> {
    plant(Some(bug));
    let told = history::run(plan);
    plant(None);
    told.wrong
}

/// The first seed that finds a bug, and what is wrong then.
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

/// `BUG=… cargo test --features planted --test simulation smallest -- --nocapture` prints the smallest
/// plan that was found for one bug, for the corpus.
#[test]
fn the_smallest_plan_for_a_bug_still_finds_it() {
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
