//! What waits for the writer, and how it gets there.

use std::sync::{Arc, Mutex, PoisonError, mpsc};

use tokio::sync::oneshot;

use super::{Commit, CommitError, Committed, FaultMode, Pending, VaultWrite, at_once, status::Status};

/// Where the answer to a write goes.
pub(super) type Reply<T> = oneshot::Sender<Result<T, CommitError>>;

/// Something to write, or to do between two batches. `O` is what only one backend is asked for.
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

    /// Puts a request into the queue; answers whether it is there.
    pub(super) fn request(&self, request: Request<O>) -> bool {
        let requests = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        requests.as_ref().is_some_and(|requests| requests.send(request).is_ok())
    }

    /// Has the writer do something, and waits for its answer.
    pub(super) fn written<T: Send + 'static>(
        &self,
        status: &Status,
        request: impl FnOnce(Reply<T>) -> Request<O>,
    ) -> Pending<Result<T, CommitError>> {
        let (reply, answer) = oneshot::channel();
        if let Some(reason) = status.poisoned() {
            return at_once(Err(CommitError::Unavailable(reason)));
        }
        if !self.request(request(reply)) {
            return at_once(Err(CommitError::Unavailable("the journal is closed".to_owned())));
        }
        Box::pin(async move {
            answer.await.unwrap_or_else(|_| Err(CommitError::Unknown("the writer ended".to_owned())))
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

    /// Takes nothing more, and waits until the writer has written out what is pending, and let go of the
    /// files.
    pub(super) fn close(&self, status: &Arc<Status>) -> Pending<()> {
        let requests = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        let (reply, closed) = oneshot::channel();
        let asked = requests.is_some_and(|requests| requests.send(Request::Close { reply }).is_ok());
        let status = Arc::clone(status);
        Box::pin(async move {
            if asked {
                // A writer that ended by itself has nothing left to write.
                let _ = closed.await;
            }
            status.poison("the journal is closed");
        })
    }
}
