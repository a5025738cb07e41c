//! A command on its way to an entity, and the decision on the way back.

use std::sync::Arc;

use thiserror::Error;
use tokio::sync::oneshot;

use crate::{
    actors::{receipts::PendingReceipt, request::RequestContext},
    domain::{EntityId, Journaled, Position, Rejection, Version},
    store::VaultWrite,
};

/// Durable result of a command.
#[derive(Clone, Debug)]
pub struct Decided<A> {
    pub entity: EntityId,
    pub state: Arc<A>,
    pub version: Version,
    /// Position of the newest event in `state`.
    pub position: Position,
    /// True if the command made events; false for a no-op.
    pub changed: bool,
    /// True if an earlier request with the same key was decided; `state` is then as of that time.
    pub replayed: bool,
}

/// A command was not answered.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AskError {
    /// The entity refused the command. Nothing happened.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// A queue is full. Nothing happened.
    #[error("overloaded: a queue is full")]
    Shed,
    /// No answer in time. The command may still take effect.
    #[error("no answer in time")]
    Timeout,
    /// The actor failed. The command may have taken effect; sending it again is safe.
    #[error("the actor failed and is being restarted")]
    Stopped,
    /// The entity failed too often and is stopped until an operator revives it. Nothing happened.
    #[error("the entity is in quarantine")]
    Quarantined,
    /// A record that the entity needs is damaged. Nothing happened.
    #[error("a record is damaged: {0}")]
    Damaged(String),
    /// The store takes no commits. The command may have taken effect.
    #[error("the store is unavailable: {0}")]
    Store(String),
}

pub(crate) type Reply<A> = oneshot::Sender<Result<Decided<A>, AskError>>;

pub(crate) struct Ask<A: Journaled> {
    pub command: A::Command,
    pub request: RequestContext,
    /// Personal data that belongs to the events.
    pub vault: Vec<VaultWrite>,
    pub receipt: Option<PendingReceipt>,
    pub reply: Reply<A>,
}

impl<A: Journaled> Ask<A> {
    /// Answers. The key is released first, so that the caller may use it again at once.
    pub(crate) fn answer(self, answer: Result<Decided<A>, AskError>) {
        drop(self.receipt);
        // The command stays decided, even if the caller is gone.
        let _ = self.reply.send(answer);
    }
}
