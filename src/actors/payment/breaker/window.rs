//! Sliding window over the last calls, or over the calls of the last seconds.

use std::collections::VecDeque;

/// Size of the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreakerSpan {
    Calls(usize),
    /// Number of seconds, the current one included.
    Seconds(u64),
}

/// Numbers of the calls that the breaker decides by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub calls: usize,
    /// Calls without a definite answer.
    pub failed: usize,
    /// Slow calls, with or without an answer.
    pub slow: usize,
}

impl Tally {
    pub(crate) const fn of(failed: bool, slow: bool) -> Self {
        Self { calls: 1, failed: failed as usize, slow: slow as usize }
    }

    /// Failed calls in percent, rounded down; 0 without calls.
    pub(crate) const fn failure_rate(self) -> usize {
        percent(self.failed, self.calls)
    }

    /// Slow calls in percent, rounded down; 0 without calls.
    pub(crate) const fn slow_call_rate(self) -> usize {
        percent(self.slow, self.calls)
    }

    pub(crate) const fn add(&mut self, other: Self) {
        self.calls += other.calls;
        self.failed += other.failed;
        self.slow += other.slow;
    }

    const fn take_away(&mut self, other: Self) {
        self.calls -= other.calls;
        self.failed -= other.failed;
        self.slow -= other.slow;
    }
}

const fn percent(part: usize, whole: usize) -> usize {
    match (100 * part).checked_div(whole) {
        Some(percent) => percent,
        None => 0,
    }
}

/// **Invariant:** `sum` is the sum of `parts`.
#[derive(Clone, Debug)]
pub(crate) struct Window {
    span: BreakerSpan,
    /// Calls, or seconds with their calls, oldest first.
    parts: VecDeque<(u64, Tally)>,
    sum: Tally,
}

impl Window {
    pub(crate) const fn new(span: BreakerSpan) -> Self {
        Self { span, parts: VecDeque::new(), sum: Tally { calls: 0, failed: 0, slow: 0 } }
    }

    pub(crate) fn record(&mut self, now_ms: u64, call: Tally) {
        let second = now_ms / 1_000;
        match self.parts.back_mut() {
            Some((at, part)) if matches!(self.span, BreakerSpan::Seconds(_)) && *at == second => {
                part.add(call)
            }
            _ => self.parts.push_back((second, call)),
        }
        self.sum.add(call);
        self.remove_old(now_ms);
    }

    pub(crate) fn tally(&mut self, now_ms: u64) -> Tally {
        self.remove_old(now_ms);
        self.sum
    }

    fn remove_old(&mut self, now_ms: u64) {
        while let Some((at, part)) = self.parts.front().copied() {
            let over = match self.span {
                BreakerSpan::Calls(calls) => self.parts.len() > calls,
                BreakerSpan::Seconds(seconds) => at + seconds <= now_ms / 1_000,
            };
            if !over {
                break;
            }
            self.parts.pop_front();
            self.sum.take_away(part);
        }
    }
}
