//! Live changes of My Page's rows, pushed to watchers.
//!
//! One service reads the journal for all watchers, so that a stream costs a queue and no reader of its own.
//! It keeps the rows of watched customers in memory and folds each event into them, as the projection does.
//! While there is no watcher, nothing is read.
//!
//! A watcher joins with the rows that the projection has stored. The events since then are read from the
//! journal, once for all who join together. A watcher whose queue is full is dropped; it reconnects with the
//! last position that it got. After a failure, all watchers are dropped: memory is never trusted then.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::sync::{Mutex, mpsc, oneshot};

use super::mypage::{RentalRow, folded};
use crate::{
    domain::{CustomerId, Event, Position, Recorded, RentalId, rental::RentalEvent},
    store::{Follower, Journal, StoreError},
};

const BATCH_MAX: usize = 512;
pub(crate) const WAITING_MAX: usize = 64;
const JOINING_MAX: usize = 1_024;

/// Interval at which watchers are looked for that have gone without being sent a change.
const SWEEP_EVERY: Duration = Duration::from_secs(5);

pub(crate) struct Join {
    pub customer: CustomerId,
    /// The customer's rows, each as of `as_of` or later.
    pub rows: Vec<RentalRow>,
    /// Position of the projection before the rows were read.
    pub as_of: Position,
    /// Last position that the watcher got, if it reconnects.
    pub after: Option<Position>,
    pub joined: oneshot::Sender<Joined>,
}

pub(crate) struct Joined {
    /// Position from which on all changes are sent.
    pub position: Position,
    /// Rows that changed up to `position`, but after the position that the watcher got last.
    pub missed: Vec<RentalId>,
    /// Later changes. The channel closes if the watcher does not keep up, or the service fails.
    pub changes: mpsc::Receiver<Arc<RentalRow>>,
}

#[derive(Clone)]
pub(crate) struct Live {
    joining: mpsc::Sender<Join>,
    joins: Arc<Mutex<mpsc::Receiver<Join>>>,
    watchers: Arc<AtomicUsize>,
}

impl Default for Live {
    fn default() -> Self {
        let (joining, joins) = mpsc::channel(JOINING_MAX);
        Self { joining, joins: Arc::new(Mutex::new(joins)), watchers: Arc::default() }
    }
}

impl Live {
    /// Joins; `None` if the service fails meanwhile.
    pub(crate) async fn join(
        &self,
        customer: CustomerId,
        (rows, as_of): (Vec<RentalRow>, Position),
        after: Option<Position>,
    ) -> Option<Joined> {
        let (joined, answer) = oneshot::channel();
        self.joining.send(Join { customer, rows, as_of, after, joined }).await.ok()?;
        answer.await.ok()
    }

    pub(crate) fn watchers(&self) -> usize {
        self.watchers.load(Ordering::Relaxed)
    }

    /// Sends changes until dropped, or until the store fails.
    pub(crate) async fn run(self, journal: Arc<dyn Journal>) -> Result<(), String> {
        let mut joins = self.joins.lock().await;
        loop {
            self.watchers.store(0, Ordering::Relaxed);
            let Some(first) = joins.recv().await else { return Ok(()) };
            let mut feed = LiveFeed::from(&journal);
            feed.join(first, &mut joins, &journal).await.map_err(|error| error.to_string())?;
            let mut sweeps = tokio::time::interval(SWEEP_EVERY);
            while !feed.customers.is_empty() {
                self.watchers.store(feed.watchers(), Ordering::Relaxed);
                let step = tokio::select! {
                    biased;
                    _ = sweeps.tick() => {
                        feed.remove_unwatched();
                        Ok(())
                    }
                    Some(join) = joins.recv() => feed.join(join, &mut joins, &journal).await,
                    events = feed.follower.next(BATCH_MAX) => events.map(|events| feed.publish(&events)),
                };
                step.map_err(|error| error.to_string())?;
            }
        }
    }
}

#[derive(Default)]
struct WatchedCustomer {
    rows: HashMap<RentalId, RentalRow>,
    watchers: Vec<mpsc::Sender<Arc<RentalRow>>>,
}

struct LiveFeed {
    follower: Follower,
    customers: HashMap<CustomerId, WatchedCustomer>,
    rentals: HashMap<RentalId, CustomerId>,
}

impl LiveFeed {
    fn from(journal: &Arc<dyn Journal>) -> Self {
        let head = *journal.head().borrow();
        let follower = Follower::new(Arc::clone(journal), head);
        Self { follower, customers: HashMap::new(), rentals: HashMap::new() }
    }

    fn watchers(&self) -> usize {
        self.customers.values().map(|watched| watched.watchers.len()).sum()
    }

    /// Adds all watchers that wait to join, after folding the events since their rows were read.
    async fn join(
        &mut self,
        first: Join,
        joins: &mut mpsc::Receiver<Join>,
        journal: &Arc<dyn Journal>,
    ) -> Result<(), StoreError> {
        let mut joining = vec![first];
        while let Ok(join) = joins.try_recv() {
            joining.push(join);
        }
        // The projection may be ahead: current watchers get its changes first.
        let newest = joining.iter().flat_map(|join| &join.rows).map(|row| row.version).max();
        while newest.is_some_and(|newest| self.follower.position().0 < newest) {
            let events = self.follower.next(BATCH_MAX).await?;
            self.publish(&events);
        }
        let here = self.follower.position();
        let mut after = joining.iter().map(|join| join.as_of).min().unwrap_or(here);
        for join in &mut joining {
            let watched = self.customers.entry(join.customer).or_default();
            for row in std::mem::take(&mut join.rows) {
                self.rentals.insert(row.rental_id, join.customer);
                watched.rows.entry(row.rental_id).or_insert(row);
            }
        }
        while after < here {
            let events = journal.read(after, BATCH_MAX).await?;
            let Some(last) = events.last() else { break };
            after = last.position;
            let missed = events.iter().filter(|recorded| recorded.position <= here);
            missed.for_each(|recorded| drop(self.fold(recorded)));
        }
        for Join { customer, after, joined, .. } in joining {
            let watched = self.customers.entry(customer).or_default();
            let newer = |row: &&RentalRow| after.is_some_and(|after| row.version > after.0);
            let missed = watched.rows.values().filter(newer).map(|row| row.rental_id).collect();
            let (watcher, changes) = mpsc::channel(WAITING_MAX);
            if joined.send(Joined { position: here, missed, changes }).is_ok() {
                watched.watchers.push(watcher);
            }
        }
        self.remove_unwatched();
        Ok(())
    }

    /// Folds an event into its row, if the row is watched and does not contain the event yet.
    fn fold(&mut self, recorded: &Recorded) -> Option<(CustomerId, Arc<RentalRow>)> {
        let rental = recorded.rental()?;
        let customer = match &recorded.event {
            Event::Rental(RentalEvent::RentalPlaced(terms)) => terms.customer_id,
            _ => *self.rentals.get(&rental)?,
        };
        let watched = self.customers.get_mut(&customer)?;
        if watched.rows.get(&rental).is_some_and(|row| row.version >= recorded.position.0) {
            return None;
        }
        let row = folded(watched.rows.remove(&rental), rental, recorded)?;
        self.rentals.insert(rental, customer);
        watched.rows.insert(rental, row.clone());
        Some((customer, Arc::new(row)))
    }

    fn publish(&mut self, events: &[Arc<Recorded>]) {
        let mut dropped = false;
        for recorded in events {
            let Some((customer, row)) = self.fold(recorded) else { continue };
            let Some(watched) = self.customers.get_mut(&customer) else { continue };
            let before = watched.watchers.len();
            watched.watchers.retain(|watcher| watcher.try_send(Arc::clone(&row)).is_ok());
            dropped |= watched.watchers.len() < before;
        }
        if dropped {
            self.remove_unwatched();
        }
    }

    fn remove_unwatched(&mut self) {
        self.customers.values_mut().for_each(|watched| watched.watchers.retain(|w| !w.is_closed()));
        let Self { customers, rentals, .. } = self;
        customers.retain(|_, watched| {
            let stays = !watched.watchers.is_empty();
            if !stays {
                for rental in watched.rows.keys() {
                    rentals.remove(rental);
                }
            }
            stays
        });
    }
}
