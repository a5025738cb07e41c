//! Every cell of the payment's decision table for several attempts n, and properties of all paths.

use proptest::{collection::vec, prelude::*};

use super::{PaymentCommand as C, PaymentEvent as E, PaymentPhase as P, *};
use crate::domain::{
    invariants::check_step,
    samples::{FEE, REASONS, given, moves, none, provider, refused},
};

/// Columns of the table: `Open` is "none, REQUESTED n", and CANCELED is split in two.
#[derive(Clone, Copy, Debug)]
enum Column {
    Open,
    Canceling,
    Approved,
    Refunding,
    Declined,
    NeverCharged,
    Refunded,
}

use Column::{Approved, Canceling, Declined, NeverCharged, Open, Refunded, Refunding};

const COLUMNS: [Column; 7] = [Open, Canceling, Approved, Refunding, Declined, NeverCharged, Refunded];
/// Attempts other than n, for each n: a later one, and an earlier one if there is one.
const OTHERS: [fn(Attempt) -> Attempt; 2] = [|n| n + 1, |n| if n > 1 { n - 1 } else { 9 }];

fn reference(n: Attempt) -> String {
    format!("ref-{n}")
}

fn charge(attempt: Attempt) -> Charge {
    Charge { attempt, amount: FEE, provider: provider() }
}

fn approve(n: Attempt) -> C {
    C::Approve { charge: charge(n), reference: reference(n) }
}

fn decline(n: Attempt) -> C {
    C::Decline { charge: charge(n), code: "CARD".to_owned() }
}

fn request(n: Attempt, settled: Attempt) -> C {
    C::Request { charge: charge(n), settled }
}

fn cancel(reason: CancelReason) -> C {
    C::Cancel { amount: FEE, provider: provider(), reason }
}

fn requested(attempt: Attempt) -> E {
    E::PaymentRequested { attempt, amount: FEE, provider: provider() }
}

fn approved(attempt: Attempt) -> E {
    E::PaymentApproved { attempt, amount: FEE, provider: provider(), reference: reference(attempt) }
}

fn declined(attempt: Attempt) -> E {
    E::PaymentDeclined { attempt, amount: FEE, provider: provider(), code: "CARD".to_owned() }
}

fn cancel_requested(attempt: Attempt) -> E {
    E::PaymentCancelRequested { attempt, amount: FEE, provider: provider(), late_capture: None }
}

fn late(attempt: Attempt) -> E {
    let late_capture = Some(reference(attempt));
    E::PaymentCancelRequested { attempt, amount: FEE, provider: provider(), late_capture }
}

fn canceled(amount: Money) -> E {
    E::PaymentCanceled { amount }
}

fn stray(attempt: Attempt) -> E {
    E::StrayCaptureFound { attempt, amount: FEE, provider: provider(), reference: reference(attempt) }
}

/// Returns every history that leads into a column at attempt n.
fn histories(column: Column, n: Attempt) -> Vec<Vec<E>> {
    let uncharged = || canceled(Money::ZERO);
    let after = |before: Column, events: &[E]| {
        let histories = histories(before, n).into_iter();
        histories.map(|history| [history, events.to_vec()].concat()).collect::<Vec<_>>()
    };
    match column {
        // Earlier attempts were never sent, or declined.
        Open => vec![
            (2..=n).map(requested).collect(),
            (2..=n).flat_map(|next| [declined(next - 1), requested(next)]).collect(),
        ],
        Canceling => after(Open, &[cancel_requested(n)]),
        Approved => after(Open, &[approved(n)]),
        Declined => after(Open, &[declined(n)]),
        Refunding => [
            after(Approved, &[cancel_requested(n)]),
            after(Canceling, &[approved(n)]),
            after(Declined, &[late(n)]),
            after(NeverCharged, &[late(n)]),
        ]
        .concat(),
        NeverCharged => [after(Canceling, &[uncharged()]), after(Declined, &[uncharged()])].concat(),
        Refunded => after(Refunding, &[canceled(FEE)]),
    }
}

fn phase_of(column: Column, n: Attempt) -> P {
    match column {
        Open if n == 1 => P::New,
        Open => P::Requested,
        Canceling => P::Canceling,
        Approved => P::Approved,
        Refunding => P::Refunding,
        Declined => P::Declined,
        NeverCharged | Refunded => P::Canceled,
    }
}

type Cell = crate::domain::samples::Cell<E, PaymentError, P>;

/// Checks one row of the table, each cell for n = 1, 2, 3 and every history of its column.
fn row(command: impl Fn(Attempt) -> C, cells: impl Fn(Attempt) -> [Cell; 7]) {
    for n in 1..=3 {
        for (column, (decision, to)) in COLUMNS.into_iter().zip(cells(n)) {
            for history in histories(column, n) {
                let payment: Payment = given(&history);
                let phase = phase_of(column, n);
                assert_eq!((payment.phase, payment.current()), (phase, n), "{history:?}");
                let command = command(n);
                let decided = payment.decide(command.clone());
                assert_eq!(decided, decision, "{column:?} {n} {command:?}");
                let decided = decided.unwrap_or_default();
                let after = decided.iter().fold(payment, |p, e| p.evolve(e, Timestamp(99)));
                assert_eq!(after.phase, to.unwrap_or(phase), "{column:?} {n} {command:?}");
            }
        }
    }
}

/// A row that is `–` in every column.
fn idle(command: impl Fn(Attempt) -> C) {
    row(command, |_| std::array::from_fn(|_| none()));
}

#[test]
fn late_captures_are_refunded() {
    row(approve, |n| {
        let late = || moves(late(n), P::Refunding);
        let (pays, owed) = (moves(approved(n), P::Approved), moves(approved(n), P::Refunding));
        [pays, owed, none(), none(), late(), late(), none()]
    });
}

#[test]
fn stray_captures_are_refunded_in_every_phase() {
    for other in OTHERS {
        let found = |n| (Ok(vec![stray(other(n))]), None);
        row(|n| approve(other(n)), |n| std::array::from_fn(|_| found(n)));
    }
}

#[test]
fn declines_close_open_attempts_and_settle_cancels() {
    row(decline, |n| {
        let closes = moves(declined(n), P::Declined);
        let cancels = moves(canceled(Money::ZERO), P::Canceled);
        [closes, cancels, none(), none(), none(), none(), none()]
    });
}

#[test]
fn voids_only_settle_cancels() {
    row(
        |attempt| C::Void { attempt },
        |_| {
            let cancels = moves(canceled(Money::ZERO), P::Canceled);
            [none(), cancels, none(), none(), none(), none(), none()]
        },
    );
}

#[test]
fn declines_and_voids_of_other_attempts_change_nothing() {
    for other in OTHERS {
        idle(|n| decline(other(n)));
        idle(|n| C::Void { attempt: other(n) });
    }
}

/// Checks the row of a request with the same result in all columns that allow an attempt.
fn requests(command: impl Fn(Attempt) -> C, answer: impl Fn(Attempt) -> Cell) {
    row(command, |n| {
        COLUMNS.map(|column| match column {
            Open | Declined => answer(n),
            _ => refused(PaymentError::NotRequestable(phase_of(column, n))),
        })
    });
}

#[test]
fn next_attempt_needs_an_open_payment() {
    requests(|n| request(n + 1, n), |n| moves(requested(n + 1), P::Requested));
}

#[test]
fn attempts_out_of_order_or_without_evidence_are_refused() {
    let unsettled = |n| refused(PaymentError::Unsettled(n));
    requests(|n| request(n + 1, 0), unsettled);
    requests(|n| request(n, n - 1), unsettled);
    requests(|n| request(n, n), unsettled);
    let next = |n| given::<Payment>(&[requested(n), declined(n)]).decide(request(n + 1, n));
    assert!(next(ATTEMPTS_MAX - 1).is_ok());
    assert_eq!(next(ATTEMPTS_MAX), Err(PaymentError::TooManyAttempts));
    requests(|n| request(n + 2, n), unsettled);
    requests(|n| request(n + 2, n + 1), unsettled);
}

/// Checks the row of a cancel for `reason`. Reasons differ only in the column DECLINED.
fn cancels(reason: CancelReason, after_decline: impl Fn() -> Cell) {
    row(
        |_| cancel(reason),
        |n| {
            let open = moves(cancel_requested(n), P::Canceling);
            let paid = moves(cancel_requested(n), P::Refunding);
            [open, none(), paid, none(), after_decline(), none(), none()]
        },
    );
}

#[test]
fn cancels_are_intents_until_the_attempt_is_settled() {
    for reason in REASONS.into_iter().filter(|reason| *reason != CancelReason::PaymentDeclined) {
        cancels(reason, || moves(canceled(Money::ZERO), P::Canceled));
    }
}

#[test]
fn cancels_caused_by_the_decline_change_nothing() {
    cancels(CancelReason::PaymentDeclined, none);
}

#[test]
fn refunds_end_payments_that_owe_one() {
    row(
        |_| C::Refunded,
        |_| {
            let ends = moves(canceled(FEE), P::Canceled);
            [none(), none(), none(), ends, none(), none(), none()]
        },
    );
}

#[test]
fn stray_refunds_that_are_not_owed_change_nothing() {
    idle(|attempt| C::StrayRefunded { attempt });
    idle(|n| C::StrayRefunded { attempt: n + 1 });
}

#[test]
fn stray_captures_are_owed_until_refunded() {
    for before in COLUMNS.map(|column| histories(column, 2)).concat() {
        let clean: Payment = given(&before);
        let owing = clean.clone().evolve(&stray(1), Timestamp(99)).evolve(&stray(3), Timestamp(99));
        assert_eq!(owing, Payment { strays: vec![charge(1), charge(3)], ..clean.clone() });
        assert_eq!(owing.decide(approve(1)), Ok(vec![]), "found already");
        assert_eq!(owing.decide(C::StrayRefunded { attempt: 4 }), Ok(vec![]));
        let refunded = E::StrayCaptureRefunded { attempt: 1 };
        assert_eq!(owing.decide(C::StrayRefunded { attempt: 1 }), Ok(vec![refunded.clone()]));
        assert_eq!(owing.evolve(&refunded, Timestamp(99)).strays, vec![charge(3)]);
    }
}

#[test]
fn cancels_use_the_gateway_of_the_current_attempt() {
    let first = C::Cancel { amount: FEE, provider: "first".to_owned(), reason: CancelReason::Customer };
    let to = |provider: &str, attempt| E::PaymentCancelRequested {
        attempt,
        amount: FEE,
        provider: provider.to_owned(),
        late_capture: None,
    };
    assert_eq!(Payment::default().decide(first.clone()), Ok(vec![to("first", 1)]));
    assert_eq!(given::<Payment>(&[requested(2)]).decide(first), Ok(vec![to("simulator", 2)]));
}

#[test]
fn captures_and_times_are_recorded() {
    let payment: Payment =
        given(&[declined(1), requested(2), approved(2), cancel_requested(2), canceled(FEE)]);
    let expected = Payment {
        phase: P::Canceled,
        attempt: 2,
        amount: FEE,
        provider: provider(),
        reference: Some(reference(2)),
        refunded: FEE,
        strays: vec![],
        requested_at: Some(Timestamp(2)),
        approved_at: Some(Timestamp(3)),
        declined_at: Some(Timestamp(1)),
        canceled_at: Some(Timestamp(5)),
    };
    assert_eq!(payment, expected);
    assert_eq!(given::<Payment>(&[declined(1), late(1)]).reference, Some(reference(1)), "to refund by");
}

fn any_command() -> impl Strategy<Value = C> {
    prop_oneof![
        (1u32..4).prop_map(approve),
        (1u32..4).prop_map(decline),
        (1u32..4).prop_map(|settled| request(settled + 1, settled)),
        (1u32..5, 0u32..4).prop_map(|(n, settled)| request(n, settled)),
        proptest::sample::select(REASONS.to_vec()).prop_map(cancel),
        (1u32..4).prop_map(|attempt| C::Void { attempt }),
        Just(C::Refunded),
        (1u32..4).prop_map(|attempt| C::StrayRefunded { attempt }),
    ]
}

proptest! {
    /// INV-1, 3 and 14 for one payment; and a repeated command adds no event.
    #[test]
    fn payments_are_approved_and_refunded_at_most_once(path in vec(any_command(), 0..40)) {
        let (mut payment, mut approvals, mut captures, mut refunds) = (Payment::default(), 0, 0, 0);
        for (command, at) in path.into_iter().zip(1..) {
            let events = payment.decide(command.clone()).unwrap_or_default();
            prop_assert!(events.len() <= 1);
            for event in &events {
                let before = payment.clone();
                payment = payment.evolve(event, Timestamp(at));
                prop_assert_eq!(check_step(&before, &event.clone().into(), &payment), Ok(()));
                let from = before.phase;
                let over = matches!(from, P::Declined | P::Canceled);
                let approves = matches!(event, E::PaymentApproved { .. });
                prop_assert!(!(over && approves), "approved after {from:?}");
                let late = matches!(event, E::PaymentCancelRequested { late_capture: Some(_), .. });
                approvals += usize::from(approves);
                captures += usize::from(approves || late);
                refunds += usize::from(*event == canceled(FEE));
                let next = matches!(event, E::PaymentRequested { .. });
                prop_assert_eq!(payment.current(), before.current() + Attempt::from(next));
            }
            prop_assert_eq!(payment.decide(command.clone()).unwrap_or_default(), vec![], "{:?}", command);
            prop_assert!(approvals <= 1 && captures <= 1 && refunds <= captures);
            prop_assert_eq!(payment.approved_at.is_some(), approvals == 1);
            let kept = captures - refunds;
            prop_assert_eq!(matches!(payment.phase, P::Approved | P::Refunding), kept == 1);
        }
    }
}
