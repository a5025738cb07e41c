//! Each step predicate on a step that keeps it, and on one that breaks it.

use super::*;
use crate::domain::{
    Money, RentalId,
    context::{Group, Parked, ParkedKey},
    id::ProductId,
    invariants::Violation,
};

fn breaks(check: Check, invariant: &str) {
    assert_eq!(check.map_err(|Violation { invariant, .. }| invariant), Err(invariant));
}

const FENCE: Fence = Fence { lane: 3, position: Position(7) };

fn stock(stock: u32, newest: u64) -> Product {
    let mut fences = vec![Position(0); 64];
    fences[3] = Position(newest);
    Product { stock, fences, ..Product::default() }
}

#[test]
fn a_unit_that_appears_or_vanishes_is_seen() {
    let decreased: Event = ProductEvent::ProductDecreased { rental_id: RentalId(1), fence: FENCE }.into();
    check_step(&stock(2, 6), &decreased, &stock(1, 7)).unwrap();
    for after in [0, 2] {
        breaks(check_step(&stock(2, 6), &decreased, &stock(after, 7)), "INV-5");
    }
    let restocked: Event = ProductEvent::ProductRestocked { quantity: 5 }.into();
    check_step(&stock(2, 6), &restocked, &stock(7, 6)).unwrap();
    breaks(check_step(&stock(2, 6), &restocked, &stock(6, 6)), "INV-5");
}

#[test]
fn a_move_that_was_made_before_or_is_not_remembered_is_seen() {
    let increased: Event = ProductEvent::ProductIncreased { rental_id: RentalId(1), fence: FENCE }.into();
    check_step(&stock(1, 6), &increased, &stock(2, 7)).unwrap();
    breaks(check_step(&stock(1, 7), &increased, &stock(2, 7)), "INV-6");
    breaks(check_step(&stock(1, 6), &increased, &stock(2, 6)), "INV-6");
}

#[test]
fn what_is_final_stays_final() {
    let withdrawn = Product { withdrawn: true, ..stock(1, 0) };
    let restocked: Event = ProductEvent::ProductRestocked { quantity: 1 }.into();
    breaks(check_step(&withdrawn, &restocked, &stock(2, 0)), "INV-14");
    let account = |status| Account { status, ..Account::default() };
    let signed_up: Event = AccountEvent::CustomerSignedUp.into();
    check_step(&account(A::Absent), &signed_up, &account(A::Active)).unwrap();
    breaks(check_step(&account(A::Left), &signed_up, &account(A::Active)), "INV-14");
}

#[test]
fn terms_that_change_are_seen() {
    let rental = |won| {
        let terms = crate::domain::rental::Terms {
            customer_id: crate::domain::CustomerId(1),
            product_id: ProductId(1),
            product_name: "Ice".to_owned(),
            fee: Money::won(won),
            provider: "simulator".to_owned(),
            fingerprint: None,
            correlation: crate::domain::Correlation(1),
        };
        Rental { terms: Some(terms), status: R::Placed, ..Rental::default() }
    };
    let confirmed = |rental| Rental { status: R::Confirmed, ..rental };
    let event: Event = RentalEvent::RentalConfirmed { product_id: ProductId(1) }.into();
    check_step(&rental(1), &event, &confirmed(rental(1))).unwrap();
    breaks(check_step(&rental(1), &event, &confirmed(rental(2))), "INV-1");
    breaks(check_step(&confirmed(rental(1)), &event, &confirmed(rental(1))), "INV-14");
}

#[test]
fn a_held_target_that_is_forgotten_is_seen() {
    let key = ParkedKey { group: Group::Product, lane: 1, target: ProductId(1).into() };
    let details = Parked::new(Position(1), "DeliveryStarted", "quarantine".to_owned(), 5);
    let parked = Maintenance { paused: false, parked: [(key, details)].into() };
    let none = Maintenance { paused: true, ..Maintenance::default() };
    check_step(&parked, &ContextEvent::TargetReleased { key }.into(), &none).unwrap();
    breaks(check_step(&parked, &ContextEvent::ContextPaused.into(), &none), "INV-13");
    check_step(
        &Maintenance { paused: true, ..parked.clone() },
        &ContextEvent::ContextResumed.into(),
        &parked,
    )
    .unwrap();
}

#[test]
fn versions_that_stand_still_or_go_back_are_seen() {
    version_grows(Version(4), 2, Version(6)).unwrap();
    version_grows(Version(4), 2, Version(9)).unwrap();
    breaks(version_grows(Version(4), 2, Version(5)), "INV-7");
    breaks(version_grows(Version(4), 0, Version(4)), "INV-7");
    version_never_goes_back(Position(1), Position(1)).unwrap();
    breaks(version_never_goes_back(Position(2), Position(1)), "INV-10");
}
