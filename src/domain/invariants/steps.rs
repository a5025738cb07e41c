//! Invariants of a single step: the state of an aggregate before an event, and after it.
//!
//! [`check_step`] judges whole histories (`moves_are_declared`, `saem verify`) and, in debug builds, each
//! event as it is decided: a step that breaks an invariant panics before anything is written.

use std::any::Any;

use super::{Check, ensure, units::units_moved};
use crate::domain::{
    account::{Account, AccountEvent, AccountStatus as A},
    aggregate::Aggregate,
    context::{ContextEvent, Maintenance},
    delivery::{Delivery, DeliveryEvent, DeliveryStatus as D},
    event::Event,
    payment::{Payment, PaymentEvent, PaymentPhase as P},
    position::{Position, Version},
    product::{Fence, Product, ProductEvent},
    rental::{Rental, RentalEvent, RentalStatus as R},
};

/// Checks the step from `before` to `after` that `event` causes.
/// Events of other aggregates pass, and so does an aggregate without rules here, such as one of a test.
pub fn check_step<S: Aggregate>(before: &S, event: &Event, after: &S) -> Check {
    match event {
        Event::Rental(event) => check(before, event, after, rental_step),
        Event::Payment(event) => check(before, event, after, payment_step),
        Event::Delivery(event) => check(before, event, after, delivery_step),
        Event::Product(event) => check(before, event, after, product_step),
        Event::Account(event) => check(before, event, after, account_step),
        Event::Context(event) => check(before, event, after, context_step),
    }
}

/// Applies `rule` if the states are of the aggregate that it is for.
fn check<S: Any, E>(before: &dyn Any, event: &E, after: &dyn Any, rule: fn(&S, &E, &S) -> Check) -> Check {
    match (before.downcast_ref(), after.downcast_ref()) {
        (Some(before), Some(after)) => rule(before, event, after),
        _ => Ok(()),
    }
}

/// INV-1: the terms never change. INV-14: statuses move as declared.
fn rental_step(before: &Rental, event: &RentalEvent, after: &Rental) -> Check {
    let agreed = before.terms.is_none() || before.terms == after.terms;
    ensure(agreed, "INV-1", || format!("{} changes {:?}", event.name(), before.terms))?;
    let (from, to) = (before.status, after.status);
    ensure(rental_may_move(from, to), "INV-14", || format!("{} takes {from:?} to {to:?}", event.name()))
}

/// INV-14: phases move as declared, and the number of the attempt never decreases.
fn payment_step(before: &Payment, event: &PaymentEvent, after: &Payment) -> Check {
    let (from, to) = (before.phase, after.phase);
    let declared = match event {
        // A stray capture is refunded on its own, and leaves the phase alone.
        PaymentEvent::StrayCaptureFound { .. } | PaymentEvent::StrayCaptureRefunded { .. } => from == to,
        _ => payment_may_move(from, to) && before.current() <= after.current(),
    };
    ensure(declared, "INV-14", || format!("{} takes {from:?} to {to:?}", event.name()))
}

/// INV-14: statuses move as declared.
fn delivery_step(before: &Delivery, event: &DeliveryEvent, after: &Delivery) -> Check {
    let (from, to) = (before.status, after.status);
    ensure(delivery_may_move(from, to), "INV-14", || format!("{} takes {from:?} to {to:?}", event.name()))
}

/// INV-5: the stock changes by the event's units. INV-6: each event of a rental moves the stock once.
/// INV-14: a withdrawal is final.
fn product_step(before: &Product, event: &ProductEvent, after: &Product) -> Check {
    let (from, to) = (i64::from(before.stock), i64::from(after.stock));
    ensure(to == from + units_moved(event), "INV-5", || {
        format!("{} takes {from} units to {to}", event.name())
    })?;
    if let ProductEvent::ProductDecreased { fence, .. }
    | ProductEvent::StockShort { fence, .. }
    | ProductEvent::ProductIncreased { fence, .. } = event
    {
        let newest = |product: &Product, fence: &Fence| {
            product.fences.get(usize::from(fence.lane)).copied().unwrap_or_default()
        };
        let once = newest(before, fence) < fence.position && newest(after, fence) == fence.position;
        ensure(once, "INV-6", || format!("{} acts on {fence:?} again", event.name()))?;
    }
    let stays = after.withdrawn || !before.withdrawn;
    ensure(stays, "INV-14", || format!("{} reverts a withdrawal", event.name()))
}

/// INV-14: an account is opened once, and leaving is final.
fn account_step(before: &Account, event: &AccountEvent, after: &Account) -> Check {
    let (from, to) = (before.status, after.status);
    let declared = matches!((from, to), (A::Absent | A::Active, A::Active) | (A::Active, A::Left));
    ensure(declared, "INV-14", || format!("{} takes {from:?} to {to:?}", event.name()))
}

/// INV-13: a target stays parked until it is released or dismissed by name.
fn context_step(before: &Maintenance, event: &ContextEvent, after: &Maintenance) -> Check {
    let let_go = match event {
        ContextEvent::TargetReleased { key } | ContextEvent::TargetDismissed { key, .. } => Some(key),
        ContextEvent::ContextPaused | ContextEvent::ContextResumed | ContextEvent::TargetHeld { .. } => None,
    };
    let lost = before.parked.keys().find(|key| Some(*key) != let_go && !after.parked.contains_key(key));
    ensure(lost.is_none(), "INV-13", || format!("{} loses {lost:?}", event.name()))
}

/// INV-7 S: a commit of `events` events moves its entity's version by at least as many.
pub fn version_grows(before: Version, events: usize, after: Version) -> Check {
    let grown = events > 0 && after.0 >= before.0.saturating_add(events as u64);
    ensure(grown, "INV-7", || format!("{events} events take {before:?} to {after:?}"))
}

/// INV-10 S: the version of a row never decreases.
pub fn version_never_goes_back(before: Position, now: Position) -> Check {
    ensure(before <= now, "INV-10", || format!("a row went from {before:?} back to {now:?}"))
}

const fn rental_may_move(from: R, to: R) -> bool {
    matches!(
        (from, to),
        (R::Absent, R::Placed)
            | (R::Placed, R::PaymentDeferred | R::Confirmed | R::Canceled)
            | (R::PaymentDeferred, R::Confirmed | R::Canceled)
            | (R::Confirmed, R::Delivered | R::Canceled)
    )
}

const fn payment_may_move(from: P, to: P) -> bool {
    matches!(
        (from, to),
        (P::New | P::Requested, P::Requested | P::Approved | P::Declined | P::Canceling)
            | (P::Canceling, P::Refunding | P::Canceled)
            | (P::Approved, P::Refunding)
            | (P::Refunding, P::Canceled)
            | (P::Declined, P::Requested | P::Canceled | P::Refunding)
            // A capture that comes to light after the cancel is refunded.
            | (P::Canceled, P::Refunding)
    )
}

const fn delivery_may_move(from: D, to: D) -> bool {
    matches!(
        (from, to),
        (D::Absent, D::Started)
            | (D::Started, D::InTransit | D::Canceled)
            | (D::InTransit, D::Delivered | D::Canceled)
    )
}

#[cfg(test)]
#[path = "steps_tests.rs"]
mod tests;
