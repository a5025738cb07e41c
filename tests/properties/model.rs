//! What may be asked of the shop and done to it, and what the answers then depend on.

use std::collections::BTreeSet;

use proptest::{
    prelude::*,
    sample::select,
    strategy::{BoxedStrategy, Union},
};
use proptest_state_machine::ReferenceStateMachine;
use saem::{
    actors::ask::FaultMode,
    domain::{context::Context, rental::CancelReason},
    store::memory::Failure,
};

/// How many customers and how many products there are.
pub const CROWD: usize = 3;

/// A card.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Token {
    Ok,
    Decline,
    LostResponse,
    Timeout,
    Error,
}

impl Token {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "tok_ok",
            Self::Decline => "tok_decline",
            Self::LostResponse => "tok_lost_response",
            Self::Timeout => "tok_timeout",
            Self::Error => "tok_error",
        }
    }
}

/// An order.
#[derive(Clone, Copy, Debug)]
pub struct Placing {
    pub customer: usize,
    pub product: usize,
    pub token: Token,
    pub key: Option<u8>,
}

/// Something asked of the shop. Rentals are counted from the newest one.
#[derive(Clone, Copy, Debug)]
pub enum Command {
    Place(Placing),
    Pay { rental: usize, token: Token },
    Cancel { rental: usize, reason: CancelReason },
    Dispatch { rental: usize },
    Complete { rental: usize },
    Restock { product: usize, quantity: u32 },
    Withdraw { product: usize },
}

/// Somebody who can be made to fail.
#[derive(Clone, Copy, Debug)]
pub enum Target {
    Rental(usize),
    Payment(usize),
    Delivery(usize),
    Product(usize),
    PaymentActor,
    Service(&'static str, &'static str),
}

const SERVICES: [(&str, &str); 10] = [
    ("reactor", "rental"),
    ("reactor", "payment"),
    ("reactor", "delivery"),
    ("reactor", "product"),
    ("projection", "mypage"),
    ("projection", "catalogue"),
    ("projection", "notification"),
    ("projection", "agenda"),
    ("errands", "agenda"),
    ("courier", "notification"),
];

/// One step of a case.
#[derive(Clone, Copy, Debug)]
pub enum Step {
    /// A command, its answer waited for.
    Do(Command),
    /// Two at once.
    Both(Command, Command),
    /// A command, while one of the next commits fails.
    Shaken {
        command: Command,
        nth: u64,
        failure: Failure,
    },
    /// A command, and the process is killed so long after it was begun.
    Doomed {
        command: Command,
        ms: u64,
        turns: usize,
    },
    /// The process is killed, and started again.
    Crash,
    /// Everybody gets so many turns.
    Turns(usize),
    /// Time passes.
    Pass {
        ms: u64,
    },
    Pause(Context),
    Resume(Context),
    Breaker {
        open: bool,
    },
    Fault {
        target: Target,
        mode: FaultMode,
        times: u32,
    },
}

/// Where a rental probably is, so that commands are asked that can succeed. Nothing is asserted of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Unpaid,
    Paid,
    Ready,
    OnTheWay,
    Over,
}

/// What answers depend on, and every observer knows.
#[derive(Clone, Debug)]
pub struct Model {
    /// Whether customers may pay later when the gateway gives no answer.
    pub defer: bool,
    pub paused: BTreeSet<Context>,
    pub breaker_open: bool,
    /// The payment actor was made to fail, and may not have noticed yet.
    pub desk_fails: bool,
    /// Oldest first.
    stages: Vec<Stage>,
    keys: BTreeSet<(usize, u8)>,
}

impl Model {
    pub fn new(defer: bool) -> Self {
        let (paused, stages, keys) = (BTreeSet::new(), Vec::new(), BTreeSet::new());
        Self { defer, paused, breaker_open: false, desk_fails: false, stages, keys }
    }

    /// Commands that probably succeed.
    fn fitting(&self) -> Vec<Command> {
        let reason = CancelReason::Customer;
        let stages = self.stages.iter().rev().enumerate();
        let fitting = stages.flat_map(|(rental, stage)| match stage {
            Stage::Unpaid => {
                let tokens = [Token::Ok, Token::Ok, Token::Ok, Token::Decline, Token::LostResponse];
                tokens.map(|token| Command::Pay { rental, token }).into()
            }
            Stage::Paid => vec![Command::Cancel { rental, reason }, Command::Dispatch { rental }],
            Stage::Ready => vec![Command::Dispatch { rental }; 4],
            Stage::OnTheWay => {
                let mut mostly = vec![Command::Complete { rental }; 4];
                mostly.push(Command::Cancel { rental, reason });
                mostly
            }
            Stage::Over => Vec::new(),
        });
        fitting.collect()
    }

    fn asked(&mut self, command: &Command) {
        let place = |rental: usize, stages: &[Stage]| stages.len().checked_sub(rental + 1);
        match *command {
            Command::Place(Placing { customer, token, key, .. }) => {
                let is_new = key.is_none_or(|key| self.keys.insert((customer, key)));
                let stage = match token {
                    Token::Ok if !self.breaker_open => Stage::Paid,
                    Token::Decline if !self.breaker_open => Stage::Over,
                    _ if self.defer => Stage::Unpaid,
                    _ => Stage::Over,
                };
                self.stages.extend(is_new.then_some(stage));
            }
            Command::Pay { rental, token } => {
                let paid = token == Token::Ok && !self.breaker_open;
                self.moves(place(rental, &self.stages).filter(|_| paid), Stage::Unpaid, Stage::Paid);
            }
            Command::Cancel { rental, .. } => {
                if let Some(stage) = place(rental, &self.stages).and_then(|at| self.stages.get_mut(at)) {
                    *stage = Stage::Over;
                }
            }
            Command::Dispatch { rental } => {
                self.moves(place(rental, &self.stages), Stage::Ready, Stage::OnTheWay);
            }
            Command::Complete { rental } => {
                self.moves(place(rental, &self.stages), Stage::OnTheWay, Stage::Over);
            }
            Command::Restock { .. } | Command::Withdraw { .. } => {}
        }
    }

    fn moves(&mut self, at: Option<usize>, from: Stage, to: Stage) {
        if let Some(stage) = at.map(|at| &mut self.stages[at]).filter(|stage| **stage == from) {
            *stage = to;
        }
    }

    fn rested(&mut self) {
        for stage in self.stages.iter_mut().filter(|stage| **stage == Stage::Paid) {
            *stage = Stage::Ready;
        }
    }
}

impl ReferenceStateMachine for Model {
    type State = Self;
    type Transition = Step;

    fn init_state() -> BoxedStrategy<Self> {
        prop::bool::weighted(0.8).prop_map(Self::new).boxed()
    }

    fn transitions(model: &Self) -> BoxedStrategy<Step> {
        let failures = select(vec![Failure::Before, Failure::After, Failure::Torn]);
        let resumable: Vec<Context> = if model.paused.is_empty() {
            Context::ALL.into()
        } else {
            model.paused.iter().copied().collect()
        };
        let closing = if model.breaker_open { 5 } else { 1 };
        Union::new_weighted(vec![
            (12, command(model).prop_map(Step::Do).boxed()),
            (3, both(model).boxed()),
            (
                3,
                (command(model), 1_u64..=8, failures)
                    .prop_map(|(command, nth, failure)| Step::Shaken { command, nth, failure })
                    .boxed(),
            ),
            (
                4,
                (command(model), select(vec![0, 10, 20, 800, 2_500]), 0_usize..60)
                    .prop_map(|(command, ms, turns)| Step::Doomed { command, ms, turns })
                    .boxed(),
            ),
            (1, Just(Step::Crash).boxed()),
            (4, (1_usize..80).prop_map(Step::Turns).boxed()),
            (3, select(vec![10, 100, 1_000, 3_000, 12_000]).prop_map(|ms| Step::Pass { ms }).boxed()),
            (2, select(&Context::ALL[..]).prop_map(Step::Pause).boxed()),
            (2, select(resumable).prop_map(Step::Resume).boxed()),
            (1, Just(Step::Breaker { open: true }).boxed()),
            (closing, Just(Step::Breaker { open: false }).boxed()),
            (4, fault().boxed()),
        ])
        .boxed()
    }

    fn apply(mut model: Self, step: &Step) -> Self {
        match step {
            Step::Pause(context) => {
                model.paused.insert(*context);
            }
            Step::Resume(context) => {
                model.paused.remove(context);
            }
            Step::Breaker { open } => model.breaker_open = *open,
            Step::Fault { target: Target::PaymentActor, .. } => {
                model.desk_fails = true;
            }
            Step::Do(command) | Step::Shaken { command, .. } | Step::Doomed { command, .. } => {
                model.asked(command);
            }
            Step::Both(one, other) => {
                model.asked(one);
                model.asked(other);
            }
            Step::Crash | Step::Turns(_) | Step::Pass { .. } => {
                model.desk_fails = false;
                model.rested();
            }
            Step::Fault { .. } => {}
        }
        model
    }
}

fn token() -> impl Strategy<Value = Token> {
    prop_oneof![
        6 => Just(Token::Ok),
        1 => Just(Token::Decline),
        2 => Just(Token::LostResponse),
        1 => Just(Token::Timeout),
        1 => Just(Token::Error),
    ]
}

fn placing() -> impl Strategy<Value = Placing> {
    (0..CROWD, 0..CROWD, token(), prop_oneof![2 => Just(None), 1 => (0_u8..2).prop_map(Some)])
        .prop_map(|(customer, product, token, key)| Placing { customer, product, token, key })
}

fn command(model: &Model) -> BoxedStrategy<Command> {
    let reason = select(vec![CancelReason::Customer, CancelReason::Operator]);
    let rental = prop_oneof![2 => Just(0_usize), 1 => 0_usize..6];
    let any = prop_oneof![
        10 => placing().prop_map(Command::Place),
        3 => (rental.clone(), token()).prop_map(|(rental, token)| Command::Pay { rental, token }),
        4 => (rental.clone(), reason).prop_map(|(rental, reason)| Command::Cancel { rental, reason }),
        4 => rental.clone().prop_map(|rental| Command::Dispatch { rental }),
        4 => rental.prop_map(|rental| Command::Complete { rental }),
        2 => (0..CROWD, 1_u32..3).prop_map(|(product, quantity)| Command::Restock { product, quantity }),
        1 => (0..CROWD - 1).prop_map(|product| Command::Withdraw { product }),
    ];
    let fitting = model.fitting();
    if fitting.is_empty() {
        return any.boxed();
    }
    prop_oneof![2 => select(fitting), 1 => any].boxed()
}

/// Often two that have to do with each other.
fn both(model: &Model) -> impl Strategy<Value = Step> + use<> {
    let same_key = (placing(), 0_u8..2).prop_map(|(placing, key)| {
        let place = Command::Place(Placing { key: Some(key), ..placing });
        Step::Both(place, place)
    });
    let same_rental = (0_usize..3, token(), 0..4).prop_map(|(rental, token, which)| {
        let cancel = Command::Cancel { rental, reason: CancelReason::Customer };
        let pay = Command::Pay { rental, token };
        match which {
            0 => Step::Both(pay, cancel),
            1 => Step::Both(pay, pay),
            2 => Step::Both(cancel, Command::Dispatch { rental }),
            _ => Step::Both(Command::Complete { rental }, cancel),
        }
    });
    prop_oneof![
        same_key,
        same_rental,
        (command(model), command(model)).prop_map(|(one, other)| Step::Both(one, other)),
    ]
}

fn fault() -> impl Strategy<Value = Step> {
    let target = prop_oneof![
        1 => (0_usize..3).prop_map(Target::Rental),
        1 => (0_usize..3).prop_map(Target::Payment),
        1 => (0_usize..3).prop_map(Target::Delivery),
        2 => (0..CROWD).prop_map(Target::Product),
        2 => Just(Target::PaymentActor),
        3 => select(&SERVICES[..]).prop_map(|(kind, name)| Target::Service(kind, name)),
    ];
    let mode = select(vec![FaultMode::Panic, FaultMode::Stop]);
    // Six in a row are one too many: quarantine.
    let times = prop_oneof![3 => Just(1_u32), 1 => Just(6)];
    (target, mode, times).prop_map(|(target, mode, times)| Step::Fault { target, mode, times })
}
