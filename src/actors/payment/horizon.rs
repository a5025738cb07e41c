//! Settle horizon: the time that a call about an attempt may still need to reach the gateway.
//!
//! At a gateway that cannot void, an attempt that is not found is settled by time alone. The time is measured
//! on the monotonic clock: the system clock may jump forward, and a charge that arrives afterwards would be
//! kept although its rental is canceled.
//!
//! **Invariant:** an attempt that this actor began is known for at least one horizon. An unknown attempt was
//! therefore begun earlier, or by another actor, which ended when this one began.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use tokio::time::Instant;

use crate::{
    gateways::payment::ChargeKey,
    planted::{self, Bug},
};

pub(crate) struct Horizon {
    length: Duration,
    opened: Instant,
    begun: HashMap<ChargeKey, Instant>,
    oldest: VecDeque<(Instant, ChargeKey)>,
}

impl Horizon {
    /// Begins a horizon of this length for an actor that starts now.
    pub(crate) fn new(length_ms: u64) -> Self {
        let (begun, oldest) = (HashMap::new(), VecDeque::new());
        Self { length: Duration::from_millis(length_ms), opened: now(), begun, oldest }
    }

    pub(crate) fn begin(&mut self, attempt: ChargeKey) {
        while let Some(&(at, oldest)) = self.oldest.front().filter(|(at, _)| at.elapsed() > self.length) {
            self.oldest.pop_front();
            // It may have begun again later.
            if self.begun.get(&oldest) == Some(&at) {
                self.begun.remove(&oldest);
            }
        }
        let at = now();
        self.begun.insert(attempt, at);
        self.oldest.push_back((at, attempt));
    }

    /// Returns how long a conversation of *another* actor about this attempt may still run.
    pub(crate) fn foreign(&self, attempt: ChargeKey) -> Option<Duration> {
        if self.begun.contains_key(&attempt) { None } else { self.left(self.opened) }
    }

    /// Returns how long a call of any actor about this attempt may still be under way.
    pub(crate) fn under_way(&self, attempt: ChargeKey) -> Option<Duration> {
        self.left(self.begun.get(&attempt).copied().unwrap_or(self.opened))
    }

    fn left(&self, since: Instant) -> Option<Duration> {
        let left = self.length.checked_sub(since.elapsed()).filter(|left| !left.is_zero());
        left.filter(|_| !planted::is(Bug::HorizonIgnored))
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "tokio's clock, which never jumps, and which simulations pause"
)]
fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::PaymentId;

    fn key(payment: u128) -> ChargeKey {
        ChargeKey { payment: PaymentId(payment), attempt: 1 }
    }

    fn ms(ms: u64) -> Option<Duration> {
        Some(Duration::from_millis(ms))
    }

    async fn pass(ms: u64) {
        tokio::time::advance(Duration::from_millis(ms)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn foreign_attempts_are_open_for_one_horizon() {
        let horizon = Horizon::new(1_000);
        assert_eq!((horizon.foreign(key(1)), horizon.under_way(key(1))), (ms(1_000), ms(1_000)));
        pass(999).await;
        assert_eq!((horizon.foreign(key(1)), horizon.under_way(key(1))), (ms(1), ms(1)));
        pass(1).await;
        assert_eq!((horizon.foreign(key(1)), horizon.under_way(key(1))), (None, None));
    }

    #[tokio::test(start_paused = true)]
    async fn own_attempt_is_under_way_and_not_foreign() {
        let mut horizon = Horizon::new(1_000);
        pass(600).await;
        horizon.begin(key(1));
        assert_eq!((horizon.foreign(key(1)), horizon.under_way(key(1))), (None, ms(1_000)));
        assert_eq!((horizon.foreign(key(2)), horizon.under_way(key(2))), (ms(400), ms(400)));
        pass(1_000).await;
        assert_eq!((horizon.foreign(key(1)), horizon.under_way(key(1))), (None, None));
    }

    #[tokio::test(start_paused = true)]
    async fn ended_attempts_are_removed_unless_begun_again() {
        let mut horizon = Horizon::new(1_000);
        horizon.begin(key(1));
        horizon.begin(key(2));
        pass(500).await;
        horizon.begin(key(2));
        pass(501).await;
        horizon.begin(key(3));
        assert_eq!(horizon.begun.len(), 2);
        assert_eq!((horizon.under_way(key(1)), horizon.under_way(key(2))), (None, ms(499)));
        pass(1_001).await;
        horizon.begin(key(4));
        assert_eq!((horizon.begun.len(), horizon.oldest.len()), (1, 1));
    }
}
