//! The agenda, as the worker and the operator change it.

use super::*;
use crate::{
    domain::{Causation, Meta, Money},
    store::memory::MemoryJournal,
};

#[test]
fn what_a_failed_worker_had_taken_is_due_again() {
    let agenda = Agenda::new(0);
    let errand = Errand::Undo(PaymentId(1));
    let item = Item { due_at: Timestamp(5), position: Position(1), correlation: Correlation(1), attempts: 0 };
    agenda.schedule().put(errand, item);
    assert_eq!(agenda.take_due(Timestamp(4)), None);
    assert_eq!(agenda.take_due(Timestamp(5)), Some((errand, item)));
    assert_eq!((agenda.take_due(Timestamp(5)), agenda.next_due()), (None, None));
    agenda.wind_up();
    assert_eq!(agenda.take_due(Timestamp(5)), Some((errand, item)));
}

#[tokio::test]
async fn what_is_done_before_it_is_stored_is_not_stored() {
    let (agenda, journal): (_, Arc<dyn Journal>) = (Agenda::new(0), MemoryJournal::new());
    let recorded = recorded(1);
    let errand = Errand::Resolve(PaymentId(1), 1);
    let stored = async |mut rows: Rows| {
        rows.apply().await.unwrap();
        journal.view_get(row_key(errand).unwrap()).await.unwrap().is_some()
    };
    let mut rows = Rows::new(Arc::clone(&journal));
    agenda.put(&mut rows, errand, &recorded, Timestamp(5)).unwrap();
    agenda.remove(&mut rows, errand).unwrap();
    assert!(!stored(rows).await);
    let mut rows = Rows::new(Arc::clone(&journal));

    // The worker crosses it out while its row waits to be applied.
    let mut projection = agenda.clone();
    agenda.put(&mut rows, errand, &recorded, Timestamp(5)).unwrap();
    agenda.done(&journal, errand).await.unwrap();
    projection.amend(&mut rows).unwrap();
    assert!(!stored(rows).await);

    // It comes up again after that: it stays.
    let mut rows = Rows::new(Arc::clone(&journal));
    agenda.put(&mut rows, errand, &recorded, Timestamp(5)).unwrap();
    agenda.done(&journal, errand).await.unwrap();
    agenda.put(&mut rows, errand, &recorded, Timestamp(6)).unwrap();
    projection.amend(&mut rows).unwrap();
    assert!(stored(rows).await);

    // Stored, removed, there again and removed again, all before the next rows are applied: it is gone.
    let mut rows = Rows::new(Arc::clone(&journal));
    agenda.remove(&mut rows, errand).unwrap();
    agenda.put(&mut rows, errand, &recorded, Timestamp(7)).unwrap();
    agenda.remove(&mut rows, errand).unwrap();
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
    let agenda = Agenda::new(0);
    let item = Item { due_at: Timestamp(5), position: Position(1), correlation: Correlation(1), attempts: 3 };
    let (undo, other) = (Errand::Undo(PaymentId(1)), Errand::GiveBack(PaymentId(1), 2));
    let elsewhere = Errand::Undo(PaymentId(2));
    for errand in [undo, other, elsewhere] {
        agenda.schedule().put(errand, item);
        assert!(agenda.take_due(Timestamp(5)).is_some());
    }
    agenda.hurry(PaymentId(1).into(), Timestamp(9));
    let due: Vec<_> =
        std::iter::from_fn(|| agenda.take_due(Timestamp(9))).map(|(errand, _)| errand).collect();
    assert_eq!(due, [undo, other]);
}
