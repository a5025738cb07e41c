//! Each step rule with a step that keeps it, and with steps that break it.

use super::*;
use crate::domain::{
    Money, RentalId,
    context::{Group, Parked, ParkedKey},
    id::ProductId,
    invariants::Violation,
    rental::Terms,
    samples::terms,
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
fn lost_and_extra_units_are_detected() {
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
fn repeated_and_unfenced_stock_moves_are_detected() {
    let increased: Event = ProductEvent::ProductIncreased { rental_id: RentalId(1), fence: FENCE }.into();
    check_step(&stock(1, 6), &increased, &stock(2, 7)).unwrap();
    breaks(check_step(&stock(1, 7), &increased, &stock(2, 7)), "INV-6");
    breaks(check_step(&stock(1, 6), &increased, &stock(2, 6)), "INV-6");
}

#[test]
fn leaving_a_final_state_is_detected() {
    let withdrawn = Product { withdrawn: true, ..stock(1, 0) };
    let restocked: Event = ProductEvent::ProductRestocked { quantity: 1 }.into();
    breaks(check_step(&withdrawn, &restocked, &stock(2, 0)), "INV-14");
    let account = |status| Account { status, ..Account::default() };
    let signed_up: Event = AccountEvent::CustomerSignedUp.into();
    check_step(&account(A::Absent), &signed_up, &account(A::Active)).unwrap();
    breaks(check_step(&account(A::Left), &signed_up, &account(A::Active)), "INV-14");
}

#[test]
fn changed_terms_are_detected() {
    let rental = |won| {
        let terms = Terms { fee: Money::won(won), ..terms() };
        Rental { terms: Some(terms), status: R::Placed, ..Rental::default() }
    };
    let confirmed = |rental| Rental { status: R::Confirmed, ..rental };
    let event: Event = RentalEvent::RentalConfirmed { product_id: ProductId(1) }.into();
    check_step(&rental(1), &event, &confirmed(rental(1))).unwrap();
    breaks(check_step(&rental(1), &event, &confirmed(rental(2))), "INV-1");
    breaks(check_step(&confirmed(rental(1)), &event, &confirmed(rental(1))), "INV-14");
}

#[test]
fn lost_parked_targets_are_detected() {
    let key = ParkedKey { group: Group::Product, lane: 1, target: ProductId(1).into() };
    let details = Parked::new(Position(1), "DeliveryStarted", "quarantine".to_owned(), 5);
    let parked = Maintenance { paused: false, parked: [(key, details)].into() };
    let none = Maintenance { paused: true, ..Maintenance::default() };
    check_step(&parked, &ContextEvent::TargetReleased { key }.into(), &none).unwrap();
    breaks(check_step(&parked, &ContextEvent::ContextPaused.into(), &none), "INV-13");
    let paused = Maintenance { paused: true, ..parked.clone() };
    check_step(&paused, &ContextEvent::ContextResumed.into(), &parked).unwrap();
}

#[test]
fn versions_that_do_not_grow_are_detected() {
    version_grows(Version(4), 2, Version(6)).unwrap();
    version_grows(Version(4), 2, Version(9)).unwrap();
    breaks(version_grows(Version(4), 2, Version(5)), "INV-7");
    breaks(version_grows(Version(4), 0, Version(4)), "INV-7");
    version_never_goes_back(Position(1), Position(1)).unwrap();
    breaks(version_never_goes_back(Position(2), Position(1)), "INV-10");
}
