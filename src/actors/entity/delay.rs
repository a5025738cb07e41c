//! Message delay hook: a simulation delivers messages to entities late, out of order and twice. A server has
//! none.

use std::fmt::Debug;

use crate::{
    actors::request::RequestContext,
    domain::{Causation, EntityId, EntityKind},
};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Delays {
    /// Delay of the message, in ms.
    pub delay_ms: u64,
    /// Delay of a copy of the message, in ms; `None` for no copy.
    pub copy_ms: Option<u64>,
}

pub trait DelayHook: Debug + Send + Sync + 'static {
    /// Returns the delays of a message to `to`.
    fn delays(&self, to: EntityId, request: &RequestContext) -> Delays;
}

/// Returns whether a message may be delivered twice with the effect of one. Commands that follow from an
/// event are safe, by phase or by fence; a restock by a person is not, unless it has a key.
pub fn is_safe_to_repeat(to: EntityId, request: &RequestContext) -> bool {
    let by_phase = matches!(to.kind, EntityKind::Rental | EntityKind::Payment | EntityKind::Delivery);
    by_phase || matches!(request.causation, Causation::Event(_))
}
