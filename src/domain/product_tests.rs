//! Every decision of the product in every state, its fences, and properties of the stock on all paths.

use std::collections::BTreeMap;

use proptest::{collection::vec, prelude::*};

use super::{ProductCommand as C, ProductError as X, ProductEvent as E, *};
use crate::domain::samples::given;

/// States with different decisions.
#[derive(Clone, Copy, Debug)]
enum Column {
    Absent,
    InStock,
    Empty,
    Withdrawn,
}

const COLUMNS: [Column; 4] = [Column::Absent, Column::InStock, Column::Empty, Column::Withdrawn];
const RENTAL: RentalId = RentalId(5);
/// Newer than the fences of all columns, which are at position 10 of lane 3.
const NEWER: Fence = fence(3, 11);

const fn fence(lane: u8, position: u64) -> Fence {
    Fence { lane, position: Position(position) }
}

fn offer(name: &str) -> Offer {
    Offer {
        name: name.to_owned(),
        model: "M-1".to_owned(),
        description: String::new(),
        fee: Money::won(29_900),
    }
}

fn register(stock: u32) -> C {
    C::Register { offer: offer("Ice"), stock }
}

fn change(name: &str, expected: Option<&str>) -> C {
    C::Change { offer: offer(name), expected: expected.map(offer) }
}

fn decrease(fence: Fence) -> C {
    C::Decrease { rental_id: RENTAL, fence }
}

fn increase(fence: Fence, taken: bool) -> C {
    C::Increase { rental_id: RENTAL, fence, taken }
}

fn registered(stock: u32) -> E {
    E::ProductRegistered { offer: offer("Ice"), stock }
}

fn changed(name: &str) -> E {
    E::ProductChanged { offer: offer(name) }
}

fn decreased(fence: Fence) -> E {
    E::ProductDecreased { rental_id: RENTAL, fence }
}

fn increased(fence: Fence) -> E {
    E::ProductIncreased { rental_id: RENTAL, fence }
}

fn short(fence: Fence) -> E {
    E::StockShort { rental_id: RENTAL, fence }
}

/// Returns the column's state. All but the first took a unit at position 10 of lane 3.
fn product_in(column: Column) -> Product {
    let taken = decreased(fence(3, 10));
    match column {
        Column::Absent => Product::default(),
        Column::InStock => given(&[registered(2), taken]),
        Column::Empty => given(&[registered(1), taken]),
        Column::Withdrawn => given(&[registered(2), taken, E::ProductWithdrawn]),
    }
}

type Decision = Result<Vec<E>, ProductError>;

fn none() -> Decision {
    Ok(vec![])
}

fn only(event: E) -> Decision {
    Ok(vec![event])
}

/// Checks one row: the decision on `command` in each column.
fn row(command: C, cells: [Decision; 4]) {
    for (column, decision) in COLUMNS.into_iter().zip(cells) {
        assert_eq!(product_in(column).decide(command.clone()), decision, "{column:?} {command:?}");
    }
}

/// Checks a row with the same decision in all columns but the first, where the product does not exist.
fn known(command: C, decision: &Decision) {
    let cell = || decision.clone();
    row(command, [Err(X::NotFound), cell(), cell(), cell()]);
}

#[test]
fn products_are_registered_once() {
    let exists = || Err(X::Exists);
    row(register(4), [only(registered(4)), exists(), exists(), exists()]);
}

#[test]
fn stale_and_unchanged_offers_are_not_recorded() {
    known(change("Hot", None), &only(changed("Hot")));
    known(change("Hot", Some("Ice")), &only(changed("Hot")));
    known(change("Hot", Some("Cold")), &Err(X::Stale));
    known(change("Ice", Some("Cold")), &Err(X::Stale));
    known(change("Ice", None), &none());
    known(change("Ice", Some("Ice")), &none());
}

#[test]
fn restocking_is_limited() {
    known(C::Restock { quantity: 5 }, &only(E::ProductRestocked { quantity: 5 }));
    known(C::Restock { quantity: u32::MAX }, &Err(X::StockLimit));
    let product: Product = given(&[registered(MAX_STOCK - 1)]);
    assert!(product.decide(C::Restock { quantity: 1 }).is_ok());
    assert_eq!(product.decide(C::Restock { quantity: 2 }), Err(X::StockLimit));
}

#[test]
fn products_are_withdrawn_once() {
    let gone = || only(E::ProductWithdrawn);
    row(C::Withdraw, [Err(X::NotFound), gone(), gone(), none()]);
}

#[test]
fn decrease_takes_a_unit_or_reports_a_shortage() {
    let takes = || only(decreased(NEWER));
    row(decrease(NEWER), [Err(X::NotFound), takes(), only(short(NEWER)), takes()]);
}

#[test]
fn increase_returns_only_taken_units() {
    known(increase(NEWER, true), &only(increased(NEWER)));
    known(increase(NEWER, false), &none());
}

#[test]
fn only_newer_stock_moves_are_applied() {
    for position in [0, 1, 9, 10] {
        known(decrease(fence(3, position)), &none());
        known(increase(fence(3, position), true), &none());
    }
    for newer in [fence(3, 11), fence(3, u64::MAX)] {
        known(increase(newer, true), &only(increased(newer)));
    }
}

#[test]
fn each_lane_has_its_own_fence() {
    let product = (0..LANES).fold(given(&[registered(100)]), |product: Product, lane| {
        product.evolve(&decreased(fence(lane, 100 + u64::from(lane))), Timestamp(9))
    });
    assert_eq!((product.stock, product.fences.len()), (100 - u32::from(LANES), 64));
    for lane in 0..LANES {
        let newest = 100 + u64::from(lane);
        assert_eq!(product.decide(decrease(fence(lane, newest))), none(), "{lane}");
        let newer = fence(lane, newest + 1);
        assert_eq!(product.decide(decrease(newer)), only(decreased(newer)), "{lane}");
    }
}

#[test]
fn every_applied_stock_move_advances_its_fence() {
    let moves = [(decrease(NEWER), 1), (decrease(NEWER), 0), (increase(NEWER, true), 1)];
    for (command, stock) in moves {
        let product: Product = given(&[registered(stock)]);
        let events = product.decide(command.clone()).unwrap_or_default();
        let after = events.iter().fold(product, |p, e| p.evolve(e, Timestamp(9)));
        assert_eq!(after.decide(command), none(), "a repeat");
        assert_eq!(after.decide(decrease(fence(3, 10))), none(), "an older position");
        assert_eq!(after.fences[3], Position(11));
    }
    let first: Product = given(&[registered(1)]);
    assert_eq!(first.decide(increase(NEWER, false)), none());
    assert_eq!(first.decide(decrease(fence(3, 1))), only(decreased(fence(3, 1))));
}

#[test]
fn stock_moves_of_rentals_keep_the_time_of_change() {
    let edits = [registered(2), changed("Hot"), E::ProductRestocked { quantity: 3 }, E::ProductWithdrawn];
    let edited: Product = given(&edits);
    let expected = Product {
        offer: Some(offer("Hot")),
        stock: 5,
        withdrawn: true,
        fences: vec![],
        created_at: Timestamp(1),
        updated_at: Timestamp(4),
    };
    assert_eq!(edited, expected);
    for (event, stock) in [(decreased(NEWER), 4), (short(NEWER), 5), (increased(NEWER), 6)] {
        assert_eq!(event.rental(), Some(RENTAL));
        let moved = edited.clone().evolve(&event, Timestamp(9));
        assert_eq!((moved.stock, moved.updated_at), (stock, Timestamp(4)), "{event:?}");
    }
    assert!(edits.iter().all(|event| event.rental().is_none()));
}

#[test]
fn only_commands_with_a_description_are_bulky() {
    for command in [register(1), change("Hot", None)] {
        assert!(Product::is_bulky(&command), "{command:?}");
    }
    for command in [C::Restock { quantity: 1 }, C::Withdraw, decrease(NEWER), increase(NEWER, true)] {
        assert!(!Product::is_bulky(&command), "{command:?}");
    }
}

/// Next step of the model.
#[derive(Clone, Copy, Debug)]
enum Step {
    Restock(u32),
    Withdraw,
    /// The rental's `DeliveryStarted` is delivered, possibly again.
    Start(u8),
    /// The rental's `DeliveryCanceled` is delivered, possibly again.
    Cancel(u8),
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        1 => (0u32..3).prop_map(Step::Restock),
        1 => Just(Step::Withdraw),
        5 => (0u8..8).prop_map(Step::Start),
        5 => (0u8..8).prop_map(Step::Cancel),
    ]
}

/// Units taken, returned, and refused for lack of stock, for one rental.
#[derive(Clone, Copy, Debug, Default)]
struct Moves {
    down: u32,
    up: u32,
    short: u32,
}

/// Returns the command of a step. Eight rentals share three lanes; each start precedes its cancel. The
/// evidence is correct: it is true if the rental's unit is out.
fn command_of(step: Step, moves: &BTreeMap<RentalId, Moves>) -> C {
    let cause = |rental: u8, cancel| {
        (RentalId(u128::from(rental)), fence(rental % 3, 1 + 2 * u64::from(rental) + u64::from(cancel)))
    };
    match step {
        Step::Restock(quantity) => C::Restock { quantity },
        Step::Withdraw => C::Withdraw,
        Step::Start(rental) => {
            let (rental_id, fence) = cause(rental, false);
            C::Decrease { rental_id, fence }
        }
        Step::Cancel(rental) => {
            let (rental_id, fence) = cause(rental, true);
            let taken = moves.get(&rental_id).is_some_and(|moves| moves.down > moves.up);
            C::Increase { rental_id, fence, taken }
        }
    }
}

proptest! {
    /// INV-5 and 6, for any number and order of deliveries of the causing events.
    #[test]
    fn stock_is_conserved(stock in 0u32..5, steps in vec(any_step(), 0..60)) {
        let mut product: Product = given(&[registered(stock)]);
        let (mut stocked, mut moves) = (stock, BTreeMap::<RentalId, Moves>::new());
        for step in steps {
            let command = command_of(step, &moves);
            let at_hand = product.stock;
            for event in product.decide(command).expect("a registered product takes all of these") {
                product = product.evolve(&event, Timestamp(9));
                let of = event.rental().map(|rental| moves.entry(rental).or_default());
                match (event, of) {
                    (E::ProductDecreased { .. }, Some(of)) => of.down += 1,
                    (E::ProductIncreased { .. }, Some(of)) => of.up += 1,
                    (E::StockShort { .. }, Some(of)) => {
                        of.short += 1;
                        prop_assert_eq!(at_hand, 0);
                    }
                    (E::ProductRestocked { quantity }, _) => stocked += quantity,
                    (other, _) => prop_assert_eq!(other, E::ProductWithdrawn),
                }
            }
            let out: u32 = moves.values().map(|of| of.down - of.up).sum();
            prop_assert_eq!(product.stock + out, stocked);
            for of in moves.values() {
                prop_assert!(of.up <= of.down && of.down + of.short <= 1, "{:?}", moves);
            }
        }
    }

    /// Also with wrong evidence; `evolve` would panic if the stock went below zero.
    #[test]
    fn fences_pass_each_position_once(
        commands in vec((0u8..2, 0u64..12, 0u8..3), 0..60), stock in 0u32..4,
    ) {
        let (mut product, mut newest) = (given::<Product>(&[registered(stock)]), [0; 2]);
        for (lane, position, kind) in commands {
            let fence = fence(lane, position);
            let command = if kind == 0 { decrease(fence) } else { increase(fence, kind == 1) };
            let events = product.decide(command).expect("a registered product takes both");
            let slot = &mut newest[usize::from(lane)];
            prop_assert_eq!(events.len() == 1, position > *slot && kind != 2);
            for event in events {
                product = product.evolve(&event, Timestamp(9));
                *slot = position;
            }
        }
    }
}
