//! The event-storming board as one table: which event makes which group send which command.
//!
//! This is the only place where contexts meet. Each row reads: *whenever `on` happens, `group` sends
//! what `command` says*. The agenda and the projections fold events on their own time and are not
//! reactors, so they have no rows here.
//!
//! | event | group | command |
//! | --- | --- | --- |
//! | `PaymentApproved`, `PaymentDeclined` | rental | confirm, declined |
//! | `RentalConfirmed` | delivery | start |
//! | `DeliveryStarted` | product | decrease (fenced) |
//! | `StockShort` | rental | cancel, `OUT_OF_STOCK` |
//! | `RentalCanceled` | payment | cancel |
//! | `PaymentCanceled` | delivery | cancel |
//! | `DeliveryCanceled` | product | increase (fenced), if the timeline shows the unit as taken |
//! | `RentalDelivered` | delivery | complete |

use std::borrow::Borrow;

use super::{
    context::Group,
    delivery::{DeliveryCommand, DeliveryEvent},
    event::{Event, Recorded},
    id::{EntityId, ProductId, RentalId},
    payment::{PaymentCommand, PaymentEvent},
    product::{Fence, ProductCommand, ProductEvent},
    rental::{RentalCommand, RentalEvent},
};
use crate::planted::{self, Bug};

/// A command that a policy sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// For a rental.
    Rental(RentalCommand),
    /// For a payment.
    Payment(PaymentCommand),
    /// For a delivery.
    Delivery(DeliveryCommand),
    /// For a product.
    Product(ProductCommand),
}

/// What a policy asks for: a command, and whom it is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reaction {
    /// Who sends it.
    pub group: Group,
    /// Whom it is for.
    pub target: EntityId,
    /// What.
    pub command: Command,
    /// Whether [`Reaction::with_evidence`] must be given the rental's timeline before it is sent.
    pub needs_timeline: bool,
}

/// What `group` sends because of `recorded`, if anything.
#[must_use]
pub fn react(group: Group, recorded: &Recorded) -> Option<Reaction> {
    reaction(recorded).filter(|reaction| reaction.group == group)
}

/// The table. Each event has at most one reactor; a second one would be a second arm here.
fn reaction(recorded: &Recorded) -> Option<Reaction> {
    let rental = recorded.rental()?;
    let fence = Fence { lane: recorded.lane(), position: recorded.position };
    match &recorded.event {
        Event::Payment(PaymentEvent::PaymentApproved { .. }) => to_rental(rental, RentalCommand::Confirm),
        Event::Payment(PaymentEvent::PaymentDeclined { .. }) => to_rental(rental, RentalCommand::Declined),
        Event::Rental(RentalEvent::RentalConfirmed { product_id }) => {
            to_delivery(rental, DeliveryCommand::Start { product_id: *product_id })
        }
        Event::Delivery(DeliveryEvent::DeliveryStarted { product_id }) => {
            to_product(*product_id, ProductCommand::Decrease { rental_id: rental, fence }, false)
        }
        Event::Product(ProductEvent::StockShort { .. }) => to_rental(rental, RentalCommand::Short),
        Event::Rental(RentalEvent::RentalCanceled { reason, amount, provider }) => Some(Reaction {
            group: Group::Payment,
            target: rental.payment().into(),
            command: Command::Payment(PaymentCommand::Cancel {
                amount: *amount,
                provider: provider.clone(),
                reason: *reason,
            }),
            needs_timeline: false,
        }),
        Event::Payment(PaymentEvent::PaymentCanceled { .. }) => to_delivery(rental, DeliveryCommand::Cancel),
        Event::Delivery(DeliveryEvent::DeliveryCanceled { product_id }) => {
            to_product(*product_id, ProductCommand::Increase { rental_id: rental, fence, taken: false }, true)
        }
        Event::Rental(RentalEvent::RentalDelivered) => to_delivery(rental, DeliveryCommand::Complete),

        // The agenda's, the projections', or nobody's.
        Event::Rental(RentalEvent::RentalPlaced(_) | RentalEvent::PaymentDeferred { .. })
        | Event::Payment(
            PaymentEvent::PaymentRequested { .. }
            | PaymentEvent::PaymentCancelRequested { .. }
            | PaymentEvent::StrayCaptureFound { .. }
            | PaymentEvent::StrayCaptureRefunded { .. },
        )
        | Event::Delivery(DeliveryEvent::DeliveryDispatched { .. } | DeliveryEvent::DeliveryCompleted)
        | Event::Product(_)
        | Event::Account(_)
        | Event::Context(_) => None,
    }
}

fn to_rental(rental: RentalId, command: RentalCommand) -> Option<Reaction> {
    Some(Reaction {
        group: Group::Rental,
        target: rental.into(),
        command: Command::Rental(command),
        needs_timeline: false,
    })
}

fn to_delivery(rental: RentalId, command: DeliveryCommand) -> Option<Reaction> {
    Some(Reaction {
        group: Group::Delivery,
        target: rental.delivery().into(),
        command: Command::Delivery(command),
        needs_timeline: false,
    })
}

fn to_product(product: ProductId, command: ProductCommand, needs_timeline: bool) -> Option<Reaction> {
    Some(Reaction {
        group: Group::Product,
        target: product.into(),
        command: Command::Product(command),
        needs_timeline,
    })
}

impl Reaction {
    /// The reaction with what the rental's timeline shows filled in.
    #[must_use]
    pub fn with_evidence<R: Borrow<Recorded>>(mut self, timeline: &[R]) -> Self {
        if let Command::Product(ProductCommand::Increase { taken, .. }) = &mut self.command {
            *taken = unit_is_out(timeline) || planted::is(Bug::EvidenceIgnored);
        }
        self
    }
}

/// Whether a timeline shows a unit of stock as taken and not put back.
#[must_use]
pub fn unit_is_out<R: Borrow<Recorded>>(timeline: &[R]) -> bool {
    let product = |recorded: &R| match &recorded.borrow().event {
        Event::Product(event) => Some(event.clone()),
        _ => None,
    };
    let moves: Vec<_> = timeline.iter().filter_map(product).collect();
    moves.iter().any(|event| matches!(event, ProductEvent::ProductDecreased { .. }))
        && !moves.iter().any(|event| matches!(event, ProductEvent::ProductIncreased { .. }))
}

#[cfg(test)]
#[path = "policies_tests.rs"]
mod tests;
