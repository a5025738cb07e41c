//! Checks events against the terms agreed when the rental was placed, and their causation.

use super::Findings;
use crate::domain::{
    Causation, Event, Money, Position, Recorded, RentalId, delivery::DeliveryEvent, payment::PaymentEvent,
    rental::RentalEvent,
};

/// Compares the amounts and products of a rental's events with the agreed fee and product.
pub(super) fn compare(rental: RentalId, timeline: &[Recorded], findings: &mut Findings) {
    let terms = timeline.iter().find_map(|recorded| match &recorded.event {
        Event::Rental(RentalEvent::RentalPlaced(terms)) => Some(terms),
        _ => None,
    });
    // INV-8 reports a rental that was never placed.
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
            findings.add(rental, format!("{name} at {at} has amount {amount} won, the fee is {fee} won"));
        }
        if let Some(product) = product.filter(|product| *product != terms.product_id) {
            findings.add(rental, format!("{name} at {at} has {product}, which is not the rented product"));
        }
    }
}

/// Checks that an event caused by another one comes after it.
pub(super) fn check_causation(at: Position, causation: Causation, findings: &mut Findings) {
    if let Causation::Event(cause) = causation
        && cause >= at
    {
        let problem = format!("its cause {} does not come before it", cause.0);
        findings.add(format!("the journal at {}", at.0), problem);
    }
}
