//! How often a failed actor may be restarted: a pure state machine over times that are handed in.

use std::collections::VecDeque;

use crate::domain::Timestamp;

/// The intensity that is still acceptable.
#[derive(Clone, Copy, Debug)]
pub struct RestartLimits {
    /// How many failures within the window lead to a restart; one more, and it is quarantined.
    pub restarts_max: usize,
    /// The window, in ms.
    pub window_ms: u64,
}

impl Default for RestartLimits {
    fn default() -> Self {
        Self { restarts_max: 5, window_ms: 10_000 }
    }
}

/// What to do about a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RestartDecision {
    /// Restart it, after a pause of so many ms.
    RestartAfter(u64),
    /// It fails too often: leave it alone until somebody looks.
    Quarantine,
}

/// The failures of one actor.
#[derive(Clone, Debug, Default)]
pub struct FailureLog {
    recent: VecDeque<Timestamp>,
    restarts: u64,
    /// What the newest one was.
    pub last_reason: String,
    /// Which of its actors that was, as long as nobody has said of what it failed.
    silent: Option<u64>,
}

/// The longest pause before a restart, in ms.
const PAUSE_MAX_MS: u64 = 1_000;

impl FailureLog {
    /// Notes a failure at `now`, and says what follows. The first restart is at once; each further one
    /// within the window waits twice as long as the one before, from 10 ms on.
    pub fn failed(&mut self, now: Timestamp, reason: String, limits: RestartLimits) -> RestartDecision {
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

    /// The newest failure is this actor's, which ended without a word.
    pub const fn failed_silently(&mut self, incarnation: u64) {
        self.silent = Some(incarnation);
    }

    /// An actor's last words, heard after its end was noticed: that was for this reason.
    pub fn explained(&mut self, incarnation: u64, reason: &str) {
        if self.silent == Some(incarnation) {
            (self.last_reason, self.silent) = (reason.to_owned(), None);
        }
    }

    /// How many restarts followed.
    #[must_use]
    pub const fn restarts(&self) -> u64 {
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
    fn the_sixth_failure_within_the_window_is_one_too_many() {
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
    fn after_a_revival_the_count_begins_anew() {
        assert_eq!(decisions([0, 0, 0, 0, 0, 0, 1]).last(), Some(&RestartDecision::RestartAfter(0)));
    }
}
