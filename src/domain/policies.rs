//! Policies: the table of events and the commands that follow from them.
//!
//! Contexts meet only here. Each row reads: *after `event`, `group` sends `command`*. The job queue and the
//! projections fold events at their own pace and send no commands from here, so they have no rows.
//!
//! | event | group | command |
//! | --- | --- | --- |
//! | `PaymentApproved` | rental | confirm |
//! | `PaymentDeclined` | rental | declined |
//! | `RentalConfirmed` | delivery | start |
//! | `DeliveryStarted` | product | decrease (fenced) |
//! | `StockShort` | rental | short: cancel, `OUT_OF_STOCK` |
//! | `RentalCanceled` | payment | cancel |
//! | `PaymentCanceled` | delivery | cancel |
//! | `DeliveryCanceled` | product | increase (fenced), if the timeline shows that a unit is out |
//! | `RentalDelivered` | delivery | complete |

use std::borrow::Borrow;

use super::{
    context::Group,
    delivery::{DeliveryCommand, DeliveryEvent},
    event::{Event, Recorded},
    id::EntityId,
    payment::{PaymentCommand, PaymentEvent},
    product::{Fence, ProductCommand, ProductEvent},
    rental::{RentalCommand, RentalEvent},
};
use crate::planted::{self, Bug};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    Rental(RentalCommand),
    Payment(PaymentCommand),
    Delivery(DeliveryCommand),
    Product(ProductCommand),
}

macro_rules! commands {
    ($($variant:ident: $command:ty;)*) => {$(
        impl From<$command> for Command {
            fn from(command: $command) -> Self {
                Self::$variant(command)
            }
        }
    )*};
}

commands! {
    Rental: RentalCommand;
    Payment: PaymentCommand;
    Delivery: DeliveryCommand;
    Product: ProductCommand;
}

/// A command that follows from an event, with its sender and target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reaction {
    /// Consumer group that sends the command.
    pub group: Group,
    pub target: EntityId,
    pub command: Command,
    /// True if [`Reaction::with_evidence`] must be called with the rental's timeline before sending.
    pub needs_timeline: bool,
}

/// Returns what `group` sends after `recorded`, if anything.
pub(crate) fn react(group: Group, recorded: &Recorded) -> Option<Reaction> {
    reaction(recorded).filter(|reaction| reaction.group == group)
}

/// The table. Each event has at most one reaction.
fn reaction(recorded: &Recorded) -> Option<Reaction> {
    use DeliveryEvent as D;
    use PaymentEvent as P;
    use ProductEvent as S;
    use RentalEvent as R;

    let rental_id = recorded.rental()?;
    let (rental, payment, delivery) = (rental_id, rental_id.payment(), rental_id.delivery());
    let fence = Fence { lane: recorded.lane(), position: recorded.position };
    match &recorded.event {
        Event::Payment(P::PaymentApproved { .. }) => send(Group::Rental, rental, RentalCommand::Confirm),
        Event::Payment(P::PaymentDeclined { .. }) => send(Group::Rental, rental, RentalCommand::Declined),
        Event::Rental(R::RentalConfirmed { product_id }) => {
            send(Group::Delivery, delivery, DeliveryCommand::Start { product_id: *product_id })
        }
        Event::Delivery(D::DeliveryStarted { product_id }) => {
            send(Group::Product, *product_id, ProductCommand::Decrease { rental_id, fence })
        }
        Event::Product(S::StockShort { .. }) => send(Group::Rental, rental, RentalCommand::Short),
        Event::Rental(R::RentalCanceled { reason, amount, provider }) => {
            let (provider, reason) = (provider.clone(), *reason);
            send(Group::Payment, payment, PaymentCommand::Cancel { amount: *amount, provider, reason })
        }
        Event::Payment(P::PaymentCanceled { .. }) => send(Group::Delivery, delivery, DeliveryCommand::Cancel),
        Event::Delivery(D::DeliveryCanceled { product_id }) => {
            send(Group::Product, *product_id, ProductCommand::Increase { rental_id, fence, taken: false })
        }
        Event::Rental(R::RentalDelivered) => send(Group::Delivery, delivery, DeliveryCommand::Complete),

        // For the job queue and the projections only, or for no one.
        Event::Rental(R::RentalPlaced(_) | R::PaymentDeferred { .. })
        | Event::Payment(
            P::PaymentRequested { .. }
            | P::PaymentCancelRequested { .. }
            | P::StrayCaptureFound { .. }
            | P::StrayCaptureRefunded { .. },
        )
        | Event::Delivery(D::DeliveryDispatched { .. } | D::DeliveryCompleted)
        | Event::Product(_)
        | Event::Account(_)
        | Event::Context(_) => None,
    }
}

fn send(group: Group, target: impl Into<EntityId>, command: impl Into<Command>) -> Option<Reaction> {
    let (target, command) = (target.into(), command.into());
    let needs_timeline = matches!(command, Command::Product(ProductCommand::Increase { .. }));
    Some(Reaction { group, target, command, needs_timeline })
}

impl Reaction {
    /// Returns the reaction with its evidence filled in from the rental's timeline.
    pub(crate) fn with_evidence<R: Borrow<Recorded>>(mut self, timeline: &[R]) -> Self {
        if let Command::Product(ProductCommand::Increase { taken, .. }) = &mut self.command {
            *taken = unit_is_out(timeline) || planted::is(Bug::EvidenceIgnored);
        }
        self
    }
}

/// Returns true if a timeline shows a unit of stock as taken and not returned.
pub fn unit_is_out<R: Borrow<Recorded>>(timeline: &[R]) -> bool {
    let has = |is_wanted: fn(&ProductEvent) -> bool| {
        timeline.iter().any(|e| matches!(&e.borrow().event, Event::Product(event) if is_wanted(event)))
    };
    has(|event| matches!(event, ProductEvent::ProductDecreased { .. }))
        && !has(|event| matches!(event, ProductEvent::ProductIncreased { .. }))
}

#[cfg(test)]
#[path = "policies_tests.rs"]
mod tests;
