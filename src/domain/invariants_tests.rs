//! Each invariant with a history that keeps it, and with histories that break it.

use super::*;
use crate::domain::{
    delivery::DeliveryEvent,
    product::{Offer, ProductEvent},
    samples::{
        self, CUSTOMER, FEE, PRODUCT, RENTAL, approved, called_off, decreased, deferred, increased, placed,
        recorded, short, started,
    },
};

/// Returns the events recorded at positions 1, 2, 3 …
fn timeline(events: &[Event]) -> Vec<Recorded> {
    events.iter().zip(1..).map(|(event, position)| recorded(position, event.clone())).collect()
}

fn confirmed() -> Event {
    Event::Rental(RentalEvent::RentalConfirmed { product_id: PRODUCT })
}

fn canceled() -> Event {
    samples::canceled(CancelReason::Customer)
}

fn cancel_requested() -> Event {
    let (provider, late_capture) = (samples::provider(), None);
    PaymentEvent::PaymentCancelRequested { attempt: 1, amount: FEE, provider, late_capture }.into()
}

fn refunded() -> Event {
    Event::Payment(PaymentEvent::PaymentCanceled { amount: FEE })
}

/// Events of a confirmed rental whose unit is out.
fn live() -> Vec<Event> {
    vec![placed(), approved(1), confirmed(), started(), decreased()]
}

/// Events of the same rental, canceled and fully undone.
fn undone() -> Vec<Event> {
    let rest = [canceled(), cancel_requested(), refunded(), called_off(), increased()];
    live().into_iter().chain(rest).collect()
}

const fn line(captures: u32, refunds: u32, won: u64) -> LedgerLine {
    LedgerLine { rental: RENTAL, captures, refunds, amount: Money::won(won) }
}

fn breaks(check: Check, invariant: &str) {
    assert_eq!(check.expect_err("it is broken").invariant, invariant);
}

#[test]
fn inv_1_detects_a_second_capture_or_another_fee() {
    let timeline = timeline(&live());
    captured_at_most_once(&timeline, &line(1, 0, 29_900)).unwrap();
    breaks(captured_at_most_once(&timeline, &line(2, 0, 29_900)), "INV-1");
    breaks(captured_at_most_once(&timeline, &line(1, 0, 29_901)), "INV-1");
    breaks(captured_at_most_once::<Recorded>(&[], &line(1, 0, 29_900)), "INV-1");
}

#[test]
fn inv_2_detects_captures_without_a_live_rental_and_vice_versa() {
    let (live, undone) = (timeline(&live()), timeline(&undone()));
    takings_are_the_live_fees(&[&live, &undone], &[line(1, 0, 29_900), line(1, 1, 29_900)]).unwrap();
    breaks(takings_are_the_live_fees(&[&undone[..]], &[line(1, 0, 29_900)]), "INV-2");
    breaks(takings_are_the_live_fees(&[&live[..]], &[]), "INV-2");
}

#[test]
fn inv_3_detects_a_missing_or_second_refund() {
    refunded_at_most_what_was_captured(&line(1, 1, 29_900)).unwrap();
    breaks(refunded_at_most_what_was_captured(&line(1, 2, 29_900)), "INV-3");
    let undone = timeline(&undone());
    canceled_is_refunded_once(&undone, &line(1, 1, 29_900)).unwrap();
    breaks(canceled_is_refunded_once(&undone, &line(1, 0, 29_900)), "INV-3");
    breaks(canceled_is_refunded_once(&undone, &line(1, 2, 29_900)), "INV-3");
}

#[test]
fn inv_4_detects_a_delivery_before_the_approval() {
    approved_before_delivery(&timeline(&live())).unwrap();
    breaks(approved_before_delivery(&timeline(&[placed(), started()])), "INV-4");
    breaks(approved_before_delivery(&timeline(&[placed(), started(), approved(1)])), "INV-4");
}

#[test]
fn inv_5_detects_lost_extra_and_overdrawn_units() {
    let offer = Offer { name: "Ice".to_owned(), model: "M".to_owned(), description: String::new(), fee: FEE };
    let registered = |stock| Event::Product(ProductEvent::ProductRegistered { offer: offer.clone(), stock });
    let with = |stock| Product { stock, ..Product::default() };
    let taken = timeline(&[registered(2), decreased()]);
    stock_is_conserved(&taken, PRODUCT, &with(1)).unwrap();
    for wrong in [0, 2] {
        breaks(stock_is_conserved(&taken, PRODUCT, &with(wrong)), "INV-5");
    }
    let restocked = Event::Product(ProductEvent::ProductRestocked { quantity: 3 });
    let more = timeline(&[registered(2), restocked, decreased()]);
    stock_is_conserved(&more, PRODUCT, &with(4)).unwrap();
    let put_back = timeline(&[registered(2), decreased(), increased()]);
    stock_is_conserved(&put_back, PRODUCT, &with(2)).unwrap();
    let overdrawn = timeline(&[registered(0), decreased(), increased()]);
    breaks(stock_is_conserved(&overdrawn, PRODUCT, &with(0)), "INV-5");
    let put_back_first = timeline(&[registered(1), increased(), decreased()]);
    breaks(stock_is_conserved(&put_back_first, PRODUCT, &with(1)), "INV-5");
}

#[test]
fn inv_6_detects_units_that_move_twice_or_return_first() {
    stock_moves_once(&timeline(&undone())).unwrap();
    for moves in [vec![], vec![decreased()], vec![short()]] {
        stock_moves_once(&timeline(&moves)).unwrap();
    }
    for moves in [
        vec![decreased(), decreased()],
        vec![increased()],
        vec![increased(), decreased()],
        vec![decreased(), increased(), increased()],
        vec![decreased(), increased(), decreased()],
        vec![short(), decreased()],
    ] {
        breaks(stock_moves_once(&timeline(&moves)), "INV-6");
    }
}

#[test]
fn inv_7_detects_a_lost_acknowledged_event() {
    acknowledged_stays(&timeline(&live()), "RentalConfirmed").unwrap();
    breaks(acknowledged_stays(&timeline(&live()[..2]), "RentalConfirmed"), "INV-7");
}

#[test]
fn inv_8_detects_a_partial_placing() {
    placed_whole(&timeline(&live()), Some(&line(1, 0, 29_900))).unwrap();
    placed_whole(&timeline(&[placed(), deferred(false)]), None).unwrap();
    placed_whole(&timeline(&[placed(), approved(1), deferred(true)]), None).unwrap();
    placed_whole::<Recorded>(&[], None).unwrap();
    breaks(placed_whole::<Recorded>(&[], Some(&line(1, 0, 29_900))), "INV-8");
    for half in [vec![approved(1)], vec![placed(), placed()], vec![approved(1), placed()]] {
        breaks(placed_whole(&timeline(&half), None), "INV-8");
    }
    breaks(placed_whole(&timeline(&[placed(), approved(1), deferred(false)]), None), "INV-8");
    let mut apart = timeline(&[placed(), deferred(false)]);
    apart[1].position = Position(3);
    breaks(placed_whole(&apart, None), "INV-8");
}

#[test]
fn inv_9_detects_missing_unsent_double_and_misdirected_messages() {
    let timeline = timeline(&live()[..3]);
    let message = |sent| MessageRecord {
        id: notice::id(Position(3), RENTAL),
        customer: CUSTOMER,
        event: "RentalConfirmed".to_owned(),
        sent,
    };
    every_change_has_its_message(&timeline, &[message(2)]).unwrap();
    let to_another = MessageRecord { customer: CustomerId(4), ..message(1) };
    let of_another = MessageRecord { id: notice::id(Position(2), RENTAL), ..message(1) };
    for wrong in [vec![], vec![message(0)], vec![message(1), message(1)], vec![to_another], vec![of_another]]
    {
        breaks(every_change_has_its_message(&timeline, &wrong), "INV-9");
    }
    breaks(every_change_has_its_message::<Recorded>(&[], &[message(1)]), "INV-9");
}

#[test]
fn inv_10_detects_wrong_and_stale_rows() {
    let timeline = timeline(&live());
    let row = PageRow {
        customer: CUSTOMER,
        rental: R::Confirmed,
        reason: None,
        delivery: Some(D::Started),
        version: Position(5),
    };
    row_is_the_whole_fold(&timeline, &row).unwrap();
    let behind = PageRow { delivery: None, version: Position(3), ..row };
    row_is_a_fold(&timeline, &behind).unwrap();
    breaks(row_is_the_whole_fold(&timeline, &behind), "INV-10");
    for wrong in [
        PageRow { customer: CustomerId(4), ..row },
        PageRow { rental: R::Placed, ..row },
        PageRow { reason: Some(CancelReason::Customer), ..row },
        PageRow { delivery: None, ..row },
        PageRow { version: Position(6), ..row },
    ] {
        breaks(row_is_a_fold(&timeline, &wrong), "INV-10");
    }
}

#[test]
fn inv_13_detects_every_unfinished_saga() {
    let (live, undone) = (live(), undone());
    let finished_after = [5, 10];
    for events in 1..=undone.len() {
        let verdict = saga_is_finished(&timeline(&undone[..events]), Timestamp(0));
        match verdict {
            Ok(()) => assert!(finished_after.contains(&events), "{events}"),
            Err(violation) => assert!(!finished_after.contains(&events), "{events}: {violation}"),
        }
    }
    let waiting = timeline(&[placed(), deferred(false)]);
    saga_is_finished(&waiting, Timestamp(599)).unwrap();
    breaks(saga_is_finished(&waiting, Timestamp(600)), "INV-13");
    let delivered = Event::Rental(RentalEvent::RentalDelivered);
    let dispatched =
        Event::Delivery(DeliveryEvent::DeliveryDispatched { carrier: None, tracking_number: None });
    let completed = Event::Delivery(DeliveryEvent::DeliveryCompleted);
    let half_delivered: Vec<Event> = live.into_iter().chain([dispatched, delivered]).collect();
    breaks(saga_is_finished(&timeline(&half_delivered), Timestamp(0)), "INV-13");
    let delivered = [half_delivered, vec![completed]].concat();
    saga_is_finished(&timeline(&delivered), Timestamp(0)).unwrap();
}

#[test]
fn inv_14_detects_undeclared_transitions() {
    moves_are_declared(&timeline(&undone())).unwrap();
    let (provider, reference) = ("simulator".to_owned(), "sim".to_owned());
    let stray = PaymentEvent::StrayCaptureFound { attempt: 2, amount: FEE, provider, reference };
    let given_back = PaymentEvent::StrayCaptureRefunded { attempt: 2 };
    let strays = [live(), vec![stray.into(), given_back.into()]].concat();
    moves_are_declared(&timeline(&strays)).unwrap();
    let completed = Event::Delivery(DeliveryEvent::DeliveryCompleted);
    let delivered = Event::Rental(RentalEvent::RentalDelivered);
    for (mut before, then) in [
        (vec![], confirmed()),
        (vec![placed()], delivered.clone()),
        (vec![placed(), canceled()], confirmed()),
        (vec![placed(), confirmed(), delivered], canceled()),
        (undone(), started()),
        (live(), completed),
        (live(), approved(1)),
        (vec![placed()], refunded()),
    ] {
        before.push(then);
        breaks(moves_are_declared(&timeline(&before)), "INV-14");
    }
}

#[test]
fn inv_15_detects_orphaned_and_refunded_deliveries() {
    no_refunded_delivery(&timeline(&undone()), Some(&line(1, 1, 29_900))).unwrap();
    let still_on_its_way = [placed(), approved(1), confirmed(), started(), canceled()];
    breaks(no_refunded_delivery(&timeline(&still_on_its_way), Some(&line(1, 1, 29_900))), "INV-15");
    let delivered = [placed(), approved(1), confirmed(), Event::Rental(RentalEvent::RentalDelivered)];
    no_refunded_delivery(&timeline(&delivered), Some(&line(1, 0, 29_900))).unwrap();
    breaks(no_refunded_delivery(&timeline(&delivered), Some(&line(1, 1, 29_900))), "INV-15");
}

#[test]
fn inv_8_detects_double_effects_and_effects_of_refusals() {
    let by = |span, position, event| {
        let mut recorded = timeline(&[event]).remove(0);
        (recorded.meta.causation, recorded.position) = (Causation::Request(span), Position(position));
        recorded
    };
    let restocked = || Event::Product(ProductEvent::ProductRestocked { quantity: 1 });
    let history = [by(1, 1, restocked()), by(2, 2, restocked()), by(2, 3, placed())];
    happened_once(&history, &[1, 9], "ProductRestocked").unwrap();
    happened_once(&history, &[1, 2], "RentalPlaced").unwrap();
    breaks(happened_once(&history, &[1, 2], "ProductRestocked"), "INV-8");
    nothing_happened(&history, &[3]).unwrap();
    breaks(nothing_happened(&history, &[3, 2]), "INV-8");
}
