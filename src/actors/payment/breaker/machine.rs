//! The circuit breaker as a pure state machine: time comes in with each call.
//!
//! ```text
//!            rate of failures or of slow calls reached
//!   CLOSED ───────────────────────────────────────────▶ OPEN ◀───────────────┐
//!     ▲                                                  │ the wait is over  │ rates reached again,
//!     │        its calls went well                       ▼                   │ or not done in time
//!     └──────────────────────────────────────────── HALF_OPEN ───────────────┘
//! ```
//!
//! Words and meanings are Resilience4j's. The operator can take over: `FORCED_OPEN`, `DISABLED`. Each
//! opening in a row waits twice as long as the one before, up to a limit.
//!
//! **Invariant:** of a half-open breaker's passes, as many are out or answered as were given. A pass that
//! comes back unused can be given again; one of an earlier state counts for nothing.

use super::window::{Span, Tally, Window};

/// When it opens, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreakerRules {
    /// How far back is looked.
    pub span: Span,
    /// With fewer calls in the window, it stays closed.
    pub minimum_calls: usize,
    /// So many of a hundred calls failed: it opens.
    pub failure_rate_percent: usize,
    /// So many of a hundred calls were slow: it opens.
    pub slow_call_rate_percent: usize,
    /// A call is slow from here on, in ms.
    pub slow_call_ms: u64,
    /// How long the first opening lasts, in ms.
    pub open_wait_ms: u64,
    /// How long an opening lasts at most, however many there were in a row, in ms.
    pub open_wait_max_ms: u64,
    /// How many calls are let through half open.
    pub half_open_calls: usize,
    /// How long it stays half open at most, in ms; then it opens again.
    pub half_open_max_ms: u64,
}

impl Default for BreakerRules {
    fn default() -> Self {
        Self {
            span: Span::Calls(50),
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

/// Where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreakerState {
    /// Calls are let through.
    Closed,
    /// None are.
    Open,
    /// A few are, to see how they go.
    HalfOpen,
}

impl BreakerState {
    /// As the contract writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "CLOSED",
            Self::Open => "OPEN",
            Self::HalfOpen => "HALF_OPEN",
        }
    }
}

/// The leave to make one call. Has to be answered or returned, once.
#[derive(Debug, PartialEq, Eq)]
pub struct CallPass {
    /// The state it was given in: numbers, since a state may come again.
    era: u64,
}

/// No call may be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreakerOpen {
    /// When it is worth trying again, in ms.
    pub retry_after_ms: u64,
}

#[derive(Clone, Debug)]
enum Phase {
    Closed(Window),
    Open { until_ms: u64 },
    HalfOpen { until_ms: u64, given: usize, window: Window },
}

/// The breaker, with nobody over it.
#[derive(Clone, Debug)]
pub struct Machine {
    rules: BreakerRules,
    phase: Phase,
    era: u64,
    /// How often it has opened since it was closed last.
    in_a_row: u32,
    /// The latest moment heard of: time does not go back.
    now_ms: u64,
}

impl Machine {
    /// A closed one.
    #[must_use]
    pub const fn new(rules: BreakerRules) -> Self {
        Self { rules, phase: Phase::Closed(Window::new(rules.span)), era: 0, in_a_row: 0, now_ms: 0 }
    }

    /// Asks to make a call.
    ///
    /// # Errors
    /// [`BreakerOpen`]: do not make it.
    pub fn ask(&mut self, now_ms: u64) -> Result<CallPass, BreakerOpen> {
        if let Some(shut) = self.shut(now_ms) {
            return Err(shut);
        }
        if let Phase::HalfOpen { given, .. } = &mut self.phase {
            *given += 1;
        }
        Ok(CallPass { era: self.era })
    }

    /// Whether a call would be refused now.
    pub fn shut(&mut self, now_ms: u64) -> Option<BreakerOpen> {
        let now_ms = self.at(now_ms);
        let until_ms = match &self.phase {
            Phase::Closed(_) => return None,
            Phase::HalfOpen { given, .. } if *given < self.rules.half_open_calls => return None,
            Phase::Open { until_ms } => *until_ms,
            // The calls that are out tell within the time of a call that is not slow, or it opens again.
            Phase::HalfOpen { until_ms, .. } => (now_ms + self.rules.slow_call_ms).min(*until_ms),
        };
        Some(BreakerOpen { retry_after_ms: until_ms - now_ms })
    }

    /// The call was made; it failed if it has no definite answer.
    pub fn answered(&mut self, pass: CallPass, now_ms: u64, failed: bool, took_ms: u64) {
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

    /// The call was not made after all.
    pub fn returned(&mut self, pass: CallPass) {
        if let Phase::HalfOpen { given, .. } = &mut self.phase
            && pass.era == self.era
        {
            *given -= 1;
        }
    }

    /// Where it is at `now_ms`.
    pub fn state(&mut self, now_ms: u64) -> BreakerState {
        self.at(now_ms);
        match self.phase {
            Phase::Closed(_) => BreakerState::Closed,
            Phase::Open { .. } => BreakerState::Open,
            Phase::HalfOpen { .. } => BreakerState::HalfOpen,
        }
    }

    /// The calls that the next decision is made from.
    pub fn tally(&mut self, now_ms: u64) -> Tally {
        let now_ms = self.at(now_ms);
        match &mut self.phase {
            Phase::Closed(window) | Phase::HalfOpen { window, .. } => window.tally(now_ms),
            Phase::Open { .. } => Tally::default(),
        }
    }

    /// Forgets everything: closed, as at the start.
    pub fn reset(&mut self) {
        self.close();
    }

    /// Time passes, but never backwards; what waited for it happens.
    fn at(&mut self, now_ms: u64) -> u64 {
        self.now_ms = self.now_ms.max(now_ms);
        match self.phase {
            Phase::Open { until_ms } if until_ms <= self.now_ms => {
                let (calls, longest_ms) = (self.rules.half_open_calls, self.rules.half_open_max_ms);
                let (until_ms, window) = (self.now_ms + longest_ms, Window::new(Span::Calls(calls)));
                self.enter(Phase::HalfOpen { until_ms, given: 0, window });
            }
            Phase::HalfOpen { until_ms, .. } if until_ms <= self.now_ms => self.half_open_long_enough(),
            Phase::Closed(_) | Phase::Open { .. } | Phase::HalfOpen { .. } => {}
        }
        self.now_ms
    }

    /// So few have come that they are all there is to decide from: otherwise it would never close again for
    /// a shop where customers come one by one. With nobody there is nothing to decide; with no answer at all,
    /// it opens.
    fn half_open_long_enough(&mut self) {
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

    fn close(&mut self) {
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
