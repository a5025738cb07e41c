//! My Page, read and watched: what a customer missed, and then each change of their rows.

use std::{sync::Arc, time::Duration};

use tokio::sync::mpsc;

use super::{Page, PageRequest, RentalFilter, RentalRow, Shop, ShopError};
use crate::{
    actors::{
        entity::ask::AskError,
        projection::{live::Joined, mypage},
    },
    domain::{CustomerId, Position, RentalId},
};

/// How many of a customer's rentals are watched, from the newest on.
pub const WATCHED_MAX: usize = 1_000;
/// More rows than this are not told of one by one to whoever comes back: they are to be read again.
pub const MISSED_MAX: usize = 100;
/// How many events the projection may be behind for somebody to begin to watch.
const BEHIND_MAX: u64 = 50_000;
/// How long joining may take.
const JOIN_WITHIN: Duration = Duration::from_secs(5);

/// What happened since somebody watched last.
#[derive(Debug)]
pub enum Missed {
    /// These changes, oldest first.
    Changes(Vec<RentalRow>),
    /// Too much to tell, or nothing that is known here: all is to be read again.
    TooMuch,
}

/// A customer's My Page, watched.
pub struct Watching {
    /// Up to here, `missed` tells all, and `changes` from here on.
    pub position: Position,
    /// What happened since.
    pub missed: Missed,
    /// Every later change. It ends when whoever watches does not keep up.
    pub changes: mpsc::Receiver<Arc<RentalRow>>,
}

impl Shop {
    /// A customer's rows, newest first.
    ///
    /// # Errors
    /// [`ShopError::BadCursor`]
    pub async fn my_page(
        &self,
        customer: CustomerId,
        page: &PageRequest,
    ) -> Result<Page<RentalRow>, ShopError> {
        let filter = RentalFilter { customer_id: Some(customer), ..RentalFilter::default() };
        self.rows(filter, page).await
    }

    /// The row of a rental; right after it was placed, it is waited for.
    ///
    /// # Errors
    /// [`ShopError::NotFound`]
    pub async fn my_page_row(&self, id: RentalId) -> Result<RentalRow, ShopError> {
        if let Some(row) = mypage::row(&self.journal, id).await? {
            return Ok(row);
        }
        let rental = self.rental(id).await?;
        let head = self.head();
        self.my_page_at(head).await;
        mypage::row(&self.journal, rental.id).await?.ok_or(ShopError::NotFound("rental"))
    }

    /// Watches a customer's rows: every change from now on, and those after `after`, the version that was
    /// heard of last, if there is one.
    ///
    /// # Errors
    /// [`ShopError::Ask`] when My Page is too far behind.
    pub async fn watch_my_page(
        &self,
        customer: CustomerId,
        after: Option<Position>,
    ) -> Result<Watching, ShopError> {
        let late = || ShopError::Ask(AskError::Timeout);
        // The nearer rows are to the newest event, the less is folded again.
        let head = self.head();
        self.my_page_at(head).await;
        let as_of = self.progress.mypage.position();
        if head.0.saturating_sub(as_of.0) > BEHIND_MAX {
            return Err(late());
        }
        let rows = self.newest_rows(customer).await?;
        let joining = tokio::time::timeout(JOIN_WITHIN, self.live.join(customer, (rows, as_of), after));
        let Joined { position, missed, changes } = joining.await.ok().flatten().ok_or_else(late)?;
        let missed = match after {
            None => Missed::Changes(Vec::new()),
            // An id from the future is another store's, or that of one that was restored.
            Some(after) if after > position || missed.len() > MISSED_MAX => Missed::TooMuch,
            Some(after) => Missed::Changes(self.changes_between(after, position, missed).await?),
        };
        Ok(Watching { position, missed, changes })
    }

    /// How many watch now.
    #[must_use]
    pub fn watchers(&self) -> usize {
        self.live.watchers()
    }

    async fn newest_rows(&self, customer: CustomerId) -> Result<Vec<RentalRow>, ShopError> {
        let mut rows = Vec::new();
        let mut page = PageRequest { cursor: None, limit: 100 };
        loop {
            let part = self.my_page(customer, &page).await?;
            rows.extend(part.items);
            match part.next_cursor {
                Some(next) if rows.len() < WATCHED_MAX => page.cursor = Some(next),
                Some(_) | None => return Ok(rows),
            }
        }
    }

    /// How the rows of these rentals changed behind `after`, up to `until`, oldest change first.
    async fn changes_between(
        &self,
        after: Position,
        until: Position,
        rentals: Vec<RentalId>,
    ) -> Result<Vec<RentalRow>, ShopError> {
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
