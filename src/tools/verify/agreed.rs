//! What was agreed when a rental was placed, and what events follow from: nothing later says otherwise.

use super::Findings;
use crate::domain::{
    Causation, Event, Money, Position, Recorded, RentalId, delivery::DeliveryEvent, payment::PaymentEvent,
    rental::RentalEvent,
};

/// Compares each event of a rental with the fee and the product that were agreed.
pub(super) fn compare(rental: RentalId, timeline: &[Recorded], findings: &mut Findings) {
    let terms = timeline.iter().find_map(|recorded| match &recorded.event {
        Event::Rental(RentalEvent::RentalPlaced(terms)) => Some(terms),
        _ => None,
    });
    // That nobody placed it is told elsewhere.
    let Some(terms) = terms else { return };
    for recorded in timeline {
        let (amount, product) = match &recorded.event {
            Event::Payment(PaymentEvent::PaymentCanceled { amount }) if *amount == Money::ZERO => continue,
            Event::Payment(
                PaymentEvent::PaymentApproved { amount, .. } | PaymentEvent::PaymentCanceled { amount },
            )
            | Event::Rental(RentalEvent::RentalCanceled { amount, .. }) => (Some(*amount), None),
            Event::Rental(RentalEvent::RentalConfirmed { product_id })
            | Event::Delivery(DeliveryEvent::DeliveryStarted { product_id }) => (None, Some(*product_id)),
            _ => continue,
        };
        let (at, name) = (recorded.position.0, recorded.event.name());
        if let Some(amount) = amount.filter(|amount| *amount != terms.fee) {
            let (amount, fee) = (amount.as_won(), terms.fee.as_won());
            findings.add(rental, format!("{name} at {at} is about {amount} won, the fee is {fee} won"));
        }
        if let Some(product) = product.filter(|product| *product != terms.product_id) {
            findings.add(rental, format!("{name} at {at} is about {product}, not about what was rented"));
        }
    }
}

/// Sees that an event follows from one that stands before it.
pub(super) fn follows(at: Position, causation: Causation, findings: &mut Findings) {
    if let Causation::Event(cause) = causation
        && cause >= at
    {
        let what = format!("it is said to follow from {}, which is not before it", cause.0);
        findings.add(format!("the journal at {}", at.0), what);
    }
}
