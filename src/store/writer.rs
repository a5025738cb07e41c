//! The one thread that writes: takes what has queued, makes it durable as one batch, answers all.
//!
//! ```text
//! take ─▶ check versions ─▶ make durable ─▶ show ─▶ answer
//! ```
//!
//! How a batch is made durable is each backend's: [`Engine`]. Whatever fails there poisons the store:
//! nobody knows what is on disk, so nothing more is written until it is opened anew.

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

/// How many requests become one batch.
const BATCH_MAX: usize = 1_024;
/// With nothing to do for so long, the writer catches up on what was put off.
const QUIET: Duration = Duration::from_millis(500);

/// What writes batches: a backend.
pub(super) trait Engine: Send + 'static {
    /// What only this backend is asked for.
    type Own: Send + 'static;
    /// What of that goes into a batch.
    type Staged: Default;

    fn status(&self) -> &Status;

    /// What is on disk of an entity, or will be there if the last batch is.
    fn known(&mut self, entity: EntityId) -> Result<Option<IndexRecord>, StoreError>;

    /// Does what only this backend is asked for, or stages it.
    fn stage(&mut self, batch: &mut Batch<Self::Staged>, own: Self::Own);

    /// Makes a batch durable, and writes as much of what was put off as `pace` allows. Answers whether
    /// there was anything to write.
    ///
    /// # Errors
    /// [`StoreError`]: what is on disk now, nobody knows.
    fn write(&mut self, batch: &mut Batch<Self::Staged>, pace: Pace) -> Result<bool, StoreError>;

    /// The batch that was written last is answered: time for what nobody waits for.
    fn answered(&mut self) {}

    /// Makes the next batch fail, as a disk would.
    fn fail_next_flush(&mut self);

    /// Lets go of the files.
    fn close(&mut self);
}

/// How much of what was put off is to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pace {
    /// A little: others wait.
    Busy,
    /// What is due: nobody waits.
    Quiet,
    /// Everything: the store is being closed.
    Closing,
}

/// A batch on its way to the disk.
#[derive(Default)]
pub(super) struct Batch<S> {
    /// The commits, each with the position of its first event, as frames.
    pub frames: Vec<(Position, Vec<u8>)>,
    /// What goes into the vault, in this order.
    pub vault: Vec<VaultWrite>,
    /// What is known of each entity that was looked at, as the batch leaves it.
    pub known: HashMap<EntityId, IndexRecord>,
    /// What only this backend is asked for.
    pub own: S,
    /// What is answered once the batch is on disk, if it gets there.
    pub answers: Vec<Answer>,
    events: Vec<Arc<Recorded>>,
}

impl<S> Batch<S> {
    /// Whether there is nothing in it that whoever is answered asked to be written: some only wait for what
    /// was queued before.
    pub(super) const fn writes_nothing(&self) -> bool {
        self.frames.is_empty() && self.vault.is_empty()
    }
}

/// What is answered once the batch is on disk, if it gets there.
pub(super) enum Answer {
    Commit(Reply<Committed>, Result<Committed, CommitError>),
    Vault(Reply<()>),
    View(Reply<()>),
}

/// The thread that writes, with what it writes with.
pub(super) struct Writer<E: Engine> {
    engine: E,
    next: Position,
}

impl<E: Engine> Writer<E> {
    /// Starts it. `status` is the engine's.
    pub(super) fn start(engine: E, status: Arc<Status>) -> mpsc::Sender<Request<E::Own>> {
        let (requests, queue) = mpsc::channel();
        let next = Position(status.head.borrow().0 + 1);
        start_thread("store-writer", move || {
            let mut writer = Self { engine, next };
            // Replies of requests that a panic drops tell their callers: unknown.
            let ended = std::panic::catch_unwind(AssertUnwindSafe(|| writer.run(&queue)));
            if ended.is_err() {
                error!("the store's writer failed; it takes nothing more until it is opened anew");
            }
            // Closed, or not: nobody writes any more.
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
            // After they were taken: whoever made room before asking is not told of what was.
            self.engine.status().room.look();
            let mut closing = None;
            let mut batch = Batch::default();
            for request in requests {
                let Some(request) = self.with_room(request) else { continue };
                match request {
                    Request::Commit { commit, reply } => self.stage(&mut batch, &commit, reply),
                    Request::Vault { writes, reply } => {
                        batch.vault.extend(writes);
                        batch.answers.push(Answer::Vault(reply));
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

    /// The request, unless it is to write and the disk has no room: then it is answered.
    fn with_room(&self, request: Request<E::Own>) -> Option<Request<E::Own>> {
        let Some(shortage) = self.engine.status().room.shortage() else { return Some(request) };
        match request {
            Request::Commit { reply, .. } => drop(reply.send(Err(CommitError::Unavailable(shortage)))),
            Request::Vault { writes, reply } if !writes.is_empty() => {
                drop(reply.send(Err(CommitError::Unavailable(shortage))));
            }
            request => return Some(request),
        }
        None
    }

    /// Checks a commit against what is known, this batch's earlier commits included.
    fn stage(&mut self, batch: &mut Batch<E::Staged>, commit: &Commit, reply: Reply<Committed>) {
        match self.decide(batch, commit) {
            Ok(committed) => batch.answers.push(Answer::Commit(reply, Ok(committed))),
            // What it conflicts with may be in this very batch: answered when that can be seen.
            Err(error @ CommitError::Conflict { .. }) => {
                batch.answers.push(Answer::Commit(reply, Err(error)))
            }
            Err(error) => drop(reply.send(Err(error))),
        }
    }

    fn decide(&mut self, batch: &mut Batch<E::Staged>, commit: &Commit) -> Result<Committed, CommitError> {
        let known = self.known(batch, commit.entity)?;
        let current = known.version;
        if known.last_commit_id == commit.commit_id.0 && current.0 > 0 {
            return Ok(Committed { position: Position(current.0), version: current });
        }
        if current != commit.expected {
            return Err(CommitError::Conflict { current });
        }
        let (record, frame) = CommitRecord::of(commit)?;
        // Nothing is staged before everything is known to fit.
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
        known.last_commit_id = commit.commit_id.0;
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

    /// Makes a batch durable, and answers. Answers whether there was anything to write.
    fn write(&mut self, mut batch: Batch<E::Staged>, pace: Pace) -> bool {
        if let Some(reason) = self.engine.status().poisoned() {
            let failed = |answer: Answer| answer.failed(CommitError::Unavailable(reason.clone()));
            batch.answers.into_iter().for_each(failed);
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
                batch.answers.into_iter().for_each(Answer::durable);
                self.engine.answered();
                written
            }
            Err(error) => {
                error!(%error, "the store could not write; it takes nothing more until it is opened anew");
                status.poison(&error.to_string());
                let unknown = |answer: Answer| answer.failed(CommitError::Unknown(error.to_string()));
                batch.answers.into_iter().for_each(unknown);
                true
            }
        }
    }
}

/// Does nothing any more, but for being closed: the tests of hanging end, too.
fn hang<O>(queue: &mpsc::Receiver<Request<O>>) -> Option<oneshot::Sender<()>> {
    let mut unanswered = Vec::new();
    for request in queue {
        match request {
            Request::Close { reply } => return Some(reply),
            // Dropped, it would be answered.
            request => unanswered.push(request),
        }
    }
    None
}

impl Answer {
    fn durable(self) {
        match self {
            Self::Commit(reply, answer) => drop(reply.send(answer)),
            Self::Vault(reply) | Self::View(reply) => drop(reply.send(Ok(()))),
        }
    }

    fn failed(self, error: CommitError) {
        match self {
            Self::Commit(reply, _) => drop(reply.send(Err(error))),
            Self::Vault(reply) | Self::View(reply) => drop(reply.send(Err(error))),
        }
    }
}
