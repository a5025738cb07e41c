//! The context of a request: correlation, causation, idempotency key and place in the trace.

use crate::{
    domain::{Causation, Correlation, Position},
    telemetry::trace::TraceContext,
};

/// Context of a command: it goes into the metadata of the events that follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestContext {
    /// Id shared by all events that follow from one request.
    pub correlation: Correlation,
    /// The request or event that led directly to this command.
    pub causation: Causation,
    /// Set if the request came with an `Idempotency-Key`: its effects happen once.
    pub key: Option<RequestKey>,
    /// Parent span in the trace. Not stored.
    pub span: u64,
    /// True if the trace is recorded, false if it is not; `None` if unknown. Not stored.
    pub sampled: Option<bool>,
}

impl RequestContext {
    /// Returns the context of a request without a key, sent from this place in a trace.
    #[must_use]
    pub const fn new(from: TraceContext) -> Self {
        Self::of(from, Causation::Request(from.span))
    }

    /// Returns the context of a command that an event leads to.
    #[must_use]
    pub const fn after_event(correlation: Correlation, position: Position) -> Self {
        Self::of(TraceContext::root(correlation), Causation::Event(position))
    }

    /// Returns the context of a command that Saem sends by itself, such as a sweep or a retry.
    #[must_use]
    pub const fn scheduled(correlation: Correlation) -> Self {
        Self::of(TraceContext::root(correlation), Causation::Schedule)
    }

    const fn of(from: TraceContext, causation: Causation) -> Self {
        let TraceContext { correlation, span, sampled } = from;
        Self { correlation, causation, key: None, span, sampled }
    }

    /// Moves the request into the trace of `correlation`, which began earlier.
    #[must_use]
    pub fn on_behalf_of(self, correlation: Correlation) -> Self {
        if self.correlation == correlation { self } else { self.at(TraceContext::root(correlation)) }
    }

    /// Moves the request to this place in a trace.
    #[must_use]
    pub const fn at(self, from: TraceContext) -> Self {
        let TraceContext { correlation, span, sampled } = from;
        Self { correlation, span, sampled, ..self }
    }

    /// Returns the place in the trace that the request is sent from.
    #[must_use]
    pub const fn trace(&self) -> TraceContext {
        TraceContext { correlation: self.correlation, span: self.span, sampled: self.sampled }
    }
}

/// An `Idempotency-Key` within its scope, and the body it came with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestKey {
    /// Hash of principal, method, path and key.
    pub hash: u128,
    /// Hash of the body.
    pub fingerprint: [u8; 16],
}
