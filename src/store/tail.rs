//! The newest events, in memory: most reads of followers and timelines are of these.

use std::{
    collections::VecDeque,
    sync::{Arc, PoisonError, RwLock},
};

use crate::domain::{Position, Recorded};

const TAIL_MAX: usize = 16 * 1_024;

pub(super) struct Tail(RwLock<Recent>);

struct Recent {
    /// Position of the event before the oldest one in `events`.
    before: Position,
    events: VecDeque<Arc<Recorded>>,
}

impl Tail {
    pub(super) fn after(head: Position) -> Self {
        Self(RwLock::new(Recent { before: head, events: VecDeque::new() }))
    }

    pub(super) fn push(&self, events: impl IntoIterator<Item = Arc<Recorded>>) {
        let mut recent = self.0.write().unwrap_or_else(PoisonError::into_inner);
        recent.events.extend(events);
        while recent.events.len() > TAIL_MAX
            && let Some(oldest) = recent.events.pop_front()
        {
            recent.before = oldest.position;
        }
    }

    /// Events after `after`; none if some of them are no longer in memory.
    pub(super) fn read(&self, after: Position, max: usize) -> Option<Vec<Arc<Recorded>>> {
        let recent = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let skip = usize::try_from(after.0.checked_sub(recent.before.0)?).ok()?;
        Some(recent.events.iter().skip(skip).take(max).cloned().collect())
    }

    /// The events at these positions; none unless all are in memory.
    pub(super) fn at(&self, positions: &[Position]) -> Option<Vec<Arc<Recorded>>> {
        let recent = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let event = |position: &Position| {
            let index = position.0.checked_sub(recent.before.0 + 1)?;
            recent.events.get(usize::try_from(index).ok()?).cloned()
        };
        positions.iter().map(event).collect()
    }
}
