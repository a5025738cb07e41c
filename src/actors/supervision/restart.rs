//! Restart limits of a failed actor: a pure state machine; the caller passes the time.

use std::collections::VecDeque;

use crate::domain::Timestamp;

/// Limits of restarts: an actor that fails more often is quarantined.
#[derive(Clone, Copy, Debug)]
pub struct RestartLimits {
    /// Failures within the window that lead to a restart; one more leads to quarantine.
    pub restarts_max: usize,
    /// Length of the window, in ms.
    pub window_ms: u64,
}

impl Default for RestartLimits {
    fn default() -> Self {
        Self { restarts_max: 5, window_ms: 10_000 }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RestartDecision {
    /// Restart after a pause, in ms.
    RestartAfter(u64),
    Quarantine,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct FailureLog {
    recent: VecDeque<Timestamp>,
    restarts: u64,
    pub last_reason: String,
    /// Incarnation that failed last, if it did so without a report.
    silent: Option<u64>,
}

/// Longest pause before a restart, in ms.
const PAUSE_MAX_MS: u64 = 1_000;

impl FailureLog {
    /// Records a failure at `now`, and decides. The first restart is immediate; the pause of each further one
    /// within the window doubles, from 10 ms on.
    pub(crate) fn failed(
        &mut self,
        now: Timestamp,
        reason: String,
        limits: RestartLimits,
    ) -> RestartDecision {
        (self.last_reason, self.silent) = (reason, None);
        while self.recent.front().is_some_and(|&first| now.ms_since(first) >= limits.window_ms) {
            self.recent.pop_front();
        }
        if self.recent.len() >= limits.restarts_max {
            self.recent.clear();
            return RestartDecision::Quarantine;
        }
        let pause_ms = match self.recent.len() {
            0 => 0,
            earlier => (5u64 << earlier.min(16)).min(PAUSE_MAX_MS),
        };
        self.recent.push_back(now);
        self.restarts += 1;
        RestartDecision::RestartAfter(pause_ms)
    }

    /// Records that the last failure was of this incarnation, which ended without a report.
    pub(crate) const fn failed_silently(&mut self, incarnation: u64) {
        self.silent = Some(incarnation);
    }

    /// Adds the reason of a failure that was noticed before its report arrived.
    pub(crate) fn explained(&mut self, incarnation: u64, reason: &str) {
        if self.silent == Some(incarnation) {
            (self.last_reason, self.silent) = (reason.to_owned(), None);
        }
    }

    pub(crate) const fn restarts(&self) -> u64 {
        self.restarts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decisions(times: impl IntoIterator<Item = i64>) -> Vec<RestartDecision> {
        let mut log = FailureLog::default();
        let limits = RestartLimits::default();
        times.into_iter().map(|ms| log.failed(Timestamp(ms), String::new(), limits)).collect()
    }

    #[test]
    fn sixth_failure_within_the_window_leads_to_quarantine() {
        use RestartDecision::{Quarantine, RestartAfter};
        let expected =
            [0, 10, 20, 40, 80].map(RestartAfter).into_iter().chain([Quarantine]).collect::<Vec<_>>();
        assert_eq!(decisions([0, 1, 2, 3, 4, 5]), expected);
    }

    #[test]
    fn old_failures_are_forgotten() {
        assert_eq!(decisions((0..50).map(|n| n * 10_000)), vec![RestartDecision::RestartAfter(0); 50]);
    }

    #[test]
    fn count_restarts_after_quarantine() {
        assert_eq!(decisions([0, 0, 0, 0, 0, 0, 1]).last(), Some(&RestartDecision::RestartAfter(0)));
    }
}
