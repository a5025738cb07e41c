//! The agenda's worker: does errands when they are due, several at a time, until each is done.
//!
//! One that keeps failing is tried ever less often; one that the gateway refuses for good holds its
//! target, for the operator.

use std::sync::Arc;

use futures_util::{StreamExt as _, stream::FuturesUnordered};
use tracing::{Instrument as _, debug, debug_span, error};

use super::queue::{Job, JobQueue, QueuedJob};
use crate::{
    actors::{
        contexts::Contexts,
        entity::{ask::AskError, exchange::Exchange},
        payment::{ConversationError, Resolution, Resolve, handle::Payments},
        request::RequestContext,
        sources::Sources,
        supervision::watchdog::Pulse,
    },
    domain::{
        Timestamp,
        context::{Context, ContextCommand, Group, Parked, ParkedKey},
        lane_of,
        rental::{Rental, RentalCommand},
    },
    store::{Journal, StoreError},
    telemetry::trace,
};

/// How many errands are under way at once.
const RUNNING_MAX: usize = 16;
/// The pause after the first failure, in ms; it doubles with each further one.
const PAUSE_MS: u64 = 100;
/// The longest pause, in ms.
const PAUSE_MAX_MS: u64 = 30_000;

/// When an errand for a paused context is looked at again, in ms.
const WHILE_PAUSED_MS: u64 = 1_000;

/// What the worker works with. Cheap to clone.
#[derive(Clone)]
pub struct JobRunner {
    /// What is due.
    pub queue: JobQueue,
    /// Who resolves payments.
    pub payments: Arc<Payments>,
    /// The way to rentals.
    pub exchange: Exchange,
    /// What is paused, and what is held.
    pub contexts: Arc<Contexts>,
    /// Where done errands are crossed out.
    pub journal: Arc<dyn Journal>,
    /// Time.
    pub sources: Sources,
    /// Beats with each turn.
    pub pulse: Arc<Pulse>,
}

/// How an errand went.
enum JobResult {
    /// It is over.
    Done,
    /// Not yet.
    Again { due_at: Timestamp, attempts: u32 },
    /// There is no point in trying on by oneself.
    Refused { reason: String },
}

impl JobRunner {
    /// Works for as long as it is let.
    ///
    /// # Errors
    /// What the store says.
    pub async fn run(self) -> Result<(), String> {
        let mut retries = self.contexts.take_retries(Group::Agenda);
        self.queue.wind_up();
        let mut under_way = FuturesUnordered::new();
        let runner = &self;
        loop {
            self.pulse.beat();
            self.contexts.running(Context::Payment).await;
            while under_way.len() < RUNNING_MAX
                && let Some((job, item)) = self.queue.take_due(self.sources.now())
            {
                if self.waits(job) {
                    let due_at = self.sources.now().plus_ms(WHILE_PAUSED_MS);
                    self.queue.reschedule(job, due_at, item.attempts);
                } else if self.contexts.parked(parked_key(job)).is_none() {
                    under_way.push(async move { (job, item, runner.run_one(job, item).await) });
                } else {
                    // Whoever lets it go says so; unless the answer to that was lost.
                    let due_at = self.sources.now().plus_ms(PAUSE_MAX_MS);
                    self.queue.reschedule(job, due_at, item.attempts);
                }
            }
            let wait_ms = self.queue.next_due().map_or(PAUSE_MAX_MS, |due| due.ms_since(self.sources.now()));
            let has_room = under_way.len() < RUNNING_MAX;
            tokio::select! {
                biased;
                Some((job, item, done)) = under_way.next() => self.settle(job, item, done).await?,
                Some(key) = retries.recv() => self.retry(key).await,
                () = self.queue.changed(), if has_room => {}
                () = tokio::time::sleep(std::time::Duration::from_millis(wait_ms.max(1))), if has_room => {}
            }
        }
    }

    /// Whether an errand is for a context that is paused, other than payments: these are waited for.
    fn waits(&self, job: Job) -> bool {
        matches!(job, Job::Expire(_)) && self.contexts.paused(Context::Rental)
    }

    async fn run_one(&self, job: Job, item: QueuedJob) -> JobResult {
        let (request, correlation) =
            (RequestContext::after_event(item.correlation, item.position), item.correlation);
        let span = trace::join(debug_span!("errand", ?job, %correlation), request.trace());
        let request = request.at(trace::context_of(&span, request.trace()));
        self.run_one_now(job, item, request).instrument(span).await
    }

    async fn run_one_now(&self, job: Job, item: QueuedJob, request: RequestContext) -> JobResult {
        let resolved = match job {
            Job::Expire(rental) => {
                let expired = self.exchange.ask::<Rental>(rental, RentalCommand::Expire, request).await;
                expired.map(|_| Resolution::Done).map_err(ConversationError::from)
            }
            Job::Resolve(..) | Job::Undo(_) | Job::GiveBack(..) => {
                self.payments.converse(Resolve { job, request }).await
            }
        };
        match resolved {
            Ok(Resolution::Done) => JobResult::Done,
            Ok(Resolution::NotBefore(due_at)) => {
                let attempts = item.attempts + 1;
                JobResult::Again { due_at: due_at.max(self.not_before(attempts)), attempts }
            }
            Err(ConversationError::Refused(reason)) => JobResult::Refused { reason },
            Err(
                error @ (ConversationError::Ask(AskError::Quarantined | AskError::Damaged(_))
                | ConversationError::Store(StoreError::Corrupt(_))),
            ) => JobResult::Refused { reason: error.to_string() },
            Err(error) => {
                let attempts = item.attempts + 1;
                let correlation = item.correlation;
                debug!(?job, %correlation, attempts, %error, "an errand is tried again later");
                JobResult::Again { due_at: self.not_before(attempts), attempts }
            }
        }
    }

    /// When it is time for another try, after so many.
    fn not_before(&self, attempts: u32) -> Timestamp {
        let pause_ms = (PAUSE_MS << attempts.min(16)).min(PAUSE_MAX_MS);
        self.sources.now().plus_ms(pause_ms)
    }

    async fn settle(&self, job: Job, item: QueuedJob, done: JobResult) -> Result<(), String> {
        match done {
            JobResult::Done => self.queue.done(&self.journal, job).await.map_err(|error| error.to_string()),
            JobResult::Again { due_at, attempts } => {
                self.queue.reschedule(job, due_at, attempts);
                Ok(())
            }
            JobResult::Refused { reason } => {
                let (correlation, attempts) = (item.correlation, item.attempts + 1);
                if self.contexts.full(Context::Payment) {
                    debug!(?job, %correlation, reason, "too much is held already; tried again later");
                } else {
                    let key = parked_key(job);
                    error!(held = %key, ?job, %correlation, reason, "a payment is held for the operator");
                    let parked = Parked::new(item.position, event_of(job), reason, attempts);
                    let command = ContextCommand::Park { key, parked };
                    let request = RequestContext::scheduled(correlation);
                    // If it is not held now, it will be the next time.
                    let _ = self.contexts.command(Context::Payment, command, request).await;
                }
                // Held or not, it stays on the clock: it may be let go without a word.
                self.queue.reschedule(job, self.sources.now().plus_ms(PAUSE_MAX_MS), attempts);
                Ok(())
            }
        }
    }

    /// Lets a held payment go, and puts what waits for it back on the clock.
    async fn retry(&self, key: ParkedKey) {
        if self.contexts.parked(key).is_none() {
            return;
        }
        let request = RequestContext::scheduled(crate::domain::Correlation::default());
        let released =
            self.contexts.command(Context::Payment, ContextCommand::Release { key }, request).await;
        if released.is_ok() {
            self.queue.hurry(key.target, self.sources.now());
        }
    }
}

fn parked_key(job: Job) -> ParkedKey {
    ParkedKey { group: Group::Agenda, lane: lane_of(job.rental().0), target: job.target() }
}

const fn event_of(job: Job) -> &'static str {
    match job {
        Job::Resolve(_, 1) => "RentalPlaced",
        Job::Resolve(..) => "PaymentRequested",
        Job::Undo(_) => "PaymentCancelRequested",
        Job::GiveBack(..) => "StrayCaptureFound",
        Job::Expire(_) => "PaymentDeferred",
    }
}
