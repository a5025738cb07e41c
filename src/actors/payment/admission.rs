//! Who may pay: explicit bounds, checked before anything is written.
//!
//! A mailbox would not do: actix lets each sender put in one message beyond its capacity, and a
//! cloned address is a new sender. So a *ticket* is taken first, without waiting, and held until the
//! conversation ends; and a *permit* for the gateway is waited for, until the deadline. How many permits
//! there are, up to the setting, follows from how calls go: see [`Limit`].

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::limit::{Limit, Pace};

/// The bounds.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Conversations with the gateway at once, at most.
    pub concurrency: usize,
    /// How many more may wait.
    pub queue: usize,
    /// From so many ms on a call is slow, and the gateway is asked less at once; `None`: always as much.
    pub slow_call_ms: Option<u64>,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { concurrency: 64, queue: 256, slow_call_ms: Some(610) }
    }
}

/// The bounds, and who is inside.
#[derive(Debug)]
pub struct Admission {
    bounds: Bounds,
    tickets: Arc<Semaphore>,
    slots: Arc<Semaphore>,
    shed: AtomicU64,
    gateway: Mutex<Gateway>,
}

/// What is known of the gateway.
///
/// **Invariant:** there are as many slots as the limit says, and `surplus` more, those in use included.
#[derive(Debug)]
struct Gateway {
    limit: Limit,
    /// How many of those in use are not to come back.
    surplus: usize,
    in_use: usize,
    /// How long a call takes, in ms, and by how much that varies: the last ones count most.
    call_ms: f64,
    varies_ms: f64,
}

/// The right to wait and to pay; given back when dropped.
#[derive(Debug)]
pub struct Ticket {
    _slot: OwnedSemaphorePermit,
}

/// The right to call the gateway; given back when dropped.
#[derive(Debug)]
pub struct Permit {
    admission: Arc<Admission>,
    slot: Option<OwnedSemaphorePermit>,
    call: u64,
    /// It was the last one.
    saturated: bool,
}

impl Admission {
    /// Nobody is inside.
    #[must_use]
    pub fn new(bounds: Bounds) -> Self {
        let Bounds { concurrency, queue, slow_call_ms } = bounds;
        let limit = slow_call_ms.map_or(Limit::fixed(concurrency), |_| Limit::adaptive(concurrency));
        let slots = Semaphore::new(limit.permits());
        Self {
            bounds,
            tickets: Arc::new(Semaphore::new(concurrency + queue)),
            slots: Arc::new(slots),
            shed: AtomicU64::new(0),
            gateway: Mutex::new(Gateway { limit, surplus: 0, in_use: 0, call_ms: 0.0, varies_ms: 0.0 }),
        }
    }

    /// The same bounds, with nobody inside.
    #[must_use]
    pub fn anew(&self) -> Self {
        let anew = Self::new(self.bounds);
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
    pub async fn permit(self: &Arc<Self>) -> Permit {
        let slot = Arc::clone(&self.slots).acquire_owned().await.expect("the semaphore is never closed");
        let mut gateway = self.gateway();
        gateway.in_use += 1;
        let (call, saturated) = (gateway.limit.begin(), gateway.in_use >= gateway.limit.permits());
        drop(gateway);
        Permit { admission: Arc::clone(self), slot: Some(slot), call, saturated }
    }

    /// Counts one who was turned away.
    pub fn shed(&self) {
        self.shed.fetch_add(1, Ordering::Relaxed);
    }

    /// So long, in ms, hardly a call takes longer; 0 while nothing is known.
    #[must_use]
    pub fn expected_ms(&self) -> u64 {
        let gateway = self.gateway();
        3.0f64.mul_add(gateway.varies_ms, gateway.call_ms) as u64
    }

    /// In how long, in ms, those who wait now are done, if calls go on as they did; at least a second,
    /// since whoever is told that everything is taken would find it taken again.
    #[must_use]
    pub fn wait_ms(&self) -> u64 {
        let waiting = self.queue().0 as f64 + 1.0;
        let gateway = self.gateway();
        (waiting * gateway.call_ms / gateway.limit.permits() as f64).max(1_000.0) as u64
    }

    /// How many were turned away.
    #[must_use]
    pub fn shed_count(&self) -> u64 {
        self.shed.load(Ordering::Relaxed)
    }

    /// Permits in use, of how many that there are now.
    #[must_use]
    pub fn permits(&self) -> (usize, usize) {
        let gateway = self.gateway();
        (gateway.in_use, gateway.limit.permits())
    }

    /// The bounds.
    #[must_use]
    pub const fn bounds(&self) -> Bounds {
        self.bounds
    }

    /// How many wait, of how many that may.
    #[must_use]
    pub fn queue(&self) -> (usize, usize) {
        let Bounds { concurrency, queue, .. } = self.bounds;
        let inside = concurrency + queue - self.tickets.available_permits();
        (inside.saturating_sub(self.permits().0), queue)
    }

    fn gateway(&self) -> MutexGuard<'_, Gateway> {
        self.gateway.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Gateway {
    fn took(&mut self, took_ms: u64) {
        let took_ms = took_ms as f64;
        if self.call_ms == 0.0 {
            (self.call_ms, self.varies_ms) = (took_ms, took_ms / 2.0);
            return;
        }
        self.varies_ms += ((took_ms - self.call_ms).abs() - self.varies_ms) / 8.0;
        self.call_ms += (took_ms - self.call_ms) / 8.0;
    }

    /// Has as many permits as the limit says now; there were `before`.
    fn resize(&mut self, before: usize, slots: &Semaphore) {
        let wanted = self.limit.permits();
        if wanted > before {
            let more = wanted - before;
            let kept = more.min(self.surplus);
            self.surplus -= kept;
            slots.add_permits(more - kept);
        } else {
            let fewer = before - wanted;
            self.surplus += fewer - slots.forget_permits(fewer);
        }
    }
}

impl Permit {
    /// The gateway was called, and it took so long, in ms; it failed if there is no definite answer.
    pub fn called(&self, took_ms: u64, failed: bool) {
        let mut gateway = self.admission.gateway();
        gateway.took(took_ms);
        let Some(slow_call_ms) = self.admission.bounds.slow_call_ms else { return };
        let pace = match (failed, took_ms >= slow_call_ms) {
            (true, true) => Pace::TimedOut,
            (true, false) => Pace::Failed,
            (false, true) => Pace::Slow,
            (false, false) => Pace::Quick,
        };
        let before = gateway.limit.permits();
        gateway.limit.ended(self.call, self.saturated, pace);
        gateway.resize(before, &self.admission.slots);
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut gateway = self.admission.gateway();
        gateway.in_use -= 1;
        if gateway.surplus > 0
            && let Some(slot) = self.slot.take()
        {
            gateway.surplus -= 1;
            slot.forget();
        }
    }
}

#[cfg(test)]
#[path = "admission_tests.rs"]
mod tests;
