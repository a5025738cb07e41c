//! Plans from seeds. Each has a random subset of all faults, so that rare ones meet, and frequent ones do not
//! hide the others.

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use saem::{Context, internal::store::FaultMode};

use crate::{
    kit::SERVICES,
    plan::{Again, Card, Fault, Mood, Outcome, Plan, Step, Target, Weather, What},
};

/// Number of customers, and of products.
pub const CROWD: usize = 3;
/// Requests name one of so many newest rentals.
const RECENT: usize = 8;
/// Forward jumps of the clock in one history: keys are kept for a day, and histories check that.
const JUMPS_MAX_MS: i64 = 20 * 60 * 60 * 1_000;

/// A kind of fault in one history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trouble {
    EntityFails,
    ActorFails,
    ServiceFails,
    StoreFails,
    StoreSlow,
    StoreDies,
    Crash,
    Restart,
    GatewaySlow,
    GatewayLoses,
    GatewayLate,
    GatewayForgets,
    GatewayRefuses,
    GatewayPanics,
    SmsDown,
    SmsPanics,
    ClockJumps,
}

const TROUBLES: [Trouble; 17] = [
    Trouble::EntityFails,
    Trouble::ActorFails,
    Trouble::ServiceFails,
    Trouble::StoreFails,
    Trouble::StoreSlow,
    Trouble::StoreDies,
    Trouble::Crash,
    Trouble::Restart,
    Trouble::GatewaySlow,
    Trouble::GatewayLoses,
    Trouble::GatewayLate,
    Trouble::GatewayForgets,
    Trouble::GatewayRefuses,
    Trouble::GatewayPanics,
    Trouble::SmsDown,
    Trouble::SmsPanics,
    Trouble::ClockJumps,
];

/// Makes a plan of so many operations, with faults between them.
pub fn plan(seed: u64, operations: usize) -> Plan {
    let mut dice = Dice::of(seed);
    let weather = dice.weather();
    let troubles: Vec<Trouble> = TROUBLES.into_iter().filter(|_| dice.percent(35)).collect();
    let trouble_percent = dice.0.random_range(5..=40);
    let pace = dice.0.random_range(0..3);
    let mut maker =
        Maker { dice, pace, steps: Vec::new(), places: Vec::new(), cards: Vec::new(), jumped_ms: 0 };
    maker.cards = maker.dice.cards();
    for _ in 0..operations {
        if !troubles.is_empty() && maker.dice.percent(trouble_percent) {
            let trouble = *maker.dice.one_of(&troubles);
            maker.trouble(trouble);
        }
        maker.operation();
    }
    Plan { seed, weather, steps: maker.steps }
}

/// Random number generator of a plan.
struct Dice(StdRng);

impl Dice {
    fn of(seed: u64) -> Self {
        Self(StdRng::seed_from_u64(seed))
    }

    fn percent(&mut self, percent: u32) -> bool {
        self.0.random_range(0..100) < percent
    }

    fn one_of<'a, T>(&mut self, among: &'a [T]) -> &'a T {
        &among[self.0.random_range(0..among.len())]
    }

    fn weather(&mut self) -> Weather {
        let rough = self.percent(60);
        let up_to = |dice: &mut Self, max: u64| if rough { dice.0.random_range(0..=max) } else { 0 };
        Weather {
            defer: self.percent(75),
            voids: self.percent(60),
            commit_ms: up_to(self, 5),
            read_ms: up_to(self, 2),
            transit_ms: up_to(self, 30),
            copies_percent: u32::try_from(up_to(self, 25)).expect("a percentage"),
        }
    }

    /// A new mood of the gateway; sometimes a good one.
    fn mood(&mut self, trouble: Trouble) -> Mood {
        let calm = Mood { latency_ms: self.0.random_range(0..40), ..Mood::default() };
        let some = self.0.random_range(10..60);
        match trouble {
            _ if self.percent(30) => calm,
            Trouble::GatewaySlow => Mood { latency_ms: self.0.random_range(100..1_500), ..calm },
            Trouble::GatewayLoses => Mood { lost_percent: some, error_percent: some / 2, ..calm },
            Trouble::GatewayLate => Mood { late_percent: some, ..calm },
            Trouble::GatewayForgets => Mood { forgetful: true, lost_percent: some, ..calm },
            Trouble::GatewayRefuses => Mood { refuses_refunds: true, ..calm },
            _ => Mood { panic_percent: some, ..calm },
        }
    }

    /// Cards in this history: some histories have only good ones.
    fn cards(&mut self) -> Vec<Card> {
        let mut cards = vec![Card::Approved; 3];
        cards.extend(Card::ALL.into_iter().filter(|_| self.percent(50)));
        cards
    }
}

struct Maker {
    dice: Dice,
    pace: u32,
    steps: Vec<Step>,
    places: Vec<usize>,
    cards: Vec<Card>,
    /// Forward jumps of the clock so far, in ms.
    jumped_ms: i64,
}

impl Maker {
    fn push(&mut self, what: What) {
        let id = self.steps.len();
        let random = &mut self.dice.0;
        let after_ms = match random.random_range(0..100) {
            0 => 70_000,
            1..=4 => random.random_range(500..5_000),
            _ if self.pace == 0 => 0,
            _ if self.pace == 1 => random.random_range(0..20),
            _ => random.random_range(0..300),
        };
        if matches!(what, What::Place { .. }) {
            self.places.push(id);
        }
        self.steps.push(Step { id, after_ms, what });
    }

    /// A recently placed rental.
    fn recent(&mut self) -> usize {
        let recent = self.places.len().min(RECENT);
        let newest = self.dice.0.random_range(0..recent.max(1));
        self.places.len().checked_sub(newest + 1).map_or(0, |index| self.places[index])
    }

    fn card(&mut self) -> Card {
        *self.dice.one_of(&self.cards)
    }

    fn operation(&mut self) {
        let which = if self.places.is_empty() { 0 } else { self.dice.0.random_range(0..100) };
        let what = match which {
            0..40 => self.place(),
            40..48 => {
                let step = self.dice.0.random_range(0..self.steps.len());
                What::Again { step }
            }
            48..58 => self.pay(),
            58..73 => What::Cancel { rental: self.recent(), by_operator: self.dice.percent(20) },
            73..80 => What::Dispatch { rental: self.recent() },
            80..86 => What::Complete { rental: self.recent() },
            86..89 => What::Restock { product: self.product(), quantity: self.dice.0.random_range(1..4) },
            89..93 => What::Pause { context: *self.dice.one_of(&Context::ALL) },
            93..97 => What::Resume { context: *self.dice.one_of(&Context::ALL) },
            97..99 => What::Retry,
            _ => What::Breaker { open: self.dice.percent(40) },
        };
        self.push(what);
    }

    fn product(&mut self) -> usize {
        self.dice.0.random_range(0..CROWD)
    }

    /// Paying later; sometimes twice at the same time.
    fn pay(&mut self) -> What {
        let rental = self.recent();
        if self.dice.percent(30) {
            let card = self.card();
            self.push(What::Pay { rental, card });
            if let Some(first) = self.steps.last_mut() {
                first.after_ms = first.after_ms.min(5);
            }
        }
        What::Pay { rental, card: self.card() }
    }

    fn place(&mut self) -> What {
        let (customer, product) = (self.dice.0.random_range(0..CROWD), self.product());
        What::Place { customer, product, card: self.card(), keyed: self.dice.percent(60) }
    }

    fn trouble(&mut self, trouble: Trouble) {
        let dice = &mut self.dice;
        let mode = *dice.one_of(&[FaultMode::Panic, FaultMode::Panic, FaultMode::Stop, FaultMode::Hang]);
        let fault = match trouble {
            Trouble::EntityFails => {
                let times = if dice.percent(25) { 7 } else { 1 };
                let (rental, product) = (self.recent(), self.product());
                let targets = [
                    Target::Rental(rental),
                    Target::Payment(rental),
                    Target::Delivery(rental),
                    Target::Product(product),
                ];
                Fault::Fail { target: *self.dice.one_of(&targets), mode, times }
            }
            Trouble::ActorFails => Fault::Fail { target: Target::PaymentActor, mode, times: 1 },
            Trouble::ServiceFails => {
                let target = Target::Service(dice.0.random_range(0..SERVICES.len()));
                // A service that hangs makes the watchdog replace the process.
                let mode = if mode == FaultMode::Hang { FaultMode::Stop } else { mode };
                Fault::Fail { target, mode, times: 1 }
            }
            Trouble::StoreFails => {
                let outcomes =
                    [Outcome::Before, Outcome::Torn, Outcome::After, Outcome::Panic, Outcome::Slow];
                Fault::Store {
                    nth: dice.0.random_range(1..40),
                    outcome: *dice.one_of(&outcomes),
                    for_ever: dice.percent(15),
                }
            }
            Trouble::StoreSlow => {
                Fault::Store { nth: dice.0.random_range(1..8), outcome: Outcome::Slow, for_ever: false }
            }
            Trouble::StoreDies => Fault::Store {
                nth: dice.0.random_range(1..60),
                outcome: *dice.one_of(&[Outcome::DieBefore, Outcome::DieAfter]),
                for_ever: true,
            },
            Trouble::Crash => Fault::Crash {
                arrives: dice.percent(50),
                batches: dice.0.random_range(0..6),
                again: dice.percent(30).then_some(Again { turns: dice.0.random_range(1..200) }),
            },
            Trouble::Restart => Fault::Restart,
            Trouble::GatewaySlow
            | Trouble::GatewayLoses
            | Trouble::GatewayLate
            | Trouble::GatewayForgets
            | Trouble::GatewayRefuses
            | Trouble::GatewayPanics => Fault::Gateway(dice.mood(trouble)),
            Trouble::SmsDown => Fault::Sms { down: dice.percent(60) },
            Trouble::SmsPanics => Fault::SmsPanic,
            Trouble::ClockJumps => {
                let jumps = [-20_000, -1_000, 500, 5_000, 100_000, 7_200_000];
                let jump_ms = *dice.one_of(&jumps);
                let within_a_day = self.jumped_ms + jump_ms <= JUMPS_MAX_MS;
                let jump_ms = if within_a_day { jump_ms } else { jumps[0] };
                self.jumped_ms += jump_ms;
                Fault::Clock { jump_ms }
            }
        };
        self.push(What::Fault(fault));
    }
}
