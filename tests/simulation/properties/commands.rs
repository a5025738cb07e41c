//! Requests to the shop, and faults.

use saem::{
    CancelReason, Context,
    internal::store::{Failure, FaultMode},
};

/// A card's token.
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

/// The fee that an order names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    Nothing,
    TheFee,
    AnotherFee,
}

/// An order.
#[derive(Clone, Copy, Debug)]
pub struct Placing {
    pub customer: usize,
    pub product: usize,
    pub token: Token,
    pub seen: Seen,
}

/// A request. Rentals are counted from the newest; customers have numbers.
#[derive(Clone, Copy, Debug)]
pub enum Command {
    Place(Placing),
    Pay {
        rental: usize,
        token: Token,
    },
    Cancel {
        rental: usize,
        reason: CancelReason,
    },
    Dispatch {
        rental: usize,
    },
    Complete {
        rental: usize,
    },
    Register {
        stock: u32,
    },
    /// Edits an offer, on its current version or an older one.
    Edit {
        product: usize,
        stale: bool,
    },
    Restock {
        product: usize,
        quantity: u32,
    },
    Withdraw {
        product: usize,
    },
    SignUp {
        customer: usize,
    },
    Leave {
        customer: usize,
    },
    /// Changes the name, and the password if it is true.
    Rename {
        customer: usize,
        password: bool,
    },
    /// Logs in several times; the last answer counts.
    LogIn {
        customer: usize,
        right: bool,
        times: u32,
    },
    LogOut {
        customer: usize,
    },
    Maintain {
        context: Context,
        pause: bool,
    },
    /// Retries a parked target.
    Retry {
        held: usize,
    },
    Dismiss {
        held: usize,
    },
    /// Revives all entities in quarantine.
    Revive,
}

/// A command, with an `Idempotency-Key` or without.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    pub command: Command,
    pub key: Option<u8>,
}

impl From<Command> for Request {
    fn from(command: Command) -> Self {
        Self { command, key: None }
    }
}

/// An actor that fails.
#[derive(Clone, Copy, Debug)]
pub enum Target {
    Rental(usize),
    Payment(usize),
    Delivery(usize),
    Product(usize),
    Customer(usize),
    PaymentActor,
    Service(&'static str, &'static str),
}

/// A step of a case.
#[derive(Clone, Copy, Debug)]
pub enum Step {
    /// A request, and the wait for its answer.
    Do(Request),
    /// Two requests at once.
    Both(Request, Request),
    /// A request, while one of the next commits fails.
    Shaken {
        request: Request,
        nth: u64,
        failure: Failure,
    },
    /// A request, and a kill of the process so long after it began.
    Doomed {
        request: Request,
        ms: u64,
        turns: usize,
    },
    /// Kills the process, and starts another.
    Crash,
    /// Stops the process in order, and starts another.
    Restart,
    /// So many turns of the thread.
    Turns(usize),
    /// A wait.
    Pass {
        ms: u64,
    },
    Breaker {
        open: bool,
    },
    Fault {
        target: Target,
        mode: FaultMode,
        times: u32,
    },
}
