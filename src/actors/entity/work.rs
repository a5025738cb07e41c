//! Work for an entity's actor, and the actor's report when it fails.

use actix::Message;

use super::ask::Ask;
use crate::{
    domain::{Correlation, EntityId, Journaled},
    store::FaultMode,
};

pub(crate) enum Work<A: Journaled> {
    Ask(Ask<A>),
    /// A failure to simulate; the correlation, if there is one, appears in the log.
    Sabotage(FaultMode, Option<Correlation>),
}

impl<A: Journaled> Work<A> {
    pub(crate) const fn correlation(&self) -> Option<Correlation> {
        match self {
            Self::Ask(ask) => Some(ask.request.correlation),
            Self::Sabotage(_, of) => *of,
        }
    }
}

impl<A: Journaled> Message for Work<A> {
    type Result = ();
}

pub(crate) struct EntityFailure<A: Journaled> {
    pub reason: String,
    /// Correlation of the command that was being decided.
    pub correlation: Option<Correlation>,
    pub unanswered: Vec<Work<A>>,
}

#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct EntityReport<A: Journaled> {
    pub id: EntityId,
    pub incarnation: u64,
    pub report: Report<A>,
}

pub(crate) enum Report<A: Journaled> {
    Failed(EntityFailure<A>),
    /// A command that arrived after the actor had failed.
    Late(Ask<A>),
}
