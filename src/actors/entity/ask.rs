//! The messages between actors: a command with its reason on the way in, a decision on the way back.

use std::sync::Arc;

use thiserror::Error;
use tokio::sync::oneshot;

use crate::{
    actors::{receipts::PendingReceipt, request::RequestContext},
    domain::{EntityId, Journaled, Position, Rejection, Version},
    store::VaultWrite,
};

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
    pub receipt: Option<PendingReceipt>,
    /// Where the answer goes.
    pub reply: Reply<A>,
}

impl<A: Journaled> Ask<A> {
    /// Answers. The key is free before the answer is there: whoever has it may ask again at once.
    pub fn answer(self, answer: Result<Decided<A>, AskError>) {
        drop(self.receipt);
        // A caller that went away does not undo what it asked for.
        let _ = self.reply.send(answer);
    }
}
