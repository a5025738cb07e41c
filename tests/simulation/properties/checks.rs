//! Checks of the invariants: S after every step, Q after the faults have stopped and the shop is at rest.

use saem::{
    Context, CustomerId, Position, RentalRow,
    internal::{
        actors::reads,
        domain::{Check, Product, invariants},
    },
};

use super::{doing::pass, world::World};
pub use crate::kit::audit::History;
use crate::kit::audit::{Audit, by_rental, given_up, is_given_up, page_row, rental_holds, restocks_are_kept};

/// Time between two checks for rest, in ms of the paused clock.
const ASK_EVERY_MS: u64 = 500;
/// Longest time until the shop is at rest.
const DRAINED_AFTER_MS: u64 = 900_000;
/// Time without events that proves rest.
const REST_MS: u64 = 120_000;

impl World {
    fn audit(&self) -> Audit<'_> {
        Audit {
            shop: &self.shop,
            journal: self.as_journal(),
            customers: self.customers(),
            products: &self.products,
            received: self.phones.received(),
        }
    }

    /// All customers, those who left included.
    fn customers(&self) -> Vec<CustomerId> {
        self.people.iter().flat_map(|person| person.ids.clone()).collect()
    }

    async fn rows(&self) -> Vec<RentalRow> {
        self.audit().rows().await.unwrap()
    }

    /// The S invariants.
    pub async fn holds_always(&self) -> Check {
        let history = self.history().await;
        let (timelines, ledger) = (by_rental(&history), self.audit().ledger());
        for (rental, timeline) in &timelines {
            rental_holds(timeline, ledger.get(rental))?;
        }
        for line in ledger.values().filter(|line| !timelines.contains_key(&line.rental)) {
            rental_holds(&[], Some(line))?;
        }
        for &id in &self.products {
            let product = reads::read::<Product>(&self.as_journal(), id).await.unwrap();
            invariants::stock_is_conserved(&history, id, &product)?;
            restocks_are_kept(id, &history, self.restocked.of(id))?;
            let own: Vec<_> =
                history.iter().filter(|recorded| recorded.entity == id.into()).cloned().collect();
            invariants::steps_hold::<Product, _>(&own)?;
        }
        for (entity, event) in &self.acknowledged {
            let own: Vec<_> = history.iter().filter(|recorded| recorded.entity == *entity).cloned().collect();
            invariants::acknowledged_stays(&own, event)?;
        }
        self.keys.hold(&history)?;
        self.people_are_as_they_should_be(&history).await;
        for row in self.rows().await {
            let timeline = timelines.get(&row.rental_id).map_or(&[][..], |timeline| timeline);
            invariants::row_is_a_fold(timeline, &page_row(&row))?;
            let now = Position(row.version);
            let before = self.versions.borrow_mut().insert(row.rental_id, now).unwrap_or_default();
            invariants::version_never_goes_back(before, now)?;
        }
        Ok(())
    }

    /// The Q invariants.
    async fn holds_at_rest(&self) -> Check {
        self.audit().at_rest(&self.history().await).await
    }

    /// Stops the faults, resumes everything, waits for rest, and checks that nothing happens any more.
    pub async fn comes_to_rest(&mut self) {
        self.set_breaker(false);
        for context in Context::ALL {
            self.shop.resume(context, self.shop.new_request()).await.unwrap();
        }
        self.drain().await;
        let (head, rows) = (self.history().await.len(), self.rows().await);
        pass(REST_MS).await;
        self.still_at_rest(head, &rows, "at rest, nothing happens any more").await;
        self.crash(false).await;
        pass(REST_MS).await;
        self.still_at_rest(head, &rows, "starting again changes nothing").await;
        self.restart(false).await;
        pass(REST_MS).await;
        self.still_at_rest(head, &rows, "nor does an orderly restart").await;
        self.keys_are_answered_alike().await;
        self.still_at_rest(head, &rows, "repeating a request changes nothing").await;
    }

    /// Waits until all work is done and all deferrals have expired.
    async fn drain(&self) {
        let mut left_ms = DRAINED_AFTER_MS;
        loop {
            self.mend().await;
            self.holds_always().await.unwrap_or_else(|violation| panic!("{violation}"));
            let unfinished = match self.holds_at_rest().await {
                Ok(()) if self.nothing_is_pending().await => return,
                Ok(()) => "a rental waits for its customer".to_owned(),
                Err(violation) => violation.to_string(),
            };
            assert!(left_ms > 0, "never at rest: {unfinished}; held: {:?}", self.shop.parked());
            left_ms = left_ms.saturating_sub(ASK_EVERY_MS);
            pass(ASK_EVERY_MS).await;
        }
    }

    async fn nothing_is_pending(&self) -> bool {
        let history = self.history().await;
        let (timelines, given_up) = (by_rental(&history), given_up(&history));
        let waits = |row: &RentalRow| {
            let is_given_up = is_given_up(row.rental_id, &timelines[&row.rental_id], &given_up);
            row.payment_due_at.is_some() && !is_given_up
        };
        !self.rows().await.iter().any(waits)
    }

    /// Revives entities in quarantine, and retries parked targets.
    async fn mend(&self) {
        for id in self.quarantined().await {
            self.shop.revive(id).await.unwrap();
        }
        for held in self.shop.parked() {
            self.shop.retry_parked(held.key).unwrap();
        }
    }

    async fn still_at_rest(&self, head: usize, rows: &[RentalRow], what: &str) {
        let (history, rows_now) = (self.history().await, self.rows().await);
        let since: Vec<_> = history.iter().skip(head).map(|recorded| recorded.event.name()).collect();
        assert_eq!((history.len(), &rows_now[..]), (head, rows), "{what}: {since:?}");
        self.holds_always().await.unwrap_or_else(|violation| panic!("{what}: {violation}"));
        self.holds_at_rest().await.unwrap_or_else(|violation| panic!("{what}: {violation}"));
    }
}
