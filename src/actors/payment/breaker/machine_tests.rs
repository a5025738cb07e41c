//! The machine by example, and against a model that stores all calls and counts them each time.

use proptest::prelude::*;

use super::{BreakerState::*, *};

const RULES: BreakerRules = BreakerRules {
    span: BreakerSpan::Calls(10),
    minimum_calls: 5,
    failure_rate_percent: 50,
    slow_call_rate_percent: 80,
    slow_call_ms: 610,
    open_wait_ms: 5_000,
    open_wait_max_ms: 20_000,
    half_open_calls: 3,
    half_open_max_ms: 10_000,
};

fn call(machine: &mut Machine, now_ms: u64, failed: bool, took_ms: u64) {
    let pass = machine.ask(now_ms).expect("it lets calls through");
    machine.answered(pass, now_ms, failed, took_ms);
}

fn opened() -> Machine {
    let mut machine = Machine::new(RULES);
    (0..5).for_each(|_| call(&mut machine, 0, true, 1));
    machine
}

#[test]
fn breaker_opens_when_half_of_enough_calls_failed() {
    let mut machine = Machine::new(RULES);
    (0..2).for_each(|_| call(&mut machine, 0, false, 1));
    (0..2).for_each(|_| call(&mut machine, 0, true, 1));
    assert_eq!(machine.state(0), Closed, "four calls are too few");
    call(&mut machine, 0, false, 1);
    assert_eq!(machine.state(0), Closed, "two of five");
    call(&mut machine, 0, true, 1);
    assert_eq!(machine.state(0), Open, "three of six");
    assert_eq!(machine.ask(1_000), Err(BreakerOpen { retry_after_ms: 4_000 }));
}

#[test]
fn half_open_breaker_closes_after_successful_trial_calls() {
    let mut machine = opened();
    assert_eq!(machine.state(4_999), Open);
    assert_eq!(machine.state(5_000), HalfOpen);
    let passes: Vec<CallPass> = (0..3).map(|_| machine.ask(5_000).expect("one of three")).collect();
    assert_eq!(machine.ask(6_000), Err(BreakerOpen { retry_after_ms: 610 }), "three are out");
    passes.into_iter().for_each(|pass| machine.answered(pass, 6_000, false, 1));
    assert_eq!((machine.state(6_000), machine.tally(6_000).calls), (Closed, 0));
}

#[test]
fn consecutive_openings_double_up_to_a_limit() {
    let (mut machine, mut now_ms) = (opened(), 0);
    for wait_ms in [5_000, 10_000, 20_000, 20_000] {
        assert_eq!(machine.state(now_ms + wait_ms - 1), Open);
        now_ms += wait_ms;
        assert_eq!(machine.state(now_ms), HalfOpen);
        (0..3).for_each(|_| call(&mut machine, now_ms, true, 1));
    }
    assert_eq!(machine.state(now_ms + 20_000), HalfOpen);
    (0..3).for_each(|_| call(&mut machine, now_ms + 20_000, false, 1));
    (0..5).for_each(|_| call(&mut machine, now_ms + 20_000, true, 1));
    assert_eq!(
        machine.ask(now_ms + 20_000),
        Err(BreakerOpen { retry_after_ms: 5_000 }),
        "it had closed between"
    );
}

/// A model that stores all calls of a state and counts them each time.
struct Naive {
    rules: BreakerRules,
    now_ms: u64,
    state: BreakerState,
    until_ms: u64,
    in_a_row: u32,
    /// Calls answered in this state: time, failed, slow.
    answered: Vec<(u64, bool, bool)>,
    /// Passes in use: true if given in the current state.
    out: Vec<bool>,
}

impl Naive {
    fn enter(&mut self, state: BreakerState) {
        self.state = state;
        self.answered.clear();
        self.out.fill(false);
        let mut wait_ms = self.rules.open_wait_ms;
        match state {
            Closed => self.in_a_row = 0,
            HalfOpen => self.until_ms = self.now_ms + self.rules.half_open_max_ms,
            Open => {
                (0..self.in_a_row).for_each(|_| wait_ms = (2 * wait_ms).min(self.rules.open_wait_max_ms));
                self.until_ms = self.now_ms + wait_ms;
                self.in_a_row += 1;
            }
        }
    }

    fn at(&mut self, now_ms: u64) {
        self.now_ms = self.now_ms.max(now_ms);
        if self.state == Closed || self.until_ms > self.now_ms {
            return;
        }
        match (self.state, self.given(), self.answered.len()) {
            (Open, ..) => self.enter(HalfOpen),
            (_, 0, _) => self.until_ms = self.now_ms + self.rules.half_open_max_ms,
            (_, _, 0) => self.enter(Open),
            _ => self.enter(if self.is_bad() { Open } else { Closed }),
        }
    }

    fn given(&self) -> usize {
        self.out.iter().filter(|ours| **ours).count() + self.answered.len()
    }

    fn is_bad(&self) -> bool {
        let Tally { calls, failed, slow } = self.counted();
        100 * failed >= self.rules.failure_rate_percent * calls
            || 100 * slow >= self.rules.slow_call_rate_percent * calls
    }

    fn counted(&self) -> Tally {
        let recent: Vec<_> = match (self.state, self.rules.span) {
            (Closed, BreakerSpan::Calls(calls)) => self.answered.iter().rev().take(calls).collect(),
            (Closed, BreakerSpan::Seconds(seconds)) => {
                let first = (self.now_ms / 1_000 + 1).saturating_sub(seconds);
                self.answered.iter().filter(|(at, ..)| at / 1_000 >= first).collect()
            }
            (Open | HalfOpen, _) => self.answered.iter().collect(),
        };
        let count = |is: fn(&(u64, bool, bool)) -> bool| recent.iter().filter(|call| is(call)).count();
        Tally { calls: recent.len(), failed: count(|call| call.1), slow: count(|call| call.2) }
    }

    fn lets_through(&self) -> bool {
        self.state == Closed || self.state == HalfOpen && self.given() < self.rules.half_open_calls
    }

    fn answer(&mut self, ours: bool, failed: bool, took_ms: u64) {
        if !ours || self.state == Open {
            return;
        }
        self.answered.push((self.now_ms, failed, took_ms >= self.rules.slow_call_ms));
        let due = if self.state == Closed { self.rules.minimum_calls } else { self.rules.half_open_calls };
        if self.counted().calls < due {
            return;
        }
        match (self.is_bad(), self.state) {
            (true, _) => self.enter(Open),
            (false, HalfOpen) => self.enter(Closed),
            (false, _) => {}
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    Ask,
    Answer {
        which: usize,
        failed: bool,
        took_ms: u64,
    },
    Return {
        which: usize,
    },
    /// Moves the clock, forwards or backwards.
    Wait {
        ms: i64,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let took_ms = prop_oneof![Just(1_u64), Just(609), Just(610), Just(2_000)];
    prop_oneof![
        4 => Just(Step::Ask),
        4 => (any::<usize>(), any::<bool>(), took_ms)
            .prop_map(|(which, failed, took_ms)| Step::Answer { which, failed, took_ms }),
        1 => any::<usize>().prop_map(|which| Step::Return { which }),
        2 => (-3_000..7_000_i64).prop_map(|ms| Step::Wait { ms }),
    ]
}

fn rules() -> impl Strategy<Value = BreakerRules> {
    let span =
        prop_oneof![(1..12_usize).prop_map(BreakerSpan::Calls), (1..6_u64).prop_map(BreakerSpan::Seconds)];
    (span, 1..6_usize, 1..=100_usize, 1..=100_usize, 1..4_usize).prop_map(
        |(span, minimum_calls, failure_rate_percent, slow_call_rate_percent, half_open_calls)| BreakerRules {
            span,
            minimum_calls,
            failure_rate_percent,
            slow_call_rate_percent,
            half_open_calls,
            ..RULES
        },
    )
}

proptest! {
    #[test]
    fn machine_agrees_with_the_model(
        rules in rules(),
        steps in prop::collection::vec(step(), 1..120),
    ) {
        let mut machine = Machine::new(rules);
        let mut naive = Naive {
            rules, now_ms: 0, state: Closed, until_ms: 0, in_a_row: 0, answered: vec![], out: vec![],
        };
        let (mut clock_ms, mut passes) = (10_000_i64, Vec::new());
        for step in steps {
            if let Step::Wait { ms } = step {
                clock_ms += ms;
            }
            let now_ms = u64::try_from(clock_ms).unwrap_or_default();
            naive.at(now_ms);
            match step {
                Step::Ask => {
                    let asked = machine.ask(now_ms);
                    prop_assert_eq!(asked.is_ok(), naive.lets_through());
                    if let Ok(pass) = asked {
                        passes.push(pass);
                        naive.out.push(true);
                    }
                }
                Step::Answer { which, failed, took_ms } if !passes.is_empty() => {
                    let which = which % passes.len();
                    machine.answered(passes.swap_remove(which), now_ms, failed, took_ms);
                    let ours = naive.out.swap_remove(which);
                    naive.answer(ours, failed, took_ms);
                }
                Step::Return { which } if !passes.is_empty() => {
                    let which = which % passes.len();
                    machine.returned(passes.swap_remove(which));
                    naive.out.swap_remove(which);
                }
                Step::Answer { .. } | Step::Return { .. } | Step::Wait { .. } => {}
            }
            prop_assert_eq!(machine.state(now_ms), naive.state);
            prop_assert_eq!(machine.tally(now_ms), naive.counted());
            prop_assert_eq!(machine.shut(now_ms).is_none(), naive.lets_through());
        }
    }
}
