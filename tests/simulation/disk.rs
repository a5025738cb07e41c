//! The store of a simulated world: the journal in memory, behind a disk that is slow, fails on demand at any
//! operation, and dies with its process.
//!
//! A write is durable once it is answered. When the process dies, writes under way and the last rows of views
//! arrive or do not.

mod journal;

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures_util::FutureExt as _;
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use saem::{Commit, CommitError, Committed, Journal as _, MemoryJournal, Position, VaultWrite};
use tokio::sync::{oneshot, watch};

use crate::plan::Outcome;

/// Longer than every timeout of the store, in ms.
const SLOW_MS: u64 = 7_000;
const WHY: &str = "a planned fault";

/// Time of an operation at most, in ms.
#[derive(Clone, Copy)]
pub struct Pace {
    pub commit_ms: u64,
    pub read_ms: u64,
}

/// A fault that waits for its operation.
#[derive(Clone, Copy, Debug)]
pub struct Planned {
    /// The n-th operation from now, 1 for the next.
    pub nth: u64,
    pub outcome: Outcome,
    /// True if no write succeeds after it.
    pub for_ever: bool,
}

/// The disk of one process.
pub struct Disk {
    state: Arc<State>,
}

struct State {
    memory: Arc<MemoryJournal>,
    pace: Pace,
    dice: Mutex<StdRng>,
    planned: Mutex<Vec<Planned>>,
    /// All operations: true for a write.
    operations: Mutex<Vec<bool>>,
    queue: Mutex<VecDeque<Queued>>,
    poisoned: AtomicBool,
    dead: watch::Sender<bool>,
    /// One for each follower of the journal: a single one would wake them in random order.
    heads: Mutex<Vec<watch::Sender<Position>>>,
}

/// A write under way.
struct Queued {
    work: Work,
    outcome: Option<Outcome>,
}

enum Work {
    Commit(Box<Commit>, oneshot::Sender<Result<Committed, CommitError>>),
    Vault(Vec<VaultWrite>, oneshot::Sender<Result<(), CommitError>>),
}

impl Disk {
    pub fn over(memory: Arc<MemoryJournal>, pace: Pace, seed: u64) -> Arc<Self> {
        let state = State {
            memory,
            pace,
            dice: Mutex::new(StdRng::seed_from_u64(seed)),
            planned: Mutex::default(),
            operations: Mutex::default(),
            queue: Mutex::default(),
            poisoned: AtomicBool::new(false),
            dead: watch::Sender::new(false),
            heads: Mutex::default(),
        };
        Arc::new(Self { state: Arc::new(state) })
    }

    /// The durable part.
    pub fn memory(&self) -> &Arc<MemoryJournal> {
        &self.state.memory
    }

    pub fn plan(&self, fault: Planned) {
        self.state.planned.lock().unwrap().push(fault);
    }

    /// Removes all planned faults.
    pub fn forget_plans(&self) {
        self.state.planned.lock().unwrap().clear();
    }

    /// True if a planned fault has not occurred.
    pub fn has_plans(&self) -> bool {
        !self.state.planned.lock().unwrap().is_empty()
    }

    /// All operations since the last [`Self::forget_operations`]: true for a write.
    pub fn operations(&self) -> Vec<bool> {
        self.state.operations.lock().unwrap().clone()
    }

    pub fn forget_operations(&self) {
        self.state.operations.lock().unwrap().clear();
    }

    pub fn is_poisoned(&self) -> bool {
        self.state.poisoned.load(Ordering::Relaxed)
    }

    /// Returns once its process has died.
    pub async fn died(&self) {
        let _ = self.state.dead.subscribe().wait_for(|dead| *dead).await;
    }

    /// Kills the process, and returns the journal that it leaves. Writes under way arrive completely or not
    /// at all, and so many batches of rows have arrived.
    pub fn crash(&self, arrives: bool, batches: usize) -> Arc<MemoryJournal> {
        self.state.dead.send_replace(true);
        for queued in self.state.queue.lock().unwrap().drain(..) {
            if arrives && matches!(queued.outcome, None | Some(Outcome::After)) {
                let _ = self.state.write(&queued.work);
            }
        }
        self.state.memory.crash_keeping(batches)
    }
}

impl State {
    fn is_dead(&self) -> bool {
        *self.dead.borrow()
    }

    /// Counts an operation, and returns its planned failure.
    fn strike(&self, writes: bool) -> Option<Outcome> {
        self.operations.lock().unwrap().push(writes);
        let mut planned = self.planned.lock().unwrap();
        planned.iter_mut().for_each(|fault| fault.nth -= 1);
        let due = planned.iter().position(|fault| fault.nth == 0)?;
        let Planned { outcome, for_ever, .. } = planned.remove(due);
        // Another fault of the same operation is dropped.
        planned.retain(|fault| fault.nth > 0);
        if for_ever {
            self.poisoned.store(true, Ordering::Relaxed);
        }
        if outcome == Outcome::DieBefore {
            self.dead.send_replace(true);
        }
        Some(outcome)
    }

    fn delay(&self, max_ms: u64) -> Option<Duration> {
        (max_ms > 0).then(|| Duration::from_millis(self.dice.lock().unwrap().random_range(0..=max_ms)))
    }

    fn write(&self, work: &Work) -> Result<Option<Committed>, CommitError> {
        const AT_ONCE: &str = "no waiting in memory";
        match work {
            Work::Commit(commit, _) => {
                let committed = self.memory.commit(Commit::clone(commit)).now_or_never().expect(AT_ONCE)?;
                for head in self.heads.lock().unwrap().iter() {
                    head.send_replace(*self.memory.head().borrow());
                }
                Ok(Some(committed))
            }
            Work::Vault(writes, _) => {
                self.memory.vault_write(writes.clone()).now_or_never().expect(AT_ONCE).map(|()| None)
            }
        }
    }

    /// Does the queued writes in order, and answers them.
    fn write_queued(&self) {
        loop {
            let Some(Queued { work, outcome }) = self.queue.lock().unwrap().pop_front() else { return };
            let answer = match outcome {
                None | Some(Outcome::Slow | Outcome::Panic) => self.write(&work),
                Some(Outcome::Before) => Err(CommitError::Unavailable(WHY.to_owned())),
                Some(Outcome::Torn) => Err(CommitError::Unknown(WHY.to_owned())),
                Some(Outcome::After) => {
                    self.write(&work).and_then(|_| Err(CommitError::Unknown(WHY.to_owned())))
                }
                Some(Outcome::DieBefore) => return,
                Some(Outcome::DieAfter) => {
                    let _ = self.write(&work);
                    self.dead.send_replace(true);
                    // Its answer and the writes after it are lost with the process.
                    self.queue.lock().unwrap().clear();
                    return std::mem::forget(work);
                }
            };
            work.answer(answer);
        }
    }
}

impl Work {
    fn answer(self, answer: Result<Option<Committed>, CommitError>) {
        match self {
            Self::Commit(_, reply) => {
                drop(reply.send(answer.map(|done| done.expect("a commit is committed"))));
            }
            Self::Vault(_, reply) => drop(reply.send(answer.map(drop))),
        }
    }
}
