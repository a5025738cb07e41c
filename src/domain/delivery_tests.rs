//! Every cell of the delivery's decision table, and properties of all paths through it.

use proptest::{collection::vec, prelude::*, sample::select};

use super::{DeliveryCommand as C, DeliveryEvent as E, DeliveryStatus as S, *};
use crate::domain::{
    invariants::check_step,
    samples::{PRODUCT, given, moves, none, refused},
};

/// Columns of the table, in its order.
const COLUMNS: [S; 5] = [S::Absent, S::Started, S::InTransit, S::Delivered, S::Canceled];
const START: C = C::Start { product_id: PRODUCT };
const STARTED: E = E::DeliveryStarted { product_id: PRODUCT };
const CANCELED: E = E::DeliveryCanceled { product_id: PRODUCT };

fn dispatch(stock_taken: bool) -> C {
    let (carrier, tracking_number) = (Some("CJ".to_owned()), Some("6350".to_owned()));
    C::Dispatch { carrier, tracking_number, stock_taken }
}

fn dispatched() -> E {
    E::DeliveryDispatched { carrier: Some("CJ".to_owned()), tracking_number: Some("6350".to_owned()) }
}

/// Returns the deliveries of every history that leads into a column.
fn deliveries_in(column: S) -> Vec<Delivery> {
    let histories = match column {
        S::Absent => vec![vec![]],
        S::Started => vec![vec![STARTED]],
        S::InTransit => vec![vec![STARTED, dispatched()]],
        S::Delivered => vec![vec![STARTED, dispatched(), E::DeliveryCompleted]],
        S::Canceled => vec![vec![STARTED, CANCELED], vec![STARTED, dispatched(), CANCELED]],
    };
    histories
        .iter()
        .map(|history| given(history))
        .inspect(|d: &Delivery| assert_eq!(d.status, column))
        .collect()
}

type Cell = crate::domain::samples::Cell<E, DeliveryError, S>;

fn out_of_order(column: S) -> Cell {
    refused(DeliveryError::OutOfOrder(column))
}

/// Checks one row of the table, each cell for every history of its column.
fn row(command: C, cells: [Cell; 5]) {
    for (column, (decision, to)) in COLUMNS.into_iter().zip(cells) {
        for delivery in deliveries_in(column) {
            let decided = delivery.decide(command.clone());
            assert_eq!(decided, decision, "{column:?} {command:?}");
            let after = decided.unwrap_or_default().iter().fold(delivery, |d, e| d.evolve(e, Timestamp(99)));
            assert_eq!(after.status, to.unwrap_or(column), "{column:?} {command:?}");
        }
    }
}

#[test]
fn deliveries_are_started_once() {
    row(START, [moves(STARTED, S::Started), none(), none(), none(), none()]);
}

#[test]
fn dispatch_without_a_unit_from_stock_is_refused() {
    let unknown = || refused(DeliveryError::NotFound);
    let over = out_of_order;
    let leaves = moves(dispatched(), S::InTransit);
    row(dispatch(true), [unknown(), leaves, none(), over(S::Delivered), over(S::Canceled)]);
    let not_ready = refused(DeliveryError::NotReady);
    row(dispatch(false), [unknown(), not_ready, none(), over(S::Delivered), over(S::Canceled)]);
}

#[test]
fn only_dispatched_deliveries_are_completed() {
    let completes = moves(E::DeliveryCompleted, S::Delivered);
    let unknown = refused(DeliveryError::NotFound);
    row(C::Complete, [unknown, out_of_order(S::Started), completes, none(), out_of_order(S::Canceled)]);
}

#[test]
fn deliveries_are_canceled_until_completed() {
    let cancels = || moves(CANCELED, S::Canceled);
    row(C::Cancel, [none(), cancels(), cancels(), none(), none()]);
}

#[test]
fn steps_and_their_times_are_recorded() {
    let done: Delivery = given(&[STARTED, dispatched(), E::DeliveryCompleted]);
    let expected = Delivery {
        status: S::Delivered,
        product_id: Some(PRODUCT),
        carrier: Some("CJ".to_owned()),
        tracking_number: Some("6350".to_owned()),
        started_at: Timestamp(1),
        dispatched_at: Some(Timestamp(2)),
        completed_at: Some(Timestamp(3)),
        canceled_at: None,
    };
    assert_eq!(done, expected);
    assert_eq!(given::<Delivery>(&[STARTED, CANCELED]).canceled_at, Some(Timestamp(2)));
}

#[test]
fn dispatch_needs_no_carrier() {
    let command = C::Dispatch { carrier: None, tracking_number: None, stock_taken: true };
    let event = E::DeliveryDispatched { carrier: None, tracking_number: None };
    assert_eq!(given::<Delivery>(&[STARTED]).decide(command), Ok(vec![event]));
}

proptest! {
    /// INV-14; and a repeated command adds no event.
    #[test]
    fn only_declared_transitions_happen(
        path in vec(select(vec![START, dispatch(true), dispatch(false), C::Complete, C::Cancel]), 0..24),
    ) {
        let (mut delivery, mut taken) = (Delivery::default(), false);
        for (command, at) in path.into_iter().zip(1..) {
            let events = delivery.decide(command.clone()).unwrap_or_default();
            taken |= command == dispatch(true);
            for event in &events {
                let before = delivery.clone();
                delivery = delivery.evolve(event, Timestamp(at));
                prop_assert_eq!(check_step(&before, &event.clone().into(), &delivery), Ok(()));
            }
            prop_assert!(events.len() <= 1);
            prop_assert_eq!(delivery.decide(command.clone()).unwrap_or_default(), vec![], "{:?}", command);
            prop_assert!(taken || delivery.dispatched_at.is_none(), "dispatched without a unit");
        }
    }
}
