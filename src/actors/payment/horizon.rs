//! The settle horizon: how long a call about an attempt may still be on its way to the gateway.
//!
//! An attempt that nobody finds, at a gateway that cannot void, is settled by time alone. That time is
//! counted on the monotonic clock. The machine's own may jump: two hours forward, and the charge that arrives
//! half a second later would be kept from a customer whose rental is long canceled.
//!
//! **Invariant:** an attempt that this actor began is known for at least one horizon. So one that is not
//! known was begun by another actor, which ended when this one opened, or longer ago than that.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use tokio::time::Instant;

use crate::{
    gateways::payment::ChargeKey,
    planted::{self, Bug},
};

/// Which attempts may be on their way, as far as this payment actor can know.
pub(crate) struct Horizon {
    length: Duration,
    opened: Instant,
    begun: HashMap<ChargeKey, Instant>,
    oldest: VecDeque<(Instant, ChargeKey)>,
}

impl Horizon {
    /// A horizon of so many ms, for an actor that opens now.
    pub(crate) fn new(length_ms: u64) -> Self {
        let (begun, oldest) = (HashMap::new(), VecDeque::new());
        Self { length: Duration::from_millis(length_ms), opened: now(), begun, oldest }
    }

    /// A conversation of this actor is about to begin an attempt.
    pub(crate) fn begin(&mut self, attempt: ChargeKey) {
        while let Some(&(at, oldest)) = self.oldest.front().filter(|(at, _)| at.elapsed() > self.length) {
            self.oldest.pop_front();
            // It may have begun again since.
            if self.begun.get(&oldest) == Some(&at) {
                self.begun.remove(&oldest);
            }
        }
        let at = now();
        self.begun.insert(attempt, at);
        self.oldest.push_back((at, attempt));
    }

    /// How long a conversation of *another* actor about this attempt may still be under way.
    pub(crate) fn foreign(&self, attempt: ChargeKey) -> Option<Duration> {
        if self.begun.contains_key(&attempt) { None } else { self.left(self.opened) }
    }

    /// How long a call about this attempt may still be under way, whoever sent it.
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
    async fn what_others_began_may_be_under_way_until_the_actor_is_old_enough() {
        let horizon = Horizon::new(1_000);
        assert_eq!((horizon.foreign(key(1)), horizon.under_way(key(1))), (ms(1_000), ms(1_000)));
        pass(999).await;
        assert_eq!((horizon.foreign(key(1)), horizon.under_way(key(1))), (ms(1), ms(1)));
        pass(1).await;
        assert_eq!((horizon.foreign(key(1)), horizon.under_way(key(1))), (None, None));
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_begun_here_is_nobody_elses_and_under_way_from_then_on() {
        let mut horizon = Horizon::new(1_000);
        pass(600).await;
        horizon.begin(key(1));
        assert_eq!((horizon.foreign(key(1)), horizon.under_way(key(1))), (None, ms(1_000)));
        assert_eq!((horizon.foreign(key(2)), horizon.under_way(key(2))), (ms(400), ms(400)));
        pass(1_000).await;
        assert_eq!((horizon.foreign(key(1)), horizon.under_way(key(1))), (None, None));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_over_is_forgotten_and_what_began_again_is_not() {
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
