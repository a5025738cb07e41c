//! Who is just doing something that must not happen while they leave: renting, paying, logging in.
//!
//! Whoever does such a thing is *present* until it is decided; leaving waits until nobody is, and keeps
//! others waiting meanwhile. In memory: a store belongs to one process.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};

use crate::domain::CustomerId;

/// Who is present, and who is just leaving.
#[derive(Default)]
pub(crate) struct CustomerLocks {
    doors: Mutex<HashMap<CustomerId, Arc<RwLock<()>>>>,
}

/// Somebody is present for as long as this is held.
pub struct CustomerLock(#[expect(dead_code, reason = "held, not looked at")] Door<OwnedRwLockReadGuard<()>>);

/// Somebody leaves for as long as this is held.
pub(crate) struct Leaving(
    #[expect(dead_code, reason = "held, not looked at")] Door<OwnedRwLockWriteGuard<()>>,
);

struct Door<Guard> {
    /// Taken when dropped.
    guard: Option<Guard>,
    customer_locks: Arc<CustomerLocks>,
    customer: CustomerId,
}

impl<Guard> Drop for Door<Guard> {
    fn drop(&mut self) {
        self.guard.take();
        let mut doors = self.customer_locks.lock();
        // Nobody else has it or waits for it: both would hold a clone.
        if doors.get(&self.customer).is_some_and(|door| Arc::strong_count(door) == 1) {
            doors.remove(&self.customer);
        }
    }
}

impl CustomerLocks {
    fn lock(&self) -> MutexGuard<'_, HashMap<CustomerId, Arc<RwLock<()>>>> {
        self.doors.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn door(&self, customer: CustomerId) -> Arc<RwLock<()>> {
        Arc::clone(self.lock().entry(customer).or_default())
    }

    fn held<Guard>(self: &Arc<Self>, customer: CustomerId) -> Door<Guard> {
        Door { guard: None, customer_locks: Arc::clone(self), customer }
    }

    /// Waits while they are leaving. Whether they have left is for the caller to ask, after this.
    pub(crate) async fn enter(self: &Arc<Self>, customer: CustomerId) -> CustomerLock {
        let mut held = self.held(customer);
        held.guard = Some(self.door(customer).read_owned().await);
        CustomerLock(held)
    }

    /// Waits while they are present.
    pub(crate) async fn leave(self: &Arc<Self>, customer: CustomerId) -> Leaving {
        let mut held = self.held(customer);
        held.guard = Some(self.door(customer).write_owned().await);
        Leaving(held)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Whether it has to wait: with a paused clock, time passes only when nothing else can happen.
    async fn waits(what: impl Future) -> bool {
        tokio::time::timeout(Duration::from_secs(1), what).await.is_err()
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_is_present_keeps_from_leaving_and_the_other_way_round() {
        let customer_locks = Arc::new(CustomerLocks::default());
        let (one, other) = (CustomerId(1), CustomerId(2));
        let (first, second) = (customer_locks.enter(one).await, customer_locks.enter(one).await);
        assert!(waits(customer_locks.leave(one)).await);
        assert!(!waits(customer_locks.leave(other)).await);
        drop(first);
        assert!(waits(customer_locks.leave(one)).await);
        drop(second);
        let leaving = customer_locks.leave(one).await;
        assert!(waits(customer_locks.enter(one)).await);
        drop(leaving);
        assert!(!waits(customer_locks.enter(one)).await);
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_is_kept_in_mind() {
        let customer_locks = Arc::new(CustomerLocks::default());
        let present = customer_locks.enter(CustomerId(1)).await;
        assert!(waits(customer_locks.leave(CustomerId(1))).await);
        drop(present);
        drop(customer_locks.leave(CustomerId(2)).await);
        assert!(customer_locks.lock().is_empty());
    }
}
