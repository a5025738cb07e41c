//! Crash points: canonical sagas in which one operation of the store fails, each in each way.

use crate::{
    crew,
    generate::CROWD,
    history::{self, Run},
    plan::{Card, Fault, Mood, Outcome, Plan, Step, Weather, What},
};

/// Id of the fault's step, which is the first.
const FAULT: usize = 1_000;
/// Cards of canonical sagas.
const CARDS: [Card; 5] = [Card::Approved, Card::Lost, Card::Declined, Card::Late, Card::Silent];

/// Continuation of a saga.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    Deliver,
    CancelLater,
    PayLater,
    SoldOut,
    RefundRefused,
    CancelAtOnce,
    PayLost,
    ProductsDown,
    Twice,
    Nothing,
}

const THEN: [Then; 10] = [
    Then::Deliver,
    Then::CancelLater,
    Then::PayLater,
    Then::SoldOut,
    Then::RefundRefused,
    Then::CancelAtOnce,
    Then::PayLost,
    Then::ProductsDown,
    Then::Twice,
    Then::Nothing,
];

/// The canonical sagas, the most different ones first.
pub fn sagas() -> Vec<Plan> {
    let each = |index: usize| {
        let (then, card) = (THEN[index % THEN.len()], CARDS[(index + index / THEN.len()) % CARDS.len()]);
        saga(index as u64, card, then)
    };
    (0..THEN.len() * CARDS.len()).map(each).collect()
}

fn saga(seed: u64, card: Card, then: Then) -> Plan {
    use What as W;
    let place = |card| W::Place { customer: 0, product: CROWD - 1, card, keyed: true };
    let cancel = W::Cancel { rental: 0, by_operator: false };
    let refuses_refunds =
        |refuses_refunds| W::Fault(Fault::Gateway(Mood { refuses_refunds, ..Mood::default() }));
    let last = |product| W::Place { customer: 1, product, card: Card::Approved, keyed: true };
    let products = saem::Context::Product;
    let mut steps = vec![(0, place(card))];
    steps.extend(match then {
        Then::Nothing => vec![],
        Then::Deliver => vec![(3_000, W::Dispatch { rental: 0 }), (500, W::Complete { rental: 0 })],
        Then::CancelAtOnce => vec![(0, cancel)],
        Then::CancelLater => vec![(5_000, cancel)],
        Then::PayLater => vec![(5_000, W::Pay { rental: 0, card: Card::Approved })],
        Then::PayLost => vec![
            (5_000, W::Pay { rental: 0, card: Card::Lost }),
            (5_000, W::Pay { rental: 0, card: Card::Approved }),
        ],
        // Two customers and one unit.
        Then::SoldOut => vec![(0, last(0)), (0, last(0))],
        Then::RefundRefused => {
            vec![(5_000, refuses_refunds(true)), (0, cancel), (2_000, refuses_refunds(false)), (0, W::Retry)]
        }
        Then::ProductsDown => {
            vec![(0, W::Pause { context: products }), (2_000, cancel), (500, W::Resume { context: products })]
        }
        Then::Twice => vec![(0, W::Again { step: 0 }), (1_000, W::Again { step: 0 })],
    });
    // Operations of the rest of the saga count, too.
    steps.push((4_000, W::Retry));
    let step = |(id, (after_ms, what)): (usize, (u64, What))| Step { id, after_ms, what };
    let weather = Weather { defer: true, voids: seed.is_multiple_of(2), ..Weather::default() };
    Plan { seed, weather, steps: steps.into_iter().enumerate().map(step).collect() }
}

/// A saga in which one operation fails.
fn failing(saga: &Plan, nth: u64, outcome: Outcome, for_ever: bool) -> Plan {
    let what = What::Fault(Fault::Store { nth, outcome, for_ever });
    let mut plan = saga.clone();
    plan.steps.insert(0, Step { id: FAULT, after_ms: 0, what });
    plan
}

/// Each failure of each operation of a saga.
fn points(saga: &Plan) -> Vec<Plan> {
    let Run { wrong, operations, .. } = history::run(saga);
    assert_eq!(wrong, None, "without faults: {}", saga.to_line());
    let point = |(index, writes): (usize, &bool)| {
        let nth = index as u64 + 1;
        // A read is neither torn nor known only afterwards.
        let outcomes: &[Outcome] =
            if *writes { &[Outcome::Before, Outcome::Torn, Outcome::After] } else { &[Outcome::Before] };
        let both = [false, true];
        let mut ways: Vec<Plan> = outcomes
            .iter()
            .flat_map(|outcome| both.map(|for_ever| failing(saga, nth, *outcome, for_ever)))
            .collect();
        ways.push(failing(saga, nth, Outcome::DieBefore, true));
        if *writes {
            ways.push(failing(saga, nth, Outcome::DieAfter, true));
        }
        ways
    };
    operations.iter().enumerate().flat_map(point).collect()
}

/// Runs canonical sagas through all their crash points; returns broken invariants.
pub fn visit(sagas_max: usize) -> Vec<String> {
    let sagas: Vec<Plan> = sagas().into_iter().take(sagas_max).collect();
    let points: Vec<Plan> = crew::all(&sagas, points).into_iter().flatten().collect();
    let run = |plan: &Plan| {
        let Run { wrong, struck, .. } = history::run(plan);
        let missed = (!struck).then(|| "the fault's operation was not reached".to_owned());
        wrong.or(missed).map(|wrong| format!("{wrong}\n{}", plan.to_line()))
    };
    let wrong: Vec<String> = crew::all(&points, run).into_iter().flatten().collect();
    println!(
        "crash points: {} of {} canonical sagas visited, {} failed",
        points.len(),
        sagas.len(),
        wrong.len()
    );
    wrong
}
