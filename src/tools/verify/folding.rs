//! One pass over the journal, which folds the entities of a group of lanes.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use super::{Findings, PAGE, Products, Progress, Verified, images::ImageRefs, terms};
use crate::{
    actors::projection::catalogue::{self, ProductView},
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
    store::{CommitId, Journal, RecordedCommit, StoreError},
};

/// Lanes that one pass folds: those whose number modulo `groups` is `index`.
#[derive(Clone, Copy)]
pub(super) struct LaneGroup {
    pub index: u8,
    pub groups: u8,
}

impl LaneGroup {
    /// True if the group has the entities with this id. A rental, its payment and its delivery share one.
    pub(super) fn contains(self, id: u128) -> bool {
        lane_of(id) % self.groups == self.index
    }
}

pub(super) enum State {
    Rental(Rental),
    Payment(Payment),
    Delivery(Delivery),
    Product(Stock),
    Account(Account),
    Context(Maintenance),
}

/// Product with the units that its events count.
#[derive(Clone, Default)]
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

pub(super) struct Entity {
    pub state: State,
    pub version: Version,
    pub last_commit_id: CommitId,
    /// True if an event violates a rule: state and later events are not checked then.
    pub broken: bool,
}

pub(super) struct Folding {
    pub lanes: LaneGroup,
    pub entities: HashMap<EntityId, Entity>,
    pub timelines: HashMap<RentalId, Vec<Recorded>>,
    products: BTreeMap<ProductId, ProductView>,
    images: ImageRefs,
    head: Position,
    catalogue: Option<Position>,
}

impl Folding {
    pub(super) fn new(lanes: LaneGroup, head: Position, catalogue: Option<Position>) -> Self {
        let (entities, timelines, products) = (HashMap::new(), HashMap::new(), BTreeMap::new());
        Self { lanes, entities, timelines, products, images: ImageRefs::default(), head, catalogue }
    }

    /// Reads the whole journal and returns true if all of it was readable.
    pub(super) async fn read(
        &mut self,
        journal: &Arc<dyn Journal>,
        progress: &mut Progress<'_>,
        verified: &mut Verified,
    ) -> Result<bool, StoreError> {
        let Verified { findings, events, .. } = verified;
        // Order and causation are checked by the first pass only.
        let first_pass = self.lanes.index == 0;
        let mut last = Position::default();
        loop {
            let commits = match journal.commits(last, PAGE).await {
                Err(StoreError::Corrupt(problem)) => {
                    findings.add(format!("the journal after {}", last.0), format!("damaged: {problem}"));
                    return Ok(false);
                }
                commits => commits?,
            };
            if commits.is_empty() {
                break;
            }
            for commit in commits {
                if first_pass {
                    check_order(last, &commit, findings);
                    for (new, position) in commit.events.iter().zip(commit.first.0..) {
                        terms::check_causation(Position(position), new.meta.causation, findings);
                    }
                    *events += commit.events.len() as u64;
                }
                progress.add(commit.events.len() as u64);
                last = commit.last();
                self.fold(commit, findings);
            }
        }
        if first_pass && last != self.head {
            let problem = format!("its head is {}, but it ends at {}", self.head.0, last.0);
            findings.add("the journal", problem);
        }
        Ok(true)
    }

    fn fold(&mut self, commit: RecordedCommit, findings: &mut Findings) {
        let RecordedCommit { entity, commit_id, first, ref events } = commit;
        if self.lanes.contains(entity.id) {
            self.fold_entity(entity, commit_id, first, events, findings);
        }
        for (new, position) in events.iter().zip(first.0..) {
            let rental = new.event.rental(entity).filter(|rental| self.lanes.contains(rental.0));
            let Some(rental) = rental else { continue };
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
        let mut check = version_grows(entity.version, events.len(), version);
        (entity.version, entity.last_commit_id) = (version, commit_id);
        for (new, position) in events.iter().zip(first.0..) {
            self.images.record(ProductId(id.id), new);
            if !entity.broken {
                check = check
                    .and_then(|()| check_foldable(id, &new.event))
                    .and_then(|()| entity.state.step(id, new));
            }
            if let Err(violation) = std::mem::replace(&mut check, Ok(())) {
                findings.add(format!("{id} at {position}"), violation);
                entity.broken = true;
            }
            if !entity.broken && self.catalogue.is_some_and(|stand| position <= stand.0) {
                fold_into_catalogue(&mut self.products, id, new);
            }
        }
    }

    /// Checks the invariants of every rental, and adds what this pass knows to `all`.
    pub(super) fn check_rentals(&mut self, all: &mut Products, findings: &mut Findings) {
        let mut rentals: Vec<_> = self.timelines.iter().collect();
        rentals.sort_unstable_by_key(|(rental, _)| **rental);
        for (rental, timeline) in rentals {
            let (approved, moved) = (approved_before_delivery(timeline), stock_moves_once(timeline));
            let checks = [approved, moved, placed_whole(timeline, None)];
            for violation in checks.into_iter().filter_map(Result::err) {
                findings.add(rental, violation);
            }
            terms::compare(*rental, timeline, findings);
            for recorded in timeline {
                let out = match &recorded.event {
                    Event::Product(ProductEvent::ProductDecreased { .. }) => 1,
                    Event::Product(ProductEvent::ProductIncreased { .. }) => -1,
                    _ => continue,
                };
                *all.units_out.entry(ProductId(recorded.entity.id)).or_default() += out;
            }
        }
        all.catalogue.append(&mut self.products);
        all.images.append(std::mem::take(&mut self.images));
        for (id, entity) in &self.entities {
            if let State::Product(stock) = &entity.state {
                all.stock.insert(ProductId(id.id), Some(stock.clone()).filter(|_| !entity.broken));
            }
        }
    }
}

fn check_order(last: Position, commit: &RecordedCommit, findings: &mut Findings) {
    if commit.first.0 != last.0 + 1 {
        let problem = format!("a gap: the next event is at {}", commit.first.0);
        findings.add(format!("the journal after {}", last.0), problem);
    }
    if commit.events.is_empty() {
        findings.add(format!("the journal at {}", commit.first.0), "a commit without events");
    }
}

/// Checks that folding an event cannot panic: its entity kind and its lane must be valid.
fn check_foldable(entity: EntityId, event: &Event) -> Check {
    let broken = |invariant, what: String| Err(Violation { invariant, what });
    if event.kind() != entity.kind {
        return broken("INV-14", format!("{} is an event of a {}", event.name(), entity.kind.as_str()));
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

fn fold_into_catalogue(products: &mut BTreeMap<ProductId, ProductView>, id: EntityId, new: &NewEvent) {
    if let Event::Product(event) = &new.event {
        let id = ProductId(id.id);
        if let Some(product) = catalogue::folded(products.remove(&id), id, event, new.meta.at) {
            products.insert(id, product);
        }
    }
}
