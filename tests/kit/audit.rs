//! Oracle of a whole shop: its journal, pages, gateway's ledger and customers' phones must agree, whatever
//! happened before.

use std::{collections::BTreeMap, ops::RangeInclusive, sync::Arc};

use saem::{
    ContextEvent, CustomerId, EntityId, Entry, Event, Journal, NotificationId, NotificationStatus,
    PayOutcome, Position, ProductEvent, ProductId, Recorded, RentalEvent, RentalId, RentalRow, Shop,
    internal::{
        actors::reads,
        domain::{Check, LedgerLine, Maintenance, MessageRecord, PageRow, Product, Violation, invariants},
    },
};

use super::runtime::PAGE;

/// Events of one rental, or of all.
pub type History = Vec<Arc<Recorded>>;
/// Events of each rental.
pub type Timelines = BTreeMap<RentalId, History>;

pub struct Audit<'a> {
    pub shop: &'a Shop,
    pub journal: Arc<dyn Journal>,
    /// All customers, those who left included.
    pub customers: Vec<CustomerId>,
    pub products: &'a [ProductId],
    /// Messages that the phones received.
    pub received: Vec<NotificationId>,
}

pub fn by_rental(history: &[Arc<Recorded>]) -> Timelines {
    let mut timelines = Timelines::new();
    for recorded in history {
        if let Some(rental) = recorded.rental() {
            timelines.entry(rental).or_default().push(Arc::clone(recorded));
        }
    }
    timelines
}

/// The fields of a row that the invariants check.
pub fn page_row(row: &RentalRow) -> PageRow {
    PageRow {
        customer: row.customer_id,
        rental: row.rental_status,
        reason: row.cancel_reason,
        delivery: row.delivery_status,
        version: Position(row.version),
    }
}

/// Lines of the gateway's ledger, by rental.
pub fn lines(entries: Vec<Entry>) -> BTreeMap<RentalId, LedgerLine> {
    let line = |entry: Entry| LedgerLine {
        rental: entry.payment_id.rental(),
        captures: entry.captures,
        refunds: entry.refunds,
        amount: entry.amount,
    };
    entries.into_iter().map(line).map(|line| (line.rental, line)).collect()
}

/// Targets that an operator dismissed: what waited for them is not done, on purpose.
pub fn given_up(history: &[Arc<Recorded>]) -> Vec<EntityId> {
    let dismissed = history.iter().filter_map(|recorded| match &recorded.event {
        Event::Context(ContextEvent::TargetDismissed { key, .. }) => Some(key.target),
        _ => None,
    });
    dismissed.collect()
}

/// True if the rental or its product is among them.
pub fn is_given_up(rental: RentalId, timeline: &History, given_up: &[EntityId]) -> bool {
    let product = timeline.iter().find_map(|recorded| match &recorded.event {
        Event::Rental(RentalEvent::RentalPlaced(terms)) => Some(EntityId::from(terms.product_id)),
        _ => None,
    });
    given_up.iter().any(|target| Some(*target) == product || target.id == rental.0)
}

pub fn broken(invariant: &'static str, what: String) -> Check {
    Err(Violation { invariant, what })
}

/// Checks the S invariants of one rental and its line of the gateway's ledger.
pub fn rental_holds(timeline: &[Arc<Recorded>], line: Option<&LedgerLine>) -> Check {
    invariants::placed_whole(timeline, line)?;
    invariants::approved_before_delivery(timeline)?;
    invariants::stock_moves_once(timeline)?;
    invariants::moves_are_declared(timeline)?;
    if let Some(line) = line {
        invariants::captured_at_most_once(timeline, line)?;
        invariants::refunded_at_most_what_was_captured(line)?;
    }
    Ok(())
}

/// INV-7 and INV-8 of a product's restocks: acknowledged units were added, and no units without a request.
pub fn restocks_are_kept(product: ProductId, history: &[Arc<Recorded>], asked: RangeInclusive<u64>) -> Check {
    let id = EntityId::from(product);
    let added =
        history.iter().filter(|recorded| recorded.entity == id).map(|recorded| match &recorded.event {
            Event::Product(ProductEvent::ProductRestocked { quantity }) => u64::from(*quantity),
            _ => 0,
        });
    let added: u64 = added.sum();
    if asked.contains(&added) {
        return Ok(());
    }
    broken("INV-7", format!("{added} units added to {id}, not {asked:?}"))
}

/// The event that an answer to placing or paying promises, and its entity.
pub fn promised(id: RentalId, outcome: &PayOutcome) -> (EntityId, &'static str) {
    match outcome {
        PayOutcome::Confirmed => (id.into(), "RentalConfirmed"),
        PayOutcome::Deferred { .. } => (id.into(), "PaymentDeferred"),
        PayOutcome::Declined { .. } => (id.payment().into(), "PaymentDeclined"),
        PayOutcome::Canceled | PayOutcome::Unavailable { .. } => (id.into(), "RentalCanceled"),
    }
}

impl Audit<'_> {
    pub fn ledger(&self) -> BTreeMap<RentalId, LedgerLine> {
        lines(self.shop.ledger().expect("the simulator keeps one"))
    }

    pub async fn rows(&self) -> Result<Vec<RentalRow>, Violation> {
        let mut rows = Vec::new();
        for &customer in &self.customers {
            let mut page = PAGE;
            loop {
                let part = self.shop.my_page(customer, &page).await;
                let part = part.map_err(|error| unreadable("INV-10", &error))?;
                assert!(part.items.iter().all(|row| row.customer_id == customer), "everybody sees their own");
                rows.extend(part.items);
                page.cursor = part.next_cursor;
                if page.cursor.is_none() {
                    break;
                }
            }
        }
        Ok(rows)
    }

    /// Checks the Q invariants.
    pub async fn at_rest(&self, history: &[Arc<Recorded>]) -> Check {
        let (whole, given_up) = (by_rental(history), given_up(history));
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
        self.catalogue_is_whole().await?;
        self.contexts_are_drained().await
    }

    async fn pages_are_whole(&self, timelines: &Timelines) -> Check {
        let rows = self.rows().await?;
        if rows.len() != timelines.len() {
            return broken("INV-10", format!("{} rows for {} rentals", rows.len(), timelines.len()));
        }
        for row in rows {
            invariants::row_is_the_whole_fold(&timelines[&row.rental_id], &page_row(&row))?;
            let payment = self.shop.payment(row.rental_id.payment()).await;
            let payment = payment.map_err(|error| unreadable("INV-10", &error))?;
            if payment.status != row.payment_status {
                return broken("INV-10", format!("{row:?}, but the payment is {:?}", payment.status));
            }
        }
        Ok(())
    }

    async fn catalogue_is_whole(&self) -> Check {
        for &product in self.products {
            let state = reads::read::<Product>(&self.journal, product).await;
            let state = state.map_err(|error| unreadable("INV-5", &error))?;
            let shown = self.shop.product(product);
            let shows = shown.as_ref().map(|shown| (shown.stock, shown.withdrawn));
            if shows != Some((state.stock, state.withdrawn)) {
                return broken("INV-5", format!("{product}: {state:?}, shown as {shown:?}"));
            }
        }
        Ok(())
    }

    async fn contexts_are_drained(&self) -> Check {
        for view in self.shop.contexts() {
            let journaled = reads::read::<Maintenance>(&self.journal, view.context).await;
            let journaled = journaled.map_err(|error| unreadable("INV-13", &error))?;
            if (view.paused, view.parked) != (journaled.paused, journaled.parked.len()) {
                return broken("INV-13", format!("{view:?}, but the journal has {journaled:?}"));
            }
            if view.backlog > 0 || view.parked > 0 {
                return broken("INV-13", format!("{view:?} is not drained"));
            }
        }
        Ok(())
    }

    /// Records of messages with how often a phone received each, by rental.
    async fn messages(&self) -> Result<BTreeMap<RentalId, Vec<MessageRecord>>, Violation> {
        let mut received: BTreeMap<NotificationId, usize> = BTreeMap::new();
        for id in &self.received {
            *received.entry(*id).or_default() += 1;
        }
        let mut messages: BTreeMap<RentalId, Vec<MessageRecord>> = BTreeMap::new();
        for &customer in &self.customers {
            for (rental, message) in self.messages_of(customer, &mut received).await? {
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
    ) -> Result<Vec<(RentalId, MessageRecord)>, Violation> {
        let (mut messages, mut page) = (Vec::new(), PAGE);
        loop {
            let part = self.shop.notifications(Some(customer), &page).await;
            let part = part.map_err(|error| unreadable("INV-9", &error))?;
            messages.extend(part.items.into_iter().map(|view| {
                let gone = view.phone.is_none() && view.status == NotificationStatus::Failed;
                // A customer who left cannot be reached.
                let sent = received.remove(&view.id).unwrap_or(usize::from(gone));
                (view.rental_id, MessageRecord { id: view.id, customer, event: view.event, sent })
            }));
            page.cursor = part.next_cursor;
            if page.cursor.is_none() {
                return Ok(messages);
            }
        }
    }
}

fn unreadable(invariant: &'static str, error: &dyn std::fmt::Display) -> Violation {
    Violation { invariant, what: format!("cannot be read: {error}") }
}
