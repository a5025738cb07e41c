//! Requests that wait for the writer.

use std::sync::{Arc, Mutex, PoisonError, mpsc};

use tokio::sync::oneshot;

use super::{Commit, CommitError, Committed, FaultMode, Pending, VaultWrite, at_once, status::Status};

pub(super) type Reply<T> = oneshot::Sender<Result<T, CommitError>>;

/// A write, or something to do between two batches. `O` has the requests that only one backend knows.
pub(super) enum Request<O> {
    Commit { commit: Box<Commit>, reply: Reply<Committed> },
    Vault { writes: Vec<VaultWrite>, reply: Reply<()> },
    Own(O),
    FailNextFlush,
    Fault(FaultMode),
    Close { reply: oneshot::Sender<()> },
}

/// The writer's queue, until the store is closed.
pub(super) struct Queue<O>(Mutex<Option<mpsc::Sender<Request<O>>>>);

impl<O: Send + 'static> Queue<O> {
    pub(super) fn new(requests: mpsc::Sender<Request<O>>) -> Self {
        Self(Mutex::new(Some(requests)))
    }

    /// Queues a request; returns false if the writer has ended.
    pub(super) fn request(&self, request: Request<O>) -> bool {
        let requests = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        requests.as_ref().is_some_and(|requests| requests.send(request).is_ok())
    }

    pub(super) fn written<T: Send + 'static>(
        &self,
        status: &Status,
        request: impl FnOnce(Reply<T>) -> Request<O>,
    ) -> Pending<Result<T, CommitError>> {
        let (reply, result) = oneshot::channel();
        if let Some(reason) = status.poisoned() {
            return at_once(Err(CommitError::Unavailable(reason)));
        }
        if !self.request(request(reply)) {
            return at_once(Err(CommitError::Unavailable("the journal is closed".to_owned())));
        }
        Box::pin(async move {
            result.await.unwrap_or_else(|_| Err(CommitError::Unknown("the writer ended".to_owned())))
        })
    }

    pub(super) fn commit(&self, status: &Status, commit: Commit) -> Pending<Result<Committed, CommitError>> {
        self.written(status, |reply| Request::Commit { commit: Box::new(commit), reply })
    }

    pub(super) fn vault_write(
        &self,
        status: &Status,
        writes: Vec<VaultWrite>,
    ) -> Pending<Result<(), CommitError>> {
        match super::check_vault(&writes) {
            Ok(()) => self.written(status, |reply| Request::Vault { writes, reply }),
            Err(error) => at_once(Err(error)),
        }
    }

    /// Closes the queue, and waits until the writer has written what is pending and closed the files.
    pub(super) fn close(&self, status: &Arc<Status>) -> Pending<()> {
        let requests = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        let (reply, closed) = oneshot::channel();
        let queued = requests.is_some_and(|requests| requests.send(Request::Close { reply }).is_ok());
        let status = Arc::clone(status);
        Box::pin(async move {
            if queued {
                // An error says that the writer ended by itself: nothing is left to write.
                let _ = closed.await;
            }
            status.poison("the journal is closed");
        })
    }
}
