//! The writer thread: takes the queued requests, makes them durable as one batch, and replies to all.
//!
//! ```text
//! take ─▶ check versions ─▶ make durable ─▶ show to readers ─▶ reply
//! ```
//!
//! Each backend makes a batch durable in its own way: [`Engine`]. A failure there poisons the store: it is
//! unknown what is on disk, so nothing more is written until the store is reopened.

use std::{
    collections::hash_map::Entry,
    panic::AssertUnwindSafe,
    sync::{Arc, mpsc},
    time::Duration,
};

use foldhash::HashMap;
use tokio::sync::oneshot;
use tracing::error;

use super::{
    Commit, CommitError, Committed, FaultMode, StoreError, VaultWrite,
    pool::start_thread,
    queue::{Reply, Request},
    record::{CommitRecord, IndexRecord},
    status::Status,
};
use crate::domain::{EntityId, EntityKind, Position, Recorded, Version};

const BATCH_MAX: usize = 1_024;
/// Without a request for this long, the writer writes what was put off.
const QUIET: Duration = Duration::from_millis(500);

/// The part of a backend that writes batches.
pub(super) trait Engine: Send + 'static {
    /// Requests that only this backend knows.
    type Own: Send + 'static;
    /// Additions of these requests to a batch.
    type Staged: Default;

    fn status(&self) -> &Status;

    /// The index record of an entity after the last batch.
    fn known(&mut self, entity: EntityId) -> Result<Option<IndexRecord>, StoreError>;

    /// Performs a request of this backend, or adds it to the batch.
    fn stage(&mut self, batch: &mut Batch<Self::Staged>, own: Self::Own);

    /// Makes a batch durable, and writes as much of what was put off as `pace` allows. Returns false if there
    /// was nothing to write. After an error it is unknown what is on disk.
    fn write(&mut self, batch: &mut Batch<Self::Staged>, pace: Pace) -> Result<bool, StoreError>;

    /// Called after the replies to a batch, for work that no caller waits for.
    fn replied(&mut self) {}

    /// Makes the next flush fail, as a failing disk would.
    fn fail_next_flush(&mut self);

    fn close(&mut self);
}

/// Amount of write-behind with a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pace {
    /// A little: callers wait.
    Busy,
    /// All that is due: no caller waits.
    Quiet,
    /// Everything: the store is being closed.
    Closing,
}

#[derive(Default)]
pub(super) struct Batch<S> {
    /// Frames of the commits, each with the position of its first event.
    pub frames: Vec<(Position, Vec<u8>)>,
    /// Writes to the vault, in their order.
    pub vault: Vec<VaultWrite>,
    /// Index records of the entities that were looked up, as the batch leaves them.
    pub known: HashMap<EntityId, IndexRecord>,
    /// Additions of this backend's requests.
    pub own: S,
    /// Replies to send after the batch.
    pub completions: Vec<Completion>,
    events: Vec<Arc<Recorded>>,
}

impl<S> Batch<S> {
    /// True without commits and vault writes. There may be completions all the same: an empty vault write
    /// waits for earlier requests.
    pub(super) const fn writes_nothing(&self) -> bool {
        self.frames.is_empty() && self.vault.is_empty()
    }
}

pub(super) enum Completion {
    Commit(Reply<Committed>, Result<Committed, CommitError>),
    Vault(Reply<()>),
    View(Reply<()>),
}

pub(super) struct Writer<E: Engine> {
    engine: E,
    next: Position,
}

impl<E: Engine> Writer<E> {
    /// Starts the thread. `status` is the engine's.
    pub(super) fn start(engine: E, status: Arc<Status>) -> mpsc::Sender<Request<E::Own>> {
        let (requests, queue) = mpsc::channel();
        let next = Position(status.head.borrow().0 + 1);
        start_thread("store-writer", move || {
            let mut writer = Self { engine, next };
            // A panic drops the replies of its batch: their callers get `Unknown`.
            let ended = std::panic::catch_unwind(AssertUnwindSafe(|| writer.run(&queue)));
            if ended.is_err() {
                error!("the store's writer failed; the store takes no writes until it is reopened");
            }
            status.poison("the writer ended");
        });
        requests
    }

    fn run(&mut self, queue: &mpsc::Receiver<Request<E::Own>>) {
        loop {
            self.engine.status().turn();
            let first = match queue.recv_timeout(QUIET) {
                Ok(first) => Some(first),
                Err(mpsc::RecvTimeoutError::Timeout) => None,
                Err(mpsc::RecvTimeoutError::Disconnected) => return,
            };
            let quiet = first.is_none();
            let more = std::iter::from_fn(|| queue.try_recv().ok());
            let requests: Vec<_> = first.into_iter().chain(more).take(BATCH_MAX).collect();
            // After the requests were taken: space that was freed before a request counts for it.
            self.engine.status().space.look();
            let mut closing = None;
            let mut batch = Batch::default();
            for request in requests {
                let Some(request) = self.with_space(request) else { continue };
                match request {
                    Request::Commit { commit, reply } => self.stage(&mut batch, &commit, reply),
                    Request::Vault { writes, reply } => {
                        batch.vault.extend(writes);
                        batch.completions.push(Completion::Vault(reply));
                    }
                    Request::Own(own) => self.engine.stage(&mut batch, own),
                    Request::FailNextFlush => self.engine.fail_next_flush(),
                    Request::Fault(FaultMode::Panic) => panic!("injected fault"),
                    Request::Fault(FaultMode::Stop) => return,
                    Request::Fault(FaultMode::Hang) => closing = hang(queue),
                    Request::Close { reply } => closing = Some(reply),
                }
            }
            let pace = match (&closing, quiet) {
                (Some(_), _) => Pace::Closing,
                (None, true) => Pace::Quiet,
                (None, false) => Pace::Busy,
            };
            self.write(batch, pace);
            if let Some(closed) = closing {
                while self.write(Batch::default(), Pace::Closing) {}
                self.engine.close();
                let _ = closed.send(());
                return;
            }
        }
    }

    /// Returns the request, or replies with an error if it would write and the disk has too little space.
    fn with_space(&self, request: Request<E::Own>) -> Option<Request<E::Own>> {
        let Some(shortage) = self.engine.status().space.shortage() else { return Some(request) };
        match request {
            Request::Commit { reply, .. } => drop(reply.send(Err(CommitError::Unavailable(shortage)))),
            Request::Vault { writes, reply } if !writes.is_empty() => {
                drop(reply.send(Err(CommitError::Unavailable(shortage))));
            }
            request => return Some(request),
        }
        None
    }

    fn stage(&mut self, batch: &mut Batch<E::Staged>, commit: &Commit, reply: Reply<Committed>) {
        match self.decide(batch, commit) {
            Ok(committed) => batch.completions.push(Completion::Commit(reply, Ok(committed))),
            // It may conflict with a commit of this batch: the caller must be able to load that one.
            Err(error @ CommitError::Conflict { .. }) => {
                batch.completions.push(Completion::Commit(reply, Err(error)))
            }
            Err(error) => drop(reply.send(Err(error))),
        }
    }

    fn decide(&mut self, batch: &mut Batch<E::Staged>, commit: &Commit) -> Result<Committed, CommitError> {
        let known = self.known(batch, commit.entity)?;
        let current = known.version;
        if known.last_commit_id == commit.commit_id && current.0 > 0 {
            return Ok(Committed { position: Position(current.0), version: current });
        }
        if current != commit.expected {
            return Err(CommitError::Conflict { current });
        }
        let (record, frame) = CommitRecord::of(commit)?;
        // The batch changes only after every check.
        let timelines: Vec<_> = record.timelines(self.next).collect();
        let own = timelines.iter().filter(|(rental, _)| EntityId::from(*rental) == commit.entity).count();
        self.known(batch, commit.entity)?.check_room(commit.entity.kind, commit.snapshot.len(), own)?;
        for (rental, _) in &timelines {
            let known = self.known(batch, (*rental).into())?;
            known.check_room(EntityKind::Rental, known.snapshot.len(), timelines.len())?;
        }
        for (rental, position) in timelines {
            self.known(batch, rental.into())?.in_timeline(position);
        }
        let last = record.last(self.next);
        let known = self.known(batch, commit.entity)?;
        known.version = Version(last.0);
        known.last_commit_id = commit.commit_id;
        known.snapshot = commit.snapshot.to_vec();
        batch.frames.push((self.next, frame));
        batch.vault.extend(commit.vault.iter().cloned());
        batch.events.extend(record.recorded(self.next));
        self.next = Position(last.0 + 1);
        Ok(Committed { position: last, version: Version(last.0) })
    }

    fn known<'a>(
        &mut self,
        batch: &'a mut Batch<E::Staged>,
        entity: EntityId,
    ) -> Result<&'a mut IndexRecord, CommitError> {
        Ok(match batch.known.entry(entity) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(vacant) => {
                let stored = self.engine.known(entity).map_err(|error| match error {
                    StoreError::Corrupt(_) => CommitError::Refused(error.to_string()),
                    StoreError::Unavailable(reason) => CommitError::Unavailable(reason),
                })?;
                vacant.insert(stored.unwrap_or_default())
            }
        })
    }

    /// Makes a batch durable, and replies. Returns false if there was nothing to write.
    fn write(&mut self, mut batch: Batch<E::Staged>, pace: Pace) -> bool {
        if let Some(reason) = self.engine.status().poisoned() {
            let error = CommitError::Unavailable(reason);
            batch.completions.into_iter().for_each(|completion| completion.reply(Err(error.clone())));
            return false;
        }
        let written = self.engine.write(&mut batch, pace);
        let status = self.engine.status();
        match written {
            Ok(written) => {
                if !batch.events.is_empty() {
                    status.tail.push(batch.events);
                    status.head.send_replace(Position(self.next.0 - 1));
                }
                batch.completions.into_iter().for_each(|completion| completion.reply(Ok(())));
                self.engine.replied();
                written
            }
            Err(error) => {
                error!(%error, "the store could not write; it takes no writes until it is reopened");
                status.poison(&error.to_string());
                let error = CommitError::Unknown(error.to_string());
                batch.completions.into_iter().for_each(|completion| completion.reply(Err(error.clone())));
                true
            }
        }
    }
}

/// Ignores all requests until the store is closed, so that tests of a hanging writer end.
fn hang<O>(queue: &mpsc::Receiver<Request<O>>) -> Option<oneshot::Sender<()>> {
    let mut unanswered = Vec::new();
    for request in queue {
        match request {
            Request::Close { reply } => return Some(reply),
            // Kept: dropping it would reply to it.
            request => unanswered.push(request),
        }
    }
    None
}

impl Completion {
    fn reply(self, written: Result<(), CommitError>) {
        match self {
            Self::Commit(reply, result) => drop(reply.send(written.and(result))),
            Self::Vault(reply) | Self::View(reply) => drop(reply.send(written)),
        }
    }
}
