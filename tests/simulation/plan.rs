//! A plan: the weather, and what happens in it, step by step. It is data, so that it can be made from a
//! seed, shrunk, kept in the corpus and read.

use saem::internal::{domain::Context, store::FaultMode};
use serde::{Deserialize, Serialize};

/// Everything that one simulated history follows from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Decides all that is left to chance: delays, ids, what is lost.
    pub seed: u64,
    pub weather: Weather,
    pub steps: Vec<Step>,
}

/// What stays as it is for a whole history.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Weather {
    /// Whether customers may pay later when the gateway gives no answer.
    pub defer: bool,
    /// Whether the gateway can refuse a charge that has not come yet.
    pub voids: bool,
    /// How long making something durable takes at most, in ms; 0 is at once.
    pub commit_ms: u64,
    /// How long reading takes at most, in ms.
    pub read_ms: u64,
    /// How long a message between actors is under way at most, in ms.
    pub transit_ms: u64,
    /// How many of a hundred messages between actors come twice.
    pub copies_percent: u32,
}

/// One thing that happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Its name within the plan: later steps refer to it, also when others between are left out.
    pub id: usize,
    /// How long after the step before.
    pub after_ms: u64,
    pub what: What,
}

/// Something to ask of the shop, or to do to it. Rentals go by the id of the step that placed them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum What {
    Place {
        customer: usize,
        product: usize,
        card: Card,
        keyed: bool,
    },
    /// The same request once more, by its step.
    Again {
        step: usize,
    },
    Pay {
        rental: usize,
        card: Card,
    },
    Cancel {
        rental: usize,
        by_operator: bool,
    },
    Dispatch {
        rental: usize,
    },
    Complete {
        rental: usize,
    },
    Restock {
        product: usize,
        quantity: u32,
    },
    Pause {
        context: Context,
    },
    Resume {
        context: Context,
    },
    /// Has everything that is held tried again.
    Retry,
    Breaker {
        open: bool,
    },
    Fault(Fault),
}

/// What is done to the shop, and to what it leans on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fault {
    Fail {
        target: Target,
        mode: FaultMode,
        times: u32,
    },
    /// One of the next operations of the store fails.
    Store {
        nth: u64,
        outcome: Outcome,
        for_ever: bool,
    },
    /// The gateway has another mood from now on.
    Gateway(Mood),
    Sms {
        down: bool,
    },
    /// The next message panics in whoever sends it.
    SmsPanic,
    Clock {
        jump_ms: i64,
    },
    /// The process is killed. What was on its way to the disk gets there or does not; so many batches of
    /// rows have.
    Crash {
        arrives: bool,
        batches: usize,
        again: Option<Again>,
    },
    /// The process ends as it should.
    Restart,
}

/// Killed once more while it starts: after so many turns of its thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Again {
    pub turns: usize,
}

/// How an operation of the store fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// Nothing is written, and the caller is told.
    Before,
    /// Nothing is written, and the caller does not know.
    Torn,
    /// It is written, and the caller does not know.
    After,
    /// Whoever called panics.
    Panic,
    /// It takes longer than anybody waits.
    Slow,
    /// The process dies right before.
    DieBefore,
    /// The process dies right after.
    DieAfter,
}

/// How the gateway behaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mood {
    pub latency_ms: u64,
    /// How many of a hundred calls are carried out and never answered.
    pub lost_percent: u32,
    /// How many of a hundred fail without being carried out.
    pub error_percent: u32,
    /// How many of a hundred charges are carried out long after their caller gave up.
    pub late_percent: u32,
    /// How many of a hundred calls panic in whoever makes them.
    #[serde(default)]
    pub panic_percent: u32,
    /// Captures are not found right after they were made.
    pub forgetful: bool,
    pub refuses_refunds: bool,
}

/// A card, by what the gateway does with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Card {
    Approved,
    Declined,
    /// Captured, but the answer is lost.
    Lost,
    /// Captured, but too late for an answer.
    Late,
    /// Neither captured nor answered.
    Silent,
    /// An error, and nothing captured.
    Broken,
}

impl Card {
    pub const ALL: [Self; 6] =
        [Self::Approved, Self::Declined, Self::Lost, Self::Late, Self::Silent, Self::Broken];

    pub const fn token(self) -> &'static str {
        match self {
            Self::Approved => "approved",
            Self::Declined => "declined",
            Self::Lost => "lost",
            Self::Late => "late",
            Self::Silent => "silent",
            Self::Broken => "broken",
        }
    }

    pub fn of(token: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|card| card.token() == token)
    }
}

/// Who is made to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Target {
    Rental(usize),
    Payment(usize),
    Delivery(usize),
    Product(usize),
    PaymentActor,
    /// By its number in [`crate::kit::SERVICES`].
    Service(usize),
}

impl Plan {
    /// As one line, for the corpus.
    pub fn to_line(&self) -> String {
        serde_json::to_string(self).expect("a plan is plain data")
    }
}

/// A line of the corpus.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Kept {
    /// What was found by it.
    pub found: String,
    pub plan: Plan,
}

impl Kept {
    /// Reads a line.
    pub fn of_line(line: &str) -> Self {
        serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in {line}"))
    }
}
