//! Every cell of the rental's decision table, and properties of all paths through it.
//!
//! The table's row `pay` is missing: it opens a conversation of the payment actor, and is no command here.

use proptest::{collection::vec, prelude::*, sample::select};

use super::{CancelReason as R, RentalCommand as C, RentalEvent as E, RentalStatus as S, *};
use crate::domain::{
    invariants::check_step,
    samples::{FEE, LATER, PRODUCT, REASONS, given, moves, none, refused, terms},
};

/// Columns of the table, in its order.
const COLUMNS: [S; 6] = [S::Absent, S::Placed, S::PaymentDeferred, S::Confirmed, S::Delivered, S::Canceled];

fn placed() -> E {
    E::RentalPlaced(terms())
}

fn deferred(sent: bool) -> E {
    E::PaymentDeferred { deferral: LATER, sent }
}

fn confirmed() -> E {
    E::RentalConfirmed { product_id: PRODUCT }
}

fn canceled(reason: R) -> E {
    E::RentalCanceled { reason, amount: FEE, provider: "simulator".to_owned() }
}

fn place(deferral: Option<Deferral>) -> C {
    C::Place { terms: Box::new(terms()), deferral }
}

/// Returns every history that leads into a column.
fn histories(column: S) -> Vec<Vec<E>> {
    let after = |befores: &[S], events: &[E]| {
        let befores = befores.iter().flat_map(|&before| histories(before));
        let all = befores.flat_map(|before| {
            events.iter().map(move |event| before.iter().chain([event]).cloned().collect::<Vec<_>>())
        });
        all.collect::<Vec<_>>()
    };
    match column {
        S::Absent => vec![vec![]],
        S::Placed => after(&[S::Absent], &[placed()]),
        S::PaymentDeferred => after(&[S::Placed], &[deferred(true), deferred(false)]),
        S::Confirmed => after(&[S::Placed, S::PaymentDeferred], &[confirmed()]),
        S::Delivered => after(&[S::Confirmed], &[E::RentalDelivered]),
        S::Canceled => after(&[S::Placed, S::PaymentDeferred, S::Confirmed], &REASONS.map(canceled)),
    }
}

fn rentals_in(column: S) -> impl Iterator<Item = Rental> {
    histories(column).into_iter().map(move |history| {
        let rental: Rental = given(&history);
        assert_eq!(rental.status, column, "{history:?}");
        rental
    })
}

type Cell = crate::domain::samples::Cell<E, RentalError, S>;

fn cancels(reason: R) -> Cell {
    moves(canceled(reason), S::Canceled)
}

/// Checks one row of the table, each cell for every history of its column.
fn row(command: C, cells: [Cell; 6]) {
    for (column, (decision, to)) in COLUMNS.into_iter().zip(cells) {
        for rental in rentals_in(column) {
            let decided = rental.decide(command.clone());
            assert_eq!(decided, decision, "{column:?} {command:?}");
            let after = decided.unwrap_or_default().iter().fold(rental, |r, e| r.evolve(e, Timestamp(99)));
            assert_eq!(after.status, to.unwrap_or(column), "{column:?} {command:?}");
        }
    }
}

#[test]
fn placing_again_changes_nothing() {
    let first = moves(placed(), S::Placed);
    row(place(None), [first, none(), none(), none(), none(), none()]);
}

#[test]
fn first_commands_lead_to_events() {
    for first in [place(None), place(Some(LATER))].into_iter().filter(Rental::is_first) {
        assert!(!Rental::default().decide(first).unwrap().is_empty());
    }
}

#[test]
fn open_breaker_places_and_defers_in_one_commit() {
    let both = (Ok(vec![placed(), deferred(false)]), Some(S::PaymentDeferred));
    row(place(Some(LATER)), [both, none(), none(), none(), none(), none()]);
}

#[test]
fn approved_payment_confirms_unpaid_rentals_only() {
    let confirms = || moves(confirmed(), S::Confirmed);
    row(C::Confirm, [none(), confirms(), confirms(), none(), none(), none()]);
}

#[test]
fn decline_cancels_placed_but_not_deferred_rentals() {
    row(C::Declined, [none(), cancels(R::PaymentDeclined), none(), none(), none(), none()]);
}

#[test]
fn only_placed_rentals_are_deferred() {
    let defers = moves(deferred(true), S::PaymentDeferred);
    row(C::Defer(LATER), [none(), defers, none(), none(), none(), none()]);
}

#[test]
fn canceling_after_delivery_is_refused() {
    for reason in REASONS {
        let cancels = || cancels(reason);
        let (unknown, late) = (refused(RentalError::NotFound), refused(RentalError::NotCancelable));
        row(C::Cancel(reason), [unknown, cancels(), cancels(), cancels(), late, none()]);
    }
}

#[test]
fn only_deferred_rentals_expire() {
    row(C::Expire, [none(), none(), cancels(R::PaymentExpired), none(), none(), none()]);
}

#[test]
fn shortage_cancels_confirmed_rentals_only() {
    row(C::Short, [none(), none(), none(), cancels(R::OutOfStock), none(), none()]);
}

#[test]
fn unpaid_and_canceled_rentals_are_not_delivered() {
    let unpaid = |status| refused(RentalError::NotDeliverable(status));
    let delivers = moves(E::RentalDelivered, S::Delivered);
    let over = refused(RentalError::Canceled);
    let cells = [none(), unpaid(S::Placed), unpaid(S::PaymentDeferred), delivers, none(), over];
    row(C::MarkDelivered, cells);
}

#[test]
fn placing_records_terms_and_times() {
    let rental: Rental = given(&[placed()]);
    assert_eq!(rental.terms, Some(terms()));
    assert_eq!((rental.placed_at, rental.updated_at), (Timestamp(1), Timestamp(1)));
    assert_eq!((rental.provider(), rental.outcome), ("simulator", None));
    assert_eq!(Rental::default().terms(), Err(RentalError::NotFound));
    assert_eq!(Rental::default().provider(), "");
}

#[test]
fn placement_outcome_is_the_first_status_and_stays() {
    for (history, status) in [
        (vec![placed(), confirmed(), E::RentalDelivered], S::Confirmed),
        (vec![placed(), deferred(true), confirmed()], S::PaymentDeferred),
        (vec![placed(), deferred(false), canceled(R::PaymentExpired)], S::PaymentDeferred),
        (vec![placed(), canceled(R::PaymentDeclined)], S::Canceled),
    ] {
        let rental: Rental = given(&history);
        assert_eq!(rental.outcome, Some(PlacementOutcome { status, at: Timestamp(2) }), "{history:?}");
        assert_eq!(rental.updated_at, Timestamp(history.len() as i64), "{history:?}");
    }
}

#[test]
fn charge_is_unsent_only_if_deferred_at_placing() {
    for (sent, never_sent) in [(true, false), (false, true)] {
        let rental: Rental = given(&[placed(), deferred(sent)]);
        assert_eq!((rental.never_sent, rental.deferral), (never_sent, Some(LATER)));
    }
    assert!(!given::<Rental>(&[placed()]).never_sent);
}

#[test]
fn delivery_may_exist_once_the_rental_was_confirmed() {
    let id = RentalId(5);
    assert_eq!(given::<Rental>(&[placed(), canceled(R::Customer)]).delivery_id(id), None);
    let canceled_later: Rental = given(&[placed(), confirmed(), canceled(R::Operator)]);
    assert_eq!(canceled_later.delivery_id(id), Some(DeliveryId(5)));
    assert_eq!(canceled_later.cancel_reason, Some(R::Operator));
}

fn every_command() -> Vec<C> {
    let others = [C::Confirm, C::Declined, C::Defer(LATER), C::Expire, C::Short, C::MarkDelivered];
    let cancels = REASONS.map(C::Cancel);
    [place(None), place(Some(LATER))].into_iter().chain(others).chain(cancels).collect()
}

proptest! {
    /// INV-1 and 14; and a repeated command adds no event.
    #[test]
    fn only_declared_transitions_happen(path in vec(select(every_command()), 0..32)) {
        let mut rental = Rental::default();
        for (command, at) in path.into_iter().zip(1..) {
            let before = rental.clone();
            for event in rental.decide(command.clone()).unwrap_or_default() {
                let before = rental.clone();
                rental = rental.evolve(&event, Timestamp(at));
                prop_assert_eq!(check_step(&before, &event.into(), &rental), Ok(()));
            }
            prop_assert_eq!(rental.decide(command.clone()).unwrap_or_default(), vec![], "{:?}", command);
            prop_assert!(before.outcome.is_none() || before.outcome == rental.outcome);
            prop_assert_eq!(rental.status == S::Canceled, rental.cancel_reason.is_some());
        }
    }
}
