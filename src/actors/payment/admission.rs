//! Who may pay: an explicit bound, checked before anything is written.
//!
//! A mailbox would not do: actix lets each sender put in one message beyond its capacity, and a
//! cloned address is a new sender. So a *ticket* is taken first, without waiting, and held until the
//! conversation ends; and a *permit* for the gateway is waited for, until the deadline.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The bounds.
#[derive(Debug)]
pub struct Admission {
    tickets: Arc<Semaphore>,
    permits: Arc<Semaphore>,
    concurrency: usize,
    queue: usize,
    shed: AtomicU64,
    /// How long a call takes, in ms: the last ones count most.
    call_ms: AtomicU64,
}

/// The right to wait and to pay; given back when dropped.
#[derive(Debug)]
pub struct Ticket {
    _slot: OwnedSemaphorePermit,
}

impl Admission {
    /// At most `concurrency` conversations with the gateway at once, and `queue` more that wait.
    #[must_use]
    pub fn new(concurrency: usize, queue: usize) -> Self {
        Self {
            tickets: Arc::new(Semaphore::new(concurrency + queue)),
            permits: Arc::new(Semaphore::new(concurrency)),
            concurrency,
            queue,
            shed: AtomicU64::new(0),
            call_ms: AtomicU64::new(0),
        }
    }

    /// The same bounds, with nobody inside.
    #[must_use]
    pub fn anew(&self) -> Self {
        let anew = Self::new(self.concurrency, self.queue);
        anew.shed.store(self.shed_count(), Ordering::Relaxed);
        anew
    }

    /// A ticket, if there is one left; never waits.
    #[must_use]
    pub fn enter(&self) -> Option<Ticket> {
        let slot = Arc::clone(&self.tickets).try_acquire_owned().ok();
        if slot.is_none() {
            self.shed();
        }
        slot.map(|slot| Ticket { _slot: slot })
    }

    /// Waits for a permit, in the order of asking.
    pub async fn permit(&self) -> OwnedSemaphorePermit {
        Arc::clone(&self.permits).acquire_owned().await.expect("the semaphore is never closed")
    }

    /// Counts one who was turned away.
    pub fn shed(&self) {
        self.shed.fetch_add(1, Ordering::Relaxed);
    }

    /// A call took so long, in ms.
    pub fn took(&self, took_ms: u64) {
        let known_ms = self.call_ms.load(Ordering::Relaxed);
        // Two at once may overwrite each other: it is an estimate.
        self.call_ms.store((7 * known_ms + took_ms).div_ceil(8), Ordering::Relaxed);
    }

    /// In how long, in ms, those who wait now are done, if calls go on as they did; at least a second,
    /// since whoever is told that everything is taken would find it taken again.
    #[must_use]
    pub fn wait_ms(&self) -> u64 {
        let waiting = self.queue().0 as u64 + 1;
        (waiting * self.call_ms.load(Ordering::Relaxed) / self.concurrency as u64).max(1_000)
    }

    /// How many were turned away.
    #[must_use]
    pub fn shed_count(&self) -> u64 {
        self.shed.load(Ordering::Relaxed)
    }

    /// Permits in use, of how many.
    #[must_use]
    pub fn permits(&self) -> (usize, usize) {
        (self.concurrency - self.permits.available_permits(), self.concurrency)
    }

    /// How many wait, of how many that may.
    #[must_use]
    pub fn queue(&self) -> (usize, usize) {
        let inside = self.concurrency + self.queue - self.tickets.available_permits();
        (inside.saturating_sub(self.permits().0), self.queue)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_is_turned_away_is_told_when_the_queue_will_be_done() {
        let admission = Admission::new(2, 10);
        assert_eq!(admission.wait_ms(), 1_000, "nothing is known yet");
        (0..100).for_each(|_| admission.took(800));
        let tickets: Vec<_> = (0..9).map(|_| admission.enter()).collect();
        let permits = [admission.permit().await, admission.permit().await];
        assert_eq!((tickets.len(), admission.queue().0), (9, 7));
        assert_eq!(admission.wait_ms(), 8 * 800 / 2);
        drop(permits);
    }

    #[tokio::test]
    async fn the_one_too_many_is_shed_at_once() {
        let admission = Admission::new(1, 1);
        let (first, second) = (admission.enter(), admission.enter());
        assert!(first.is_some() && second.is_some() && admission.enter().is_none());
        assert_eq!(admission.shed_count(), 1);
        let permit = admission.permit().await;
        assert_eq!((admission.permits(), admission.queue()), ((1, 1), (1, 1)));
        drop((first, permit));
        assert!(admission.enter().is_some());
    }
}
