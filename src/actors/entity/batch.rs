//! One batch of commands for an entity: loads it if need be, decides, commits once, and answers.
//!
//! The state travels inside: whatever goes wrong (a panic, an error at load, a stop, no progress)
//! destroys it, and the next batch reloads. Memory is never trusted after a failure.

use std::{cell::Cell, rc::Rc, sync::Arc, time::Duration};

use super::{
    ask::{Ask, AskError, Decided},
    reads::restore,
    work::{EntityFailure, Work},
};
use crate::{
    actors::{sources::Sources, supervision::guard::guarded},
    domain::{
        EntityId, Journaled, Meta, NewEvent, Position, Version,
        invariants::{check_step, version_grows},
    },
    planted::{self, Bug},
    store::{Commit, CommitError, CommitId, FaultMode, Journal, StoreError, VaultWrite, codec},
};

/// How often a conflict is answered by deciding again.
const CONFLICTS_MAX: usize = 8;

/// What every entity on an arbiter shares.
pub struct Host {
    /// Where it is loaded from and committed to.
    pub journal: Arc<dyn Journal>,
    /// Time and commit ids.
    pub sources: Sources,
    /// After so long without progress, work counts as hung.
    pub work_timeout: Duration,
    /// How many commands may wait for one entity.
    pub queue_max: usize,
}

/// An entity's state in memory, as of `version`.
#[derive(Clone, Default)]
pub(crate) struct Memory<A> {
    state: Arc<A>,
    version: Version,
}

/// Result of a batch.
pub(crate) enum Finished<A: Journaled> {
    Done(Option<Memory<A>>),
    Failed(EntityFailure<A>),
}

/// How far a batch got: decides who may be asked again after a failure.
#[derive(Clone, Copy)]
enum BatchStage {
    /// At this command; nothing is written.
    Deciding(usize),
    /// A commit may be on its way.
    Committing,
}

/// Works off `batch`, come what may.
pub(crate) async fn attempt<A: Journaled>(
    host: Rc<Host>,
    id: EntityId,
    memory: Option<Memory<A>>,
    batch: Vec<Work<A>>,
) -> Finished<A> {
    let stage = Cell::new(BatchStage::Deciding(0));
    let work = work_off(&host, id, memory, &batch, &stage);
    let failure = match tokio::time::timeout(host.work_timeout, guarded(work)).await {
        Ok(Ok(Ok(WorkedOff { memory, answers }))) => {
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

/// Why a batch failed as a whole, and what its callers are told.
struct BatchFailure {
    reason: String,
    answer: AskError,
}

struct WorkedOff<A> {
    memory: Option<Memory<A>>,
    answers: Vec<Result<Decided<A>, AskError>>,
}

/// Answers those whom the failure hit; the others may be asked again.
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
        // A commit may be on its way. Until the store has got past it, these keys are in use, and whoever
        // comes next would load what it is about to change: every no-op would be decided on that, for good.
        let _ = host.journal.vault_write(Vec::new()).await;
        drop(receipts);
    }
    Finished::Failed(EntityFailure { reason: failure.reason, correlation, unanswered })
}

/// Loads if need be, decides each command on the state that the ones before it led to, commits once.
async fn work_off<A: Journaled>(
    host: &Host,
    id: EntityId,
    memory: Option<Memory<A>>,
    batch: &[Work<A>],
    stage: &Cell<BatchStage>,
) -> Result<WorkedOff<A>, BatchFailure> {
    if let [Work::Sabotage(mode, _)] = batch {
        sabotage(*mode).await?;
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
                Ok(()) => WorkedOff { answers: decided.answers(id, before, before), memory: Some(memory) },
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
            return Ok(WorkedOff { memory: Some(Memory { state, version }), answers });
        }
        match host.journal.commit(commit).await {
            Ok(committed) => {
                let grown = || version_grows(before, decided.events.len(), committed.version);
                debug_assert_eq!(grown(), Ok(()));
                memory = Memory { state: Arc::clone(&decided.state), version: committed.version };
                let answers = decided.answers(id, before, memory.version);
                return Ok(WorkedOff { memory: Some(memory), answers });
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
                        Ok(WorkedOff { memory: Some(reloaded), answers })
                    }
                    Ok(_) => Ok(answered(batch, &AskError::Store(reason))),
                    Err(error) => not_loaded(batch, error),
                };
            }
        }
    }
    Err(BatchFailure { reason: "conflicts without end".to_owned(), answer: AskError::Stopped })
}

async fn sabotage(mode: FaultMode) -> Result<(), BatchFailure> {
    match mode {
        FaultMode::Panic => panic!("injected fault"),
        FaultMode::Stop => {
            Err(BatchFailure { reason: "stopped by an injected fault".to_owned(), answer: AskError::Stopped })
        }
        FaultMode::Hang => std::future::pending().await,
    }
}

/// One of them asks for what cannot be stored: the others need not suffer from it.
async fn one_by_one<A: Journaled>(
    host: &Host,
    id: EntityId,
    mut memory: Memory<A>,
    batch: &[Work<A>],
    stage: &Cell<BatchStage>,
) -> Result<WorkedOff<A>, BatchFailure> {
    let mut answers = Vec::with_capacity(batch.len());
    for work in batch {
        let one = std::slice::from_ref(work);
        let done = Box::pin(work_off(host, id, Some(memory.clone()), one, stage)).await?;
        answers.extend(done.answers);
        memory = done.memory.unwrap_or(memory);
    }
    Ok(WorkedOff { memory: Some(memory), answers })
}

/// The entity is not to blame: everybody is told the same, and nobody is restarted.
fn answered<A: Journaled>(batch: &[Work<A>], error: &AskError) -> WorkedOff<A> {
    let answers = batch.iter().map(|_| Err(error.clone())).collect();
    WorkedOff { memory: None, answers }
}

fn not_loaded<A: Journaled>(batch: &[Work<A>], error: StoreError) -> Result<WorkedOff<A>, BatchFailure> {
    match error {
        StoreError::Unavailable(reason) => Ok(answered(batch, &AskError::Store(reason))),
        StoreError::Corrupt(what) => {
            Err(BatchFailure { reason: format!("cannot be loaded: {what}"), answer: AskError::Damaged(what) })
        }
    }
}

/// What an actor begins with. Before what is most likely the first command, nobody looks into the journal:
/// its commit conflicts if there is something after all.
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

/// Decisions of a batch, before they are durable.
struct DecidedBatch<A> {
    state: Arc<A>,
    events: Vec<NewEvent>,
    vault: Vec<VaultWrite>,
    /// Receipts of requests with a key.
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
    BatchFailure { reason: format!("its state cannot be written: {error}"), answer: AskError::Stopped }
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

    /// Makes the receipts of commands durable that changed nothing, so that there is no commit.
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

    /// What each caller is told, now that the batch took the entity from version `before` to `after`.
    fn answers(
        &self,
        entity: EntityId,
        before: Version,
        after: Version,
    ) -> Vec<Result<Decided<A>, AskError>> {
        let answer = |command: &DecidedCommand<A>| {
            // A commit's events stand one after the other.
            let later = (self.events.len() - command.events) as u64;
            let version = if command.events == 0 { before } else { Version(after.0 - later) };
            let (state, changed) = (Arc::clone(&command.state), command.changed);
            Decided { entity, state, version, position: Position(version.0), changed, replayed: false }
        };
        self.commands.iter().map(|command| command.as_ref().map(answer).map_err(Clone::clone)).collect()
    }
}
