//! The one thread that writes: takes what has queued, makes it durable as one batch, answers all.
//!
//! ```text
//! take ─▶ check versions ─▶ pack ─▶ apply_batch ─▶ flush ─▶ fdatasync ─▶ show ─▶ answer
//! ```
//!
//! Whatever fails from `apply_batch` on poisons the store: nobody knows what is on disk, so nothing
//! more is written until it is opened anew.

use std::{
    collections::HashMap,
    panic::AssertUnwindSafe,
    sync::{Arc, atomic::Ordering, mpsc},
    time::{Duration, Instant},
};

use tokio::sync::oneshot;
use tracing::error;

use super::{
    Shared,
    format::{CHECKPOINT, Tree, chunk_key, entity_key, unavailable, vault_key},
    index::Due,
};
use crate::{
    domain::{EntityId, Position, Recorded, Version},
    figures::{Counter, Histogram},
    store::{
        Commit, CommitError, Committed, FaultMode, StoreError, StoreFigures, VaultWrite, codec,
        record::{CommitRecord, IndexRecord},
    },
};

/// How many requests become one batch.
const BATCH_MAX: usize = 1_024;
/// How large a journal value may get: a page holds several, and must not become too large (see `format`).
const CHUNK_BYTES_MAX: usize = 15 * 1_024;
/// With nothing to do for so long, the writer catches up on what it writes behind.
const QUIET: Duration = Duration::from_millis(500);
/// How many records are written behind with each batch, and how many more for each of its commits.
const BEHIND_MIN: usize = 64;
const BEHIND_PER_COMMIT: usize = 2;
/// How many records are written behind at once when there is nothing else to do.
const BEHIND_QUIET: usize = 1_024;

/// Where a commit's answer goes.
type Reply = oneshot::Sender<Result<Committed, CommitError>>;

/// Something to write.
pub(super) enum Request {
    Commit { commit: Box<Commit>, reply: Reply },
    Vault { writes: Vec<VaultWrite>, reply: oneshot::Sender<Result<(), CommitError>> },
    FailNextFlush,
    Fault(FaultMode),
    Close { reply: oneshot::Sender<()> },
}

/// The moment, for how long a record has been in memory: nothing that is stored depends on it.
#[expect(clippy::disallowed_methods, reason = "paces the writing behind; no decision depends on it")]
pub(super) fn now() -> Instant {
    Instant::now()
}

/// What the writer has done.
pub(super) struct Done {
    commits: Counter,
    batches: Histogram,
    syncs: Histogram,
}

impl Default for Done {
    fn default() -> Self {
        Self {
            commits: Counter::default(),
            batches: Histogram::new(&[0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 1_024.0]),
            syncs: Histogram::new(&[0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0]),
        }
    }
}

impl Done {
    fn synced(&self, commits: u64, within: Duration) {
        self.commits.add(commits);
        self.batches.observe(commits as f64);
        self.syncs.took(within);
    }

    pub(super) fn so_far(&self) -> StoreFigures {
        let Self { commits, batches, syncs } = self;
        let (commits, batches, syncs) = (commits.so_far(), batches.so_far(), syncs.so_far());
        StoreFigures { commits, batches, syncs, ..StoreFigures::default() }
    }
}

pub(super) struct Writer {
    shared: Arc<Shared>,
    next: Position,
    fail_next_flush: bool,
}

/// A batch on its way to the disk.
#[derive(Default)]
struct Batch {
    tree: sled::Batch,
    chunk: Vec<u8>,
    chunk_first: Position,
    staged: HashMap<EntityId, IndexRecord>,
    events: Vec<Arc<Recorded>>,
    commits: usize,
    answers: Vec<Answer>,
}

/// What is answered once the batch is on disk, if it gets there.
enum Answer {
    Commit(Reply, Result<Committed, CommitError>),
    Vault(oneshot::Sender<Result<(), CommitError>>),
}

impl Writer {
    pub(super) fn start(shared: Arc<Shared>) -> mpsc::Sender<Request> {
        let (requests, queue) = mpsc::channel();
        let next = Position(shared.head.borrow().0 + 1);
        super::reads::start_thread("store-writer", move || {
            let mut writer = Self { shared: Arc::clone(&shared), next, fail_next_flush: false };
            // Replies of requests that a panic drops tell their callers: unknown.
            let ended = std::panic::catch_unwind(AssertUnwindSafe(|| writer.run(&queue)));
            if ended.is_err() {
                error!("the store's writer failed; it takes nothing more until it is opened anew");
            }
            // Closed, or not: nobody writes any more.
            shared.poison("the writer ended");
        });
        requests
    }

    fn run(&mut self, queue: &mpsc::Receiver<Request>) {
        loop {
            self.shared.turns.fetch_add(1, Ordering::Relaxed);
            let first = match queue.recv_timeout(QUIET) {
                Ok(first) => Some(first),
                Err(mpsc::RecvTimeoutError::Timeout) => None,
                Err(mpsc::RecvTimeoutError::Disconnected) => return,
            };
            let quiet = first.is_none();
            self.shared.room.look();
            let more = std::iter::from_fn(|| queue.try_recv().ok());
            let mut closing = None;
            let mut batch = Batch { chunk_first: self.next, ..Batch::default() };
            for request in first.into_iter().chain(more).take(BATCH_MAX) {
                let Some(request) = self.with_room(request) else { continue };
                match request {
                    Request::Commit { commit, reply } => self.stage(&mut batch, commit, reply),
                    Request::Vault { writes, reply } => {
                        batch.vault(&writes);
                        batch.answers.push(Answer::Vault(reply));
                    }
                    Request::FailNextFlush => self.fail_next_flush = true,
                    Request::Fault(FaultMode::Panic) => panic!("injected fault"),
                    Request::Fault(FaultMode::Stop) => return,
                    Request::Fault(FaultMode::Hang) => closing = hang(queue),
                    Request::Close { reply } => closing = Some(reply),
                }
            }
            self.write(batch, quiet, closing.is_some());
            if let Some(closed) = closing {
                while !self.write(Batch::default(), true, true) {}
                self.shared.files.close();
                let _ = closed.send(());
                return;
            }
        }
    }

    /// The request, unless it is to write and the disk has no room: then it is answered.
    fn with_room(&self, request: Request) -> Option<Request> {
        let Some(shortage) = self.shared.room.shortage() else { return Some(request) };
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
    fn stage(&mut self, batch: &mut Batch, commit: Box<Commit>, reply: Reply) {
        match self.decide(batch, &commit) {
            Ok(committed) => batch.answers.push(Answer::Commit(reply, Ok(committed))),
            // What it conflicts with may be in this very batch: answered when that can be seen.
            Err(error @ CommitError::Conflict { .. }) => {
                batch.answers.push(Answer::Commit(reply, Err(error)))
            }
            Err(error) => drop(reply.send(Err(error))),
        }
    }

    fn decide(&mut self, batch: &mut Batch, commit: &Commit) -> Result<Committed, CommitError> {
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
        self.known(batch, commit.entity)?.check_room(commit.snapshot.len(), own)?;
        for (rental, _) in &timelines {
            let known = self.known(batch, (*rental).into())?;
            known.check_room(known.snapshot.len(), timelines.len())?;
        }
        for (rental, position) in timelines {
            self.known(batch, rental.into())?.in_timeline(position);
        }
        let last = record.last(self.next);
        let known = self.known(batch, commit.entity)?;
        known.version = Version(last.0);
        known.last_commit_id = commit.commit_id.0;
        known.snapshot = commit.snapshot.to_vec();
        if batch.chunk.len() + frame.len() > CHUNK_BYTES_MAX {
            batch.close_chunk();
            batch.chunk_first = self.next;
        }
        codec::append(&mut batch.chunk, &frame);
        batch.vault(&commit.vault);
        batch.events.extend(record.recorded(self.next));
        batch.commits += 1;
        self.next = Position(last.0 + 1);
        Ok(Committed { position: last, version: Version(last.0) })
    }

    fn known<'a>(&self, batch: &'a mut Batch, entity: EntityId) -> Result<&'a mut IndexRecord, CommitError> {
        use std::collections::hash_map::Entry;
        Ok(match batch.staged.entry(entity) {
            Entry::Occupied(staged) => staged.into_mut(),
            Entry::Vacant(vacant) => {
                let stored = self.shared.index.get(entity).map_err(|error| match error {
                    StoreError::Corrupt(_) => CommitError::Refused(error.to_string()),
                    StoreError::Unavailable(reason) => CommitError::Unavailable(reason),
                })?;
                vacant.insert(stored.map(|stored| IndexRecord::clone(&stored)).unwrap_or_default())
            }
        })
    }

    /// Makes a batch durable, with some of what is written behind, and answers. Answers whether nothing
    /// is left to write behind.
    fn write(&mut self, mut batch: Batch, quiet: bool, everything: bool) -> bool {
        let max = if quiet { BEHIND_QUIET } else { BEHIND_MIN + BEHIND_PER_COMMIT * batch.commits };
        if let Some(reason) = self.shared.poisoned() {
            let failed = |answer: Answer| answer.failed(CommitError::Unavailable(reason.clone()));
            batch.answers.into_iter().for_each(failed);
            return true;
        }
        let head = *self.shared.head.borrow();
        let due = self.shared.index.due(max, now(), everything, head);
        if due.entities.is_empty() && batch.answers.is_empty() {
            return true;
        }
        let answers = std::mem::take(&mut batch.answers);
        let first = batch.events.first().map(|event| event.position);
        match self.make_durable(&mut batch, &due) {
            Ok(()) => {
                self.shared.index.written(&due.entities);
                if let Some(first) = first {
                    let staged =
                        batch.staged.into_iter().filter(|(entity, _)| !due.entities.contains(entity));
                    let staged =
                        staged.filter(|(_, record)| record.version.0 > 0 || !record.timeline.is_empty());
                    let staged = staged.map(|(entity, record)| (entity, Arc::new(record)));
                    self.shared.index.changed(staged, first, now());
                    self.shared.tail.push(batch.events);
                    self.shared.head.send_replace(Position(self.next.0 - 1));
                }
                answers.into_iter().for_each(Answer::durable);
            }
            Err(error) => {
                error!(%error, "the store could not write; it takes nothing more until it is opened anew");
                self.shared.poison(&error.to_string());
                let unknown = |answer: Answer| answer.failed(CommitError::Unknown(error.to_string()));
                answers.into_iter().for_each(unknown);
            }
        }
        false
    }

    fn make_durable(&mut self, batch: &mut Batch, due: &Due) -> Result<(), StoreError> {
        batch.close_chunk();
        for entity in &due.entities {
            // What this batch changes is written as this batch leaves it: both or neither get there.
            let staged = batch.staged.get(entity);
            let stored = match staged {
                Some(staged) => codec::encode(staged)?,
                None => codec::encode(&*self.shared.index.get(*entity)?.unwrap_or_default())?,
            };
            batch.tree.insert(&entity_key(*entity), stored);
        }
        if let Some(checkpoint) = due.checkpoint {
            batch.tree.insert(CHECKPOINT, codec::encode(&checkpoint)?);
        }
        let tree = std::mem::take(&mut batch.tree);
        let fail = std::mem::take(&mut self.fail_next_flush);
        self.shared.files.with(|files| {
            self.shared.handover.apply(files, Tree::Journal, tree).map_err(unavailable)?;
            if fail {
                return Err(StoreError::Unavailable("a flush failed on demand".to_owned()));
            }
            let began = now();
            files.sync()?;
            self.shared.done.synced(batch.commits as u64, began.elapsed());
            Ok(())
        })
    }
}

/// Does nothing any more, but for being closed: the tests of hanging end, too.
fn hang(queue: &mpsc::Receiver<Request>) -> Option<oneshot::Sender<()>> {
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

impl Batch {
    fn close_chunk(&mut self) {
        if !self.chunk.is_empty() {
            let chunk = std::mem::take(&mut self.chunk);
            self.tree.insert(&chunk_key(self.chunk_first), chunk);
        }
    }

    fn vault(&mut self, writes: &[VaultWrite]) {
        for VaultWrite { key, value } in writes {
            match value {
                Some(value) => self.tree.insert(vault_key(key), value.as_slice()),
                None => self.tree.remove(vault_key(key)),
            }
        }
    }
}

impl Answer {
    fn durable(self) {
        match self {
            Self::Commit(reply, answer) => drop(reply.send(answer)),
            Self::Vault(reply) => drop(reply.send(Ok(()))),
        }
    }

    fn failed(self, error: CommitError) {
        match self {
            Self::Commit(reply, _) => drop(reply.send(Err(error))),
            Self::Vault(reply) => drop(reply.send(Err(error))),
        }
    }
}
