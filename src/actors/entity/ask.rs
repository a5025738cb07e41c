//! The messages between actors: a command with its reason on the way in, a decision on the way back.

use std::sync::Arc;

use thiserror::Error;
use tokio::sync::oneshot;

pub use crate::store::FaultMode;
use crate::{
    actors::receipts::Memo,
    domain::{Causation, Correlation, EntityId, Journaled, Position, Rejection, Version},
    store::VaultWrite,
    telemetry::trace::TraceContext,
};

/// Why something is asked: goes into the metadata of the events that follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestContext {
    /// Shared by all that follows from one request.
    pub correlation: Correlation,
    /// The request or the event right before.
    pub causation: Causation,
    /// Set when a request came with an `Idempotency-Key`: what it asks for happens once.
    pub key: Option<RequestKey>,
    /// Below which span of its trace this belongs. Not stored.
    pub span: u64,
    /// Whether that trace is recorded, if it is known. Not stored.
    pub sampled: Option<bool>,
}

impl RequestContext {
    /// A request that brings no key, sent from this place.
    #[must_use]
    pub const fn new(from: TraceContext) -> Self {
        Self::of(from, Causation::Request(from.span))
    }

    /// What an event leads to.
    #[must_use]
    pub const fn after_event(correlation: Correlation, position: Position) -> Self {
        Self::of(TraceContext::root(correlation), Causation::Event(position))
    }

    /// What Saem does by itself, on behalf of what `correlation` stands for.
    #[must_use]
    pub const fn scheduled(correlation: Correlation) -> Self {
        Self::of(TraceContext::root(correlation), Causation::Schedule)
    }

    const fn of(from: TraceContext, causation: Causation) -> Self {
        let TraceContext { correlation, span, sampled } = from;
        Self { correlation, causation, key: None, span, sampled }
    }

    /// The same, in a trace that began earlier.
    #[must_use]
    pub fn on_behalf_of(self, correlation: Correlation) -> Self {
        if self.correlation == correlation { self } else { self.at(TraceContext::root(correlation)) }
    }

    /// The same, from this place of the trace.
    #[must_use]
    pub const fn at(self, from: TraceContext) -> Self {
        let TraceContext { correlation, span, sampled } = from;
        Self { correlation, span, sampled, ..self }
    }

    /// From which place of the trace it is asked.
    #[must_use]
    pub const fn trace(&self) -> TraceContext {
        TraceContext { correlation: self.correlation, span: self.span, sampled: self.sampled }
    }
}

/// An `Idempotency-Key` in its scope, with what it was first used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestKey {
    /// A hash of principal, method, path and key.
    pub hash: u128,
    /// A hash of the body.
    pub fingerprint: [u8; 16],
}

/// What an entity decided, durably.
#[derive(Clone, Debug)]
pub struct Decided<A> {
    /// Who.
    pub entity: EntityId,
    /// Its state now.
    pub state: Arc<A>,
    /// The version of `state`.
    pub version: Version,
    /// Where the newest event of `state` stands.
    pub position: Position,
    /// Whether this command made events; a no-op did not.
    pub changed: bool,
    /// Whether it was decided for an earlier request with the same key; then `state` is as of then.
    pub replayed: bool,
}

/// Why a question got no answer.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AskError {
    /// The entity refuses. Nothing happened.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// There is no room for one more. Nothing happened.
    #[error("too much is waiting already")]
    Shed,
    /// No answer in time. It may still happen.
    #[error("no answer in time")]
    Timeout,
    /// The actor failed meanwhile. It may have happened; asking again is safe.
    #[error("the actor failed and is being restarted")]
    Stopped,
    /// The entity fails too often, and is left alone until an operator revives it. Nothing happened.
    #[error("the entity is in quarantine")]
    Quarantined,
    /// What it needs from the store is damaged, for good. Nothing happened.
    #[error("a record is damaged: {0}")]
    Damaged(String),
    /// The store takes no commits. It may have happened.
    #[error("the store is unavailable: {0}")]
    Store(String),
}

/// Where an answer goes.
pub type Reply<A> = oneshot::Sender<Result<Decided<A>, AskError>>;

/// A command on its way to an entity.
pub struct Ask<A: Journaled> {
    /// What.
    pub command: A::Command,
    /// Why.
    pub request: RequestContext,
    /// Personal data that the events will refer to.
    pub vault: Vec<VaultWrite>,
    /// A receipt to be written with the commit.
    pub memo: Option<Memo>,
    /// Where the answer goes.
    pub reply: Reply<A>,
}

impl<A: Journaled> Ask<A> {
    /// Answers. The key is free before the answer is there: whoever has it may ask again at once.
    pub fn answer(self, answer: Result<Decided<A>, AskError>) {
        drop(self.memo);
        // A caller that went away does not undo what it asked for.
        let _ = self.reply.send(answer);
    }
}
