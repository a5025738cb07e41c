//! Invariants of the specification, as predicates over plain data. Tests, the simulation and
//! `saem verify` share them.
//!
//! | letter | holds |
//! | --- | --- |
//! | S | after every step, whatever fails |
//! | Q | at rest: no faults any more, and everything drained |
//!
//! A timeline is all events of one rental, oldest first. INV-11 and INV-12 concern responses under
//! failure, which no history shows: the tests that send the requests check them. The invariants of single
//! steps ([`steps`]) are also asserted in debug builds, before an event is written.
//!
//! Each predicate fails with the [`Violation`] of its invariant.

pub mod steps;
pub mod units;

use std::{borrow::Borrow, collections::BTreeSet};

use thiserror::Error;

pub use self::{
    steps::{check_step, version_grows, version_never_goes_back},
    units::Units,
};
use super::{
    delivery::{Delivery, DeliveryStatus as D},
    event::{Event, Recorded},
    id::{CustomerId, NotificationId, ProductId, RentalId},
    journaled::Journaled,
    meta::Causation,
    money::Money,
    notice,
    payment::{Payment, PaymentEvent, PaymentPhase as P},
    policies::unit_is_out,
    position::Position,
    product::Product,
    rental::{CancelReason, Rental, RentalEvent, RentalStatus as R},
    time::Timestamp,
};

#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{invariant} is broken: {what}")]
pub struct Violation {
    /// Name of the invariant, such as `INV-1`.
    pub invariant: &'static str,
    pub what: String,
}

pub type Check = Result<(), Violation>;

/// A rental in the payment gateway's own ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LedgerLine {
    pub rental: RentalId,
    pub captures: u32,
    pub refunds: u32,
    /// Amount of each capture.
    pub amount: Money,
}

/// A rental's row on My Page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageRow {
    pub customer: CustomerId,
    pub rental: R,
    pub reason: Option<CancelReason>,
    pub delivery: Option<D>,
    /// Position of the newest event that the row shows.
    pub version: Position,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageRecord {
    pub id: NotificationId,
    pub customer: CustomerId,
    /// Type of the event that the message is about.
    pub event: String,
    /// Number of times it was passed to the SMS gateway.
    pub sent: usize,
}

fn ensure(holds: bool, invariant: &'static str, what: impl FnOnce() -> String) -> Check {
    if holds { Ok(()) } else { Err(Violation { invariant, what: what() }) }
}

fn folded<A: Journaled, E: Borrow<Recorded>>(timeline: &[E]) -> A {
    timeline.iter().map(Borrow::borrow).fold(A::default(), |state, e| state.fold(&e.event, e.meta.at))
}

fn events<E: Borrow<Recorded>>(timeline: &[E]) -> impl Iterator<Item = &Event> {
    timeline.iter().map(|recorded| &recorded.borrow().event)
}

/// INV-1 S: the gateway captures a rental at most once, for the fee fixed when it was placed.
pub fn captured_at_most_once<E: Borrow<Recorded>>(timeline: &[E], line: &LedgerLine) -> Check {
    let fee = folded::<Rental, E>(timeline).terms.map(|terms| terms.fee);
    let once = line.captures <= 1 && (line.captures == 0 || fee == Some(line.amount));
    ensure(once, "INV-1", || format!("{line:?}, but the fee is {fee:?}"))
}

/// INV-2 Q: captures minus refunds equal the fees of all confirmed and delivered rentals.
pub fn takings_are_the_live_fees<E: Borrow<Recorded>>(timelines: &[&[E]], ledger: &[LedgerLine]) -> Check {
    let taken = |line: &LedgerLine| {
        i128::from(line.amount.as_won()) * (i128::from(line.captures) - i128::from(line.refunds))
    };
    let takings: i128 = ledger.iter().map(taken).sum();
    let rentals = timelines.iter().map(|timeline| folded::<Rental, E>(timeline));
    let live = rentals.filter(|rental| matches!(rental.status, R::Confirmed | R::Delivered));
    let fees: i128 = live.filter_map(|rental| rental.terms).map(|t| i128::from(t.fee.as_won())).sum();
    ensure(takings == fees, "INV-2", || format!("{takings} won taken, {fees} won of live fees"))
}

/// INV-3 S: a rental has at most as many refunds as captures.
pub fn refunded_at_most_what_was_captured(line: &LedgerLine) -> Check {
    ensure(line.refunds <= line.captures, "INV-3", || format!("{line:?}"))
}

/// INV-3 Q: a canceled rental that was captured is refunded exactly once.
pub fn canceled_is_refunded_once<E: Borrow<Recorded>>(timeline: &[E], line: &LedgerLine) -> Check {
    let canceled = folded::<Rental, E>(timeline).status == R::Canceled;
    let due = if canceled { line.captures.min(1) } else { line.refunds };
    ensure(line.refunds == due, "INV-3", || format!("canceled, but {line:?}"))
}

/// INV-4 S: the payment's approval precedes every event of the delivery.
pub fn approved_before_delivery<E: Borrow<Recorded>>(timeline: &[E]) -> Check {
    let mut approved = false;
    for event in events(timeline) {
        approved |= matches!(event, Event::Payment(PaymentEvent::PaymentApproved { .. }));
        let early = matches!(event, Event::Delivery(_)) && !approved;
        ensure(!early, "INV-4", || format!("{} before the approval", event.name()))?;
    }
    Ok(())
}

/// INV-5 S: the stock is never negative, and stock + units out = units ever stocked. `history` is the whole
/// journal, or all events of the product.
pub fn stock_is_conserved<E: Borrow<Recorded>>(history: &[E], id: ProductId, product: &Product) -> Check {
    let mut units = Units::default();
    for recorded in history.iter().map(Borrow::borrow).filter(|recorded| recorded.entity == id.into()) {
        if let Event::Product(event) = &recorded.event {
            units.apply(id, event)?;
        }
    }
    units.add_up(id, product, units.out())
}

/// INV-6 S: a rental takes at most one unit from stock, and returns it at most once, after taking it.
pub fn stock_moves_once<E: Borrow<Recorded>>(timeline: &[E]) -> Check {
    let moves: Vec<&str> =
        events(timeline).filter(|e| matches!(e, Event::Product(_))).map(Event::name).collect();
    let (down, up, short) = ("ProductDecreased", "ProductIncreased", "StockShort");
    let holds = moves.is_empty() || moves == [down] || moves == [down, up] || moves == [short];
    ensure(holds, "INV-6", || format!("the stock moved {moves:?}"))
}

/// INV-7 S: an acknowledged command survives any crash: its event, `event`, is still in the history.
pub fn acknowledged_stays<E: Borrow<Recorded>>(history: &[E], event: &str) -> Check {
    let there = events(history).any(|recorded| recorded.name() == event);
    ensure(there, "INV-7", || format!("{event} was acknowledged, but is missing"))
}

/// INV-8 S: placing takes effect as a whole or not at all. A rental is placed once, as its first event; an
/// unsent deferral follows directly, from the same commit; without a rental there is no capture.
pub fn placed_whole<E: Borrow<Recorded>>(timeline: &[E], line: Option<&LedgerLine>) -> Check {
    let is_placing = |event: &Event| matches!(event, Event::Rental(RentalEvent::RentalPlaced(_)));
    let begins = events(timeline).next().is_some_and(is_placing);
    let placed = begins && events(timeline).filter(|event| is_placing(event)).count() == 1;
    let together = timeline.iter().map(Borrow::borrow).enumerate().all(|(index, recorded)| {
        let unsent =
            matches!(recorded.event, Event::Rental(RentalEvent::PaymentDeferred { sent: false, .. }));
        !unsent || index == 1 && recorded.position.0 == timeline[0].borrow().position.0 + 1
    });
    let nothing = timeline.is_empty() && line.is_none();
    let names = || events(timeline).map(Event::name).collect::<Vec<_>>();
    ensure(nothing || placed && together, "INV-8", || format!("{:?}, ledger: {line:?}", names()))
}

/// INV-9 Q: each change that customers are notified of has exactly one message record, sent at least once,
/// always under the same id. `messages` are all messages about this rental.
pub fn every_change_has_its_message<E: Borrow<Recorded>>(
    timeline: &[E],
    messages: &[MessageRecord],
) -> Check {
    let Some(terms) = folded::<Rental, E>(timeline).terms else {
        return ensure(messages.is_empty(), "INV-9", || format!("{messages:?} without a rental"));
    };
    let due = timeline.iter().map(Borrow::borrow).filter_map(|recorded: &Recorded| {
        let about = notice::notice(&recorded.event)?.name().to_owned();
        Some((notice::id(recorded.position, recorded.rental()?), about))
    });
    let due: BTreeSet<_> = due.collect();
    let found: BTreeSet<_> = messages.iter().map(|m| (m.id, m.event.clone())).collect();
    let once = due == found && messages.len() == found.len();
    ensure(once, "INV-9", || format!("due {due:?}, found {messages:?}"))?;
    let bad = messages.iter().find(|m| m.sent == 0 || m.customer != terms.customer_id);
    ensure(bad.is_none(), "INV-9", || format!("not sent, or to another customer: {bad:?}"))
}

/// INV-10 S: a row of My Page equals the fold of the timeline up to the row's version.
pub fn row_is_a_fold<E: Borrow<Recorded>>(timeline: &[E], row: &PageRow) -> Check {
    let until = timeline.iter().take_while(|e| (*e).borrow().position <= row.version).map(Borrow::borrow);
    let until: Vec<&Recorded> = until.collect();
    let rental: Rental = folded(&until);
    let delivery = folded::<Delivery, _>(&until).status;
    let fold = rental.terms.as_ref().map(|terms| PageRow {
        customer: terms.customer_id,
        rental: rental.status,
        reason: rental.cancel_reason,
        delivery: (delivery != D::Absent).then_some(delivery),
        version: until.last().map_or(Position(0), |newest| newest.position),
    });
    ensure(fold.as_ref() == Some(row), "INV-10", || format!("{row:?}, but the fold is {fold:?}"))
}

/// INV-10 Q: a row of My Page equals the fold of the whole timeline.
pub fn row_is_the_whole_fold<E: Borrow<Recorded>>(timeline: &[E], row: &PageRow) -> Check {
    let newest = timeline.last().map_or(Position(0), |newest| newest.borrow().position);
    ensure(row.version == newest, "INV-10", || format!("{row:?} is behind {newest:?}"))?;
    row_is_a_fold(timeline, row)
}

/// INV-13 Q: every saga is finished. Only a deferred rental may wait for its customer, until it is due.
pub fn saga_is_finished<E: Borrow<Recorded>>(timeline: &[E], now: Timestamp) -> Check {
    let (rental, payment) = (folded::<Rental, E>(timeline), folded::<Payment, E>(timeline));
    let delivery = folded::<Delivery, E>(timeline).status;
    let (phase, out) = (payment.phase, unit_is_out(timeline));
    let finished = match rental.status {
        R::Absent => timeline.is_empty(),
        R::Placed => false,
        R::PaymentDeferred => {
            matches!(phase, P::New | P::Requested | P::Declined)
                && rental.deferral.is_some_and(|deferral| now < deferral.due_at)
        }
        R::Confirmed => phase == P::Approved && out && matches!(delivery, D::Started | D::InTransit),
        R::Delivered => phase == P::Approved && out && delivery == D::Delivered,
        R::Canceled => {
            let undone = match rental.cancel_reason {
                Some(CancelReason::PaymentDeclined) => matches!(phase, P::Declined | P::Canceled),
                Some(_) | None => phase == P::Canceled,
            };
            undone && !out && matches!(delivery, D::Absent | D::Canceled)
        }
    };
    let states = || format!("{:?}, {phase:?}, {delivery:?}, unit out: {out}", rental.status);
    ensure(finished && payment.strays.is_empty(), "INV-13", states)
}

/// INV-14 S: rental, payment and delivery change only along the declared transitions.
pub fn moves_are_declared<E: Borrow<Recorded>>(timeline: &[E]) -> Check {
    steps_hold::<Rental, E>(timeline)?;
    steps_hold::<Payment, E>(timeline)?;
    steps_hold::<Delivery, E>(timeline)
}

/// INV-1, 5, 6, 13 and 14 S: every step of one aggregate passes [`check_step`]. `history` holds all events of
/// one entity, and may hold events of other kinds.
pub fn steps_hold<A: Journaled, E: Borrow<Recorded>>(history: &[E]) -> Check {
    let mut state = A::default();
    for recorded in history.iter().map(Borrow::borrow).filter(|recorded| A::own(&recorded.event).is_some()) {
        let before = state.clone();
        state = state.fold(&recorded.event, recorded.meta.at);
        check_step(&before, &recorded.event, &state)?;
    }
    Ok(())
}

/// INV-7 and INV-8 S: requests with the same idempotency key take effect once. `asked` are the span ids of
/// these requests; `effect` is the type of their event.
pub fn happened_once<E: Borrow<Recorded>>(history: &[E], asked: &[u64], effect: &str) -> Check {
    let caused = caused_by(history, asked).filter(|recorded| recorded.event.name() == effect);
    let (spans, entities): (BTreeSet<_>, BTreeSet<_>) =
        caused.filter_map(|recorded| Some((span(recorded)?, recorded.entity))).unzip();
    let once = spans.len() <= 1 && entities.len() <= 1;
    ensure(once, "INV-8", || format!("{effect} happened for each of {spans:x?}, to {entities:?}"))
}

/// INV-8 S: requests that were refused or replayed caused no event. `asked` are their span ids.
pub fn nothing_happened<E: Borrow<Recorded>>(history: &[E], asked: &[u64]) -> Check {
    let done: Vec<_> = caused_by(history, asked).map(|recorded| recorded.event.name()).collect();
    ensure(done.is_empty(), "INV-8", || format!("{done:?} happened for a refused or replayed request"))
}

fn caused_by<'a, E: Borrow<Recorded>>(
    history: &'a [E],
    asked: &'a [u64],
) -> impl Iterator<Item = &'a Recorded> {
    let history = history.iter().map(Borrow::borrow);
    history.filter(|recorded: &&Recorded| span(recorded).is_some_and(|span| asked.contains(&span)))
}

const fn span(recorded: &Recorded) -> Option<u64> {
    match recorded.meta.causation {
        Causation::Request(span) => Some(span),
        Causation::Event(_) | Causation::Schedule => None,
    }
}

/// INV-15 Q: the delivery of a canceled rental is canceled or was never started, and no delivered rental is
/// refunded.
pub fn no_refunded_delivery<E: Borrow<Recorded>>(timeline: &[E], line: Option<&LedgerLine>) -> Check {
    let (rental, delivery) = (folded::<Rental, E>(timeline).status, folded::<Delivery, E>(timeline).status);
    let refunds = line.map_or(0, |line| line.refunds);
    let holds = match rental {
        R::Canceled => matches!(delivery, D::Absent | D::Canceled),
        R::Delivered => refunds == 0,
        R::Absent | R::Placed | R::PaymentDeferred | R::Confirmed => true,
    };
    ensure(holds, "INV-15", || format!("{rental:?}, {delivery:?}, {refunds} refunds"))
}

#[cfg(test)]
#[path = "invariants_tests.rs"]
mod tests;
