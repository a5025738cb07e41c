//! Reading the journal as it grows, for reactors, projections and embedders.

use std::sync::Arc;

use tokio::sync::watch;

use super::{Journal, StoreError};
use crate::domain::{Position, Recorded};

/// Reads a journal event by event, waiting at its end.
///
/// ```
/// use saem::{Follower, MemoryJournal, Position, StoreError};
///
/// /// Prints every event, from the first one on, while the journal is open.
/// async fn print(mut follower: Follower) -> Result<(), StoreError> {
///     loop {
///         for recorded in follower.next(64).await? {
///             println!("{} {}", recorded.position.0, recorded.event.name());
///         }
///     }
/// }
///
/// // After a restart, pass the position of the last event that was handled.
/// let follower = Follower::new(MemoryJournal::new(), Position(0));
/// assert_eq!(follower.position(), Position(0));
/// # drop(print(follower));
/// ```
pub struct Follower {
    journal: Arc<dyn Journal>,
    head: watch::Receiver<Position>,
    after: Position,
}

impl Follower {
    /// Follows `journal` from the first event after `after` on.
    #[must_use]
    pub fn new(journal: Arc<dyn Journal>, after: Position) -> Self {
        let head = journal.head();
        Self { journal, head, after }
    }

    /// Waits for the next events and returns at least one, at most `max`. Cancel-safe.
    ///
    /// # Errors
    /// [`StoreError`]; the follower keeps its position and may be used again.
    pub async fn next(&mut self, max: usize) -> Result<Vec<Arc<Recorded>>, StoreError> {
        let after = self.after;
        if self.head.wait_for(|head| *head > after).await.is_err() {
            return Err(StoreError::Unavailable("the journal is closed".to_owned()));
        }
        // A journal in memory is always ready: without this, no other task on this thread would run.
        tokio::task::yield_now().await;
        let events = self.journal.read(after, max).await?;
        let missing = || StoreError::Corrupt(format!("there is no event after {}", after.0));
        self.after = events.last().ok_or_else(missing)?.position;
        Ok(events)
    }

    /// Position of the last event that was returned.
    #[must_use]
    pub const fn position(&self) -> Position {
        self.after
    }
}
