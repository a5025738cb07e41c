//! The invariants, asserted: S after every step, Q once faults have stopped and everything has drained.

use saem::{
    CustomerId, Event, Position, ProductEvent, ProductId, RentalRow,
    internal::{
        actors::reads,
        domain::{Check, Context, EntityId, Product, invariants},
    },
};

use super::{doing::pass, world::World};
pub use crate::kit::audit::History;
use crate::kit::audit::{Audit, broken, by_rental, given_up, is_given_up, page_row};

/// How often is asked whether everything has drained, in ms of the paused clock.
const ASK_EVERY_MS: u64 = 500;
/// So much time passes at most until it has.
const DRAINED_AFTER_MS: u64 = 900_000;
/// Once all is at rest, nothing happens for so long.
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

    /// Whoever was a customer, ever.
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
            invariants::placed_whole(timeline, ledger.get(rental))?;
            invariants::approved_before_delivery(timeline)?;
            invariants::stock_moves_once(timeline)?;
            invariants::moves_are_declared(timeline)?;
        }
        for (rental, line) in &ledger {
            let timeline = timelines.get(rental).map_or(&[][..], |timeline| timeline);
            invariants::placed_whole(timeline, Some(line))?;
            invariants::captured_at_most_once(timeline, line)?;
            invariants::refunded_at_most_what_was_captured(line)?;
        }
        for &id in &self.products {
            let product = reads::read::<Product>(&self.as_journal(), id).await.unwrap();
            invariants::stock_is_conserved(&history, id, &product)?;
            self.restocks_are_kept(&history, id)?;
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

    /// INV-7 and INV-8 for units added: those acknowledged are there, and none that nobody asked for.
    fn restocks_are_kept(&self, history: &History, product: ProductId) -> Check {
        let id: EntityId = product.into();
        let added =
            history.iter().filter(|recorded| recorded.entity == id).map(|recorded| match &recorded.event {
                Event::Product(ProductEvent::ProductRestocked { quantity }) => u64::from(*quantity),
                _ => 0,
            });
        let (added, asked) = (added.sum::<u64>(), self.restocked.of(product));
        if asked.contains(&added) {
            return Ok(());
        }
        broken("INV-7", format!("{added} units added to {id}, but {asked:?}"))
    }

    /// The Q invariants.
    async fn holds_at_rest(&self) -> Check {
        self.audit().at_rest(&self.history().await).await
    }

    /// Faults stop, the operator lets everything go on, and it all comes to its end.
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

    /// Waits until everything is done, and then until what waits for its customer has expired.
    async fn drain(&self) {
        let mut left_ms = DRAINED_AFTER_MS;
        loop {
            self.mend().await;
            self.holds_always().await.unwrap_or_else(|violation| panic!("{violation}"));
            let unfinished = match self.holds_at_rest().await {
                Ok(()) if self.nobody_is_waited_for().await => return,
                Ok(()) => "a rental waits for its customer".to_owned(),
                Err(violation) => violation.to_string(),
            };
            assert!(left_ms > 0, "never at rest: {unfinished}; held: {:?}", self.shop.held());
            left_ms = left_ms.saturating_sub(ASK_EVERY_MS);
            pass(ASK_EVERY_MS).await;
        }
    }

    async fn nobody_is_waited_for(&self) -> bool {
        let history = self.history().await;
        let (timelines, given_up) = (by_rental(&history), given_up(&history));
        let waits = |row: &RentalRow| {
            let is_given_up = is_given_up(row.rental_id, &timelines[&row.rental_id], &given_up);
            row.payment_due_at.is_some() && !is_given_up
        };
        !self.rows().await.iter().any(waits)
    }

    /// What an operator does about actors in quarantine, and targets that are held.
    async fn mend(&self) {
        for id in self.quarantined().await {
            self.shop.revive(id).await.unwrap();
        }
        for held in self.shop.held() {
            self.shop.retry_held(held.key).unwrap();
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
