//! Counters and histograms: an atomic update per measurement, read on demand.
//!
//! This module knows no format: `http` renders the values for Prometheus, and an embedder can read them.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

/// Monotonic clock for measuring durations. Decisions never read it.
#[expect(
    clippy::disallowed_methods,
    reason = "a measured duration is reported, and nothing is decided by it"
)]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn increment(&self) {
        self.add(1);
    }

    pub(crate) fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    /// Returns the number.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

#[derive(Debug)]
pub(crate) struct Histogram {
    bounds: &'static [f64],
    /// One count per bound, and a last one for values above all bounds.
    counts: Box<[AtomicU64]>,
    /// Sum of all values, in millionths, because there is no atomic float.
    sum_millionths: AtomicU64,
}

impl Histogram {
    /// `bounds` are inclusive upper bounds in ascending order.
    pub(crate) fn new(bounds: &'static [f64]) -> Self {
        debug_assert!(bounds.is_sorted());
        let counts = (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Self { bounds, counts, sum_millionths: AtomicU64::new(0) }
    }

    /// Records a value, which must not be negative.
    pub(crate) fn observe(&self, value: f64) {
        let at = self.bounds.partition_point(|bound| *bound < value);
        self.counts[at].fetch_add(1, Ordering::Relaxed);
        self.sum_millionths.fetch_add((value * 1e6) as u64, Ordering::Relaxed);
    }

    pub(crate) fn observe_duration(&self, duration: Duration) {
        self.observe(duration.as_secs_f64());
    }

    /// Copies the current values. Values recorded meanwhile may be in the counts and not yet in the sum.
    pub(crate) fn snapshot(&self) -> HistogramSnapshot {
        let counts = self.counts.iter().map(|count| count.load(Ordering::Relaxed)).collect();
        let sum = self.sum_millionths.load(Ordering::Relaxed) as f64 / 1e6;
        HistogramSnapshot { bounds: self.bounds, counts, sum }
    }
}

/// Counts of a histogram at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HistogramSnapshot {
    /// Upper bounds of the buckets, inclusive.
    pub bounds: &'static [f64],
    /// Number of values in each bucket, not cumulative. The last bucket has no upper bound.
    pub counts: Vec<u64>,
    pub sum: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_counted_under_the_first_bound_that_holds_them() {
        let histogram = Histogram::new(&[1.0, 2.0, 5.0]);
        for value in [0.0, 1.0, 1.5, 2.0, 5.0, 5.1, 100.0] {
            histogram.observe(value);
        }
        let HistogramSnapshot { counts, sum, .. } = histogram.snapshot();
        assert_eq!(counts, [2, 2, 1, 2]);
        assert!((sum - 114.6).abs() < 1e-3);
    }
}
