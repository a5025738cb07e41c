//! Job queue: payments to resolve, refunds to make and deferrals to expire, across restarts.
//!
//! It is a projection, since open jobs follow from the journal. API and metrics call it `agenda`. Gateway
//! calls are made by the [job runner](super::runner), never inside a lane.
//!
//! **Restart:** the projection reads open jobs back from their rows; the runner schedules again those it had
//! taken.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use crate::{
    actors::projection::{Projection, Result, Rows, after_prefix, key},
    domain::{
        Correlation, EntityId, Event, PaymentId, Position, Recorded, RentalId, Timestamp,
        payment::{Attempt, PaymentEvent},
        rental::RentalEvent,
    },
    store::{Journal, codec},
};

/// A job. Stored: a change of the variants raises the format of the projection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) enum Job {
    /// Find out the outcome of a payment attempt.
    Resolve(PaymentId, Attempt),
    /// Void or refund a canceled payment.
    Undo(PaymentId),
    /// Refund the capture of a stray attempt.
    GiveBack(PaymentId, Attempt),
    /// Cancel a deferred rental that was not paid in time.
    Expire(RentalId),
}

impl Job {
    pub(crate) fn target(self) -> EntityId {
        match self {
            Self::Expire(rental) => rental.into(),
            Self::Resolve(payment, _) | Self::Undo(payment) | Self::GiveBack(payment, _) => payment.into(),
        }
    }

    pub(crate) const fn rental(self) -> RentalId {
        match self {
            Self::Resolve(payment, _) | Self::Undo(payment) | Self::GiveBack(payment, _) => payment.rental(),
            Self::Expire(rental) => rental,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct QueuedJob {
    pub due_at: Timestamp,
    /// Position of the event that made the job necessary.
    pub position: Position,
    pub correlation: Correlation,
    #[serde(skip)]
    pub attempts: u32,
}

/// Open jobs, shared by the projection and the runner. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct JobQueue {
    shared: Arc<Shared>,
    /// Delay before the outcome of a new attempt is looked up, in ms: its conversation may still run.
    conversation_ms: u64,
}

#[derive(Default)]
struct Shared {
    schedule: Mutex<Schedule>,
    changed: Notify,
}

#[derive(Default)]
struct Schedule {
    jobs: BTreeMap<Job, QueuedJob>,
    /// Finished jobs whose rows may not be removed yet.
    finished: BTreeSet<Job>,
    by_time: BTreeSet<(Timestamp, Job)>,
}

impl Schedule {
    fn finish(&mut self, job: Job) {
        self.remove(job);
        self.finished.insert(job);
    }

    fn put(&mut self, job: Job, queued: QueuedJob) {
        self.remove(job);
        self.by_time.insert((queued.due_at, job));
        self.jobs.insert(job, queued);
    }

    fn remove(&mut self, job: Job) {
        if let Some(queued) = self.jobs.remove(&job) {
            self.by_time.remove(&(queued.due_at, job));
        }
    }
}

impl JobQueue {
    pub(crate) fn new(conversation_ms: u64) -> Self {
        Self { shared: Arc::default(), conversation_ms }
    }

    fn schedule(&self) -> MutexGuard<'_, Schedule> {
        self.shared.schedule.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the next job that is due at `now`. It is not due again until it is
    /// [rescheduled](Self::reschedule).
    pub(crate) fn take_due(&self, now: Timestamp) -> Option<(Job, QueuedJob)> {
        let mut schedule = self.schedule();
        let &(due_at, job) = schedule.by_time.first().filter(|(due_at, _)| *due_at <= now)?;
        schedule.by_time.remove(&(due_at, job));
        schedule.jobs.get(&job).map(|queued| (job, *queued))
    }

    pub(crate) fn next_due(&self) -> Option<Timestamp> {
        self.schedule().by_time.first().map(|(due_at, _)| *due_at)
    }

    pub(crate) fn reschedule(&self, job: Job, due_at: Timestamp, attempts: u32) {
        let mut schedule = self.schedule();
        if let Some(queued) = schedule.jobs.get(&job).copied() {
            schedule.put(job, QueuedJob { due_at, attempts, ..queued });
        }
        drop(schedule);
        self.shared.changed.notify_one();
    }

    /// Schedules all open jobs that were taken: the runner that had taken them failed.
    pub(crate) fn reschedule_taken(&self) {
        let mut schedule = self.schedule();
        schedule.by_time = schedule.jobs.iter().map(|(job, queued)| (queued.due_at, *job)).collect();
    }

    pub(crate) fn make_due(&self, target: EntityId, now: Timestamp) {
        for job in self.jobs_of(target) {
            self.reschedule(job, now, 0);
        }
    }

    fn jobs_of(&self, target: EntityId) -> Vec<Job> {
        self.schedule().jobs.keys().copied().filter(|job| job.target() == target).collect()
    }

    /// Removes a job that is finished without an event.
    pub(crate) async fn done(&self, journal: &Arc<dyn Journal>, job: Job) -> Result<()> {
        self.schedule().finish(job);
        journal.view_apply(vec![(row_key(job)?, None)]).await
    }

    /// Removes all jobs of this target, which the operator dismissed.
    pub(crate) async fn remove_target(&self, journal: &Arc<dyn Journal>, target: EntityId) -> Result<()> {
        for job in self.jobs_of(target) {
            self.done(journal, job).await?;
        }
        Ok(())
    }

    pub(crate) async fn changed(&self) {
        self.shared.changed.notified().await;
    }

    fn put(&self, rows: &mut Rows, job: Job, recorded: &Recorded, due_at: Timestamp) -> Result<()> {
        let (position, correlation) = (recorded.position, recorded.meta.correlation);
        let queued = QueuedJob { due_at, position, correlation, attempts: 0 };
        let mut schedule = self.schedule();
        let known = schedule.finished.remove(&job) | schedule.jobs.contains_key(&job);
        schedule.put(job, queued);
        if schedule.by_time.first() == Some(&(due_at, job)) {
            self.shared.changed.notify_one();
        }
        drop(schedule);
        // Most jobs are done before their rows are applied.
        if known { rows.put(row_key(job)?, &(job, queued)) } else { rows.add(row_key(job)?, &(job, queued)) }
    }

    fn remove(&self, rows: &mut Rows, job: Job) -> Result<()> {
        self.schedule().remove(job);
        rows.remove(row_key(job)?);
        Ok(())
    }

    fn fold_rental(&self, event: &RentalEvent, recorded: &Recorded, rows: &mut Rows) -> Result<()> {
        let rental = RentalId(recorded.entity.id);
        let first = Job::Resolve(rental.payment(), 1);
        match event {
            RentalEvent::RentalPlaced(_) => {
                self.put(rows, first, recorded, recorded.meta.at.plus_ms(self.conversation_ms))
            }
            RentalEvent::PaymentDeferred { deferral, sent } => {
                if *sent {
                    self.put(rows, first, recorded, recorded.meta.at)?;
                } else {
                    self.remove(rows, first)?;
                }
                self.put(rows, Job::Expire(rental), recorded, deferral.due_at)
            }
            RentalEvent::RentalConfirmed { .. } | RentalEvent::RentalCanceled { .. } => {
                self.remove(rows, Job::Expire(rental))
            }
            RentalEvent::RentalDelivered => Ok(()),
        }
    }

    fn fold_payment(&self, event: &PaymentEvent, recorded: &Recorded, rows: &mut Rows) -> Result<()> {
        let payment = PaymentId(recorded.entity.id);
        let at = recorded.meta.at;
        match event {
            PaymentEvent::PaymentRequested { attempt, .. } => {
                let due_at = at.plus_ms(self.conversation_ms);
                self.put(rows, Job::Resolve(payment, *attempt), recorded, due_at)
            }
            PaymentEvent::PaymentApproved { attempt, .. } | PaymentEvent::PaymentDeclined { attempt, .. } => {
                self.remove(rows, Job::Resolve(payment, *attempt))
            }
            PaymentEvent::PaymentCancelRequested { attempt, .. } => {
                self.remove(rows, Job::Resolve(payment, *attempt))?;
                self.put(rows, Job::Undo(payment), recorded, at)
            }
            PaymentEvent::PaymentCanceled { .. } => self.remove(rows, Job::Undo(payment)),
            PaymentEvent::StrayCaptureFound { attempt, .. } => {
                self.put(rows, Job::GiveBack(payment, *attempt), recorded, at)
            }
            PaymentEvent::StrayCaptureRefunded { attempt } => {
                self.remove(rows, Job::GiveBack(payment, *attempt))
            }
        }
    }
}

fn row_key(job: Job) -> Result<Vec<u8>> {
    Ok(key(JobQueue::PREFIX, &[&codec::encode(&job)?]))
}

impl Projection for JobQueue {
    const NAME: &'static str = "agenda";
    const FORMAT: u8 = 1;
    const PREFIX: &'static [u8] = b"a/";
    const IN_MEMORY: bool = true;

    async fn open(&mut self, journal: &Arc<dyn Journal>) -> Result<()> {
        let rows = journal.view_scan(Self::PREFIX.to_vec(), after_prefix(Self::PREFIX), usize::MAX).await?;
        let mut schedule = Schedule::default();
        for (_, row) in rows {
            let (job, queued) = codec::decode::<(Job, QueuedJob)>(&row)?;
            schedule.put(job, queued);
        }
        *self.schedule() = schedule;
        self.shared.changed.notify_one();
        Ok(())
    }

    async fn fold(&mut self, recorded: &Recorded, rows: &mut Rows) -> Result<()> {
        match &recorded.event {
            Event::Rental(event) => self.fold_rental(event, recorded, rows),
            Event::Payment(event) => self.fold_payment(event, recorded, rows),
            Event::Delivery(_) | Event::Product(_) | Event::Account(_) | Event::Context(_) => Ok(()),
        }
    }

    fn amend(&mut self, rows: &mut Rows) -> Result<()> {
        let finished = std::mem::take(&mut self.schedule().finished);
        finished.into_iter().try_for_each(|job| {
            rows.remove(row_key(job)?);
            Ok(())
        })
    }
}

#[cfg(test)]
#[path = "queue_tests.rs"]
mod tests;
