//! Wraps a payment gateway and records metrics and a trace span for each call.

use std::{sync::Arc, time::Instant};

use tracing::{Instrument as _, Span, debug_span, field};

use super::{
    Call, ChargeKey, Charged, Found, GatewayError, InvalidMethod, PaymentGateway, PaymentMethod, PriorCharge,
    Voided, ledger,
};
use crate::{
    domain::Money,
    telemetry::{
        metrics::{self, Counter, Histogram, HistogramSnapshot},
        trace::{self, TraceContext},
    },
};

/// Histogram bounds of call duration, in seconds. Slow from 0.61 s on (default `slow_call_ms`).
const BOUNDS_S: [f64; 12] = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.4, 0.61, 0.8, 2.0, 10.0];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CallKind {
    Charge,
    Find,
    Refund,
    Void,
}

/// Value of the metric label `outcome`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CallOutcome {
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

impl CallKind {
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

impl CallOutcome {
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

struct CallCounts {
    outcomes: [Counter; CallOutcome::ALL.len()],
    took: Histogram,
}

impl Default for CallCounts {
    fn default() -> Self {
        Self { outcomes: Default::default(), took: Histogram::new(&BOUNDS_S) }
    }
}

/// Metrics of one operation at one provider.
#[derive(Clone, Debug)]
pub struct CallMetrics {
    /// Name of the provider.
    pub provider: &'static str,
    /// `charge`, `find`, `refund` or `void`.
    pub operation: &'static str,
    /// Calls by outcome; outcomes that never occurred are left out.
    pub outcomes: Vec<(&'static str, u64)>,
    /// Distribution of call duration, in seconds.
    pub took: HistogramSnapshot,
}

pub(super) struct MeteredGateway {
    gateway: Arc<dyn PaymentGateway>,
    calls: Arc<[CallCounts; CallKind::ALL.len()]>,
}

impl MeteredGateway {
    pub(super) fn new(gateway: Arc<dyn PaymentGateway>) -> Self {
        Self { gateway, calls: Arc::default() }
    }

    /// Returns metrics of the operations that were called at least once.
    pub(super) fn metrics(&self) -> impl Iterator<Item = CallMetrics> {
        CallKind::ALL.into_iter().filter_map(|operation| {
            let calls = &self.calls[operation as usize];
            let outcomes =
                CallOutcome::ALL.map(|outcome| (outcome.as_str(), calls.outcomes[outcome as usize].get()));
            let outcomes: Vec<_> = outcomes.into_iter().filter(|(_, count)| *count > 0).collect();
            let (provider, operation) = (self.gateway.provider(), operation.as_str());
            (!outcomes.is_empty()).then(|| CallMetrics {
                provider,
                operation,
                outcomes,
                took: calls.took.snapshot(),
            })
        })
    }

    fn measured<T: Send + 'static>(
        &self,
        operation: CallKind,
        call: Call<T>,
        outcome_of: fn(&T) -> CallOutcome,
    ) -> Call<T> {
        let calls = Arc::clone(&self.calls);
        let measurement =
            Measurement { calls, operation, began: metrics::now(), ended: CallOutcome::Unknown };
        let measured = async move {
            let result = call.await;
            let ended = match &result {
                Ok(value) => outcome_of(value),
                Err(GatewayError::Refused(_)) => CallOutcome::Refused,
                Err(GatewayError::Unknown(_)) => CallOutcome::Unknown,
            };
            Span::current().record("outcome", ended.as_str());
            measurement.end(ended);
            result
        };
        let Some(context) = TraceContext::current() else { return Box::pin(measured) };
        let span = self.span(operation, context);
        // Requests sent by the call carry this span as their parent.
        let context = trace::context_of(&span, context);
        Box::pin(context.within(measured).instrument(span))
    }

    fn span(&self, operation: CallKind, context: TraceContext) -> Span {
        let (provider, operation, correlation) =
            (self.gateway.provider(), operation.as_str(), context.correlation);
        let outcome = field::Empty;
        let span =
            debug_span!("gateway call", otel.kind = "client", provider, operation, outcome, %correlation);
        trace::join(span, context)
    }
}

/// Measures one call. If the caller drops it before the result, it counts as `unknown`.
struct Measurement {
    calls: Arc<[CallCounts; CallKind::ALL.len()]>,
    operation: CallKind,
    began: Instant,
    ended: CallOutcome,
}

impl Measurement {
    fn end(mut self, ended: CallOutcome) {
        self.ended = ended;
    }
}

impl Drop for Measurement {
    fn drop(&mut self) {
        let calls = &self.calls[self.operation as usize];
        calls.outcomes[self.ended as usize].increment();
        calls.took.observe_duration(self.began.elapsed());
    }
}

impl PaymentGateway for MeteredGateway {
    fn provider(&self) -> &'static str {
        self.gateway.provider()
    }

    fn accepts(&self, method: &PaymentMethod) -> Result<(), InvalidMethod> {
        self.gateway.accepts(method)
    }

    fn needs_checkout(&self) -> bool {
        self.gateway.needs_checkout()
    }

    fn charge(&self, key: ChargeKey, amount: Money, method: &PaymentMethod) -> Call<Charged> {
        self.measured(CallKind::Charge, self.gateway.charge(key, amount, method), |charged| match charged {
            Charged::Approved { .. } => CallOutcome::Approved,
            Charged::Declined { .. } => CallOutcome::Declined,
        })
    }

    fn find(&self, charge: &PriorCharge) -> Call<Found> {
        self.measured(CallKind::Find, self.gateway.find(charge), |found| match found {
            Found::Captured { .. } => CallOutcome::Captured,
            Found::Declined { .. } => CallOutcome::Declined,
            Found::Nothing => CallOutcome::Nothing,
        })
    }

    fn refund(&self, charge: &PriorCharge) -> Call<()> {
        self.measured(CallKind::Refund, self.gateway.refund(charge), |()| CallOutcome::Done)
    }

    fn void(&self, charge: &PriorCharge) -> Call<Voided> {
        self.measured(CallKind::Void, self.gateway.void(charge), |voided| match voided {
            Voided::Settled => CallOutcome::Settled,
            Voided::Captured { .. } => CallOutcome::Captured,
            Voided::Unsupported => CallOutcome::Unsupported,
        })
    }

    fn ledger(&self) -> Option<Vec<ledger::Entry>> {
        self.gateway.ledger()
    }
}
