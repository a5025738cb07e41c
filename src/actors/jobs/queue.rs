//! The agenda: what is due. Payments to resolve, refunds to do, deferrals to expire, across restarts.
//!
//! It is a projection (what is outstanding follows from the journal) and a worker (which asks the
//! payment actor, or the rental, when the time has come). Gateway calls are never made inside a lane.
//!
//! **What a restart does:** the projection reads outstanding items back from their rows; the worker puts
//! those it had taken back on the clock.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use crate::{
    actors::projection::{Projection, Rows, after_prefix, key},
    domain::{
        Correlation, EntityId, Event, PaymentId, Position, Recorded, RentalId, Timestamp,
        payment::{Attempt, PaymentEvent},
        rental::RentalEvent,
    },
    store::{Journal, StoreError, codec},
};

/// What there is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Job {
    /// Find out what became of an attempt.
    Resolve(PaymentId, Attempt),
    /// Void or refund a payment that is to be canceled.
    Undo(PaymentId),
    /// Give back a capture of an attempt that does not count.
    GiveBack(PaymentId, Attempt),
    /// Cancel a rental that was not paid in time.
    Expire(RentalId),
}

impl Job {
    /// Which entity waits for it.
    #[must_use]
    pub fn target(self) -> EntityId {
        match self {
            Self::Expire(rental) => rental.into(),
            Self::Resolve(payment, _) | Self::Undo(payment) | Self::GiveBack(payment, _) => payment.into(),
        }
    }

    /// The rental it is about.
    #[must_use]
    pub const fn rental(self) -> RentalId {
        match self {
            Self::Resolve(payment, _) | Self::Undo(payment) | Self::GiveBack(payment, _) => payment.rental(),
            Self::Expire(rental) => rental,
        }
    }
}

/// An errand with what is known of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueuedJob {
    /// Not before this moment.
    pub due_at: Timestamp,
    /// The event that made it necessary.
    pub position: Position,
    /// The rental's.
    pub correlation: Correlation,
    /// How often it was tried in vain since the start.
    #[serde(skip)]
    pub attempts: u32,
}

/// What is outstanding, shared by the projection and the worker. Cheap to clone.
#[derive(Clone, Default)]
pub struct JobQueue {
    shared: Arc<Shared>,
    /// A conversation is given so long, in ms, before anybody asks what became of it.
    conversation_ms: u64,
}

#[derive(Default)]
struct Shared {
    schedule: Mutex<Schedule>,
    changed: Notify,
}

#[derive(Default)]
struct Schedule {
    items: BTreeMap<Job, QueuedJob>,
    /// Those that turned out to be done, whose rows may not be applied yet.
    crossed_out: BTreeSet<Job>,
    by_time: BTreeSet<(Timestamp, Job)>,
}

impl Schedule {
    fn cross_out(&mut self, job: Job) {
        self.remove(job);
        self.crossed_out.insert(job);
    }

    fn put(&mut self, job: Job, item: QueuedJob) {
        self.remove(job);
        self.by_time.insert((item.due_at, job));
        self.items.insert(job, item);
    }

    fn remove(&mut self, job: Job) {
        if let Some(item) = self.items.remove(&job) {
            self.by_time.remove(&(item.due_at, job));
        }
    }
}

impl JobQueue {
    /// An empty agenda; a conversation lasts at most `conversation_ms`.
    #[must_use]
    pub fn new(conversation_ms: u64) -> Self {
        Self { shared: Arc::default(), conversation_ms }
    }

    fn schedule(&self) -> MutexGuard<'_, Schedule> {
        self.shared.schedule.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The most urgent errand that is due at `now`, taken off the clock until it is
    /// [rescheduled](Self::reschedule) or done.
    #[must_use]
    pub fn take_due(&self, now: Timestamp) -> Option<(Job, QueuedJob)> {
        let mut schedule = self.schedule();
        let &(due_at, job) = schedule.by_time.first().filter(|(due_at, _)| *due_at <= now)?;
        schedule.by_time.remove(&(due_at, job));
        schedule.items.get(&job).map(|item| (job, *item))
    }

    /// When the next errand is due.
    #[must_use]
    pub fn next_due(&self) -> Option<Timestamp> {
        self.schedule().by_time.first().map(|(due_at, _)| *due_at)
    }

    /// Puts an errand back on the clock, if it is still outstanding.
    pub fn reschedule(&self, job: Job, due_at: Timestamp, attempts: u32) {
        let mut schedule = self.schedule();
        if let Some(item) = schedule.items.get(&job).copied() {
            schedule.put(job, QueuedJob { due_at, attempts, ..item });
        }
        drop(schedule);
        self.shared.changed.notify_one();
    }

    /// Puts every errand back on the clock that is outstanding but off it: whoever had taken it has failed.
    pub fn wind_up(&self) {
        let mut schedule = self.schedule();
        schedule.by_time = schedule.items.iter().map(|(job, item)| (item.due_at, *job)).collect();
    }

    /// Puts every outstanding errand for this target back on the clock, due now.
    pub fn hurry(&self, target: EntityId, now: Timestamp) {
        for job in self.waiting_for(target) {
            self.reschedule(job, now, 0);
        }
    }

    fn waiting_for(&self, target: EntityId) -> Vec<Job> {
        self.schedule().items.keys().copied().filter(|job| job.target() == target).collect()
    }

    /// An errand turned out to need nothing more, without an event to say so.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn done(&self, journal: &Arc<dyn Journal>, job: Job) -> Result<(), StoreError> {
        self.schedule().cross_out(job);
        journal.view_apply(vec![(row_key(job)?, None)]).await
    }

    /// The operator gave up what waits for this target.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn forget(&self, journal: &Arc<dyn Journal>, target: EntityId) -> Result<(), StoreError> {
        for job in self.waiting_for(target) {
            self.done(journal, job).await?;
        }
        Ok(())
    }

    /// Returns when something was added or rescheduled.
    pub async fn changed(&self) {
        self.shared.changed.notified().await;
    }

    fn put(
        &self,
        rows: &mut Rows,
        job: Job,
        recorded: &Recorded,
        due_at: Timestamp,
    ) -> Result<(), StoreError> {
        let (position, correlation) = (recorded.position, recorded.meta.correlation);
        let item = QueuedJob { due_at, position, correlation, attempts: 0 };
        let mut schedule = self.schedule();
        let known = schedule.crossed_out.remove(&job) | schedule.items.contains_key(&job);
        schedule.put(job, item);
        if schedule.by_time.first() == Some(&(due_at, job)) {
            self.shared.changed.notify_one();
        }
        drop(schedule);
        // Most errands are done before their rows are applied.
        if known { rows.put(row_key(job)?, &(job, item)) } else { rows.add(row_key(job)?, &(job, item)) }
    }

    fn remove(&self, rows: &mut Rows, job: Job) -> Result<(), StoreError> {
        self.schedule().remove(job);
        rows.remove(row_key(job)?);
        Ok(())
    }

    fn fold_rental(
        &self,
        event: &RentalEvent,
        recorded: &Recorded,
        rows: &mut Rows,
    ) -> Result<(), StoreError> {
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

    fn fold_payment(
        &self,
        event: &PaymentEvent,
        recorded: &Recorded,
        rows: &mut Rows,
    ) -> Result<(), StoreError> {
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

fn row_key(job: Job) -> Result<Vec<u8>, StoreError> {
    Ok(key(JobQueue::PREFIX, &[&codec::encode(&job)?]))
}

impl Projection for JobQueue {
    const NAME: &'static str = "agenda";
    const FORMAT: u8 = 1;
    const PREFIX: &'static [u8] = b"a/";
    const IN_MEMORY: bool = true;

    async fn open(&mut self, journal: &Arc<dyn Journal>) -> Result<(), StoreError> {
        let rows = journal.view_scan(Self::PREFIX.to_vec(), after_prefix(Self::PREFIX), usize::MAX).await?;
        let mut schedule = Schedule::default();
        for (_, row) in rows {
            let (job, item) = codec::decode::<(Job, QueuedJob)>(&row)?;
            schedule.put(job, item);
        }
        *self.schedule() = schedule;
        self.shared.changed.notify_one();
        Ok(())
    }

    async fn fold(&mut self, recorded: &Recorded, rows: &mut Rows) -> Result<(), StoreError> {
        match &recorded.event {
            Event::Rental(event) => self.fold_rental(event, recorded, rows),
            Event::Payment(event) => self.fold_payment(event, recorded, rows),
            Event::Delivery(_) | Event::Product(_) | Event::Account(_) | Event::Context(_) => Ok(()),
        }
    }

    fn amend(&mut self, rows: &mut Rows) -> Result<(), StoreError> {
        let crossed_out = std::mem::take(&mut self.schedule().crossed_out);
        crossed_out.into_iter().try_for_each(|job| {
            rows.remove(row_key(job)?);
            Ok(())
        })
    }
}

#[cfg(test)]
#[path = "queue_tests.rs"]
mod tests;
