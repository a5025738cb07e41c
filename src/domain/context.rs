//! Maintenance state of a context: paused or running, and its parked targets.
//!
//! ```text
//!             pause                                park              release, dismiss
//!   RUNNING ◀────────▶ PAUSED          target ─────────────▶ PARKED ──────────────────▶ (free again)
//!             resume
//! ```
//!
//! A reaction that keeps failing *parks its target*: the event and every later event of that group for
//! that target in that lane wait, durably and with the reason, for the operator. Other targets go on.
//! Parking single events, or by rental, would lose stock: an increase could overtake its decrease.
//! The API and the journal call a parked target "held".

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{
    aggregate::Aggregate,
    id::{EntityId, EntityKind},
    position::Position,
    time::Timestamp,
};

/// A context that can be paused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Context {
    Rental,
    Payment,
    Delivery,
    Product,
    Notification,
}

impl Context {
    /// All contexts, in the order of the format.
    pub const ALL: [Self; 5] =
        [Self::Rental, Self::Payment, Self::Delivery, Self::Product, Self::Notification];

    /// Returns the context's name in URLs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rental => "rental",
            Self::Payment => "payment",
            Self::Delivery => "delivery",
            Self::Product => "product",
            Self::Notification => "notification",
        }
    }

    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|context| context.as_str() == name)
    }
}

impl From<Context> for EntityId {
    fn from(context: Context) -> Self {
        Self { kind: EntityKind::Context, id: context as u128 }
    }
}

/// A consumer group that sends commands. Each reads the whole journal at its own pace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Group {
    /// Sends rentals the outcomes of their payments.
    Rental,
    /// Sends payments the cancellations of their rentals.
    Payment,
    /// Starts, completes and cancels deliveries.
    Delivery,
    /// Moves the stock.
    Product,
    /// Resolves, refunds and expires what is due: the job queue.
    Agenda,
}

impl Group {
    /// The groups that react in lanes. The job queue runs by time instead.
    pub const REACTORS: [Self; 4] = [Self::Rental, Self::Payment, Self::Delivery, Self::Product];

    /// Returns the group's name in API responses and log lines.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rental => "rental",
            Self::Payment => "payment",
            Self::Delivery => "delivery",
            Self::Product => "product",
            Self::Agenda => "agenda",
        }
    }

    /// Returns the context whose pause makes this group wait.
    pub const fn context(self) -> Context {
        match self {
            Self::Rental => Context::Rental,
            Self::Payment | Self::Agenda => Context::Payment,
            Self::Delivery => Context::Delivery,
            Self::Product => Context::Product,
        }
    }
}

/// Identifies a parked target: one target of one group in one lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ParkedKey {
    pub group: Group,
    pub lane: u8,
    /// Entity that the reaction's command is for.
    pub target: EntityId,
}

impl ParkedKey {
    /// Parses `product.17.product_…` exactly as [`std::fmt::Display`] writes it.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, '.');
        let (group, lane, target) = (parts.next()?, parts.next()?, parts.next()?);
        let group = Group::REACTORS.into_iter().chain([Group::Agenda]).find(|g| g.as_str() == group)?;
        let key = Self { group, lane: lane.parse().ok()?, target: EntityId::parse(target).ok()? };
        (key.to_string() == text).then_some(key)
    }
}

impl std::fmt::Display for ParkedKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}.{}", self.group.as_str(), self.lane, self.target)
    }
}

/// Most targets of a context that can be parked. At the limit, its reactions wait instead: so many
/// failures have a common cause. It also bounds the state: a parked target takes about 150 bytes at most.
pub(crate) const PARKED_MAX: usize = 150;
/// Longest reason that is kept, in bytes: a context's state is one record.
const REASON_BYTES_MAX: usize = 100;

/// Details of a parked target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Parked {
    /// Position of the first event that waits.
    pub position: Position,
    /// Type of that event.
    pub event: String,
    /// Reason of the failure, without personal data.
    pub reason: String,
    pub attempts: u32,
}

impl Parked {
    /// Cuts off a long reason.
    pub fn new(position: Position, event: &str, mut reason: String, attempts: u32) -> Self {
        let end = (0..=REASON_BYTES_MAX).rev().find(|&end| reason.is_char_boundary(end));
        reason.truncate(end.unwrap_or_default());
        Self { position, event: event.to_owned(), reason, attempts }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Maintenance {
    /// True while the context's reactions wait.
    pub paused: bool,
    #[serde(rename = "held")]
    pub parked: BTreeMap<ParkedKey, Parked>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ContextCommand {
    /// Let its reactions wait.
    Pause,
    /// Let its reactions go on, in order.
    Resume,
    /// Park a target, or record another failed attempt for one that is parked.
    Park { key: ParkedKey, parked: Parked },
    /// Everything that waited for a target is done: free it.
    Release { key: ParkedKey },
    /// Drop what waits for a target, for the operator's reason, and free it.
    Dismiss { key: ParkedKey, reason: String },
}

/// An event of a context. Part of the format: append only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all_fields = "camelCase")]
pub enum ContextEvent {
    /// The context's reactions wait.
    ContextPaused,
    /// The context's reactions go on.
    ContextResumed,
    /// A target was parked, or failed again. `parked` has its first waiting event, and the reason.
    TargetHeld {
        key: ParkedKey,
        #[serde(rename = "hold")]
        parked: Parked,
    },
    /// Everything that waited for a target is done: it is free again.
    TargetReleased { key: ParkedKey },
    /// Everything that waited for a target was dropped, for the operator's reason: it is free again.
    TargetDismissed { key: ParkedKey, reason: String },
}

impl ContextEvent {
    /// Returns the event's type.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::ContextPaused => "ContextPaused",
            Self::ContextResumed => "ContextResumed",
            Self::TargetHeld { .. } => "TargetHeld",
            Self::TargetReleased { .. } => "TargetReleased",
            Self::TargetDismissed { .. } => "TargetDismissed",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ContextError {
    #[error("no such target is held")]
    NotParked,
    #[error("{PARKED_MAX} targets are held already")]
    TooManyParked,
}

impl Aggregate for Maintenance {
    const KIND: EntityKind = EntityKind::Context;
    type Command = ContextCommand;
    type Event = ContextEvent;
    type Error = ContextError;

    fn decide(&self, command: ContextCommand) -> Result<Vec<ContextEvent>, ContextError> {
        use ContextCommand as C;
        let nothing = Ok(Vec::new());
        match command {
            C::Pause if self.paused => nothing,
            C::Pause => Ok(vec![ContextEvent::ContextPaused]),
            C::Resume if !self.paused => nothing,
            C::Resume => Ok(vec![ContextEvent::ContextResumed]),
            C::Park { key, parked } if self.parked.get(&key) == Some(&parked) => nothing,
            C::Park { key, .. } if self.parked.len() >= PARKED_MAX && !self.parked.contains_key(&key) => {
                Err(ContextError::TooManyParked)
            }
            C::Park { key, parked } => Ok(vec![ContextEvent::TargetHeld { key, parked }]),
            C::Release { key } if !self.parked.contains_key(&key) => nothing,
            C::Release { key } => Ok(vec![ContextEvent::TargetReleased { key }]),
            C::Dismiss { key, .. } if !self.parked.contains_key(&key) => Err(ContextError::NotParked),
            C::Dismiss { key, reason } => Ok(vec![ContextEvent::TargetDismissed { key, reason }]),
        }
    }

    fn evolve(mut self, event: &ContextEvent, _at: Timestamp) -> Self {
        match event {
            ContextEvent::ContextPaused => self.paused = true,
            ContextEvent::ContextResumed => self.paused = false,
            ContextEvent::TargetHeld { key, parked } => {
                self.parked.insert(*key, parked.clone());
            }
            ContextEvent::TargetReleased { key } | ContextEvent::TargetDismissed { key, .. } => {
                self.parked.remove(key);
            }
        }
        self
    }
}

#[cfg(test)]
#[path = "context_tests.rs"]
mod tests;
