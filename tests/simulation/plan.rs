//! A plan: the weather, and steps in it. It is data: made from a seed, shrunk, kept in the corpus, read.

use saem::{Context, internal::store::FaultMode};
use serde::{Deserialize, Serialize};

/// Decides one simulated history.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Of delays, ids and losses.
    pub seed: u64,
    pub weather: Weather,
    pub steps: Vec<Step>,
}

/// Constant during a history.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Weather {
    /// True if customers may pay later when the gateway does not answer.
    pub defer: bool,
    /// True if the gateway can void a charge that it has not received.
    pub voids: bool,
    /// Time of a commit at most, in ms; 0 is none.
    pub commit_ms: u64,
    /// Time of a read at most, in ms.
    pub read_ms: u64,
    /// Time of a message between actors at most, in ms.
    pub transit_ms: u64,
    /// Messages between actors that come twice, in percent.
    pub copies_percent: u32,
}

/// A step of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Later steps refer to it, also when shrinking removes others.
    pub id: usize,
    /// Time after the step before.
    pub after_ms: u64,
    pub what: What,
}

/// A request to the shop, or a fault. A rental is named by the step that placed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum What {
    Place {
        customer: usize,
        product: usize,
        card: Card,
        keyed: bool,
    },
    /// Repeats the request of a step.
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
    /// Retries all parked targets.
    Retry,
    Breaker {
        open: bool,
    },
    Fault(Fault),
}

/// A fault of the shop or of its surroundings.
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
    /// Sets the gateway's mood.
    Gateway(Mood),
    Sms {
        down: bool,
    },
    /// The next message panics in its sender.
    SmsPanic,
    Clock {
        jump_ms: i64,
    },
    /// Kills the process. Writes under way arrive or do not, and so many batches of rows have arrived.
    Crash {
        arrives: bool,
        batches: usize,
        again: Option<Again>,
    },
    /// Stops the process in order.
    Restart,
}

/// A second kill while it starts, after so many turns of its thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Again {
    pub turns: usize,
}

/// Failure of an operation of the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// Nothing is written, and the caller knows.
    Before,
    /// Nothing is written, and the caller does not know.
    Torn,
    /// It is written, and the caller does not know.
    After,
    /// The caller panics.
    Panic,
    /// It takes longer than every timeout.
    Slow,
    /// The process dies right before.
    DieBefore,
    /// The process dies right after.
    DieAfter,
}

/// Behaviour of the gateway.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mood {
    pub latency_ms: u64,
    /// Calls that are carried out and never answered.
    pub lost_percent: u32,
    /// Calls that fail without being carried out.
    pub error_percent: u32,
    /// Charges that are carried out long after their caller's timeout.
    pub late_percent: u32,
    /// Calls that panic in their caller.
    #[serde(default)]
    pub panic_percent: u32,
    /// A new capture is not found for a while.
    pub forgetful: bool,
    pub refuses_refunds: bool,
}

/// A card, by the gateway's treatment of it.
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

/// An actor that fails.
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
    /// Returns one line for the corpus.
    pub fn to_line(&self) -> String {
        serde_json::to_string(self).expect("a plan is plain data")
    }
}

/// A line of the corpus.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Kept {
    /// The bug that it found.
    pub found: String,
    pub plan: Plan,
}

impl Kept {
    pub fn of_line(line: &str) -> Self {
        serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in {line}"))
    }
}
