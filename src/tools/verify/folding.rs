//! One reading of the journal: the entities of some lanes, folded step by step.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use super::{Findings, PAGE, Progress, Verified, Whole, agreed, images::Named};
use crate::{
    actors::projection::catalogue,
    domain::{
        EntityId, EntityKind, Event, Journaled, LANES, NewEvent, Position, ProductId, Recorded, RentalId,
        Version,
        account::Account,
        context::Maintenance,
        delivery::Delivery,
        invariants::{
            Check, Units, Violation, approved_before_delivery, check_step, placed_whole, stock_moves_once,
            version_grows,
        },
        lane_of,
        payment::Payment,
        product::{Product, ProductEvent},
        rental::Rental,
    },
    shop::views::ProductView,
    store::{CommitId, Journal, RecordedCommit, StoreError},
};

/// Which lanes are folded in one reading.
#[derive(Clone, Copy)]
pub(super) struct Part {
    pub number: u8,
    pub of: u8,
}

impl Part {
    /// Whether it is about the entities of this id. A rental, its payment and its delivery share theirs.
    pub(super) fn has(self, id: u128) -> bool {
        lane_of(id) % self.of == self.number
    }
}

/// The state of an entity of any kind.
#[derive(Debug, PartialEq)]
pub(super) enum State {
    Rental(Rental),
    Payment(Payment),
    Delivery(Delivery),
    Product(Stock),
    Account(Account),
    Context(Maintenance),
}

/// A product, and its units as its events count them.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Stock {
    pub product: Product,
    pub units: Units,
}

impl State {
    fn new(kind: EntityKind) -> Self {
        match kind {
            EntityKind::Rental => Self::Rental(Rental::default()),
            EntityKind::Payment => Self::Payment(Payment::default()),
            EntityKind::Delivery => Self::Delivery(Delivery::default()),
            EntityKind::Product => Self::Product(Stock::default()),
            EntityKind::Account => Self::Account(Account::default()),
            EntityKind::Context => Self::Context(Maintenance::default()),
        }
    }

    /// One event further.
    fn step(&mut self, entity: EntityId, new: &NewEvent) -> Check {
        match self {
            Self::Rental(state) => step(state, new),
            Self::Payment(state) => step(state, new),
            Self::Delivery(state) => step(state, new),
            Self::Product(Stock { product, units }) => {
                if let Event::Product(event) = &new.event {
                    units.apply(ProductId(entity.id), event)?;
                }
                step(product, new)
            }
            Self::Account(state) => step(state, new),
            Self::Context(state) => step(state, new),
        }
    }
}

fn step<A: Journaled>(state: &mut A, new: &NewEvent) -> Check {
    let before = std::mem::take(state);
    *state = before.clone().fold(&new.event, new.meta.at);
    check_step(&before, &new.event, state)
}

/// An entity, as its events have it.
pub(super) struct Entity {
    pub state: State,
    pub version: Version,
    pub last_commit_id: CommitId,
    /// An event of it breaks a rule: what follows from it says nothing more.
    pub broken: bool,
}

/// What one reading folds.
pub(super) struct Folding {
    pub part: Part,
    pub entities: HashMap<EntityId, Entity>,
    pub timelines: HashMap<RentalId, Vec<Recorded>>,
    products: BTreeMap<ProductId, ProductView>,
    images: Named,
    head: Position,
    catalogue: Option<Position>,
}

impl Folding {
    pub(super) fn new(part: Part, head: Position, catalogue: Option<Position>) -> Self {
        let (entities, timelines, products) = (HashMap::new(), HashMap::new(), BTreeMap::new());
        Self { part, entities, timelines, products, images: Named::default(), head, catalogue }
    }

    /// Reads all of the journal; answers whether all of it could be read.
    pub(super) async fn read(
        &mut self,
        journal: &Arc<dyn Journal>,
        progress: &mut Progress<'_>,
        verified: &mut Verified,
    ) -> Result<bool, StoreError> {
        // What holds of the journal as a whole is looked at once.
        let first_reading = self.part.number == 0;
        let mut last = Position::default();
        loop {
            let commits = match journal.commits(last, PAGE).await {
                Ok(commits) => commits,
                Err(StoreError::Corrupt(what)) => {
                    verified
                        .findings
                        .add(format!("the journal after {}", last.0), format!("damaged: {what}"));
                    return Ok(false);
                }
                Err(error) => return Err(error),
            };
            if commits.is_empty() {
                break;
            }
            for commit in commits {
                if first_reading {
                    in_order(last, &commit, &mut verified.findings);
                    for (new, position) in commit.events.iter().zip(commit.first.0..) {
                        agreed::follows(Position(position), new.meta.causation, &mut verified.findings);
                    }
                    verified.events += commit.events.len() as u64;
                }
                progress.add(commit.events.len() as u64);
                last = commit.last();
                self.fold(commit, &mut verified.findings);
            }
        }
        if first_reading && last != self.head {
            let what = format!("its newest event is said to be {}, but it ends at {}", self.head.0, last.0);
            verified.findings.add("the journal", what);
        }
        Ok(true)
    }

    fn fold(&mut self, commit: RecordedCommit, findings: &mut Findings) {
        let RecordedCommit { entity, commit_id, first, ref events } = commit;
        if self.part.has(entity.id) {
            self.fold_entity(entity, commit_id, first, events, findings);
        }
        for (new, position) in events.iter().zip(first.0..) {
            let Some(rental) = new.event.rental(entity).filter(|rental| self.part.has(rental.0)) else {
                continue;
            };
            let NewEvent { meta, event } = new.clone();
            let recorded = Recorded { position: Position(position), entity, meta, event };
            self.timelines.entry(rental).or_default().push(recorded);
        }
    }

    fn fold_entity(
        &mut self,
        id: EntityId,
        commit_id: CommitId,
        first: Position,
        events: &[NewEvent],
        findings: &mut Findings,
    ) {
        let entity = self.entities.entry(id).or_insert_with(|| Entity {
            state: State::new(id.kind),
            version: Version::default(),
            last_commit_id: CommitId::default(),
            broken: false,
        });
        let version = Version(first.0 + events.len() as u64 - 1);
        let mut verdict = version_grows(entity.version, events.len(), version);
        (entity.version, entity.last_commit_id) = (version, commit_id);
        for (new, position) in events.iter().zip(first.0..) {
            self.images.note(ProductId(id.id), new);
            if !entity.broken {
                verdict =
                    verdict.and_then(|()| whole(id, &new.event)).and_then(|()| entity.state.step(id, new));
            }
            if let Err(violation) = std::mem::replace(&mut verdict, Ok(())) {
                findings.add(format!("{id} at {position}"), violation);
                entity.broken = true;
            }
            if !entity.broken && self.catalogue.is_some_and(|stand| position <= stand.0) {
                show(&mut self.products, id, new);
            }
        }
    }

    /// Judges every rental by its timeline, and hands over what is known of products.
    pub(super) fn judge(&mut self, whole: &mut Whole, findings: &mut Findings) {
        let mut rentals: Vec<_> = self.timelines.iter().collect();
        rentals.sort_unstable_by_key(|(rental, _)| **rental);
        for (rental, timeline) in rentals {
            let verdicts = [
                approved_before_delivery(timeline),
                stock_moves_once(timeline),
                placed_whole(timeline, None),
            ];
            for violation in verdicts.into_iter().filter_map(Result::err) {
                findings.add(rental, violation);
            }
            agreed::compare(*rental, timeline, findings);
            for recorded in timeline {
                let product = ProductId(recorded.entity.id);
                match &recorded.event {
                    Event::Product(ProductEvent::ProductDecreased { .. }) => {
                        *whole.out.entry(product).or_default() += 1;
                    }
                    Event::Product(ProductEvent::ProductIncreased { .. }) => {
                        *whole.out.entry(product).or_default() -= 1;
                    }
                    _ => {}
                }
            }
        }
        whole.catalogue.append(&mut self.products);
        whole.images.append(std::mem::take(&mut self.images));
        for (id, entity) in &self.entities {
            if let State::Product(stock) = &entity.state {
                whole.units.insert(ProductId(id.id), Some(stock.clone()).filter(|_| !entity.broken));
            }
        }
    }
}

/// Whether a commit stands right behind the one before it.
fn in_order(last: Position, commit: &RecordedCommit, findings: &mut Findings) {
    if commit.first.0 != last.0 + 1 {
        let what = format!("a gap: what follows {} stands at {}", last.0, commit.first.0);
        findings.add(format!("the journal after {}", last.0), what);
    }
    if commit.events.is_empty() {
        findings.add(format!("the journal at {}", commit.first.0), "a commit without events");
    }
}

/// Whether an event can be folded at all: one of another kind, or in a lane that does not exist, cannot.
fn whole(entity: EntityId, event: &Event) -> Check {
    let broken = |invariant, what: String| Err(Violation { invariant, what });
    if event.kind() != entity.kind {
        return broken("INV-14", format!("{} happened to a {}", event.name(), entity.kind.as_str()));
    }
    match event {
        Event::Product(
            ProductEvent::ProductDecreased { fence, .. }
            | ProductEvent::StockShort { fence, .. }
            | ProductEvent::ProductIncreased { fence, .. },
        ) if fence.lane >= LANES => broken("INV-6", format!("there is no lane {}", fence.lane)),
        _ => Ok(()),
    }
}

/// One event further, as the catalogue shows it.
fn show(products: &mut BTreeMap<ProductId, ProductView>, id: EntityId, new: &NewEvent) {
    if let Event::Product(event) = &new.event {
        let id = ProductId(id.id);
        if let Some(product) = catalogue::folded(products.remove(&id), id, event, new.meta.at) {
            products.insert(id, product);
        }
    }
}
