//! A few threads that wait for the disk, so that no actor does.

use std::sync::{Arc, Mutex, PoisonError, mpsc};

use tokio::sync::oneshot;

use super::{Pending, StoreError};

/// How many threads read from disk.
const READERS: usize = 2;

/// A few threads that wait for the disk, so that no actor does.
pub(super) struct ReadPool {
    jobs: mpsc::Sender<Box<dyn FnOnce() + Send>>,
}

/// Starts a thread of the store's, under a name that tools show.
pub(super) fn start_thread(name: &str, run: impl FnOnce() + Send + 'static) {
    let thread = std::thread::Builder::new().name(name.to_owned());
    thread.spawn(run).expect("the system has room for the store's few threads");
}

impl ReadPool {
    pub(super) fn start() -> Self {
        let (jobs, queue) = mpsc::channel::<Box<dyn FnOnce() + Send>>();
        let queue = Arc::new(Mutex::new(queue));
        for _ in 0..READERS {
            let queue = Arc::clone(&queue);
            start_thread("store-reader", move || {
                loop {
                    let job = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
                    let Ok(job) = job else { break };
                    // A job that panics drops its answer; the thread is for the next one.
                    let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(job));
                }
            });
        }
        Self { jobs }
    }

    pub(super) fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
    ) -> Pending<Result<T, StoreError>> {
        let (reply, answer) = oneshot::channel();
        let job = move || drop(reply.send(job()));
        let queued = self.jobs.send(Box::new(job));
        Box::pin(async move {
            let failed = || StoreError::Unavailable("a reader failed".to_owned());
            queued.map_err(|_| failed())?;
            answer.await.map_err(|_| failed())?
        })
    }
}
