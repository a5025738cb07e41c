//! Checks of the invariants: S after every step, of what changed; Q after the faults have stopped.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use futures_util::FutureExt as _;
use saem::{
    EntityKind, Journal as _, Position, ProductId, RentalId,
    internal::{
        actors::mypage,
        domain::{Check, LedgerLine, Product, Violation, invariants},
        store::codec,
    },
};

use crate::{
    book::Repeatable,
    kit::audit::{Audit, History, Timelines, broken, lines, page_row, rental_holds, restocks_are_kept},
    plan::Mood,
    world::World,
};

/// Time between two checks for rest, in ms of the paused clock.
const ASK_EVERY_MS: u64 = 2_000;
/// Longest time until the shop is at rest, in ms of the paused clock.
const DRAINED_AFTER_MS: u64 = 900_000;
/// Time without events that proves rest.
const REST: Duration = Duration::from_secs(60);

/// Everything checked so far: each check is of new events only.
#[derive(Default)]
pub struct Seen {
    pub history: History,
    timelines: Timelines,
    products: BTreeMap<ProductId, History>,
    ledger: BTreeMap<RentalId, LedgerLine>,
    /// The newest version seen of each row of My Page.
    versions: BTreeMap<RentalId, Position>,
}

#[derive(Default)]
struct Changed {
    rentals: BTreeSet<RentalId>,
    products: BTreeSet<ProductId>,
}

impl World {
    /// Checks the S invariants of what has changed since the last check.
    pub async fn look(&mut self) -> Check {
        if let Some(violation) = self.book.borrow().wrong.clone() {
            return Err(violation);
        }
        let changed = self.notice();
        for rental in &changed.rentals {
            let timeline = self.seen.timelines.get(rental).map_or(&[][..], |timeline| timeline);
            rental_holds(timeline, self.seen.ledger.get(rental))?;
        }
        for &id in &changed.products {
            let own = &self.seen.products[&id];
            invariants::stock_is_conserved(own, id, &self.product(id)?)?;
            invariants::steps_hold::<Product, _>(own)?;
        }
        self.rows_hold(&changed.rentals).await
    }

    /// Reads new events and new lines of the bank's ledger.
    fn notice(&mut self) -> Changed {
        let seen = &mut self.seen;
        let after = Position(seen.history.len() as u64);
        let new = self.disk.memory().read(after, usize::MAX).now_or_never();
        let new = new.expect("memory answers at once").expect("it is not damaged");
        let mut changed = Changed::default();
        for recorded in new {
            if let Some(rental) = recorded.rental() {
                changed.rentals.insert(rental);
                seen.timelines.entry(rental).or_default().push(Arc::clone(&recorded));
            }
            if recorded.entity.kind == EntityKind::Product {
                let id = ProductId(recorded.entity.id);
                changed.products.insert(id);
                seen.products.entry(id).or_default().push(Arc::clone(&recorded));
            }
            seen.history.push(recorded);
        }
        let ledger = saem::PaymentGateway::ledger(&self.bank).map(lines).unwrap_or_default();
        changed.rentals.extend(
            ledger
                .iter()
                .filter(|(rental, line)| seen.ledger.get(rental) != Some(line))
                .map(|(rental, _)| rental),
        );
        seen.ledger = ledger;
        changed
    }

    /// The product as the store loads it.
    fn product(&self, id: ProductId) -> Result<Product, Violation> {
        let loaded = self.disk.memory().load(id.into()).now_or_never().expect("memory answers at once");
        let snapshot = loaded.ok().and_then(|loaded| loaded.snapshot);
        let product = snapshot.and_then(|snapshot| codec::decode_snapshot(&snapshot).ok());
        product.ok_or_else(|| Violation { invariant: "INV-7", what: format!("{id} cannot be loaded") })
    }

    async fn rows_hold(&mut self, rentals: &BTreeSet<RentalId>) -> Check {
        let memory: Arc<dyn saem::Journal> = self.disk.memory().clone();
        for &rental in rentals {
            let row = mypage::row(&memory, rental).await;
            let row = row.map_err(|error| Violation { invariant: "INV-10", what: error.to_string() })?;
            let Some(row) = row else { continue };
            let timeline = self.seen.timelines.get(&rental).map_or(&[][..], |timeline| timeline);
            invariants::row_is_a_fold(timeline, &page_row(&row))?;
            let now = Position(row.version);
            let before = self.seen.versions.insert(rental, now).unwrap_or_default();
            invariants::version_never_goes_back(before, now)?;
        }
        Ok(())
    }

    fn audit(&self) -> Audit<'_> {
        Audit {
            shop: &self.shop,
            journal: self.disk.memory().clone(),
            customers: self.customers.to_vec(),
            products: self.products,
            received: self.phones.received(),
        }
    }

    /// Stops the faults, resumes everything, waits for rest, and checks that repetitions change nothing.
    pub async fn come_to_rest(&mut self) -> Check {
        self.bank.set_mood(Mood::default());
        self.phones.set_down(false);
        self.disk.forget_plans();
        // Planned faults of operations under way may still occur.
        self.pass(Duration::from_secs(10)).await;
        if self.disk.is_poisoned() {
            self.crash(false, 0, None).await;
        }
        self.set_breaker(false);
        self.drain().await?;
        self.promises_are_kept()?;
        let head = self.seen.history.len();
        self.crash(false, 0, None).await;
        self.drain().await?;
        self.requests_are_answered_alike().await?;
        tokio::time::sleep(REST).await;
        self.look().await?;
        let since: Vec<_> =
            self.seen.history.iter().skip(head).map(|recorded| recorded.event.name()).collect();
        if !since.is_empty() {
            return broken("INV-8", format!("at rest, nothing happens any more, but {since:?}"));
        }
        self.audit().at_rest(&self.seen.history).await
    }

    async fn drain(&mut self) -> Check {
        let mut left_ms = DRAINED_AFTER_MS;
        loop {
            self.mend().await?;
            let before = self.seen.history.len();
            tokio::time::sleep(Duration::from_millis(ASK_EVERY_MS)).await;
            self.look().await?;
            let moving = self.seen.history.len() > before && left_ms > 0;
            let unfinished = if moving { Ok(()) } else { self.is_at_rest().await };
            match unfinished {
                Ok(()) if !moving => return Ok(()),
                Err(Violation { invariant, what }) if left_ms == 0 => {
                    return broken(
                        invariant,
                        format!("never at rest: {what}; held: {:?}", self.shop.parked()),
                    );
                }
                Ok(()) | Err(_) => left_ms = left_ms.saturating_sub(ASK_EVERY_MS),
            }
        }
    }

    async fn is_at_rest(&self) -> Check {
        if !self.is_idle() {
            return broken("INV-13", "a request is not answered".to_owned());
        }
        self.nothing_is_pending().await?;
        self.audit().at_rest(&self.seen.history).await
    }

    /// A deferred rental waits for its customer, and so is not at rest.
    async fn nothing_is_pending(&self) -> Check {
        let waits = self.audit().rows().await?.into_iter().find(|row| row.payment_due_at.is_some());
        waits.map_or(Ok(()), |row| broken("INV-13", format!("{row:?} waits for its customer")))
    }

    /// Resumes contexts, revives entities in quarantine, and retries parked targets.
    async fn mend(&self) -> Check {
        for view in self.shop.contexts().into_iter().filter(|view| view.paused) {
            // It may wait for a write: then it is tried again.
            let _ = self.shop.resume(view.context, self.shop.new_request()).await;
        }
        let unreachable = |error: &dyn std::fmt::Display| Violation {
            invariant: "INV-11",
            what: format!("the supervision tree does not answer: {error}"),
        };
        let kinds = self.shop.actors().await.map_err(|error| unreachable(&error))?.items;
        for id in kinds.into_iter().flat_map(|kind| kind.status.quarantined_ids) {
            let id = saem::EntityId::parse(&id).expect("an id that was shown");
            // It may have been revived by now.
            let _ = self.shop.revive(id).await;
        }
        for held in self.shop.parked() {
            let _ = self.shop.retry_parked(held.key);
        }
        Ok(())
    }

    /// INV-7: acknowledged events are in the journal.
    fn promises_are_kept(&self) -> Check {
        let book = self.book.borrow();
        let names: BTreeSet<_> =
            self.seen.history.iter().map(|recorded| (recorded.entity, recorded.event.name())).collect();
        for promise in &book.promised {
            if !names.contains(promise) {
                return broken("INV-7", format!("{promise:?} was acknowledged, and is not there"));
            }
        }
        for (&id, history) in &self.seen.products {
            restocks_are_kept(id, history, book.restocks(id))?;
        }
        Ok(())
    }

    /// INV-7: a repeated key gets the same answer without a new event.
    async fn requests_are_answered_alike(&mut self) -> Check {
        let known: Vec<(usize, Repeatable)> =
            self.book.borrow().first.iter().map(|(step, told)| (*step, *told)).collect();
        for (step, _) in &known {
            if let Some(request) = self.requests.get(step).cloned() {
                self.send(request);
            }
        }
        let mut left = 100;
        while !self.is_idle() && left > 0 {
            tokio::time::sleep(Duration::from_millis(ASK_EVERY_MS)).await;
            left -= 1;
        }
        if !self.is_idle() {
            return broken("INV-13", "a request that was answered before is not answered again".to_owned());
        }
        self.look().await
    }
}
