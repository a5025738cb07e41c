//! Whoever reads the journal as it grows: reactors, projections, and embedders.

use std::sync::Arc;

use tokio::sync::watch;

use super::{Journal, StoreError};
use crate::domain::{Position, Recorded};

/// Reads a journal event by event, waiting at its end.
///
/// ```
/// use saem::{
///     domain::Position,
///     store::{Follower, StoreError, memory::MemoryJournal},
/// };
///
/// /// Tells every event, from the first one on, for as long as the journal is open.
/// async fn tell(mut follower: Follower) -> Result<(), StoreError> {
///     loop {
///         for recorded in follower.next(64).await? {
///             println!("{} {}", recorded.position.0, recorded.event.name());
///         }
///     }
/// }
///
/// // Whoever keeps the position of the last event goes on behind it after a restart.
/// let follower = Follower::new(MemoryJournal::new(), Position(0));
/// assert_eq!(follower.position(), Position(0));
/// # drop(tell(follower));
/// ```
pub struct Follower {
    journal: Arc<dyn Journal>,
    head: watch::Receiver<Position>,
    after: Position,
}

impl Follower {
    /// Follows `journal`, beginning with the first event after `after`.
    #[must_use]
    pub fn new(journal: Arc<dyn Journal>, after: Position) -> Self {
        let head = journal.head();
        Self { journal, head, after }
    }

    /// The next events, at least one: waits until there are some. Cancel-safe.
    ///
    /// # Errors
    /// [`StoreError`]; the follower stays where it is and may be asked again.
    pub async fn next(&mut self, max: usize) -> Result<Vec<Arc<Recorded>>, StoreError> {
        let after = self.after;
        if self.head.wait_for(|head| *head > after).await.is_err() {
            return Err(StoreError::Unavailable("the journal is closed".to_owned()));
        }
        // With a journal that answers at once, nobody else on this thread would get a turn.
        tokio::task::yield_now().await;
        let events = self.journal.read(after, max).await?;
        let missing = || StoreError::Corrupt(format!("there is no event after {}", after.0));
        self.after = events.last().ok_or_else(missing)?.position;
        Ok(events)
    }

    /// The position of the newest event handed out.
    #[must_use]
    pub const fn position(&self) -> Position {
        self.after
    }
}
