//! A context's maintenance state: whether its reactions wait, and which targets are held.
//!
//! A reaction that keeps failing *holds its target*: it and every later event of that group for that
//! target in that lane wait, durably, with the reason, for the operator; other targets go on. Holding
//! single events, or by rental, would lose stock: an increase could overtake its decrease.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{
    aggregate::Aggregate,
    id::{EntityId, EntityKind},
    position::Position,
    time::Timestamp,
};

/// The contexts that can be paused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Context {
    /// Rentals.
    Rental,
    /// Payments.
    Payment,
    /// Deliveries.
    Delivery,
    /// Products and their stock.
    Product,
    /// Text messages.
    Notification,
}

impl Context {
    /// Every context, in the order of the format.
    pub const ALL: [Self; 5] =
        [Self::Rental, Self::Payment, Self::Delivery, Self::Product, Self::Notification];

    /// The context's name in URLs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rental => "rental",
            Self::Payment => "payment",
            Self::Delivery => "delivery",
            Self::Product => "product",
            Self::Notification => "notification",
        }
    }

    /// Reads a name as [`Self::as_str`] writes it.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|context| context.as_str() == name)
    }
}

impl From<Context> for EntityId {
    fn from(context: Context) -> Self {
        Self { kind: EntityKind::Context, id: context as u128 }
    }
}

/// The consumer groups that send commands, each reading the whole journal at its own pace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Group {
    /// Tells rentals what became of their payments.
    Rental,
    /// Tells payments what became of their rentals.
    Payment,
    /// Starts, completes and cancels deliveries.
    Delivery,
    /// Moves the stock.
    Product,
    /// Resolves, refunds and expires what is due.
    Agenda,
}

impl Group {
    /// The groups that react in lanes; the agenda has its own time.
    pub const REACTORS: [Self; 4] = [Self::Rental, Self::Payment, Self::Delivery, Self::Product];

    /// The group's name in answers and log lines.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rental => "rental",
            Self::Payment => "payment",
            Self::Delivery => "delivery",
            Self::Product => "product",
            Self::Agenda => "agenda",
        }
    }

    /// The context whose pause makes this group wait.
    #[must_use]
    pub const fn context(self) -> Context {
        match self {
            Self::Rental => Context::Rental,
            Self::Payment | Self::Agenda => Context::Payment,
            Self::Delivery => Context::Delivery,
            Self::Product => Context::Product,
        }
    }
}

/// What is held: one target of one group in one lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct HeldKey {
    /// Whose reaction failed.
    pub group: Group,
    /// In which lane.
    pub lane: u8,
    /// Which entity could not be reached.
    pub target: EntityId,
}

impl HeldKey {
    /// Reads `product.17.product_…`, as [`std::fmt::Display`] writes it, and in no other way.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, '.');
        let (group, lane, target) = (parts.next()?, parts.next()?, parts.next()?);
        let group = Group::REACTORS.into_iter().chain([Group::Agenda]).find(|g| g.as_str() == group)?;
        let key = Self { group, lane: lane.parse().ok()?, target: EntityId::parse(target).ok()? };
        (key.to_string() == text).then_some(key)
    }
}

impl std::fmt::Display for HeldKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}.{}", self.group.as_str(), self.lane, self.target)
    }
}

/// With so many targets of a context held, something larger is wrong: nothing more is held then, and
/// its reactions wait. It also bounds the state: a hold takes some 150 bytes at most.
pub const HELD_MAX: usize = 150;
/// The longest reason that is kept, in bytes: a context's state is one record.
const REASON_BYTES_MAX: usize = 100;

/// Why and since when a target is held.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Hold {
    /// The first event that waits.
    pub position: Position,
    /// Its type.
    pub event: String,
    /// What went wrong, in words without personal data.
    pub reason: String,
    /// How often it was tried.
    pub attempts: u32,
}

impl Hold {
    /// Since the event at `position`, for this reason; a long one is cut off.
    #[must_use]
    pub fn new(position: Position, event: &str, mut reason: String, attempts: u32) -> Self {
        let end = (0..=REASON_BYTES_MAX).rev().find(|&end| reason.is_char_boundary(end));
        reason.truncate(end.unwrap_or_default());
        Self { position, event: event.to_owned(), reason, attempts }
    }
}

/// What can be asked of a context.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ContextCommand {
    /// Let its reactions wait.
    Pause,
    /// Let them go on, in order.
    Resume,
    /// Let one target wait; again for the same target to tell of one more try.
    Hold {
        /// Which.
        key: HeldKey,
        /// Why.
        hold: Hold,
    },
    /// What waited for a target is done.
    Release {
        /// Which.
        key: HeldKey,
    },
    /// The operator gives up what waits for a target.
    Dismiss {
        /// Which.
        key: HeldKey,
        /// Why, in the operator's words.
        reason: String,
    },
}

/// What can happen to a context. Part of the format: append only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all_fields = "camelCase")]
pub enum ContextEvent {
    /// Its reactions wait.
    ContextPaused,
    /// Its reactions go on.
    ContextResumed,
    /// One target waits.
    TargetHeld {
        /// Which.
        key: HeldKey,
        /// Why.
        hold: Hold,
    },
    /// What waited for it is done.
    TargetReleased {
        /// Which.
        key: HeldKey,
    },
    /// What waited for it was given up.
    TargetDismissed {
        /// Which.
        key: HeldKey,
        /// Why, in the operator's words.
        reason: String,
    },
}

impl ContextEvent {
    /// The event's type.
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

/// Why a context refuses a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ContextError {
    /// Nothing is held under this name.
    #[error("no such target is held")]
    NotHeld,
    /// There is no room for one more.
    #[error("{HELD_MAX} targets are held already")]
    TooManyHeld,
}

/// A context's maintenance state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Maintenance {
    /// Whether its reactions wait.
    pub paused: bool,
    /// Which targets wait, and why.
    pub held: BTreeMap<HeldKey, Hold>,
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
            C::Hold { key, hold } if self.held.get(&key) == Some(&hold) => nothing,
            C::Hold { key, .. } if self.held.len() >= HELD_MAX && !self.held.contains_key(&key) => {
                Err(ContextError::TooManyHeld)
            }
            C::Hold { key, hold } => Ok(vec![ContextEvent::TargetHeld { key, hold }]),
            C::Release { key } if !self.held.contains_key(&key) => nothing,
            C::Release { key } => Ok(vec![ContextEvent::TargetReleased { key }]),
            C::Dismiss { key, .. } if !self.held.contains_key(&key) => Err(ContextError::NotHeld),
            C::Dismiss { key, reason } => Ok(vec![ContextEvent::TargetDismissed { key, reason }]),
        }
    }

    fn evolve(mut self, event: &ContextEvent, _at: Timestamp) -> Self {
        match event {
            ContextEvent::ContextPaused => self.paused = true,
            ContextEvent::ContextResumed => self.paused = false,
            ContextEvent::TargetHeld { key, hold } => {
                self.held.insert(*key, hold.clone());
            }
            ContextEvent::TargetReleased { key } | ContextEvent::TargetDismissed { key, .. } => {
                self.held.remove(key);
            }
        }
        self
    }
}

#[cfg(test)]
#[path = "context_tests.rs"]
mod tests;
