//! The store of a simulated world: the journal in memory, behind a disk that takes its time, fails on
//! demand at any operation, and dies with its process.
//!
//! What a process has written is durable when it is answered and not before. When the process dies, what was
//! on its way gets there or does not, and so do the rows of views that were written last.

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
use saem::{
    Commit, CommitError, Committed, Journal as _, MemoryJournal, Position, internal::store::VaultWrite,
};
use tokio::sync::{oneshot, watch};

use crate::plan::Outcome;

/// Longer than anybody waits for the store, in ms.
const SLOW_MS: u64 = 7_000;
const WHY: &str = "a planned fault";

/// How long the disk takes, in ms, at most.
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
    /// Whether nothing is written any more, from then on.
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
    /// Every operation there was: whether it wrote.
    operations: Mutex<Vec<bool>>,
    queue: Mutex<VecDeque<Queued>>,
    poisoned: AtomicBool,
    dead: watch::Sender<bool>,
    /// One for each who follows the journal: a watched value wakes many in an order rolled by dice.
    heads: Mutex<Vec<watch::Sender<Position>>>,
}

/// Something on its way to the disk.
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

    /// What is durable, for whoever looks at it from outside.
    pub fn memory(&self) -> &Arc<MemoryJournal> {
        &self.state.memory
    }

    pub fn plan(&self, fault: Planned) {
        self.state.planned.lock().unwrap().push(fault);
    }

    /// No fault waits any more.
    pub fn forget_plans(&self) {
        self.state.planned.lock().unwrap().clear();
    }

    /// Whether a planned fault still waits for its operation.
    pub fn has_plans(&self) -> bool {
        !self.state.planned.lock().unwrap().is_empty()
    }

    /// Every operation there was since the last [`Self::forget_operations`]: whether it wrote.
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

    /// The process dies: what the next one finds. What is on its way gets there or does not, whole; so many
    /// batches of rows have got there.
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

    /// Counts an operation, and says how it fails, if it does.
    fn strike(&self, writes: bool) -> Option<Outcome> {
        self.operations.lock().unwrap().push(writes);
        let mut planned = self.planned.lock().unwrap();
        planned.iter_mut().for_each(|fault| fault.nth -= 1);
        let due = planned.iter().position(|fault| fault.nth == 0)?;
        let Planned { outcome, for_ever, .. } = planned.remove(due);
        // A later fault for the same operation has lost its turn.
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
        const AT_ONCE: &str = "the journal in memory answers at once";
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

    /// Writes what has queued, in order, and answers.
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
                    // Its answer, and what queued behind it, is lost with the process.
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
