//! Circuit breaker as a pure state machine: the caller passes the time. It opens in [`Machine::answered`].
//!
//! ```text
//!            rate of failures or of slow calls reached
//!   CLOSED ───────────────────────────────────────────▶ OPEN ◀───────────────┐
//!     ▲                                                  │ the wait is over  │ rates reached again,
//!     │        its calls went well                       ▼                   │ or not done in time
//!     └──────────────────────────────────────────── HALF_OPEN ───────────────┘
//! ```
//!
//! Terms follow Resilience4j. Each opening in a row waits twice as long as the one before, up to
//! a limit. The operator's modes, forced open and disabled, are in [`super`].
//!
//! **Invariant:** in a half-open breaker, `given` is the number of passes in use plus those answered. An
//! unused pass is returned and can be given again; a pass of an earlier state is ignored.

use super::window::{BreakerSpan, Tally, Window};

/// Thresholds and waits of the breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreakerRules {
    /// Sliding window.
    pub span: BreakerSpan,
    /// Minimum number of calls in the window to open.
    pub minimum_calls: usize,
    /// Share of failed calls that opens it, in percent.
    pub failure_rate_percent: usize,
    /// Share of slow calls that opens it, in percent.
    pub slow_call_rate_percent: usize,
    /// Duration from which a call is slow, in ms.
    pub slow_call_ms: u64,
    /// Length of the first opening, in ms.
    pub open_wait_ms: u64,
    /// Maximum length of an opening, in ms.
    pub open_wait_max_ms: u64,
    /// Calls let through while half open.
    pub half_open_calls: usize,
    /// Maximum time half open, in ms; then it decides from the calls that it has.
    pub half_open_max_ms: u64,
}

impl Default for BreakerRules {
    fn default() -> Self {
        Self {
            span: BreakerSpan::Calls(50),
            minimum_calls: 20,
            failure_rate_percent: 50,
            slow_call_rate_percent: 80,
            slow_call_ms: 610,
            open_wait_ms: 5_000,
            open_wait_max_ms: 60_000,
            half_open_calls: 10,
            half_open_max_ms: 10_000,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreakerState {
    /// Calls are let through.
    Closed,
    /// Calls are refused.
    Open,
    /// A few trial calls are let through.
    HalfOpen,
}

impl BreakerState {
    /// Name in the API.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "CLOSED",
            Self::Open => "OPEN",
            Self::HalfOpen => "HALF_OPEN",
        }
    }
}

/// Permission for one call. It is answered or returned, once.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct CallPass {
    /// Number of the state in which it was given.
    era: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BreakerOpen {
    pub retry_after_ms: u64,
}

#[derive(Clone, Debug)]
enum Phase {
    Closed(Window),
    Open { until_ms: u64 },
    HalfOpen { until_ms: u64, given: usize, window: Window },
}

#[derive(Clone, Debug)]
pub(crate) struct Machine {
    rules: BreakerRules,
    phase: Phase,
    era: u64,
    /// Openings since it was last closed.
    in_a_row: u32,
    /// Latest time seen: time does not go back.
    now_ms: u64,
}

impl Machine {
    pub(crate) const fn new(rules: BreakerRules) -> Self {
        Self { rules, phase: Phase::Closed(Window::new(rules.span)), era: 0, in_a_row: 0, now_ms: 0 }
    }

    pub(crate) fn ask(&mut self, now_ms: u64) -> Result<CallPass, BreakerOpen> {
        if let Some(shut) = self.shut(now_ms) {
            return Err(shut);
        }
        if let Phase::HalfOpen { given, .. } = &mut self.phase {
            *given += 1;
        }
        Ok(CallPass { era: self.era })
    }

    pub(crate) fn shut(&mut self, now_ms: u64) -> Option<BreakerOpen> {
        let now_ms = self.at(now_ms);
        let until_ms = match &self.phase {
            Phase::Closed(_) => return None,
            Phase::HalfOpen { given, .. } if *given < self.rules.half_open_calls => return None,
            Phase::Open { until_ms } => *until_ms,
            // The trial calls end within the time of a call that is not slow, or the breaker opens again.
            Phase::HalfOpen { until_ms, .. } => (now_ms + self.rules.slow_call_ms).min(*until_ms),
        };
        Some(BreakerOpen { retry_after_ms: until_ms - now_ms })
    }

    /// Records a call. It failed if it has no definite answer. **The breaker trips here.**
    pub(crate) fn answered(&mut self, pass: CallPass, now_ms: u64, failed: bool, took_ms: u64) {
        let now_ms = self.at(now_ms);
        if pass.era != self.era {
            return;
        }
        let call = Tally::of(failed, took_ms >= self.rules.slow_call_ms);
        match &mut self.phase {
            Phase::Closed(window) => {
                window.record(now_ms, call);
                let tally = window.tally(now_ms);
                if tally.calls >= self.rules.minimum_calls && self.rules.reached(tally) {
                    self.open();
                }
            }
            Phase::HalfOpen { window, .. } => {
                window.record(now_ms, call);
                let tally = window.tally(now_ms);
                if tally.calls == self.rules.half_open_calls {
                    if self.rules.reached(tally) { self.open() } else { self.close() }
                }
            }
            Phase::Open { .. } => {}
        }
    }

    pub(crate) fn returned(&mut self, pass: CallPass) {
        if let Phase::HalfOpen { given, .. } = &mut self.phase
            && pass.era == self.era
        {
            *given -= 1;
        }
    }

    pub(crate) fn state(&mut self, now_ms: u64) -> BreakerState {
        self.at(now_ms);
        match self.phase {
            Phase::Closed(_) => BreakerState::Closed,
            Phase::Open { .. } => BreakerState::Open,
            Phase::HalfOpen { .. } => BreakerState::HalfOpen,
        }
    }

    pub(crate) fn tally(&mut self, now_ms: u64) -> Tally {
        let now_ms = self.at(now_ms);
        match &mut self.phase {
            Phase::Closed(window) | Phase::HalfOpen { window, .. } => window.tally(now_ms),
            Phase::Open { .. } => Tally::default(),
        }
    }

    /// Moves time to `now_ms`, but never back, and makes the transitions that are due.
    fn at(&mut self, now_ms: u64) -> u64 {
        self.now_ms = self.now_ms.max(now_ms);
        match self.phase {
            Phase::Open { until_ms } if until_ms <= self.now_ms => {
                let (calls, longest_ms) = (self.rules.half_open_calls, self.rules.half_open_max_ms);
                let (until_ms, window) = (self.now_ms + longest_ms, Window::new(BreakerSpan::Calls(calls)));
                self.enter(Phase::HalfOpen { until_ms, given: 0, window });
            }
            Phase::HalfOpen { until_ms, .. } if until_ms <= self.now_ms => self.half_open_timed_out(),
            Phase::Closed(_) | Phase::Open { .. } | Phase::HalfOpen { .. } => {}
        }
        self.now_ms
    }

    /// Decides from fewer trial calls than configured, when the maximum time half open is over: otherwise a
    /// shop with few customers would never close its breaker. Without passes, it stays half open; without
    /// answers, it opens.
    fn half_open_timed_out(&mut self) {
        let Phase::HalfOpen { until_ms, given, window } = &mut self.phase else { return };
        if *given == 0 {
            *until_ms = self.now_ms + self.rules.half_open_max_ms;
            return;
        }
        let tally = window.tally(self.now_ms);
        if tally.calls == 0 || self.rules.reached(tally) { self.open() } else { self.close() }
    }

    fn open(&mut self) {
        let doubled = self.rules.open_wait_ms.saturating_mul(1 << self.in_a_row.min(32));
        self.in_a_row += 1;
        let until_ms = self.now_ms + doubled.min(self.rules.open_wait_max_ms);
        self.enter(Phase::Open { until_ms });
    }

    pub(crate) fn close(&mut self) {
        self.in_a_row = 0;
        self.enter(Phase::Closed(Window::new(self.rules.span)));
    }

    fn enter(&mut self, phase: Phase) {
        self.phase = phase;
        self.era += 1;
    }
}

impl BreakerRules {
    const fn reached(&self, tally: Tally) -> bool {
        tally.failure_rate() >= self.failure_rate_percent
            || tally.slow_call_rate() >= self.slow_call_rate_percent
    }
}

#[cfg(test)]
#[path = "machine_tests.rs"]
mod tests;
