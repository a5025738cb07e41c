//! Shrinks a failing plan: removes steps while it still fails.

use crate::plan::Plan;

const TRIES_MAX: usize = 300;

/// Returns the smallest plan found that still fails.
pub fn shrink(plan: &Plan, fails: impl Fn(&Plan) -> bool) -> Plan {
    let (mut smallest, mut tries) = (plan.clone(), 0);
    let mut chunk = (plan.steps.len() / 2).max(1);
    loop {
        let (mut at, mut shrunk) = (0, false);
        while at < smallest.steps.len() && tries < TRIES_MAX {
            let mut smaller = smallest.clone();
            smaller.steps.drain(at..(at + chunk).min(smallest.steps.len()));
            tries += 1;
            if fails(&smaller) {
                (smallest, shrunk) = (smaller, true);
            } else {
                at += chunk;
            }
        }
        if tries >= TRIES_MAX || (chunk == 1 && !shrunk) {
            return smallest;
        }
        if !shrunk {
            chunk = (chunk / 2).max(1);
        }
    }
}
