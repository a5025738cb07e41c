//! A shop with customers and products, its surroundings, and what it has acknowledged.

use std::{cell::RefCell, collections::BTreeMap, ops::RangeInclusive, sync::Arc};

use saem::{
    Behaviour, BreakerMode, Context, CustomerId, EntityId, Event, Journal, Ledger, MemoryJournal,
    PaymentRules, Position, ProductEvent, ProductId, Recorded, RentalEvent, RentalId, RequestContext, Shop,
    ShopParts, ShopSettings, Simulator, Sources,
    internal::{
        actors::{TokioClock, reads},
        domain::Maintenance,
    },
};

use super::{keys::Keys, people::Person};
use crate::{
    clock::BEGINNING,
    kit::{phones::Phones, runtime::OPERATOR_KEY, wire::Wire},
    world::{NAME, Template},
};

/// Time that a deferred rental waits for its customer, in ms.
const TTL_MS: u64 = 60_000;
/// Time of each call to the gateway, in ms.
const LATENCY_MS: u64 = 10;
/// One of so many messages is refused.
const REFUSE_EVERY: usize = 5;

fn settings(defer: bool) -> ShopSettings {
    let payment = PaymentRules { defer, deferral_ttl_ms: TTL_MS, ..PaymentRules::default() };
    ShopSettings { arbiters: 0, payment, faults_enabled: true, ..ShopSettings::new(OPERATOR_KEY) }
}

/// An acknowledged event, and its entity.
pub type Acknowledged = (EntityId, &'static str);

/// Requested units by key and quantity, each with whether they were surely added.
#[derive(Clone, Debug, Default)]
pub struct Restocked(BTreeMap<(u128, u32), (ProductId, bool)>);

impl Restocked {
    pub fn remember(&mut self, request: RequestContext, product: ProductId, quantity: u32, surely: bool) {
        let unkeyed = || request.correlation.0;
        let hash = request.key.map_or_else(unkeyed, |key| key.hash);
        self.0.entry((hash, quantity)).or_insert((product, surely)).1 |= surely;
    }

    /// The least and the most units that were added.
    pub fn of(&self, wanted: ProductId) -> RangeInclusive<u64> {
        let sum = |surely: bool| {
            let of = self.0.iter().filter(|(_, (product, done))| *product == wanted && (*done || !surely));
            of.map(|((_, quantity), _)| u64::from(*quantity)).sum()
        };
        sum(true)..=sum(false)
    }
}

pub struct World {
    pub journal: Arc<MemoryJournal>,
    pub shop: Arc<Shop>,
    pub gateway: Simulator,
    pub phones: Arc<Phones>,
    /// People by number.
    pub people: Vec<Person>,
    pub products: Vec<ProductId>,
    /// Rentals in the order of their placing.
    pub rentals: Vec<RentalId>,
    /// Injected failures of each entity since the process started.
    pub failures: BTreeMap<EntityId, u32>,
    /// Injected failures of the payment actor.
    pub desk_failures: u32,
    /// Injected failures of all services.
    pub service_failures: u32,
    pub acknowledged: Vec<Acknowledged>,
    pub keys: Keys,
    pub restocked: Restocked,
    /// The newest version seen of each row of My Page.
    pub versions: RefCell<BTreeMap<RentalId, Position>>,
    wire: Arc<Wire<Simulator>>,
    sources: Sources,
    defer: bool,
}

impl World {
    pub async fn open(template: &Template, defer: bool) -> Self {
        let sources = Sources::seeded(Arc::new(TokioClock::starting_at(BEGINNING)), 7);
        let behaviour = Behaviour { latency_ms: LATENCY_MS, ..Behaviour::default() };
        let gateway = Simulator::new(Ledger::in_memory(), behaviour, 1);
        let (journal, phones) = (template.journal.crash(), Arc::new(Phones::refusing_every(REFUSE_EVERY)));
        let named = |(number, id): (usize, &CustomerId)| Person::here(*id, format!("{NAME}{number}"));
        let mut people: Vec<Person> = template.customers.iter().enumerate().map(named).collect();
        people.push(Person::default());
        let wire = Wire::to(gateway.clone());
        let parts = ShopParts {
            journal: journal.clone(),
            gateways: wire.clone().into(),
            sms: phones.clone(),
            sources: sources.clone(),
        };
        Self {
            shop: Shop::open(parts, settings(defer)).await.unwrap(),
            journal,
            gateway,
            phones,
            people,
            products: template.products.clone(),
            rentals: Vec::new(),
            failures: BTreeMap::new(),
            desk_failures: 0,
            service_failures: 0,
            acknowledged: Vec::new(),
            keys: Keys::default(),
            restocked: Restocked::default(),
            versions: RefCell::default(),
            wire,
            sources,
            defer,
        }
    }

    /// Kills the process, and starts another on what it left.
    pub async fn crash(&mut self, breaker_open: bool) {
        self.wire.cut();
        let left_behind = self.journal.crash();
        // Its actors end, and write nothing more.
        self.shop.close().await;
        self.reopen(left_behind, breaker_open).await;
    }

    /// Stops the process in order, and starts another.
    pub async fn restart(&mut self, breaker_open: bool) {
        self.shop.close().await;
        self.wire.cut();
        self.reopen(self.journal.crash(), breaker_open).await;
    }

    async fn reopen(&mut self, left_behind: Arc<MemoryJournal>, breaker_open: bool) {
        self.journal = left_behind;
        self.wire = Wire::to(self.gateway.clone());
        let parts = ShopParts {
            journal: self.journal.clone(),
            gateways: self.wire.clone().into(),
            sms: self.phones.clone(),
            sources: self.sources.clone(),
        };
        self.shop = Shop::open(parts, settings(self.defer)).await.unwrap();
        self.failures.clear();
        (self.desk_failures, self.service_failures) = (0, 0);
        self.tries_are_forgotten();
        self.set_breaker(breaker_open);
    }

    pub fn set_breaker(&self, open: bool) {
        self.shop.set_breaker(if open { BreakerMode::ForcedOpen } else { BreakerMode::Auto });
    }

    /// A rental, counted from the newest.
    pub fn rental(&self, from_newest: usize) -> Option<RentalId> {
        let placed = self.rentals.len();
        (placed > 0).then(|| self.rentals[placed - 1 - from_newest % placed])
    }

    pub fn as_journal(&self) -> Arc<dyn Journal> {
        self.journal.clone()
    }

    pub async fn history(&self) -> Vec<Arc<Recorded>> {
        self.journal.read(Position(0), usize::MAX).await.unwrap()
    }

    /// A product, counted from the oldest.
    pub fn product(&self, index: usize) -> ProductId {
        self.products[index % self.products.len()]
    }

    /// Contexts that are paused by the journal.
    pub async fn paused(&self) -> Vec<Context> {
        let mut paused = Vec::new();
        for context in Context::ALL {
            let state = reads::read::<Maintenance>(&self.as_journal(), context).await.unwrap();
            paused.extend(state.paused.then_some(context));
        }
        paused
    }

    /// Entities in quarantine.
    pub async fn quarantined(&self) -> Vec<EntityId> {
        let kinds = self.shop.actors().await.unwrap().items;
        let ids = kinds.into_iter().flat_map(|kind| kind.status.quarantined_ids);
        ids.map(|id| EntityId::parse(&id).unwrap()).collect()
    }

    /// Records new rentals, products and people.
    pub async fn notice(&mut self) {
        let history = self.history().await;
        for recorded in &history {
            let id = recorded.entity.id;
            match recorded.event {
                Event::Rental(RentalEvent::RentalPlaced(_)) if !self.rentals.contains(&RentalId(id)) => {
                    self.rentals.push(RentalId(id));
                }
                Event::Product(ProductEvent::ProductRegistered { .. })
                    if !self.products.contains(&ProductId(id)) =>
                {
                    self.products.push(ProductId(id));
                }
                _ => {}
            }
        }
        self.notice_people(&history).await;
    }
}
