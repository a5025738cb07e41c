//! Customer locks: shared while a customer rents, pays or logs in; exclusive while the customer's account is
//! closed.
//!
//! The locks are in memory, since a store belongs to one process.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};

use crate::domain::CustomerId;

#[derive(Default)]
pub(crate) struct CustomerLocks {
    locks: Mutex<HashMap<CustomerId, Arc<RwLock<()>>>>,
}

/// Lock of a customer, released when dropped. With a read guard, the account is not closed meanwhile; with a
/// write guard, the customer does nothing else.
pub(crate) struct CustomerLock<Guard = OwnedRwLockReadGuard<()>> {
    /// `None` while the lock is waited for.
    guard: Option<Guard>,
    locks: Arc<CustomerLocks>,
    customer: CustomerId,
}

impl<Guard> Drop for CustomerLock<Guard> {
    fn drop(&mut self) {
        self.guard.take();
        let mut locks = self.locks.lock();
        // A holder or a waiter would have a clone.
        if locks.get(&self.customer).is_some_and(|lock| Arc::strong_count(lock) == 1) {
            locks.remove(&self.customer);
        }
    }
}

impl CustomerLocks {
    fn lock(&self) -> MutexGuard<'_, HashMap<CustomerId, Arc<RwLock<()>>>> {
        self.locks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_of(&self, customer: CustomerId) -> Arc<RwLock<()>> {
        Arc::clone(self.lock().entry(customer).or_default())
    }

    fn waiting<Guard>(self: &Arc<Self>, customer: CustomerId) -> CustomerLock<Guard> {
        CustomerLock { guard: None, locks: Arc::clone(self), customer }
    }

    /// Waits for a shared lock. The caller checks afterwards whether the account is closed.
    pub(crate) async fn shared(self: &Arc<Self>, customer: CustomerId) -> CustomerLock {
        let mut lock = self.waiting(customer);
        lock.guard = Some(self.lock_of(customer).read_owned().await);
        lock
    }

    pub(crate) async fn exclusive(
        self: &Arc<Self>,
        customer: CustomerId,
    ) -> CustomerLock<OwnedRwLockWriteGuard<()>> {
        let mut lock = self.waiting(customer);
        lock.guard = Some(self.lock_of(customer).write_owned().await);
        lock
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Returns whether `lock` has to wait. With a paused clock, time passes only when nothing else can
    /// happen.
    async fn waits(lock: impl Future) -> bool {
        tokio::time::timeout(Duration::from_secs(1), lock).await.is_err()
    }

    #[tokio::test(start_paused = true)]
    async fn shared_and_exclusive_locks_exclude_each_other() {
        let locks = Arc::new(CustomerLocks::default());
        let (one, other) = (CustomerId(1), CustomerId(2));
        let (first, second) = (locks.shared(one).await, locks.shared(one).await);
        assert!(waits(locks.exclusive(one)).await);
        assert!(!waits(locks.exclusive(other)).await);
        drop(first);
        assert!(waits(locks.exclusive(one)).await);
        drop(second);
        let exclusive = locks.exclusive(one).await;
        assert!(waits(locks.shared(one)).await);
        drop(exclusive);
        assert!(!waits(locks.shared(one)).await);
    }

    #[tokio::test(start_paused = true)]
    async fn unused_locks_are_removed() {
        let locks = Arc::new(CustomerLocks::default());
        let shared = locks.shared(CustomerId(1)).await;
        assert!(waits(locks.exclusive(CustomerId(1))).await);
        drop(shared);
        drop(locks.exclusive(CustomerId(2)).await);
        assert!(locks.lock().is_empty());
    }
}
