//! The sliding window: the outcomes of the last calls, or of the last seconds, and their sums.

use std::collections::VecDeque;

/// How far back is looked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Span {
    /// So many calls.
    Calls(usize),
    /// So many seconds, the current one included.
    Seconds(u64),
}

/// Calls, and how they went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// All of them.
    pub calls: usize,
    /// Without a definite answer.
    pub failed: usize,
    /// Slow, whatever the answer.
    pub slow: usize,
}

impl Tally {
    /// One call.
    #[must_use]
    pub const fn of(failed: bool, slow: bool) -> Self {
        Self { calls: 1, failed: failed as usize, slow: slow as usize }
    }

    /// How many of a hundred calls failed; 0 without calls.
    #[must_use]
    pub const fn failure_rate(self) -> usize {
        percent(self.failed, self.calls)
    }

    /// How many of a hundred calls were slow; 0 without calls.
    #[must_use]
    pub const fn slow_call_rate(self) -> usize {
        percent(self.slow, self.calls)
    }

    /// Takes more calls in.
    pub const fn add(&mut self, other: Self) {
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

/// Rounded down: a threshold is reached when it is reached.
const fn percent(part: usize, whole: usize) -> usize {
    match (100 * part).checked_div(whole) {
        Some(percent) => percent,
        None => 0,
    }
}

/// The window.
///
/// **Invariant:** `sum` is the sum of `parts`.
#[derive(Clone, Debug)]
pub struct Window {
    span: Span,
    /// Oldest first: a part is a call, or a second with its calls.
    parts: VecDeque<(u64, Tally)>,
    sum: Tally,
}

impl Window {
    /// An empty one.
    #[must_use]
    pub const fn new(span: Span) -> Self {
        Self { span, parts: VecDeque::new(), sum: Tally { calls: 0, failed: 0, slow: 0 } }
    }

    /// Takes in a call that ended at `now_ms`.
    pub fn record(&mut self, now_ms: u64, call: Tally) {
        let second = now_ms / 1_000;
        match self.parts.back_mut() {
            Some((at, part)) if matches!(self.span, Span::Seconds(_)) && *at == second => part.add(call),
            _ => self.parts.push_back((second, call)),
        }
        self.sum.add(call);
        self.forget(now_ms);
    }

    /// What is in it at `now_ms`.
    pub fn tally(&mut self, now_ms: u64) -> Tally {
        self.forget(now_ms);
        self.sum
    }

    fn forget(&mut self, now_ms: u64) {
        while let Some((at, part)) = self.parts.front().copied() {
            let over = match self.span {
                Span::Calls(calls) => self.parts.len() > calls,
                Span::Seconds(seconds) => at + seconds <= now_ms / 1_000,
            };
            if !over {
                break;
            }
            self.parts.pop_front();
            self.sum.take_away(part);
        }
    }
}
