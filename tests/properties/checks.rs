//! The invariants, asserted: S after every step, Q once faults have stopped and everything has drained.

use std::{collections::BTreeMap, sync::Arc};

use saem::{
    actors::{
        reads,
        shop::{NotificationStatus, PageRequest, Row},
    },
    domain::{
        CustomerId, EntityId, Event, NotificationId, Position, ProductId, Recorded, RentalId,
        context::{Context, ContextEvent, Maintenance},
        invariants::{self, LedgerLine, Message, PageRow, Verdict, Violation},
        product::{Product, ProductEvent},
        rental::RentalEvent,
    },
};

use crate::{doing::pass, world::World};

/// How often is asked whether everything has drained, in ms of the paused clock.
const ASK_EVERY_MS: u64 = 500;
/// So much time passes at most until it has.
const DRAINED_AFTER_MS: u64 = 900_000;
/// Once all is at rest, nothing happens for so long.
const REST_MS: u64 = 120_000;

pub type History = Vec<Arc<Recorded>>;
type Timelines = BTreeMap<RentalId, Vec<Arc<Recorded>>>;

fn whole_page() -> PageRequest {
    PageRequest { cursor: None, limit: 100 }
}

fn by_rental(history: &[Arc<Recorded>]) -> Timelines {
    let mut timelines = Timelines::new();
    for recorded in history {
        if let Some(rental) = recorded.rental() {
            timelines.entry(rental).or_default().push(Arc::clone(recorded));
        }
    }
    timelines
}

fn page_row(row: &Row) -> PageRow {
    PageRow {
        customer: row.customer_id,
        rental: row.rental_status,
        reason: row.cancel_reason,
        delivery: row.delivery_status,
        version: Position(row.version),
    }
}

/// Targets that an operator dismissed: what waited for them is not done, on purpose.
fn given_up(history: &History) -> Vec<EntityId> {
    let dismissed = history.iter().filter_map(|recorded| match &recorded.event {
        Event::Context(ContextEvent::TargetDismissed { key, .. }) => Some(key.target),
        _ => None,
    });
    dismissed.collect()
}

/// Whether a rental has to do with any of them.
fn is_given_up(rental: RentalId, timeline: &History, given_up: &[EntityId]) -> bool {
    let product = timeline.iter().find_map(|recorded| match &recorded.event {
        Event::Rental(RentalEvent::RentalPlaced(terms)) => Some(EntityId::from(terms.product_id)),
        _ => None,
    });
    given_up.iter().any(|target| Some(*target) == product || target.id == rental.0)
}

fn broken(invariant: &'static str, what: String) -> Verdict {
    Err(Violation { invariant, what })
}

impl World {
    fn ledger(&self) -> BTreeMap<RentalId, LedgerLine> {
        let entries = self.shop.ledger().expect("the simulator keeps one").into_iter();
        let line = |entry: saem::gateways::ledger::Entry| LedgerLine {
            rental: entry.payment_id.rental(),
            captures: entry.captures,
            refunds: entry.refunds,
            amount: entry.amount,
        };
        entries.map(line).map(|line| (line.rental, line)).collect()
    }

    /// Whoever was a customer, ever.
    fn customers(&self) -> Vec<CustomerId> {
        self.people.iter().flat_map(|person| person.ids.clone()).collect()
    }

    async fn rows(&self) -> Vec<Row> {
        let mut rows = Vec::new();
        for customer in self.customers() {
            let page = self.shop.my_page(customer, &whole_page()).await.unwrap();
            assert!(page.items.iter().all(|row| row.customer_id == customer), "everybody sees their own");
            rows.extend(page.items);
        }
        rows
    }

    /// The S invariants.
    pub async fn holds_always(&self) -> Verdict {
        let history = self.history().await;
        let (timelines, ledger) = (by_rental(&history), self.ledger());
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
    fn restocks_are_kept(&self, history: &History, product: ProductId) -> Verdict {
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
    async fn holds_at_rest(&self) -> Verdict {
        let history = self.history().await;
        let (whole, given_up) = (by_rental(&history), given_up(&history));
        let mut timelines = whole.clone();
        timelines.retain(|rental, timeline| !is_given_up(*rental, timeline, &given_up));
        let ledger = self.ledger();
        let lines: Vec<LedgerLine> =
            ledger.values().filter(|line| timelines.contains_key(&line.rental)).copied().collect();
        for timeline in timelines.values() {
            invariants::saga_is_finished(timeline, self.shop.now())?;
        }
        let all: Vec<&[Arc<Recorded>]> = timelines.values().map(Vec::as_slice).collect();
        invariants::takings_are_the_live_fees(&all, &lines)?;
        for (rental, timeline) in &timelines {
            if let Some(line) = ledger.get(rental) {
                invariants::canceled_is_refunded_once(timeline, line)?;
            }
            invariants::no_refunded_delivery(timeline, ledger.get(rental))?;
        }
        self.pages_are_whole(&whole).await?;
        let mut messages = self.messages().await?;
        for (rental, timeline) in &whole {
            let about = messages.remove(rental).unwrap_or_default();
            invariants::every_change_has_its_message(timeline, &about)?;
        }
        for &product in &self.products {
            let (state, shown) = (
                reads::read::<Product>(&self.as_journal(), product).await.unwrap(),
                self.shop.product(product),
            );
            if shown.as_ref().map(|shown| (shown.stock, shown.withdrawn))
                != Some((state.stock, state.withdrawn))
            {
                return broken("INV-5", format!("{product}: {state:?}, shown as {shown:?}"));
            }
        }
        for view in self.shop.contexts() {
            let journaled = reads::read::<Maintenance>(&self.as_journal(), view.context).await.unwrap();
            if (view.paused, view.held) != (journaled.paused, journaled.held.len()) {
                return broken("INV-13", format!("{view:?}, but the journal has {journaled:?}"));
            }
            if view.backlog > 0 || view.held > 0 {
                return broken("INV-13", format!("{view:?} is not drained"));
            }
        }
        Ok(())
    }

    async fn pages_are_whole(&self, timelines: &Timelines) -> Verdict {
        let rows = self.rows().await;
        if rows.len() != timelines.len() {
            return broken("INV-10", format!("{} rows for {} rentals", rows.len(), timelines.len()));
        }
        for row in rows {
            invariants::row_is_the_whole_fold(&timelines[&row.rental_id], &page_row(&row))?;
            let payment = self.shop.payment(row.rental_id.payment()).await.unwrap();
            if payment.status != row.payment_status {
                return broken("INV-10", format!("{row:?}, but the payment is {:?}", payment.status));
            }
        }
        Ok(())
    }

    /// Every message's record with how often a phone received it, by rental.
    async fn messages(&self) -> Result<BTreeMap<RentalId, Vec<Message>>, Violation> {
        let mut received: BTreeMap<NotificationId, usize> = BTreeMap::new();
        for id in self.phones.received() {
            *received.entry(id).or_default() += 1;
        }
        let mut messages: BTreeMap<RentalId, Vec<Message>> = BTreeMap::new();
        for customer in self.customers() {
            for (rental, message) in self.messages_of(customer, &mut received).await {
                messages.entry(rental).or_default().push(message);
            }
        }
        if !received.is_empty() {
            let what = format!("received, but not recorded: {received:?}");
            return Err(Violation { invariant: "INV-9", what });
        }
        Ok(messages)
    }

    async fn messages_of(
        &self,
        customer: CustomerId,
        received: &mut BTreeMap<NotificationId, usize>,
    ) -> Vec<(RentalId, Message)> {
        let (mut messages, mut page) = (Vec::new(), whole_page());
        loop {
            let part = self.shop.notifications(Some(customer), &page).await.unwrap();
            messages.extend(part.items.into_iter().map(|view| {
                let gone = view.phone.is_none() && view.status == NotificationStatus::Failed;
                // Whoever left cannot be reached any more.
                let sent = received.remove(&view.id).unwrap_or(usize::from(gone));
                (view.rental_id, Message { id: view.id, customer, event: view.event, sent })
            }));
            page.cursor = part.next_cursor;
            if page.cursor.is_none() {
                return messages;
            }
        }
    }

    /// Faults stop, the operator lets everything go on, and it all comes to its end.
    pub async fn comes_to_rest(&mut self) {
        self.set_breaker(false);
        for context in Context::ALL {
            self.shop.resume(context, self.shop.because()).await.unwrap();
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
        let waits = |row: &Row| {
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

    async fn still_at_rest(&self, head: usize, rows: &[Row], what: &str) {
        let (history, rows_now) = (self.history().await, self.rows().await);
        let since: Vec<_> = history.iter().skip(head).map(|recorded| recorded.event.name()).collect();
        assert_eq!((history.len(), &rows_now[..]), (head, rows), "{what}: {since:?}");
        self.holds_always().await.unwrap_or_else(|violation| panic!("{what}: {violation}"));
        self.holds_at_rest().await.unwrap_or_else(|violation| panic!("{what}: {violation}"));
    }
}
