//! One batch of commands for an entity: loads the state if needed, decides, commits once, and answers.
//!
//! The state is inside the batch: a failure (a panic, a load error, a stop, a time-out) destroys it, and the
//! next batch reloads. Memory is never trusted after a failure.

use std::{cell::Cell, rc::Rc, sync::Arc, time::Duration};

use super::{
    ask::{Ask, AskError, Decided},
    reads::restore,
    work::{EntityFailure, Work},
};
use crate::{
    actors::{
        sources::Sources,
        supervision::guard::{guarded, injected_fault},
    },
    domain::{
        EntityId, Journaled, Meta, NewEvent, Position, Version,
        invariants::{check_step, version_grows},
    },
    planted::{self, Bug},
    store::{Commit, CommitError, CommitId, Journal, StoreError, VaultWrite, codec},
};

/// Maximum number of decisions per batch: each conflict needs another one.
const CONFLICTS_MAX: usize = 8;

pub(crate) struct Host {
    pub journal: Arc<dyn Journal>,
    pub sources: Sources,
    pub work_timeout: Duration,
    pub queue_max: usize,
}

#[derive(Clone, Default)]
pub(crate) struct Memory<A> {
    state: Arc<A>,
    version: Version,
}

pub(crate) enum Finished<A: Journaled> {
    Done(Option<Memory<A>>),
    Failed(EntityFailure<A>),
}

/// Stage of a batch: it decides which commands may be tried again after a failure.
#[derive(Clone, Copy)]
enum BatchStage {
    /// The command at this index is being decided; nothing is written.
    Deciding(usize),
    /// A commit may have been sent.
    Committing,
}

/// Runs a batch to its end, whatever fails in it.
pub(crate) async fn attempt<A: Journaled>(
    host: Rc<Host>,
    id: EntityId,
    memory: Option<Memory<A>>,
    batch: Vec<Work<A>>,
) -> Finished<A> {
    let stage = Cell::new(BatchStage::Deciding(0));
    let work = run(&host, id, memory, &batch, &stage);
    let failure = match tokio::time::timeout(host.work_timeout, guarded(work)).await {
        Ok(Ok(Ok(BatchResult { memory, answers }))) => {
            for (work, answer) in batch.into_iter().zip(answers) {
                if let Work::Ask(ask) = work {
                    ask.answer(answer);
                }
            }
            return Finished::Done(memory);
        }
        Ok(Ok(Err(failure))) => failure,
        Ok(Err(panic)) => BatchFailure { reason: panic, answer: AskError::Stopped },
        Err(_elapsed) => BatchFailure { reason: "no progress".to_owned(), answer: AskError::Timeout },
    };
    failed(&host, batch, stage.get(), failure).await
}

struct BatchFailure {
    reason: String,
    answer: AskError,
}

type Answers<A> = Vec<Result<Decided<A>, AskError>>;

struct BatchResult<A> {
    memory: Option<Memory<A>>,
    answers: Answers<A>,
}

/// Answers the commands that the failure affected, and returns the others.
async fn failed<A: Journaled>(
    host: &Host,
    batch: Vec<Work<A>>,
    stage: BatchStage,
    failure: BatchFailure,
) -> Finished<A> {
    let (mut unanswered, mut receipts) = (Vec::new(), Vec::new());
    let at_work = match stage {
        BatchStage::Deciding(index) => batch.get(index),
        BatchStage::Committing => batch.first(),
    };
    let correlation = at_work.and_then(Work::correlation);
    for (index, work) in batch.into_iter().enumerate() {
        let Work::Ask(mut ask) = work else { continue };
        match stage {
            BatchStage::Deciding(at) if at != index => unanswered.push(Work::Ask(ask)),
            BatchStage::Deciding(_) => ask.answer(Err(failure.answer.clone())),
            BatchStage::Committing => {
                receipts.extend(ask.receipt.take());
                ask.answer(Err(failure.answer.clone()));
            }
        }
    }
    if matches!(stage, BatchStage::Committing) {
        // A commit may be queued. Until the store has handled it, the keys stay in use, and the next actor
        // must not load a state that the commit is about to change: a no-op decided on it would be wrong for
        // good.
        let _ = host.journal.vault_write(Vec::new()).await;
        drop(receipts);
    }
    Finished::Failed(EntityFailure { reason: failure.reason, correlation, unanswered })
}

/// Loads the state if needed, decides each command on the state after the ones before it, and commits once.
async fn run<A: Journaled>(
    host: &Host,
    id: EntityId,
    memory: Option<Memory<A>>,
    batch: &[Work<A>],
    stage: &Cell<BatchStage>,
) -> Result<BatchResult<A>, BatchFailure> {
    if let [Work::Sabotage(mode, _)] = batch {
        return Err(BatchFailure { reason: injected_fault(*mode).await, answer: AskError::Stopped });
    }
    let mut memory = match memory {
        Some(memory) => memory,
        None => match begin(host, id, batch).await {
            Ok(memory) => memory,
            Err(error) => return not_loaded(batch, error),
        },
    };
    for _ in 0..CONFLICTS_MAX {
        let before = memory.version;
        let decided = decide(host, id, &memory, batch, stage)?;
        stage.set(BatchStage::Committing);
        if decided.events.is_empty() {
            return Ok(match decided.write_receipts(host).await {
                Ok(()) => BatchResult { answers: decided.answers(id, before, before), memory: Some(memory) },
                Err(error) => answered(batch, &error),
            });
        }
        let commit = decided.commit(host, id, memory.version)?;
        let commit_id = commit.commit_id;
        if planted::is(Bug::AnswerBeforeDurable) {
            let (version, state) =
                (Version(before.0 + decided.events.len() as u64), Arc::clone(&decided.state));
            actix_rt::spawn(host.journal.commit(commit));
            let answers = decided.answers(id, before, version);
            return Ok(BatchResult { memory: Some(Memory { state, version }), answers });
        }
        match host.journal.commit(commit).await {
            Ok(committed) => {
                let grown = || version_grows(before, decided.events.len(), committed.version);
                debug_assert_eq!(grown(), Ok(()));
                memory = Memory { state: Arc::clone(&decided.state), version: committed.version };
                let answers = decided.answers(id, before, memory.version);
                return Ok(BatchResult { memory: Some(memory), answers });
            }
            Err(CommitError::Conflict { current }) if planted::is(Bug::SnapshotWithoutVersion) => {
                memory.version = current;
            }
            Err(CommitError::Conflict { .. }) => match load(host, id).await {
                Ok((newer, _)) => memory = newer,
                Err(error) => return not_loaded(batch, error),
            },
            Err(CommitError::Refused(_)) if batch.len() > 1 => {
                return one_by_one(host, id, memory, batch, stage).await;
            }
            Err(CommitError::Refused(what)) => return Ok(answered(batch, &AskError::Damaged(what))),
            Err(CommitError::Unavailable(reason)) => return Ok(answered(batch, &AskError::Store(reason))),
            Err(CommitError::Unknown(reason)) => {
                return match load(host, id).await {
                    Ok((reloaded, newest)) if newest == commit_id || planted::is(Bug::UnknownIsDone) => {
                        let answers = decided.answers(id, before, reloaded.version);
                        Ok(BatchResult { memory: Some(reloaded), answers })
                    }
                    Ok(_) => Ok(answered(batch, &AskError::Store(reason))),
                    Err(error) => not_loaded(batch, error),
                };
            }
        }
    }
    Err(BatchFailure { reason: "too many conflicts".to_owned(), answer: AskError::Stopped })
}

/// Runs each command by itself: the store refused the batch because of one of them.
async fn one_by_one<A: Journaled>(
    host: &Host,
    id: EntityId,
    mut memory: Memory<A>,
    batch: &[Work<A>],
    stage: &Cell<BatchStage>,
) -> Result<BatchResult<A>, BatchFailure> {
    let mut answers = Vec::with_capacity(batch.len());
    for work in batch {
        let one = std::slice::from_ref(work);
        let done = Box::pin(run(host, id, Some(memory.clone()), one, stage)).await?;
        answers.extend(done.answers);
        memory = done.memory.unwrap_or(memory);
    }
    Ok(BatchResult { memory: Some(memory), answers })
}

/// Gives all commands the same error. The entity is not at fault, so it is not restarted.
fn answered<A: Journaled>(batch: &[Work<A>], error: &AskError) -> BatchResult<A> {
    let answers = batch.iter().map(|_| Err(error.clone())).collect();
    BatchResult { memory: None, answers }
}

fn not_loaded<A: Journaled>(batch: &[Work<A>], error: StoreError) -> Result<BatchResult<A>, BatchFailure> {
    match error {
        StoreError::Unavailable(reason) => Ok(answered(batch, &AskError::Store(reason))),
        StoreError::Corrupt(what) => {
            Err(BatchFailure { reason: format!("cannot be loaded: {what}"), answer: AskError::Damaged(what) })
        }
    }
}

/// Returns the state to begin with. A command that is usually an entity's first loads nothing: if the entity
/// exists after all, its commit conflicts.
async fn begin<A: Journaled>(host: &Host, id: EntityId, batch: &[Work<A>]) -> Result<Memory<A>, StoreError> {
    match batch {
        [Work::Ask(ask)] if A::is_first(&ask.command) => Ok(Memory::default()),
        _ => Ok(load(host, id).await?.0),
    }
}

async fn load<A: Journaled>(host: &Host, id: EntityId) -> Result<(Memory<A>, CommitId), StoreError> {
    let loaded = host.journal.load(id).await?;
    let state = Arc::new(restore::<A>(&loaded)?);
    Ok((Memory { state, version: loaded.version }, loaded.last_commit_id))
}

struct DecidedBatch<A> {
    state: Arc<A>,
    events: Vec<NewEvent>,
    vault: Vec<VaultWrite>,
    receipts: Vec<VaultWrite>,
    commands: Vec<Result<DecidedCommand<A>, AskError>>,
}

/// A command that was not refused.
struct DecidedCommand<A> {
    state: Arc<A>,
    /// Number of the batch's events so far: `state` does not contain those of later commands.
    events: usize,
    changed: bool,
}

fn decide<A: Journaled>(
    host: &Host,
    id: EntityId,
    memory: &Memory<A>,
    batch: &[Work<A>],
    stage: &Cell<BatchStage>,
) -> Result<DecidedBatch<A>, BatchFailure> {
    let mut decided = DecidedBatch {
        state: Arc::clone(&memory.state),
        events: Vec::new(),
        vault: Vec::new(),
        receipts: Vec::new(),
        commands: Vec::new(),
    };
    for (index, work) in batch.iter().enumerate() {
        stage.set(BatchStage::Deciding(index));
        let Work::Ask(ask) = work else { continue };
        let command = decided.decide(host, ask);
        if let (Ok(command), Some(receipt)) = (&command, &ask.receipt) {
            decided.receipts.push(receipt.write(id, &*command.state).map_err(unwritable)?);
        }
        decided.commands.push(command);
    }
    Ok(decided)
}

fn unwritable(error: StoreError) -> BatchFailure {
    BatchFailure { reason: format!("the state cannot be written: {error}"), answer: AskError::Stopped }
}

impl<A: Journaled> DecidedBatch<A> {
    fn decide(&mut self, host: &Host, ask: &Ask<A>) -> Result<DecidedCommand<A>, AskError> {
        let events = self.state.decide(ask.command.clone());
        let events = events.map_err(|error| AskError::Rejected(error.into()))?;
        let at = host.sources.now();
        let changed = !events.is_empty();
        let meta = Meta { at, correlation: ask.request.correlation, causation: ask.request.causation };
        for event in events {
            let state = A::clone(&self.state).evolve(&event, at);
            let event = event.into();
            debug_assert_eq!(check_step(&*self.state, &event, &state), Ok(()), "nothing is written yet");
            self.state = Arc::new(state);
            self.events.push(NewEvent { meta, event });
        }
        if changed {
            self.vault.extend(ask.vault.iter().cloned());
        }
        Ok(DecidedCommand { state: Arc::clone(&self.state), events: self.events.len(), changed })
    }

    /// Writes the receipts of commands that changed nothing, since no commit carries them.
    async fn write_receipts(&self, host: &Host) -> Result<(), AskError> {
        if self.receipts.is_empty() {
            return Ok(());
        }
        host.journal.vault_write(self.receipts.clone()).await.map_err(|error| match error {
            CommitError::Refused(what) => AskError::Damaged(what),
            error => AskError::Store(error.to_string()),
        })
    }

    fn commit(&self, host: &Host, entity: EntityId, expected: Version) -> Result<Commit, BatchFailure> {
        let snapshot = codec::encode_snapshot(&*self.state).map_err(unwritable)?;
        Ok(Commit {
            entity,
            expected,
            commit_id: host.sources.commit_id(),
            events: self.events.clone(),
            snapshot: snapshot.into(),
            vault: [&self.vault[..], &self.receipts].concat(),
        })
    }

    /// Returns the answers to a batch that took the entity from version `before` to `after`.
    fn answers(&self, entity: EntityId, before: Version, after: Version) -> Answers<A> {
        let answer = |command: &DecidedCommand<A>| {
            // The events of a commit have consecutive versions.
            let later = (self.events.len() - command.events) as u64;
            let version = if command.events == 0 { before } else { Version(after.0 - later) };
            let (state, changed) = (Arc::clone(&command.state), command.changed);
            Decided { entity, state, version, position: Position(version.0), changed, replayed: false }
        };
        self.commands.iter().map(|command| command.as_ref().map(answer).map_err(Clone::clone)).collect()
    }
}
