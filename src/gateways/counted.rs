//! A payment gateway whose calls are counted: which, how each ended, how long it took.

use std::{sync::Arc, time::Instant};

use tracing::{Instrument as _, Span, debug_span, field};

use super::{
    Call, ChargeKey, Charged, Found, GatewayError, PaymentGateway, PaymentMethod, Sought, Unfit, Voided,
    ledger,
};
use crate::{
    domain::Money,
    figures::{self, Counter, Histogram, Observed},
    trace::{self, TraceContext},
};

/// The bounds of a call's duration, in s. A call is slow from 0.61 on, unless told otherwise.
const BOUNDS_S: [f64; 12] = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.4, 0.61, 0.8, 2.0, 10.0];

/// What a gateway is asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operation {
    Charge,
    Find,
    Refund,
    Void,
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Approved,
    Declined,
    Captured,
    Nothing,
    Done,
    Settled,
    Unsupported,
    Refused,
    Unknown,
}

impl Operation {
    const ALL: [Self; 4] = [Self::Charge, Self::Find, Self::Refund, Self::Void];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Charge => "charge",
            Self::Find => "find",
            Self::Refund => "refund",
            Self::Void => "void",
        }
    }
}

impl Outcome {
    const ALL: [Self; 9] = [
        Self::Approved,
        Self::Declined,
        Self::Captured,
        Self::Nothing,
        Self::Done,
        Self::Settled,
        Self::Unsupported,
        Self::Refused,
        Self::Unknown,
    ];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Approved => "approved",
            Self::Declined => "declined",
            Self::Captured => "captured",
            Self::Nothing => "nothing",
            Self::Done => "done",
            Self::Settled => "settled",
            Self::Unsupported => "unsupported",
            Self::Refused => "refused",
            Self::Unknown => "unknown",
        }
    }
}

/// What was counted of one operation.
struct Calls {
    outcomes: [Counter; Outcome::ALL.len()],
    took: Histogram,
}

impl Default for Calls {
    fn default() -> Self {
        Self { outcomes: Default::default(), took: Histogram::new(&BOUNDS_S) }
    }
}

/// Calls of one operation at one provider.
#[derive(Clone, Debug)]
pub struct CallFigures {
    /// The provider.
    pub provider: &'static str,
    /// `charge`, `find`, `refund` or `void`.
    pub operation: &'static str,
    /// How often each outcome came, if it did.
    pub outcomes: Vec<(&'static str, u64)>,
    /// How long they took, in s.
    pub took: Observed,
}

/// A gateway whose calls are counted.
pub(super) struct Counted {
    gateway: Arc<dyn PaymentGateway>,
    calls: Arc<[Calls; Operation::ALL.len()]>,
}

impl Counted {
    pub(super) fn new(gateway: Arc<dyn PaymentGateway>) -> Self {
        Self { gateway, calls: Arc::default() }
    }

    /// What was counted of each operation that was asked for.
    pub(super) fn figures(&self) -> impl Iterator<Item = CallFigures> {
        Operation::ALL.into_iter().filter_map(|operation| {
            let calls = &self.calls[operation as usize];
            let outcomes =
                Outcome::ALL.map(|outcome| (outcome.as_str(), calls.outcomes[outcome as usize].so_far()));
            let outcomes: Vec<_> = outcomes.into_iter().filter(|(_, count)| *count > 0).collect();
            let (provider, operation) = (self.gateway.provider(), operation.as_str());
            (!outcomes.is_empty()).then(|| CallFigures {
                provider,
                operation,
                outcomes,
                took: calls.took.so_far(),
            })
        })
    }

    fn counted<T: Send + 'static>(
        &self,
        operation: Operation,
        call: Call<T>,
        told: fn(&T) -> Outcome,
    ) -> Call<T> {
        let calls = Arc::clone(&self.calls);
        let running = Running { calls, operation, began: figures::now(), ended: Outcome::Unknown };
        let counted = async move {
            let answer = call.await;
            let ended = match &answer {
                Ok(answer) => told(answer),
                Err(GatewayError::Refused(_)) => Outcome::Refused,
                Err(GatewayError::Unknown(_)) => Outcome::Unknown,
            };
            Span::current().record("outcome", ended.as_str());
            running.end(ended);
            answer
        };
        let Some(context) = TraceContext::current() else { return Box::pin(counted) };
        let span = self.span(operation, context);
        // What it sends says that it comes from here.
        let context = trace::place_of(&span, context);
        Box::pin(context.within(counted).instrument(span))
    }

    fn span(&self, operation: Operation, context: TraceContext) -> Span {
        let (provider, operation, correlation) =
            (self.gateway.provider(), operation.as_str(), context.correlation);
        let outcome = field::Empty;
        let span =
            debug_span!("gateway call", otel.kind = "client", provider, operation, outcome, %correlation);
        trace::joined(span, context)
    }
}

/// A call under way. Dropped before it has an answer, it ended unknown: whoever waited has given up.
struct Running {
    calls: Arc<[Calls; Operation::ALL.len()]>,
    operation: Operation,
    began: Instant,
    ended: Outcome,
}

impl Running {
    fn end(mut self, ended: Outcome) {
        self.ended = ended;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let calls = &self.calls[self.operation as usize];
        calls.outcomes[self.ended as usize].count();
        calls.took.took(self.began.elapsed());
    }
}

impl PaymentGateway for Counted {
    fn provider(&self) -> &'static str {
        self.gateway.provider()
    }

    fn accepts(&self, method: &PaymentMethod) -> Result<(), Unfit> {
        self.gateway.accepts(method)
    }

    fn needs_checkout(&self) -> bool {
        self.gateway.needs_checkout()
    }

    fn charge(&self, key: ChargeKey, amount: Money, method: &PaymentMethod) -> Call<Charged> {
        self.counted(Operation::Charge, self.gateway.charge(key, amount, method), |charged| match charged {
            Charged::Approved { .. } => Outcome::Approved,
            Charged::Declined { .. } => Outcome::Declined,
        })
    }

    fn find(&self, sought: &Sought) -> Call<Found> {
        self.counted(Operation::Find, self.gateway.find(sought), |found| match found {
            Found::Captured { .. } => Outcome::Captured,
            Found::Declined { .. } => Outcome::Declined,
            Found::Nothing => Outcome::Nothing,
        })
    }

    fn refund(&self, sought: &Sought) -> Call<()> {
        self.counted(Operation::Refund, self.gateway.refund(sought), |()| Outcome::Done)
    }

    fn void(&self, sought: &Sought) -> Call<Voided> {
        self.counted(Operation::Void, self.gateway.void(sought), |voided| match voided {
            Voided::Settled => Outcome::Settled,
            Voided::Captured { .. } => Outcome::Captured,
            Voided::Unsupported => Outcome::Unsupported,
        })
    }

    fn ledger(&self) -> Option<Vec<ledger::Entry>> {
        self.gateway.ledger()
    }
}
