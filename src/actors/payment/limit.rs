//! How many calls a gateway copes with at once, found out from how they go: a pure state machine.
//!
//! Additive increase, multiplicative decrease, as TCP does it, judged once a *round*: as many calls as there
//! are permits. When all permits were needed and few calls were slow, there is one more; when many were slow
//! or some failed, some are taken away. A single slow call says nothing: every gateway has some. It
//! begins with few and does not hurry: calls tell that there were too many only when they have ended, and
//! doubling meanwhile had the breaker open within two seconds.
//!
//! Without it, `payment.concurrency` would have to be known: too high, and an overloaded gateway has all
//! calls wait inside until they time out, charged or not.

use super::breaker::Tally;

/// How many permits there are at first.
const FIRST: usize = 8;
/// A round in which so many of a hundred calls were slow takes a tenth of the permits away.
const SLOW_PERCENT: usize = 20;
/// One in which so many were, or so many timed out or failed, takes three tenths.
const VERY_SLOW_PERCENT: usize = 50;
const TIMED_OUT_PERCENT: usize = 10;
const FAILED_PERCENT: usize = 33;
/// With fewer failures, a round says nothing of them: some calls fail at every gateway, and fewer at once
/// mend none of that. Time-outs are what tells of too many.
const FAILED_MIN: usize = 3;

/// How a call went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// Well.
    Quick,
    /// Slowly, whatever the answer.
    Slow,
    /// Without a definite answer, and quickly.
    Failed,
    /// Without a definite answer, after long.
    TimedOut,
}

/// The limit.
#[derive(Clone, Debug)]
pub struct Limit {
    permits: f64,
    most: usize,
    /// The round under way, and how many of its calls found all other permits in use.
    round: Tally,
    timed_out: usize,
    saturated: usize,
    /// Calls begun so far.
    begun: u64,
    /// Calls up to this one knew nothing of the last decrease.
    decreased_at: u64,
}

impl Limit {
    /// At most `most`, and few at first.
    #[must_use]
    pub fn adaptive(most: usize) -> Self {
        Self { permits: FIRST.min(most) as f64, ..Self::fixed(most) }
    }

    /// Always `most`, until it is told how calls go.
    #[must_use]
    pub fn fixed(most: usize) -> Self {
        let round = Tally::default();
        Self { permits: most as f64, most, round, timed_out: 0, saturated: 0, begun: 0, decreased_at: 0 }
    }

    /// How many calls there may be at once; at least one.
    #[must_use]
    pub const fn permits(&self) -> usize {
        self.permits as usize
    }

    /// A call begins. Answers its number.
    pub const fn begin(&mut self) -> u64 {
        self.begun += 1;
        self.begun
    }

    /// A call has ended; `saturated` says whether all permits were in use when it began.
    pub fn ended(&mut self, call: u64, saturated: bool, pace: Pace) {
        // It may be slow for the reason that permits were taken away for.
        if call <= self.decreased_at {
            return;
        }
        self.round.add(Tally::of(pace == Pace::Failed, pace == Pace::Slow));
        self.timed_out += usize::from(pace == Pace::TimedOut);
        self.saturated += usize::from(saturated);
        if self.round.calls >= self.permits() {
            self.judge();
        }
    }

    fn judge(&mut self) {
        let (slow, failed) = (self.round.slow_call_rate(), self.round.failure_rate());
        let failing = failed >= FAILED_PERCENT && self.round.failed >= FAILED_MIN.min(self.round.calls);
        let timing_out = 100 * self.timed_out >= TIMED_OUT_PERCENT * self.round.calls && self.timed_out > 0;
        if failing || timing_out || slow >= VERY_SLOW_PERCENT {
            self.less(0.7);
        } else if slow >= SLOW_PERCENT {
            self.less(0.9);
        } else if 2 * self.saturated >= self.round.calls {
            self.permits = (self.permits + 1.0).min(self.most as f64);
        }
        (self.round, self.timed_out, self.saturated) = (Tally::default(), 0, 0);
    }

    fn less(&mut self, factor: f64) {
        self.decreased_at = self.begun;
        self.permits = (self.permits * factor).max(1.0);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A round: as many calls at once as there may be.
    fn round(limit: &mut Limit, pace: impl Fn(usize) -> Pace) {
        let calls: Vec<u64> = (0..limit.permits()).map(|_| limit.begin()).collect();
        let at_once = calls.len();
        calls.into_iter().for_each(|call| limit.ended(call, true, pace(at_once)));
    }

    #[test]
    fn a_good_gateway_is_used_in_full_after_a_while() {
        let mut limit = Limit::adaptive(64);
        for permits in 8..64 {
            assert_eq!(limit.permits(), permits);
            round(&mut limit, |_| Pace::Quick);
        }
        assert_eq!(limit.permits(), 64);
        round(&mut limit, |_| Pace::Quick);
        assert_eq!(limit.permits(), 64, "and never beyond its bound");
    }

    #[test]
    fn a_gateway_that_fails_now_and_then_is_used_as_well_as_any() {
        let mut limit = Limit::adaptive(64);
        // One of twenty, and one of ten: as many as there may be, they would fail as well.
        for of in [20, 10] {
            for _ in 0..200 {
                let mut calls = 0;
                round(&mut limit, |_| Pace::Quick);
                let numbers: Vec<u64> = (0..limit.permits()).map(|_| limit.begin()).collect();
                for number in numbers {
                    calls += 1;
                    limit.ended(number, true, if calls % of == 0 { Pace::Failed } else { Pace::Quick });
                }
            }
            assert_eq!(limit.permits(), 64);
        }
    }

    #[test]
    fn it_settles_where_calls_begin_to_be_slow() {
        let mut limit = Limit::adaptive(64);
        let pace = |at_once| if at_once > 20 { Pace::Slow } else { Pace::Quick };
        (0..20).for_each(|_| round(&mut limit, pace));
        for _ in 0..100 {
            round(&mut limit, pace);
            assert!((13..=21).contains(&limit.permits()), "{}", limit.permits());
        }
    }

    #[test]
    fn a_round_of_failures_is_one_reason() {
        let mut limit = Limit::fixed(64);
        round(&mut limit, |_| Pace::Failed);
        assert_eq!(limit.permits(), 44);
        (0..20).for_each(|_| round(&mut limit, |_| Pace::Failed));
        assert_eq!(limit.permits(), 1, "one is always tried");
        (0..100).for_each(|_| round(&mut limit, |_| Pace::Quick));
        assert_eq!(limit.permits(), 64, "and it comes back");
    }

    #[test]
    fn a_few_slow_calls_say_nothing() {
        let mut limit = Limit::adaptive(64);
        let mut calls = 0;
        for _ in 0..200 {
            let at_once: Vec<u64> = (0..limit.permits()).map(|_| limit.begin()).collect();
            for call in at_once {
                calls += 1;
                limit.ended(call, true, if calls % 12 == 0 { Pace::Slow } else { Pace::Quick });
            }
        }
        assert_eq!(limit.permits(), 64);
    }

    #[test]
    fn permits_that_nobody_needs_do_not_become_more() {
        let mut limit = Limit::adaptive(64);
        for _ in 0..100 {
            let call = limit.begin();
            limit.ended(call, false, Pace::Quick);
        }
        assert_eq!(limit.permits(), 8);
    }

    proptest! {
        #[test]
        fn it_stays_within_its_bounds(
            most in 1..100_usize,
            calls in prop::collection::vec((any::<bool>(), 0..4_u8), 0..300),
        ) {
            let mut limit = Limit::adaptive(most);
            for (saturated, pace) in calls {
                let call = limit.begin();
                let paces = [Pace::Quick, Pace::Slow, Pace::Failed, Pace::TimedOut];
                limit.ended(call, saturated, paces[usize::from(pace)]);
                prop_assert!((1..=most).contains(&limit.permits()));
            }
        }
    }
}
