//! Figures: what is counted while the work is done, for an atomic's price, and told when somebody looks.
//!
//! Nothing here knows who looks: `http` writes it for Prometheus, an embedder may do otherwise.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

/// The moment, for how long something takes: it is told, and nothing is decided by it.
#[expect(clippy::disallowed_methods, reason = "how long something took is no part of what is decided")]
#[must_use]
pub fn now() -> Instant {
    Instant::now()
}

/// Counts up.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// One more.
    pub fn count(&self) {
        self.add(1);
    }

    /// So many more.
    pub fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    /// How many so far.
    #[must_use]
    pub fn so_far(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Counts values by how large they are.
#[derive(Debug)]
pub struct Histogram {
    bounds: &'static [f64],
    /// One for each bound, and one for what is larger than all.
    counts: Box<[AtomicU64]>,
    /// In millionths, so that it can be added to.
    sum_millionths: AtomicU64,
}

impl Histogram {
    /// One that tells apart values up to each of `bounds`, which rise.
    #[must_use]
    pub fn new(bounds: &'static [f64]) -> Self {
        debug_assert!(bounds.is_sorted());
        let counts = (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Self { bounds, counts, sum_millionths: AtomicU64::new(0) }
    }

    /// Counts a value that is not negative.
    pub fn observe(&self, value: f64) {
        let at = self.bounds.partition_point(|bound| *bound < value);
        self.counts[at].fetch_add(1, Ordering::Relaxed);
        self.sum_millionths.fetch_add((value * 1e6) as u64, Ordering::Relaxed);
    }

    /// Counts how long something took, in seconds.
    pub fn took(&self, time: Duration) {
        self.observe(time.as_secs_f64());
    }

    /// What was counted so far.
    #[must_use]
    pub fn so_far(&self) -> Observed {
        let counts = self.counts.iter().map(|count| count.load(Ordering::Relaxed)).collect();
        let sum = self.sum_millionths.load(Ordering::Relaxed) as f64 / 1e6;
        Observed { bounds: self.bounds, counts, sum }
    }
}

/// What a histogram has counted.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Observed {
    /// The upper bounds, each included.
    pub bounds: &'static [f64],
    /// How many values there were up to each bound and above the one before; at last, above all.
    pub counts: Vec<u64>,
    /// All values together.
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
        let Observed { counts, sum, .. } = histogram.so_far();
        assert_eq!(counts, [2, 2, 1, 2]);
        assert!((sum - 114.6).abs() < 1e-3);
    }
}
