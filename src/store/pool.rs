//! Threads that read from disk, so that actors do not block.

use std::{
    collections::VecDeque,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::oneshot;

use super::{Pending, StoreError};

const READERS: usize = 2;

type Job = Box<dyn FnOnce() + Send>;

/// Threads that read from disk. They end when the pool is dropped and the queue is empty.
pub(super) struct ReadPool {
    queue: Arc<Queue>,
}

#[derive(Default)]
struct Queue {
    waiting: Mutex<Waiting>,
    more: Condvar,
}

#[derive(Default)]
struct Waiting {
    jobs: VecDeque<Job>,
    closed: bool,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, job: Job) {
        self.lock().jobs.push_back(job);
        self.more.notify_one();
    }

    /// The next job; none once the pool is dropped and the queue is empty.
    fn take(&self) -> Option<Job> {
        let mut waiting = self.lock();
        loop {
            if let Some(job) = waiting.jobs.pop_front() {
                return Some(job);
            }
            if waiting.closed {
                return None;
            }
            waiting = self.more.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

pub(super) fn start_thread(name: &str, run: impl FnOnce() + Send + 'static) {
    let thread = std::thread::Builder::new().name(name.to_owned());
    thread.spawn(run).expect("the system has room for the store's few threads");
}

impl ReadPool {
    pub(super) fn start() -> Self {
        let queue = Arc::new(Queue::default());
        for _ in 0..READERS {
            let queue = Arc::clone(&queue);
            start_thread("store-reader", move || {
                while let Some(job) = queue.take() {
                    // A panic drops the job's reply; the thread goes on with the next job.
                    let _ = catch_unwind(AssertUnwindSafe(job));
                }
            });
        }
        Self { queue }
    }

    pub(super) fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
    ) -> Pending<Result<T, StoreError>> {
        let (reply, result) = oneshot::channel();
        self.queue.put(Box::new(move || drop(reply.send(job()))));
        Box::pin(
            async move { result.await.map_err(|_| StoreError::Unavailable("a reader failed".to_owned()))? },
        )
    }
}

impl Drop for ReadPool {
    fn drop(&mut self) {
        self.queue.lock().closed = true;
        self.queue.more.notify_all();
    }
}
