//! Job runner: does jobs when they are due, several at a time. API and metrics call it `errands`.
//!
//! A failed job is retried with growing pauses. A job that the gateway refuses for good parks its target for
//! the operator.

use std::sync::Arc;

use futures_util::{StreamExt as _, stream::FuturesUnordered};
use tracing::{Instrument as _, debug, debug_span, error};

use super::queue::{Job, JobQueue, QueuedJob};
use crate::{
    actors::{
        contexts::Contexts,
        entity::{ask::AskError, exchange::Exchange},
        payment::{ConversationError, Resolution, handle::Payments},
        request::RequestContext,
        sources::Sources,
        supervision::watchdog::Pulse,
    },
    domain::{
        Correlation, Timestamp,
        context::{Context, ContextCommand, Group, Parked, ParkedKey},
        lane_of,
        rental::{Rental, RentalCommand},
    },
    store::{Journal, StoreError},
    telemetry::trace,
};

const RUNNING_MAX: usize = 16;
/// Pause after the first failure, in ms; it doubles with each further one.
const PAUSE_MS: u64 = 100;
const PAUSE_MAX_MS: u64 = 30_000;

/// Pause of a job whose context is paused, in ms.
const WHILE_PAUSED_MS: u64 = 1_000;

#[derive(Clone)]
pub(crate) struct JobRunner {
    pub queue: JobQueue,
    pub payments: Arc<Payments>,
    pub exchange: Exchange,
    pub contexts: Arc<Contexts>,
    pub journal: Arc<dyn Journal>,
    pub sources: Sources,
    /// Beats with each turn of the loop.
    pub pulse: Arc<Pulse>,
}

enum JobResult {
    Done,
    Again { due_at: Timestamp, attempts: u32 },
    Refused { reason: String },
}

impl JobRunner {
    pub(crate) async fn run(self) -> Result<(), String> {
        let mut retries = self.contexts.take_retries(Group::Agenda);
        self.queue.reschedule_taken();
        let mut under_way = FuturesUnordered::new();
        let runner = &self;
        loop {
            self.pulse.beat();
            self.contexts.running(Context::Payment).await;
            while under_way.len() < RUNNING_MAX
                && let Some((job, queued)) = self.queue.take_due(self.sources.now())
            {
                // For paused payments, the whole loop waits.
                if matches!(job, Job::Expire(_)) && self.contexts.paused(Context::Rental) {
                    let due_at = self.sources.now().plus_ms(WHILE_PAUSED_MS);
                    self.queue.reschedule(job, due_at, queued.attempts);
                } else if self.contexts.parked(parked_key(job)).is_none() {
                    under_way.push(async move { (job, queued, runner.run_one(job, queued).await) });
                } else {
                    // A release makes the job due; this is for one whose answer was lost.
                    let due_at = self.sources.now().plus_ms(PAUSE_MAX_MS);
                    self.queue.reschedule(job, due_at, queued.attempts);
                }
            }
            let wait_ms = self.queue.next_due().map_or(PAUSE_MAX_MS, |due| due.ms_since(self.sources.now()));
            let has_room = under_way.len() < RUNNING_MAX;
            tokio::select! {
                biased;
                Some((job, queued, done)) = under_way.next() => self.finish(job, queued, done).await?,
                Some(key) = retries.recv() => self.retry(key).await,
                () = self.queue.changed(), if has_room => {}
                () = tokio::time::sleep(std::time::Duration::from_millis(wait_ms.max(1))), if has_room => {}
            }
        }
    }

    async fn run_one(&self, job: Job, queued: QueuedJob) -> JobResult {
        let correlation = queued.correlation;
        let request = RequestContext::after_event(correlation, queued.position);
        let span = trace::join(debug_span!("errand", errand = ?job, %correlation), request.trace());
        let request = request.at(trace::context_of(&span, request.trace()));
        self.run_one_now(job, queued, request).instrument(span).await
    }

    async fn run_one_now(&self, job: Job, queued: QueuedJob, request: RequestContext) -> JobResult {
        let resolved = match job {
            Job::Expire(rental) => {
                let expired = self.exchange.ask::<Rental>(rental, RentalCommand::Expire, request).await;
                expired.map(|_| Resolution::Done).map_err(ConversationError::from)
            }
            Job::Resolve(..) | Job::Undo(_) | Job::GiveBack(..) => self.payments.resolve(job, request).await,
        };
        let (attempts, correlation) = (queued.attempts + 1, queued.correlation);
        match resolved {
            Ok(Resolution::Done) => JobResult::Done,
            Ok(Resolution::NotBefore(due_at)) => {
                JobResult::Again { due_at: due_at.max(self.not_before(attempts)), attempts }
            }
            Err(ConversationError::Refused(reason)) => JobResult::Refused { reason },
            Err(
                error @ (ConversationError::Ask(AskError::Quarantined | AskError::Damaged(_))
                | ConversationError::Store(StoreError::Corrupt(_))),
            ) => JobResult::Refused { reason: error.to_string() },
            Err(error) => {
                debug!(errand = ?job, %correlation, attempts, %error, "a job failed; it is retried later");
                JobResult::Again { due_at: self.not_before(attempts), attempts }
            }
        }
    }

    fn not_before(&self, attempts: u32) -> Timestamp {
        let pause_ms = (PAUSE_MS << attempts.min(16)).min(PAUSE_MAX_MS);
        self.sources.now().plus_ms(pause_ms)
    }

    async fn finish(&self, job: Job, queued: QueuedJob, done: JobResult) -> Result<(), String> {
        match done {
            JobResult::Done => {
                return self.queue.done(&self.journal, job).await.map_err(|error| error.to_string());
            }
            JobResult::Again { due_at, attempts } => self.queue.reschedule(job, due_at, attempts),
            JobResult::Refused { reason } => {
                let (correlation, attempts) = (queued.correlation, queued.attempts + 1);
                if self.contexts.full(Context::Payment) {
                    debug!(errand = ?job, %correlation, reason, "too many targets are parked; retried later");
                } else {
                    let key = parked_key(job);
                    error!(
                        held = %key, errand = ?job, %correlation, reason,
                        "a payment is held for the operator"
                    );
                    let parked = Parked::new(queued.position, event_of(job), reason, attempts);
                    let command = ContextCommand::Park { key, parked };
                    let request = RequestContext::scheduled(correlation);
                    // If parking fails, the next run parks it.
                    let _ = self.contexts.command(Context::Payment, command, request, None).await;
                }
                // Parked or not, it stays scheduled: the message about its release may be lost.
                self.queue.reschedule(job, self.sources.now().plus_ms(PAUSE_MAX_MS), attempts);
            }
        }
        Ok(())
    }

    async fn retry(&self, key: ParkedKey) {
        if self.contexts.parked(key).is_none() {
            return;
        }
        let request = RequestContext::scheduled(Correlation::default());
        let release = ContextCommand::Release { key };
        if self.contexts.command(Context::Payment, release, request, None).await.is_ok() {
            self.queue.make_due(key.target, self.sources.now());
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
