//! Admission of payments: explicit bounds, checked before anything is written.
//!
//! A request takes a *ticket*, without waiting, and keeps it until its conversation ends; then it waits for a
//! *permit* of the gateway, until its deadline. The number of permits adapts to how calls go: see [`Limit`].
//!
//! The capacity of a mailbox is no such bound: actix lets each sender exceed it by one message, and a cloned
//! address is a new sender.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::limit::{CallResult, Limit};

/// Bounds of concurrent and waiting payments.
#[derive(Clone, Copy, Debug)]
pub struct AdmissionBounds {
    /// Maximum number of concurrent gateway calls.
    pub concurrency: usize,
    /// Maximum number of payments that wait for a gateway call.
    pub queue: usize,
    /// Duration from which a call is slow, in ms: slow calls reduce concurrency. `None` for a fixed
    /// concurrency.
    pub slow_call_ms: Option<u64>,
}

impl Default for AdmissionBounds {
    fn default() -> Self {
        Self { concurrency: 64, queue: 256, slow_call_ms: Some(610) }
    }
}

#[derive(Debug)]
pub(crate) struct Admission {
    bounds: AdmissionBounds,
    tickets: Arc<Semaphore>,
    slots: Arc<Semaphore>,
    shed: AtomicU64,
    gateway: Mutex<Gateway>,
}

/// State of the permits, and statistics of gateway calls.
///
/// **Invariant:** slots, free and in use, are the limit plus `surplus`.
#[derive(Debug)]
struct Gateway {
    limit: Limit,
    /// Slots in use that are removed when they are returned.
    surplus: usize,
    in_use: usize,
    /// Moving averages of the duration of calls and of its deviation, in ms.
    call_ms: f64,
    deviation_ms: f64,
}

/// Right to wait and to pay; returned when dropped.
#[derive(Debug)]
pub(crate) struct Ticket(#[expect(dead_code, reason = "held for its drop")] OwnedSemaphorePermit);

/// Right to call the gateway; returned when dropped.
#[derive(Debug)]
pub(crate) struct Permit {
    admission: Arc<Admission>,
    slot: Option<OwnedSemaphorePermit>,
    call: u64,
    /// True if it was the last free permit.
    saturated: bool,
}

impl Admission {
    pub(crate) fn new(bounds: AdmissionBounds) -> Self {
        let AdmissionBounds { concurrency, queue, slow_call_ms } = bounds;
        let limit = slow_call_ms.map_or(Limit::fixed(concurrency), |_| Limit::adaptive(concurrency));
        let slots = Semaphore::new(limit.permits());
        Self {
            bounds,
            tickets: Arc::new(Semaphore::new(concurrency + queue)),
            slots: Arc::new(slots),
            shed: AtomicU64::new(0),
            gateway: Mutex::new(Gateway { limit, surplus: 0, in_use: 0, call_ms: 0.0, deviation_ms: 0.0 }),
        }
    }

    /// Returns an empty admission with the same bounds and count of refusals.
    pub(crate) fn anew(&self) -> Self {
        let anew = Self::new(self.bounds);
        anew.shed.store(self.shed_count(), Ordering::Relaxed);
        anew
    }

    pub(crate) fn enter(&self) -> Option<Ticket> {
        let slot = Arc::clone(&self.tickets).try_acquire_owned().ok();
        if slot.is_none() {
            self.shed();
        }
        slot.map(Ticket)
    }

    /// Waits for a permit. Permits are given first come, first served.
    pub(crate) async fn permit(self: &Arc<Self>) -> Permit {
        let slot = Arc::clone(&self.slots).acquire_owned().await.expect("the semaphore is never closed");
        let mut gateway = self.gateway();
        gateway.in_use += 1;
        let (call, saturated) = (gateway.limit.begin(), gateway.in_use >= gateway.limit.permits());
        drop(gateway);
        Permit { admission: Arc::clone(self), slot: Some(slot), call, saturated }
    }

    pub(crate) fn shed(&self) {
        self.shed.fetch_add(1, Ordering::Relaxed);
    }

    /// Upper estimate of call latency (mean + 3 × deviation), in ms; 0 before the first call.
    pub(crate) fn expected_ms(&self) -> u64 {
        let gateway = self.gateway();
        3.0f64.mul_add(gateway.deviation_ms, gateway.call_ms) as u64
    }

    /// Estimated time until the current queue is worked off, in ms; at least one second, since an earlier
    /// retry would find the queue full again.
    pub(crate) fn wait_ms(&self) -> u64 {
        let waiting = self.queue().0 as f64 + 1.0;
        let gateway = self.gateway();
        (waiting * gateway.call_ms / gateway.limit.permits() as f64).max(1_000.0) as u64
    }

    pub(crate) fn shed_count(&self) -> u64 {
        self.shed.load(Ordering::Relaxed)
    }

    /// Permits: (in use, limit).
    pub(crate) fn permits(&self) -> (usize, usize) {
        let gateway = self.gateway();
        (gateway.in_use, gateway.limit.permits())
    }

    pub(crate) const fn bounds(&self) -> AdmissionBounds {
        self.bounds
    }

    /// Waiting payments: (now, limit).
    pub(crate) fn queue(&self) -> (usize, usize) {
        let AdmissionBounds { concurrency, queue, .. } = self.bounds;
        let inside = concurrency + queue - self.tickets.available_permits();
        (inside.saturating_sub(self.permits().0), queue)
    }

    fn gateway(&self) -> MutexGuard<'_, Gateway> {
        self.gateway.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Gateway {
    fn record(&mut self, took_ms: u64) {
        let took_ms = took_ms as f64;
        if self.call_ms == 0.0 {
            (self.call_ms, self.deviation_ms) = (took_ms, took_ms / 2.0);
            return;
        }
        self.deviation_ms += ((took_ms - self.call_ms).abs() - self.deviation_ms) / 8.0;
        self.call_ms += (took_ms - self.call_ms) / 8.0;
    }

    /// Adds or removes slots after the limit has changed from `before`.
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
    /// Records a gateway call: its duration in ms, and whether it ended without a definite answer.
    pub(crate) fn called(&self, took_ms: u64, failed: bool) {
        let mut gateway = self.admission.gateway();
        gateway.record(took_ms);
        let Some(slow_call_ms) = self.admission.bounds.slow_call_ms else { return };
        let result = match (failed, took_ms >= slow_call_ms) {
            (true, true) => CallResult::TimedOut,
            (true, false) => CallResult::Failed,
            (false, true) => CallResult::Slow,
            (false, false) => CallResult::Quick,
        };
        let before = gateway.limit.permits();
        gateway.limit.ended(self.call, self.saturated, result);
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
