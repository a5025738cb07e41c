//! My Page: reads of its rows, and streams of their changes.

use std::{sync::Arc, time::Duration};

use tokio::sync::mpsc;

use super::{Page, PageRequest, RentalFilter, RentalRow, Result, Shop, ShopError};
use crate::{
    actors::{
        entity::ask::AskError,
        projection::{live::Joined, mypage},
    },
    domain::{CustomerId, Position, RentalId},
};

/// Maximum number of a customer's rentals that a stream watches, newest first.
pub(super) const WATCHED_MAX: usize = 1_000;
/// Maximum number of missed rows that a resumed stream replays; beyond it, the client reads all rows again.
pub(super) const MISSED_MAX: usize = 100;
/// Maximum lag of the projection, in events, at which a stream may start.
const BEHIND_MAX: u64 = 50_000;
const JOIN_WITHIN: Duration = Duration::from_secs(5);

/// Changes since the version that a client saw last.
#[derive(Debug)]
pub enum Missed {
    /// These changes, oldest first.
    Changes(Vec<RentalRow>),
    /// Too many changes, or an unknown version: the client reads all rows again.
    TooMuch,
}

/// Stream of the changes of a customer's rows.
pub struct Watching {
    /// Position at which `missed` ends and `changes` begins.
    pub position: Position,
    /// Changes before `position`.
    pub missed: Missed,
    /// Later changes. Ends when the reader does not keep up.
    pub changes: mpsc::Receiver<Arc<RentalRow>>,
}

impl Shop {
    /// Returns a page of a customer's rows, newest first.
    ///
    /// # Errors
    /// [`ShopError::BadCursor`]
    pub async fn my_page(&self, customer: CustomerId, page: &PageRequest) -> Result<Page<RentalRow>> {
        let filter = RentalFilter { customer_id: Some(customer), ..RentalFilter::default() };
        self.rows(filter, page).await
    }

    /// Returns the row of a rental. Waits up to a second for a rental that was just placed.
    ///
    /// # Errors
    /// [`ShopError::NotFound`]
    pub async fn my_page_row(&self, id: RentalId) -> Result<RentalRow> {
        if let Some(row) = mypage::row(&self.journal, id).await? {
            return Ok(row);
        }
        let rental = self.rental(id).await?;
        let head = self.head();
        self.my_page_at(head).await;
        mypage::row(&self.journal, rental.id).await?.ok_or(ShopError::NotFound("rental"))
    }

    /// Watches a customer's rows: all changes from now on, and those behind version `after`, if it is given.
    ///
    /// # Errors
    /// [`ShopError::Ask`] when My Page is too far behind.
    pub async fn watch_my_page(&self, customer: CustomerId, after: Option<Position>) -> Result<Watching> {
        let late = || ShopError::Ask(AskError::Timeout);
        // Fewer events are folded again if the rows are near the newest event.
        let head = self.head();
        self.my_page_at(head).await;
        let as_of = self.progress.mypage.position();
        if head.0.saturating_sub(as_of.0) > BEHIND_MAX {
            return Err(late());
        }
        let rows = self.newest_rows(customer, WATCHED_MAX).await?;
        let joining = tokio::time::timeout(JOIN_WITHIN, self.live.join(customer, (rows, as_of), after));
        let Joined { position, missed, changes } = joining.await.ok().flatten().ok_or_else(late)?;
        let missed = match after {
            None => Missed::Changes(Vec::new()),
            // A version from the future belongs to another store, or to this one before a restore.
            Some(after) if after > position || missed.len() > MISSED_MAX => Missed::TooMuch,
            Some(after) => Missed::Changes(self.changes_between(after, position, missed).await?),
        };
        Ok(Watching { position, missed, changes })
    }

    /// Returns the number of open streams.
    #[must_use]
    pub fn watchers(&self) -> usize {
        self.live.watchers()
    }

    /// Returns a customer's rows, newest first: all, or about `max`.
    pub(crate) async fn newest_rows(&self, customer: CustomerId, max: usize) -> Result<Vec<RentalRow>> {
        let mut rows = Vec::new();
        let mut page = PageRequest { cursor: None, limit: 100 };
        loop {
            let part = self.my_page(customer, &page).await?;
            rows.extend(part.items);
            match part.next_cursor {
                Some(next) if rows.len() < max => page.cursor = Some(next),
                Some(_) | None => return Ok(rows),
            }
        }
    }

    /// Returns the changes of these rentals' rows in (`after`, `until`], oldest first.
    async fn changes_between(
        &self,
        after: Position,
        until: Position,
        rentals: Vec<RentalId>,
    ) -> Result<Vec<RentalRow>> {
        let mut changes = Vec::new();
        for rental in rentals {
            let mut row = None;
            for recorded in self.journal.timeline(rental).await? {
                if recorded.position > until {
                    break;
                }
                row = mypage::folded(row, rental, &recorded);
                changes.extend(row.clone().filter(|row| row.version > after.0));
            }
        }
        changes.sort_by_key(|row| row.version);
        Ok(changes)
    }
}
