//! Sample entities, and everything that can be read from a store, for comparison.

use std::sync::Arc;

use saem::{
    Causation, Commit, CommitError, CommitId, Committed, Correlation, Delivery, EntityId, EntityKind, Event,
    Journal, Loaded, Meta, Money, NewEvent, Offer, Position, ProductEvent, ProductId, Recorded, Rental,
    RentalId, StoreError, Timestamp, VaultWrite, Version,
    internal::{
        domain::{Account, Journaled, Maintenance, Payment, Product},
        store::codec,
    },
};

/// An entity, with the state that its only writer expects.
pub(crate) struct Entity<A> {
    pub(crate) id: EntityId,
    pub(crate) state: A,
    pub(crate) version: Version,
    commits: u128,
}

impl<A: Journaled> Entity<A> {
    pub(crate) fn new(id: impl Into<EntityId>) -> Self {
        let id = id.into();
        assert_eq!(id.kind, A::KIND);
        Self { id, state: A::default(), version: Version::default(), commits: 0 }
    }

    /// A commit of these events at the current version, with a new id.
    pub(crate) fn draft(&mut self, events: impl IntoIterator<Item = A::Event>) -> Commit {
        self.commits += 1;
        let at = Timestamp(1_700_000_000_000 + self.commits as i64);
        let meta = Meta { at, correlation: Correlation(self.id.id), causation: Causation::Schedule };
        let events: Vec<A::Event> = events.into_iter().collect();
        let state = events.iter().fold(self.state.clone(), |state, event| state.evolve(event, at));
        Commit {
            entity: self.id,
            expected: self.version,
            commit_id: CommitId((self.id.id + 1) << 32 | (self.id.kind as u128) << 24 | self.commits),
            events: events.into_iter().map(|event| NewEvent { meta, event: event.into() }).collect(),
            snapshot: codec::encode_snapshot(&state).unwrap().into(),
            vault: Vec::new(),
        }
    }

    /// Notes that a commit succeeded.
    pub(crate) fn committed(&mut self, commit: &Commit, committed: Committed) {
        self.state = codec::decode_snapshot(&commit.snapshot).unwrap();
        self.version = committed.version;
    }

    pub(crate) async fn commit(
        &mut self,
        journal: &Arc<dyn Journal>,
        events: impl IntoIterator<Item = A::Event>,
    ) -> Committed {
        let commit = self.draft(events);
        let committed = journal.commit(commit.clone()).await.unwrap();
        self.committed(&commit, committed);
        committed
    }
}

pub(crate) async fn registered(journal: &Arc<dyn Journal>, id: u128, stock: u32) -> Entity<Product> {
    let mut product = Entity::new(ProductId(id));
    product.commit(journal, [ProductEvent::ProductRegistered { offer: offer(), stock }]).await;
    product
}

pub(crate) fn offer() -> Offer {
    Offer {
        name: "맑은샘 정수기".to_owned(),
        model: "MS-100".to_owned(),
        description: String::new(),
        fee: Money::won(29_900),
    }
}

/// `count` different events.
pub(crate) fn restocks(count: u32) -> Vec<ProductEvent> {
    (1..=count).map(|quantity| ProductEvent::ProductRestocked { quantity }).collect()
}

pub(crate) fn put(key: &str, value: &str) -> VaultWrite {
    VaultWrite { key: key.to_owned(), value: Some(value.as_bytes().to_vec()) }
}

pub(crate) fn erase(key: &str) -> VaultWrite {
    VaultWrite { key: key.to_owned(), value: None }
}

/// Reads all events after `after`.
pub(crate) async fn read_all(journal: &Arc<dyn Journal>, after: Position) -> Vec<Arc<Recorded>> {
    let mut all: Vec<Arc<Recorded>> = Vec::new();
    loop {
        let from = all.last().map_or(after, |last| last.position);
        let more = journal.read(from, 1_000).await.unwrap();
        if more.is_empty() {
            return all;
        }
        all.extend(more);
    }
}

/// Folds a loaded entity.
pub(crate) fn folded<A: Journaled>(loaded: &Loaded) -> A {
    let state = loaded.snapshot.as_deref().map(|bytes| codec::decode_snapshot(bytes).unwrap());
    let tail = loaded.tail.iter();
    tail.fold(state.unwrap_or_default(), |state: A, recorded| state.fold(&recorded.event, recorded.meta.at))
}

/// The state of an entity of any kind, for comparison.
fn shown(kind: EntityKind, loaded: &Loaded) -> String {
    match kind {
        EntityKind::Rental => format!("{:?}", folded::<Rental>(loaded)),
        EntityKind::Payment => format!("{:?}", folded::<Payment>(loaded)),
        EntityKind::Delivery => format!("{:?}", folded::<Delivery>(loaded)),
        EntityKind::Product => format!("{:?}", folded::<Product>(loaded)),
        EntityKind::Account => format!("{:?}", folded::<Account>(loaded)),
        EntityKind::Context => format!("{:?}", folded::<Maintenance>(loaded)),
    }
}

/// True if a snapshot can be decoded.
fn can_be_read(kind: EntityKind, bytes: &[u8]) -> bool {
    match kind {
        EntityKind::Rental => codec::decode_snapshot::<Rental>(bytes).is_ok(),
        EntityKind::Payment => codec::decode_snapshot::<Payment>(bytes).is_ok(),
        EntityKind::Delivery => codec::decode_snapshot::<Delivery>(bytes).is_ok(),
        EntityKind::Product => codec::decode_snapshot::<Product>(bytes).is_ok(),
        EntityKind::Account => codec::decode_snapshot::<Account>(bytes).is_ok(),
        EntityKind::Context => codec::decode_snapshot::<Maintenance>(bytes).is_ok(),
    }
}

/// Everything that can be read from a store, except views.
#[derive(Debug, PartialEq)]
pub(crate) struct Contents {
    pub(crate) head: Position,
    pub(crate) events: Vec<Recorded>,
    entities: Vec<(EntityId, Version, CommitId, String)>,
    timelines: Vec<(RentalId, Vec<Position>)>,
    pub(crate) vault: Vec<(String, Vec<u8>)>,
}

impl Contents {
    pub(crate) async fn of(journal: &Arc<dyn Journal>) -> Self {
        let head = *journal.head().borrow();
        let events: Vec<Recorded> =
            read_all(journal, Position(0)).await.iter().map(|event| Recorded::clone(event)).collect();
        let mut ids: Vec<EntityId> = events.iter().map(|event| event.entity).collect();
        ids.sort();
        ids.dedup();
        let mut entities = Vec::new();
        for id in ids {
            let loaded = journal.load(id).await.unwrap();
            entities.push((id, loaded.version, loaded.last_commit_id, shown(id.kind, &loaded)));
        }
        let mut rentals: Vec<RentalId> = events.iter().filter_map(Recorded::rental).collect();
        rentals.sort();
        rentals.dedup();
        let mut timelines = Vec::new();
        for rental in rentals {
            let timeline = journal.timeline(rental).await.unwrap();
            timelines.push((rental, timeline.iter().map(|event| event.position).collect()));
        }
        let vault = journal.vault_scan(String::new()).await.unwrap();
        Self { head, events, entities, timelines, vault }
    }

    /// Compares a store that may be damaged. Returns false if some reads are errors.
    ///
    /// # Errors
    /// A description of what was read and differs.
    pub(crate) async fn compared_with(&self, journal: &Arc<dyn Journal>) -> Result<bool, String> {
        let head = *journal.head().borrow();
        if head != self.head {
            return Err(format!("the head is {head:?}, and was {:?}", self.head));
        }
        let mut whole = true;
        for event in &self.events {
            match journal.read(Position(event.position.0 - 1), 1).await {
                Ok(read) if read.len() == 1 && *read[0] == *event => {}
                Ok(read) => return Err(format!("{event:?} became {read:?}")),
                Err(_) => whole = false,
            }
        }
        for (id, version, commit, was) in &self.entities {
            match journal.load(*id).await {
                Ok(loaded) if loaded.snapshot.as_ref().is_some_and(|bytes| !can_be_read(id.kind, bytes)) => {
                    whole = false;
                }
                Ok(loaded) => {
                    let is = (loaded.version, loaded.last_commit_id, shown(id.kind, &loaded));
                    if (&is.0, &is.1, &is.2) != (version, commit, was) {
                        return Err(format!("{id} was {version:?} {was} and is {is:?}"));
                    }
                }
                Err(_) => whole = false,
            }
        }
        for (rental, was) in &self.timelines {
            match journal.timeline(*rental).await {
                Ok(is) if is.iter().map(|event| event.position).eq(was.iter().copied()) => {}
                Ok(is) => return Err(format!("{rental} has another timeline: {is:?}")),
                Err(_) => whole = false,
            }
        }
        for (key, was) in &self.vault {
            match journal.vault_get(key.clone()).await {
                Ok(is) if is.as_ref() == Some(was) => {}
                Ok(is) => return Err(format!("{key} in the vault became {is:?}")),
                Err(_) => whole = false,
            }
        }
        Ok(whole)
    }
}

pub(crate) fn is_unavailable<T>(answer: &Result<T, CommitError>) -> bool {
    matches!(answer, Err(CommitError::Unavailable(_)))
}

pub(crate) fn is_refused<T>(answer: &Result<T, CommitError>) -> bool {
    matches!(answer, Err(CommitError::Refused(_)))
}

/// Checks a store whose first commit is damaged: reading it is an error, and all else works.
pub(crate) async fn first_commit_is_damaged(journal: &Arc<dyn Journal>, byte: isize) {
    let read = journal.read(Position(0), 1_000).await;
    assert!(matches!(read, Err(StoreError::Corrupt(_))), "{byte}: {read:?}");
    assert!(journal.timeline(RentalId(100)).await.is_ok());
    assert!(journal.read(Position(2), 1_000).await.is_ok());
    registered(journal, 51, 1).await;
}

/// Checks a store whose index record of the first product is damaged: no other entity is affected.
pub(crate) async fn first_product_is_damaged(journal: &Arc<dyn Journal>) {
    let mut product = Entity::<Product>::new(ProductId(1));
    let loaded = journal.load(product.id).await;
    assert!(matches!(loaded, Err(StoreError::Corrupt(_))), "{loaded:?}");
    let refused = journal.commit(product.draft(restocks(1))).await;
    assert!(is_refused(&refused), "{refused:?}");
    assert_eq!(journal.health(), Ok(()));
    assert!(journal.load(ProductId(2).into()).await.unwrap().version > Version(0));
    registered(journal, 52, 1).await;
}

/// The quantity of a restock.
pub(crate) fn quantity(event: &Event) -> Option<u32> {
    match event {
        Event::Product(ProductEvent::ProductRestocked { quantity }) => Some(*quantity),
        _ => None,
    }
}
