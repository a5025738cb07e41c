//! The clock of the benchmarks.

use std::time::Instant;

#[expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
pub fn now() -> Instant {
    Instant::now()
}
