//! How messages to entities travel. In a running server they go straight; a simulation has them late, out
//! of order and twice, as the saga must bear.

use std::fmt::Debug;

use crate::{
    actors::request::RequestContext,
    domain::{Causation, EntityId, EntityKind},
};

/// The way of one message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Delays {
    /// How long it is under way, in ms.
    pub delay_ms: u64,
    /// A copy of it sets out at the same time, and is so long under way, in ms.
    pub copy_ms: Option<u64>,
}

/// Decides how messages travel.
pub trait DelayHook: Debug + Send + Sync + 'static {
    /// The way of a message to `to`, sent because of `because`.
    fn route(&self, to: EntityId, request: &RequestContext) -> Delays;
}

/// Whether an entity takes the same message twice as if it had come once. What an event leads to is safe to
/// repeat, by phase or by fence; a restock that a person asks for is not, unless it has a key.
#[must_use]
pub fn is_safe_to_repeat(to: EntityId, request: &RequestContext) -> bool {
    let by_phase = matches!(to.kind, EntityKind::Rental | EntityKind::Payment | EntityKind::Delivery);
    by_phase || matches!(request.causation, Causation::Event(_))
}
