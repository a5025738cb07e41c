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

#[derive(Clone, Copy)]
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

/// Values of the metric label `outcome`, in the order of [`CallOutcome`].
const OUTCOMES: [&str; CallOutcome::Unknown as usize + 1] =
    ["approved", "declined", "captured", "nothing", "done", "settled", "unsupported", "refused", "unknown"];

struct OperationMetrics {
    name: &'static str,
    outcomes: [Counter; OUTCOMES.len()],
    took: Histogram,
}

impl OperationMetrics {
    fn new(name: &'static str) -> Arc<Self> {
        Arc::new(Self { name, outcomes: Default::default(), took: Histogram::new(&BOUNDS_S) })
    }
}

/// Metrics of one operation at one provider.
#[derive(Clone, Debug)]
pub struct CallMetrics {
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
    charge: Arc<OperationMetrics>,
    find: Arc<OperationMetrics>,
    refund: Arc<OperationMetrics>,
    void: Arc<OperationMetrics>,
}

impl MeteredGateway {
    pub(super) fn new(gateway: Arc<dyn PaymentGateway>) -> Self {
        let [charge, find, refund, void] = ["charge", "find", "refund", "void"].map(OperationMetrics::new);
        Self { gateway, charge, find, refund, void }
    }

    /// Returns metrics of the operations that were called at least once.
    pub(super) fn metrics(&self) -> impl Iterator<Item = CallMetrics> {
        let provider = self.gateway.provider();
        [&self.charge, &self.find, &self.refund, &self.void].into_iter().filter_map(move |operation| {
            let counts = operation.outcomes.iter().map(Counter::get);
            let outcomes: Vec<_> = OUTCOMES.into_iter().zip(counts).filter(|(_, count)| *count > 0).collect();
            let (operation, took) = (operation.name, operation.took.snapshot());
            (!outcomes.is_empty()).then_some(CallMetrics { provider, operation, outcomes, took })
        })
    }

    fn measured<T: Send + 'static>(
        &self,
        operation: &Arc<OperationMetrics>,
        call: Call<T>,
        outcome_of: fn(&T) -> CallOutcome,
    ) -> Call<T> {
        let began = metrics::now();
        let measurement =
            Measurement { operation: Arc::clone(operation), began, ended: CallOutcome::Unknown };
        let measured = async move {
            let result = call.await;
            let ended = match &result {
                Ok(value) => outcome_of(value),
                Err(GatewayError::Refused(_)) => CallOutcome::Refused,
                Err(GatewayError::Unknown(_)) => CallOutcome::Unknown,
            };
            Span::current().record("outcome", OUTCOMES[ended as usize]);
            measurement.end(ended);
            result
        };
        let Some(context) = TraceContext::current() else { return Box::pin(measured) };
        let (provider, operation, correlation) =
            (self.gateway.provider(), operation.name, context.correlation);
        let outcome = field::Empty;
        let span =
            debug_span!("gateway call", otel.kind = "client", provider, operation, outcome, %correlation);
        let span = trace::join(span, context);
        // Requests sent by the call carry this span as their parent.
        let context = trace::context_of(&span, context);
        Box::pin(context.within(measured).instrument(span))
    }
}

/// Measures one call. If the caller drops it before the result, it counts as `unknown`.
struct Measurement {
    operation: Arc<OperationMetrics>,
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
        self.operation.outcomes[self.ended as usize].increment();
        self.operation.took.observe_duration(self.began.elapsed());
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
        self.measured(&self.charge, self.gateway.charge(key, amount, method), |charged| match charged {
            Charged::Approved { .. } => CallOutcome::Approved,
            Charged::Declined { .. } => CallOutcome::Declined,
        })
    }

    fn find(&self, charge: &PriorCharge) -> Call<Found> {
        self.measured(&self.find, self.gateway.find(charge), |found| match found {
            Found::Captured { .. } => CallOutcome::Captured,
            Found::Declined { .. } => CallOutcome::Declined,
            Found::Nothing => CallOutcome::Nothing,
        })
    }

    fn refund(&self, charge: &PriorCharge) -> Call<()> {
        self.measured(&self.refund, self.gateway.refund(charge), |()| CallOutcome::Done)
    }

    fn void(&self, charge: &PriorCharge) -> Call<Voided> {
        self.measured(&self.void, self.gateway.void(charge), |voided| match voided {
            Voided::Settled => CallOutcome::Settled,
            Voided::Captured { .. } => CallOutcome::Captured,
            Voided::Unsupported => CallOutcome::Unsupported,
        })
    }

    fn ledger(&self) -> Option<Vec<ledger::Entry>> {
        self.gateway.ledger()
    }
}
