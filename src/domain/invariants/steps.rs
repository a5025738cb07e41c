//! What holds of a single step: an aggregate before an event, and after it.
//!
//! The same predicates judge whole histories (`moves_are_declared`) and, in debug builds, every event the
//! moment it is decided: a step that breaks one panics before it is written anywhere.

use super::{Verdict, hold};
use crate::domain::{
    account::{Account, AccountStatus as A},
    context::{ContextEvent, Maintenance},
    delivery::{Delivery, DeliveryStatus as D},
    event::{Event, Position, Version},
    payment::{Payment, PaymentEvent, PaymentPhase as P},
    product::{Fence, Product, ProductEvent},
    rental::{Rental, RentalStatus as R},
};

/// Something whose steps keep invariants; none unless it says which.
pub trait Stepwise {
    /// Whether `event` may lead from one state to the other. An event of another aggregate changes nothing.
    ///
    /// # Errors
    /// Which invariant it breaks.
    fn step(_before: &Self, _event: &Event, _after: &Self) -> Verdict {
        Ok(())
    }
}

impl Stepwise for Rental {
    /// INV-1: what was agreed stays, the fee above all. INV-14: statuses move as declared.
    fn step(before: &Self, event: &Event, after: &Self) -> Verdict {
        let Event::Rental(event) = event else { return Ok(()) };
        let agreed = before.terms.is_none() || before.terms == after.terms;
        hold(agreed, "INV-1", || format!("{} changes {:?}", event.name(), before.terms))?;
        let (from, to) = (before.status, after.status);
        hold(rental_may_move(from, to), "INV-14", || format!("{} takes {from:?} to {to:?}", event.name()))
    }
}

impl Stepwise for Payment {
    /// INV-14: phases move as declared, and attempts are counted upwards.
    fn step(before: &Self, event: &Event, after: &Self) -> Verdict {
        let Event::Payment(event) = event else { return Ok(()) };
        let (from, to) = (before.phase, after.phase);
        let declared = match event {
            // Money that came to light under another attempt is given back, and that is all.
            PaymentEvent::StrayCaptureFound { .. } | PaymentEvent::StrayCaptureRefunded { .. } => from == to,
            _ => payment_may_move(from, to) && before.current() <= after.current(),
        };
        hold(declared, "INV-14", || format!("{} takes {from:?} to {to:?}", event.name()))
    }
}

impl Stepwise for Delivery {
    /// INV-14: statuses move as declared.
    fn step(before: &Self, event: &Event, after: &Self) -> Verdict {
        let Event::Delivery(event) = event else { return Ok(()) };
        let (from, to) = (before.status, after.status);
        hold(delivery_may_move(from, to), "INV-14", || format!("{} takes {from:?} to {to:?}", event.name()))
    }
}

impl Stepwise for Product {
    /// INV-5: the stock moves by what the event says, and never below zero. INV-6: one event of a rental
    /// moves it once. INV-14: what is withdrawn stays so.
    fn step(before: &Self, event: &Event, after: &Self) -> Verdict {
        let Event::Product(event) = event else { return Ok(()) };
        let (from, to) = (i64::from(before.stock), i64::from(after.stock));
        let moved = match event {
            ProductEvent::ProductRegistered { stock: units, .. }
            | ProductEvent::ProductRestocked { quantity: units } => i64::from(*units),
            ProductEvent::ProductDecreased { .. } => -1,
            ProductEvent::ProductIncreased { .. } => 1,
            ProductEvent::ProductChanged { .. }
            | ProductEvent::ProductWithdrawn
            | ProductEvent::ProductImageChanged { .. }
            | ProductEvent::StockShort { .. } => 0,
        };
        hold(to == from + moved, "INV-5", || format!("{} takes {from} units to {to}", event.name()))?;
        if let ProductEvent::ProductDecreased { fence, .. }
        | ProductEvent::StockShort { fence, .. }
        | ProductEvent::ProductIncreased { fence, .. } = event
        {
            let newest = |product: &Self, fence: &Fence| {
                product.fences.get(usize::from(fence.lane)).copied().unwrap_or_default()
            };
            let once = newest(before, fence) < fence.position && newest(after, fence) == fence.position;
            hold(once, "INV-6", || format!("{} acts on {fence:?} again", event.name()))?;
        }
        let stays = after.withdrawn || !before.withdrawn;
        hold(stays, "INV-14", || format!("{} brings back what was withdrawn", event.name()))
    }
}

impl Stepwise for Account {
    /// INV-14: an account is opened once, and leaving is final.
    fn step(before: &Self, event: &Event, after: &Self) -> Verdict {
        let Event::Account(event) = event else { return Ok(()) };
        let (from, to) = (before.status, after.status);
        let declared = matches!((from, to), (A::Absent | A::Active, A::Active) | (A::Active, A::Left));
        hold(declared, "INV-14", || format!("{} takes {from:?} to {to:?}", event.name()))
    }
}

impl Stepwise for Maintenance {
    /// INV-13: nobody is forgotten: a target is held until it is released or dismissed by name.
    fn step(before: &Self, event: &Event, after: &Self) -> Verdict {
        let Event::Context(event) = event else { return Ok(()) };
        let let_go = match event {
            ContextEvent::TargetReleased { key } | ContextEvent::TargetDismissed { key, .. } => Some(key),
            ContextEvent::ContextPaused | ContextEvent::ContextResumed | ContextEvent::TargetHeld { .. } => {
                None
            }
        };
        let lost = before.held.keys().find(|key| Some(*key) != let_go && !after.held.contains_key(key));
        hold(lost.is_none(), "INV-13", || format!("{} forgets {lost:?}", event.name()))
    }
}

/// INV-7 S: a commit of `events` events stands behind everything of its entity that was there before.
///
/// # Errors
/// The violation.
pub fn version_grows(before: Version, events: usize, after: Version) -> Verdict {
    let grown = events > 0 && after.0 >= before.0.saturating_add(events as u64);
    hold(grown, "INV-7", || format!("{events} events take {before:?} to {after:?}"))
}

/// INV-10 S: a row's version never goes back.
///
/// # Errors
/// The violation.
pub fn version_never_goes_back(before: Position, now: Position) -> Verdict {
    hold(before <= now, "INV-10", || format!("a row was at {before:?}, and is at {now:?}"))
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
            // Final, but for a capture that comes to light later: it is given back.
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
