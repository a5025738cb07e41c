//! What may be asked of the shop, and done to it.

use saem::{
    CancelReason,
    internal::{
        domain::Context,
        store::{Failure, FaultMode},
    },
};

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

/// What a customer says they saw as the fee.
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

/// Something asked of the shop. Rentals are counted from the newest one; customers by their numbers.
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
    /// Edits an offer, from the one that there is or from an older one.
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
    /// Changes the name, and perhaps the password.
    Rename {
        customer: usize,
        password: bool,
    },
    /// Logs in so often; the last answer counts.
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
    /// Has a held target tried again.
    Retry {
        held: usize,
    },
    Dismiss {
        held: usize,
    },
    /// Takes whoever is in quarantine out of it.
    Revive,
}

/// A command, perhaps with an `Idempotency-Key`.
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

/// Somebody who can be made to fail.
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

/// One step of a case.
#[derive(Clone, Copy, Debug)]
pub enum Step {
    /// A request, its answer waited for.
    Do(Request),
    /// Two at once.
    Both(Request, Request),
    /// A request, while one of the next commits fails.
    Shaken {
        request: Request,
        nth: u64,
        failure: Failure,
    },
    /// A request, and the process is killed so long after it was begun.
    Doomed {
        request: Request,
        ms: u64,
        turns: usize,
    },
    /// The process is killed, and started again.
    Crash,
    /// The process ends as it should, and is started again.
    Restart,
    /// Everybody gets so many turns.
    Turns(usize),
    /// Time passes.
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
