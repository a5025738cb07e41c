//! A value that can be closed while others still refer to it: a store's open files.

use std::sync::{PoisonError, RwLock};

use super::StoreError;

/// A value that is dropped by [`Self::close`], and unavailable from then on.
pub(super) struct Closable<T>(RwLock<Option<T>>);

impl<T> Closable<T> {
    pub(super) fn new(value: T) -> Self {
        Self(RwLock::new(Some(value)))
    }

    /// Uses the value. Must not be nested: a thread that closes it would deadlock both.
    pub(super) fn with<R>(&self, work: impl FnOnce(&T) -> Result<R, StoreError>) -> Result<R, StoreError> {
        let value = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let closed = || StoreError::Unavailable("the journal is closed".to_owned());
        work(value.as_ref().ok_or_else(closed)?)
    }

    /// Drops the value, as soon as no thread uses it.
    pub(super) fn close(&self) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).take();
    }
}
