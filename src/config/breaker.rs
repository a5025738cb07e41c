//! Settings of the circuit breaker.

use super::{Checks, MINUTE_MS};
use crate::actors::payment::breaker::{BreakerRules, window::BreakerSpan};

sections! {
    /// Circuit breaker.
    BreakerSettings {
        /// Window of judged calls: `COUNT_BASED` (last calls) or `TIME_BASED` (last seconds).
        window_type: String = "COUNT_BASED".to_owned(),
        /// Size of the window, in calls or seconds.
        window_size: usize = 50 => (1, 10_000),
        /// Minimum calls in the window before the breaker may open.
        minimum_calls: usize = 20 => (1, 10_000),
        /// Failure rate that opens the breaker, in percent; a failure is a call without a definite answer.
        failure_rate_percent: usize = 50 => (1, 100),
        /// Slow call rate that opens the breaker, in percent.
        slow_call_rate_percent: usize = 80 => (1, 100),
        /// Duration from which a call counts as slow, in ms.
        slow_call_ms: u64 = 610 => (1, 10 * MINUTE_MS),
        /// Time in the open state, in ms; doubled each time the breaker opens again without having closed.
        open_wait_ms: u64 = 5_000 => (1, 60 * MINUTE_MS),
        /// Maximum time in the open state, in ms.
        open_wait_max_ms: u64 = 60_000 => (1, 24 * 60 * MINUTE_MS),
        /// Maximum calls permitted in the half-open state.
        half_open_calls: usize = 10 => (1, 10_000),
        /// Maximum time in the half-open state, in ms; then the breaker judges the calls made so far.
        half_open_max_ms: u64 = 10_000 => (1, 60 * MINUTE_MS),
    }
}

impl BreakerSettings {
    pub(super) fn rules(&self) -> BreakerRules {
        BreakerRules {
            span: match self.window_type.as_str() {
                "TIME_BASED" => BreakerSpan::Seconds(self.window_size as u64),
                _ => BreakerSpan::Calls(self.window_size),
            },
            minimum_calls: self.minimum_calls,
            failure_rate_percent: self.failure_rate_percent,
            slow_call_rate_percent: self.slow_call_rate_percent,
            slow_call_ms: self.slow_call_ms,
            open_wait_ms: self.open_wait_ms,
            open_wait_max_ms: self.open_wait_max_ms,
            half_open_calls: self.half_open_calls,
            half_open_max_ms: self.half_open_max_ms,
        }
    }

    pub(super) fn check(&self, checks: &mut Checks) {
        let types = ["COUNT_BASED", "TIME_BASED"];
        checks.one_of("payment.breaker.window_type", &self.window_type, &types);
        let rule = "must not be smaller than payment.breaker.open_wait_ms";
        let fits = self.open_wait_max_ms >= self.open_wait_ms;
        checks.require(fits, "payment.breaker.open_wait_max_ms", self.open_wait_max_ms, rule);
        // Otherwise the window could never hold enough calls to open.
        let fits = self.window_type != "COUNT_BASED" || self.minimum_calls <= self.window_size;
        let rule = "must not be larger than payment.breaker.window_size";
        checks.require(fits, "payment.breaker.minimum_calls", self.minimum_calls, rule);
    }
}
