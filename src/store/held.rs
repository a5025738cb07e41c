//! The files of a store, until they are closed: so that closing lets go of them, whoever still holds the
//! journal.

use std::sync::{PoisonError, RwLock};

use super::StoreError;

/// Files that are open, until they are closed.
pub(super) struct Held<T>(RwLock<Option<T>>);

impl<T> Held<T> {
    pub(super) fn new(opened: T) -> Self {
        Self(RwLock::new(Some(opened)))
    }

    /// Does something with the files. Not to be nested: a thread that closes them would stand between.
    pub(super) fn with<R>(&self, work: impl FnOnce(&T) -> Result<R, StoreError>) -> Result<R, StoreError> {
        let files = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let closed = || StoreError::Unavailable("the journal is closed".to_owned());
        work(files.as_ref().ok_or_else(closed)?)
    }

    /// Lets go of them, once nobody is at work with them.
    pub(super) fn close(&self) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).take();
    }
}
