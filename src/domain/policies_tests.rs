//! Every row of the policy table: after each event, one group sends its command, or none does.

use super::*;
use crate::domain::{
    Money,
    account::AccountEvent,
    context::{ContextEvent, Parked, ParkedKey},
    position::{Position, lane_of},
    product::Offer,
    rental::CancelReason,
    samples::{
        FEE, PRODUCT, REASONS, RENTAL, approved, called_off, canceled, decreased, deferred, increased,
        placed, provider as name, recorded, short, started,
    },
};

const POSITION: Position = Position(41);
const GROUPS: [Group; 5] = [Group::Rental, Group::Payment, Group::Delivery, Group::Product, Group::Agenda];
/// Fence of a stock move that is caused by an event at [`POSITION`].
const FENCE: Fence = Fence { lane: lane_of(RENTAL.0), position: POSITION };

fn declined(attempt: u32) -> PaymentEvent {
    PaymentEvent::PaymentDeclined { attempt, amount: FEE, provider: name(), code: name() }
}

fn increase(taken: bool) -> ProductCommand {
    ProductCommand::Increase { rental_id: RENTAL, fence: FENCE, taken }
}

/// Returns the reactions of all groups to `event`.
fn reactions(event: impl Into<Event>) -> Vec<Reaction> {
    let recorded = recorded(POSITION.0, event.into());
    GROUPS.into_iter().filter_map(|group| react(group, &recorded)).collect()
}

/// Checks one row: `group`, and no other, sends `command` to `target`.
fn row(event: impl Into<Event>, group: Group, target: impl Into<EntityId>, command: Command) {
    let event = event.into();
    let needs_timeline = matches!(command, Command::Product(ProductCommand::Increase { .. }));
    let expected = Reaction { group, target: target.into(), command, needs_timeline };
    assert_eq!(reactions(event.clone()), [expected], "{event:?}");
}

#[test]
fn approved_payment_confirms_the_rental() {
    for attempt in [1, 2] {
        row(approved(attempt), Group::Rental, RENTAL, Command::Rental(RentalCommand::Confirm));
    }
}

#[test]
fn declined_payment_is_reported_to_the_rental() {
    for attempt in [1, 2] {
        row(declined(attempt), Group::Rental, RENTAL, Command::Rental(RentalCommand::Declined));
    }
}

#[test]
fn confirmed_rental_starts_its_delivery() {
    let confirmed = RentalEvent::RentalConfirmed { product_id: PRODUCT };
    let start = DeliveryCommand::Start { product_id: PRODUCT };
    row(confirmed, Group::Delivery, RENTAL.delivery(), Command::Delivery(start));
}

#[test]
fn started_delivery_takes_a_unit_fenced_by_the_rental() {
    let decrease = ProductCommand::Decrease { rental_id: RENTAL, fence: FENCE };
    assert_ne!(FENCE.lane, lane_of(PRODUCT.0), "the test tells the two lanes apart");
    row(started(), Group::Product, PRODUCT, Command::Product(decrease));
}

#[test]
fn stock_shortage_cancels_the_rental() {
    row(short(), Group::Rental, RENTAL, Command::Rental(RentalCommand::Short));
}

#[test]
fn canceled_rental_cancels_its_payment_for_any_reason() {
    for reason in REASONS {
        let cancel = PaymentCommand::Cancel { amount: FEE, provider: name(), reason };
        row(canceled(reason), Group::Payment, RENTAL.payment(), Command::Payment(cancel));
    }
}

#[test]
fn canceled_payment_cancels_the_delivery() {
    for amount in [FEE, Money::ZERO] {
        let event = PaymentEvent::PaymentCanceled { amount };
        row(event, Group::Delivery, RENTAL.delivery(), Command::Delivery(DeliveryCommand::Cancel));
    }
}

#[test]
fn canceled_delivery_returns_its_unit_given_the_timeline() {
    row(called_off(), Group::Product, PRODUCT, Command::Product(increase(false)));
}

#[test]
fn delivered_rental_completes_its_delivery() {
    let complete = Command::Delivery(DeliveryCommand::Complete);
    row(RentalEvent::RentalDelivered, Group::Delivery, RENTAL.delivery(), complete);
}

/// All events without a row that belong to a rental.
fn sagas_silent_events() -> Vec<Event> {
    let provider = name();
    let (attempt, amount, reference) = (2, FEE, name());
    let requested = PaymentEvent::PaymentRequested { attempt, amount, provider: provider.clone() };
    let cancel = |late_capture| PaymentEvent::PaymentCancelRequested {
        attempt,
        amount,
        provider: name(),
        late_capture,
    };
    vec![
        placed(),
        deferred(true),
        deferred(false),
        requested.into(),
        cancel(None).into(),
        cancel(Some(name())).into(),
        PaymentEvent::StrayCaptureFound { attempt, amount, provider, reference }.into(),
        PaymentEvent::StrayCaptureRefunded { attempt }.into(),
        DeliveryEvent::DeliveryDispatched { carrier: None, tracking_number: None }.into(),
        DeliveryEvent::DeliveryCompleted.into(),
        decreased(),
        increased(),
    ]
}

/// All events without a row that belong to no rental.
fn other_silent_events() -> Vec<Event> {
    let offer = || Offer { name: name(), model: name(), description: String::new(), fee: FEE };
    let key = ParkedKey { group: Group::Product, lane: 0, target: PRODUCT.into() };
    let parked = Parked { position: Position(1), event: name(), reason: name(), attempts: 1 };
    vec![
        ProductEvent::ProductRegistered { offer: offer(), stock: 1 }.into(),
        ProductEvent::ProductChanged { offer: offer() }.into(),
        ProductEvent::ProductRestocked { quantity: 1 }.into(),
        ProductEvent::ProductWithdrawn.into(),
        AccountEvent::CustomerSignedUp.into(),
        AccountEvent::CustomerChanged.into(),
        AccountEvent::CustomerLeft.into(),
        ContextEvent::ContextPaused.into(),
        ContextEvent::ContextResumed.into(),
        ContextEvent::TargetHeld { key, parked }.into(),
        ContextEvent::TargetReleased { key }.into(),
        ContextEvent::TargetDismissed { key, reason: name() }.into(),
    ]
}

#[test]
fn other_events_have_no_reaction() {
    for event in sagas_silent_events() {
        assert_eq!(recorded(1, event.clone()).rental(), Some(RENTAL), "{event:?}");
        assert_eq!(reactions(event.clone()), [], "{event:?}");
    }
    for event in other_silent_events() {
        assert_eq!(recorded(1, event.clone()).rental(), None, "{event:?}");
        assert_eq!(reactions(event.clone()), [], "{event:?}");
    }
}

/// Timelines of a rental's stock moves, with true if its unit is out at the end.
fn timelines() -> Vec<(Vec<Recorded>, bool)> {
    let timelines = [
        (vec![], false),
        (vec![started(), called_off()], false),
        (vec![started(), short(), called_off()], false),
        (vec![started(), decreased(), called_off()], true),
        (vec![started(), called_off(), decreased()], true),
        (vec![started(), decreased(), called_off(), increased()], false),
        (vec![increased()], false),
    ];
    timelines.map(|(events, out)| (events.into_iter().map(|event| recorded(1, event)).collect(), out)).into()
}

#[test]
fn unit_is_returned_only_if_the_timeline_shows_it_out() {
    let canceled = recorded(POSITION.0, called_off());
    for (timeline, out) in timelines() {
        assert_eq!(unit_is_out(&timeline), out, "{timeline:?}");
        let reaction = react(Group::Product, &canceled).expect("the row of DeliveryCanceled");
        let sure = reaction.clone().with_evidence(&timeline);
        assert_eq!(sure, Reaction { command: Command::Product(increase(out)), ..reaction.clone() });
        let borrowed: Vec<&Recorded> = timeline.iter().collect();
        assert_eq!(reaction.with_evidence(&borrowed), sure);
    }
}

#[test]
fn timelines_change_no_other_reaction() {
    let timeline = [recorded(1, decreased())];
    for event in
        [approved(1), canceled(CancelReason::Customer), started(), RentalEvent::RentalDelivered.into()]
    {
        for reaction in reactions(event) {
            assert_eq!(reaction.clone().with_evidence(&timeline), reaction);
        }
    }
}
