//! The job queue, as the runner and the operator change it.

use super::*;
use crate::{
    domain::{Causation, Meta, Money},
    store::memory::MemoryJournal,
};

fn queued(attempts: u32) -> QueuedJob {
    QueuedJob { due_at: Timestamp(5), position: Position(1), correlation: Correlation(1), attempts }
}

#[test]
fn jobs_taken_by_a_failed_runner_are_due_again() {
    let queue = JobQueue::new(0);
    let job = Job::Undo(PaymentId(1));
    let queued = queued(0);
    queue.schedule().put(job, queued);
    assert_eq!(queue.take_due(Timestamp(4)), None);
    assert_eq!(queue.take_due(Timestamp(5)), Some((job, queued)));
    assert_eq!((queue.take_due(Timestamp(5)), queue.next_due()), (None, None));
    queue.reschedule_taken();
    assert_eq!(queue.take_due(Timestamp(5)), Some((job, queued)));
}

#[tokio::test]
async fn jobs_done_before_they_are_stored_are_not_stored() {
    let (queue, journal): (_, Arc<dyn Journal>) = (JobQueue::new(0), MemoryJournal::new());
    let recorded = recorded(1);
    let job = Job::Resolve(PaymentId(1), 1);
    let stored = async |mut rows: Rows| {
        rows.apply().await.unwrap();
        journal.view_get(row_key(job).unwrap()).await.unwrap().is_some()
    };
    let mut rows = Rows::new(Arc::clone(&journal));
    queue.put(&mut rows, job, &recorded, Timestamp(5)).unwrap();
    queue.remove(&mut rows, job).unwrap();
    assert!(!stored(rows).await);
    let mut rows = Rows::new(Arc::clone(&journal));

    // The runner finishes it while its row waits to be applied.
    let mut projection = queue.clone();
    queue.put(&mut rows, job, &recorded, Timestamp(5)).unwrap();
    queue.done(&journal, job).await.unwrap();
    projection.amend(&mut rows).unwrap();
    assert!(!stored(rows).await);

    // Added again after that: it stays.
    let mut rows = Rows::new(Arc::clone(&journal));
    queue.put(&mut rows, job, &recorded, Timestamp(5)).unwrap();
    queue.done(&journal, job).await.unwrap();
    queue.put(&mut rows, job, &recorded, Timestamp(6)).unwrap();
    projection.amend(&mut rows).unwrap();
    assert!(stored(rows).await);

    // Stored, removed, added and removed before the next rows are applied: it is gone.
    let mut rows = Rows::new(Arc::clone(&journal));
    queue.remove(&mut rows, job).unwrap();
    queue.put(&mut rows, job, &recorded, Timestamp(7)).unwrap();
    queue.remove(&mut rows, job).unwrap();
    assert!(!stored(rows).await);
}

/// Any event.
fn recorded(position: u64) -> Recorded {
    let meta = Meta { at: Timestamp(1), correlation: Correlation(1), causation: Causation::Schedule };
    let event = Event::Payment(PaymentEvent::PaymentCanceled { amount: Money::won(0) });
    Recorded { position: Position(position), entity: PaymentId(1).into(), meta, event }
}

#[test]
fn all_jobs_of_a_released_payment_become_due() {
    let queue = JobQueue::new(0);
    let (undo, other) = (Job::Undo(PaymentId(1)), Job::GiveBack(PaymentId(1), 2));
    let elsewhere = Job::Undo(PaymentId(2));
    for job in [undo, other, elsewhere] {
        queue.schedule().put(job, queued(3));
        assert!(queue.take_due(Timestamp(5)).is_some());
    }
    queue.make_due(PaymentId(1).into(), Timestamp(9));
    let due: Vec<_> = std::iter::from_fn(|| queue.take_due(Timestamp(9))).map(|(job, _)| job).collect();
    assert_eq!(due, [undo, other]);
}
