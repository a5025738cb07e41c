//! Adaptive limit of concurrent gateway calls: a pure state machine.
//!
//! Additive increase, multiplicative decrease, like TCP, decided once a *round*: as many calls as there are
//! permits. If all permits were needed and few calls were slow, the limit grows by one; if many were slow or
//! some failed, it shrinks by a tenth or by three tenths. Single slow calls mean nothing: every gateway has
//! some.
//!
//! The limit begins low and grows slowly, because overload shows only when calls end: an exponential start
//! opened the breaker within two seconds. A fixed limit would have to be known: if it is too high, all calls
//! wait inside an overloaded gateway until they time out, charged or not.

use super::breaker::Tally;

const FIRST: usize = 8;
/// Share of slow calls in a round, in percent, that takes a tenth of the permits.
const SLOW_PERCENT: usize = 20;
/// Shares of slow, timed-out or failed calls, in percent, that take three tenths.
const VERY_SLOW_PERCENT: usize = 50;
const TIMED_OUT_PERCENT: usize = 10;
const FAILED_PERCENT: usize = 33;
/// Minimum number of failures in a round that count: some calls fail at every gateway, whatever the load.
/// Overload shows as time-outs.
const FAILED_MIN: usize = 3;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CallResult {
    Quick,
    /// Slow, with a definite answer.
    Slow,
    /// Quick, without a definite answer.
    Failed,
    /// Slow, without a definite answer.
    TimedOut,
}

#[derive(Clone, Debug)]
pub(crate) struct Limit {
    permits: f64,
    most: usize,
    round: Tally,
    timed_out: usize,
    saturated: usize,
    begun: u64,
    /// Number of the last call that had begun before the last decrease.
    decreased_at: u64,
}

impl Limit {
    pub(crate) fn adaptive(most: usize) -> Self {
        Self { permits: FIRST.min(most) as f64, ..Self::fixed(most) }
    }

    /// A limit of `most`. It adapts only if calls are recorded.
    pub(crate) fn fixed(most: usize) -> Self {
        let round = Tally::default();
        Self { permits: most as f64, most, round, timed_out: 0, saturated: 0, begun: 0, decreased_at: 0 }
    }

    /// Maximum number of concurrent calls; at least one.
    pub(crate) const fn permits(&self) -> usize {
        self.permits as usize
    }

    pub(crate) const fn begin(&mut self) -> u64 {
        self.begun += 1;
        self.begun
    }

    /// Records the end of a call. `saturated` is true if all permits were in use when it began.
    pub(crate) fn ended(&mut self, call: u64, saturated: bool, result: CallResult) {
        // It began before the last decrease, and may be slow for the same reason.
        if call <= self.decreased_at {
            return;
        }
        self.round.add(Tally::of(result == CallResult::Failed, result == CallResult::Slow));
        self.timed_out += usize::from(result == CallResult::TimedOut);
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
            self.decrease(0.7);
        } else if slow >= SLOW_PERCENT {
            self.decrease(0.9);
        } else if 2 * self.saturated >= self.round.calls {
            self.permits = (self.permits + 1.0).min(self.most as f64);
        }
        (self.round, self.timed_out, self.saturated) = (Tally::default(), 0, 0);
    }

    fn decrease(&mut self, factor: f64) {
        self.decreased_at = self.begun;
        self.permits = (self.permits * factor).max(1.0);
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use proptest::prelude::*;

    use super::*;

    /// A round of as many concurrent calls as the limit allows.
    fn round(limit: &mut Limit, result: impl Fn(usize) -> CallResult) {
        let calls: Vec<u64> = (0..limit.permits()).map(|_| limit.begin()).collect();
        let at_once = calls.len();
        calls.into_iter().for_each(|call| limit.ended(call, true, result(at_once)));
    }

    #[test]
    fn limit_reaches_its_bound_with_quick_calls() {
        let mut limit = Limit::adaptive(64);
        for permits in 8..64 {
            assert_eq!(limit.permits(), permits);
            round(&mut limit, |_| CallResult::Quick);
        }
        assert_eq!(limit.permits(), 64);
        round(&mut limit, |_| CallResult::Quick);
        assert_eq!(limit.permits(), 64, "and never beyond its bound");
    }

    #[test]
    fn limit_settles_where_calls_become_slow() {
        let mut limit = Limit::adaptive(64);
        let result = |at_once| if at_once > 20 { CallResult::Slow } else { CallResult::Quick };
        (0..20).for_each(|_| round(&mut limit, result));
        for _ in 0..100 {
            round(&mut limit, result);
            assert!((13..=21).contains(&limit.permits()), "{}", limit.permits());
        }
    }

    #[test]
    fn round_of_failures_decreases_once() {
        let mut limit = Limit::fixed(64);
        round(&mut limit, |_| CallResult::Failed);
        assert_eq!(limit.permits(), 44);
        (0..20).for_each(|_| round(&mut limit, |_| CallResult::Failed));
        assert_eq!(limit.permits(), 1, "one is always tried");
        (0..100).for_each(|_| round(&mut limit, |_| CallResult::Quick));
        assert_eq!(limit.permits(), 64, "and it comes back");
    }

    #[test]
    fn occasional_bad_calls_do_not_lower_the_limit() {
        // Whatever the load.
        for (bad, every) in [(CallResult::Failed, 20), (CallResult::Failed, 10), (CallResult::Slow, 12)] {
            let (mut limit, calls) = (Limit::adaptive(64), Cell::new(0));
            for _ in 0..200 {
                round(&mut limit, |_| {
                    calls.set(calls.get() + 1);
                    if calls.get() % every == 0 { bad } else { CallResult::Quick }
                });
            }
            assert_eq!(limit.permits(), 64, "{bad:?}");
        }
    }

    #[test]
    fn limit_does_not_grow_without_need() {
        let mut limit = Limit::adaptive(64);
        for _ in 0..100 {
            let call = limit.begin();
            limit.ended(call, false, CallResult::Quick);
        }
        assert_eq!(limit.permits(), 8);
    }

    proptest! {
        #[test]
        fn limit_stays_within_its_bounds(
            most in 1..100_usize,
            calls in prop::collection::vec((any::<bool>(), 0..4_u8), 0..300),
        ) {
            let mut limit = Limit::adaptive(most);
            for (saturated, result) in calls {
                let call = limit.begin();
                let results = [CallResult::Quick, CallResult::Slow, CallResult::Failed, CallResult::TimedOut];
                limit.ended(call, saturated, results[usize::from(result)]);
                prop_assert!((1..=most).contains(&limit.permits()));
            }
        }
    }
}
