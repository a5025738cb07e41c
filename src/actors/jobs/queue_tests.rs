//! The agenda, as the worker and the operator change it.

use super::*;
use crate::{
    domain::{Causation, Meta, Money},
    store::memory::MemoryJournal,
};

#[test]
fn what_a_failed_worker_had_taken_is_due_again() {
    let job_queue = JobQueue::new(0);
    let job = Job::Undo(PaymentId(1));
    let item =
        QueuedJob { due_at: Timestamp(5), position: Position(1), correlation: Correlation(1), attempts: 0 };
    job_queue.schedule().put(job, item);
    assert_eq!(job_queue.take_due(Timestamp(4)), None);
    assert_eq!(job_queue.take_due(Timestamp(5)), Some((job, item)));
    assert_eq!((job_queue.take_due(Timestamp(5)), job_queue.next_due()), (None, None));
    job_queue.wind_up();
    assert_eq!(job_queue.take_due(Timestamp(5)), Some((job, item)));
}

#[tokio::test]
async fn what_is_done_before_it_is_stored_is_not_stored() {
    let (job_queue, journal): (_, Arc<dyn Journal>) = (JobQueue::new(0), MemoryJournal::new());
    let recorded = recorded(1);
    let job = Job::Resolve(PaymentId(1), 1);
    let stored = async |mut rows: Rows| {
        rows.apply().await.unwrap();
        journal.view_get(row_key(job).unwrap()).await.unwrap().is_some()
    };
    let mut rows = Rows::new(Arc::clone(&journal));
    job_queue.put(&mut rows, job, &recorded, Timestamp(5)).unwrap();
    job_queue.remove(&mut rows, job).unwrap();
    assert!(!stored(rows).await);
    let mut rows = Rows::new(Arc::clone(&journal));

    // The worker crosses it out while its row waits to be applied.
    let mut projection = job_queue.clone();
    job_queue.put(&mut rows, job, &recorded, Timestamp(5)).unwrap();
    job_queue.done(&journal, job).await.unwrap();
    projection.amend(&mut rows).unwrap();
    assert!(!stored(rows).await);

    // It comes up again after that: it stays.
    let mut rows = Rows::new(Arc::clone(&journal));
    job_queue.put(&mut rows, job, &recorded, Timestamp(5)).unwrap();
    job_queue.done(&journal, job).await.unwrap();
    job_queue.put(&mut rows, job, &recorded, Timestamp(6)).unwrap();
    projection.amend(&mut rows).unwrap();
    assert!(stored(rows).await);

    // Stored, removed, there again and removed again, all before the next rows are applied: it is gone.
    let mut rows = Rows::new(Arc::clone(&journal));
    job_queue.remove(&mut rows, job).unwrap();
    job_queue.put(&mut rows, job, &recorded, Timestamp(7)).unwrap();
    job_queue.remove(&mut rows, job).unwrap();
    assert!(!stored(rows).await);
}

/// An event, only to have one.
fn recorded(position: u64) -> Recorded {
    let meta = Meta { at: Timestamp(1), correlation: Correlation(1), causation: Causation::Schedule };
    let event = Event::Payment(PaymentEvent::PaymentCanceled { amount: Money::won(0) });
    Recorded { position: Position(position), entity: PaymentId(1).into(), meta, event }
}

#[test]
fn a_payment_that_is_let_go_has_all_its_errands_on_the_clock() {
    let job_queue = JobQueue::new(0);
    let item =
        QueuedJob { due_at: Timestamp(5), position: Position(1), correlation: Correlation(1), attempts: 3 };
    let (undo, other) = (Job::Undo(PaymentId(1)), Job::GiveBack(PaymentId(1), 2));
    let elsewhere = Job::Undo(PaymentId(2));
    for job in [undo, other, elsewhere] {
        job_queue.schedule().put(job, item);
        assert!(job_queue.take_due(Timestamp(5)).is_some());
    }
    job_queue.hurry(PaymentId(1).into(), Timestamp(9));
    let due: Vec<_> = std::iter::from_fn(|| job_queue.take_due(Timestamp(9))).map(|(job, _)| job).collect();
    assert_eq!(due, [undo, other]);
}
