//! A shop with its customers and products, everything around it, and what it has promised so far.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    ops::RangeInclusive,
    sync::{Arc, OnceLock},
};

use saem::{
    Brand, BreakerMode, CustomerId, Event, Journal, Locale, MemoryJournal, Money, Offer, Position,
    ProductEvent, ProductId, Recorded, RentalEvent, RentalId, RequestContext, Shop, ShopParts, ShopSettings,
    Simulator, Sources, Timestamp,
    internal::{
        actors::{RestartLimits, Rules, TokioClock, reads},
        config::Settings,
        domain::{Context, EntityId, Maintenance},
        store::Images,
    },
};

use super::{
    gateways::{Phones, gateway},
    keys::Keys,
    model::CROWD,
    people::{NAME, PASSWORD, Person, phone},
};
use crate::kit::wire::Wire;

/// Units at hand at first.
const STOCK: [u32; CROWD] = [1, 3, 30];
/// How long a deferred rental waits for its customer, in ms.
const TTL_MS: u64 = 60_000;

/// A shop where customers have signed up and products are registered: each case begins with a copy.
pub struct Template {
    journal: Arc<MemoryJournal>,
    customers: [CustomerId; CROWD],
    products: [ProductId; CROWD],
}

/// Made once: hashing passwords is slow on purpose.
pub fn template() -> &'static Template {
    static TEMPLATE: OnceLock<Template> = OnceLock::new();
    TEMPLATE.get_or_init(|| actix_rt::System::new().block_on(make_template()))
}

async fn make_template() -> Template {
    let journal = MemoryJournal::new();
    let sources = Sources::seeded(Arc::new(TokioClock::starting_at(Timestamp(1))), 1);
    let parts = ShopParts {
        journal: journal.clone(),
        gateways: Wire::to(gateway()).into(),
        sms: Arc::new(Phones::default()),
        sources,
    };
    let shop = Shop::open(parts, settings(true)).await.unwrap();
    let mut customers = Vec::new();
    let mut products = Vec::new();
    for (index, stock) in STOCK.into_iter().enumerate() {
        let (name, password) = (format!("{NAME}{index}"), PASSWORD.to_owned());
        customers
            .push(shop.sign_up(name, phone(index), password, shop.new_request()).await.unwrap().value.id);
        let offer = Offer {
            name: format!("샘 {index}"),
            model: format!("MS-{index}"),
            description: String::new(),
            fee: Money::won(29_900 + 10_000 * index as u64),
        };
        let registered = shop.register_product(offer, stock, shop.new_request()).await.unwrap();
        products.push(registered.value.id);
    }
    journal.sync();
    let journal = journal.crash();
    shop.close().await;
    let (customers, products) = (customers.try_into().unwrap(), products.try_into().unwrap());
    Template { journal, customers, products }
}

fn settings(defer: bool) -> ShopSettings {
    ShopSettings {
        arbiters: 0,
        ask_timeout_ms: 5_000,
        entity_mailbox: 1_024,
        entity_idle_ms: 10_000,
        entities_max: 20_000,
        restart_limits: RestartLimits::default(),
        operator_key: "operator-key-of-at-least-32-characters".to_owned(),
        locale: Locale::Ko,
        brand: Brand::default(),
        payment: Rules {
            deadline_ms: 900,
            timeout_ms: 800,
            charge_min_ms: 300,
            defer,
            deferral_ttl_ms: TTL_MS,
        },
        admission: Settings::default().shop(String::new()).admission,
        breaker: Settings::default().shop(String::new()).breaker,
        stuck_after_ms: 8_000,
        faults_enabled: true,
        beside: Vec::new(),
        images: Images::default(),
        delay_hook: None,
    }
}

/// Whose history an acknowledgement stands in, and by which event.
pub type Acknowledged = (EntityId, &'static str);

/// Units added to products, by the key and the body they were asked for with: for sure, or perhaps.
#[derive(Clone, Debug, Default)]
pub struct Restocked(BTreeMap<(u128, u32), (ProductId, bool)>);

impl Restocked {
    pub fn remember(&mut self, request: RequestContext, product: ProductId, quantity: u32, surely: bool) {
        let unkeyed = || request.correlation.0;
        let hash = request.key.map_or_else(unkeyed, |key| key.hash);
        self.0.entry((hash, quantity)).or_insert((product, surely)).1 |= surely;
    }

    /// At least so many, and at most so many.
    pub fn of(&self, wanted: ProductId) -> RangeInclusive<u64> {
        let sum = |surely: bool| {
            let of = self.0.iter().filter(|(_, (product, done))| *product == wanted && (*done || !surely));
            of.map(|((_, quantity), _)| u64::from(*quantity)).sum()
        };
        sum(true)..=sum(false)
    }
}

/// The whole world.
pub struct World {
    pub journal: Arc<MemoryJournal>,
    pub shop: Arc<Shop>,
    pub gateway: Simulator,
    pub phones: Arc<Phones>,
    /// By number.
    pub people: Vec<Person>,
    pub products: Vec<ProductId>,
    /// In the order of their placing.
    pub rentals: Vec<RentalId>,
    /// How often each entity was made to fail since the process started.
    pub failures: BTreeMap<EntityId, u32>,
    /// The same for the payment actor.
    pub desk_failures: u32,
    /// And for all services together.
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
        tokio::time::pause();
        let sources = Sources::seeded(Arc::new(TokioClock::starting_at(Timestamp(1_000_000))), 7);
        let (journal, gateway, phones) = (template.journal.crash(), gateway(), Arc::new(Phones::default()));
        let named = |(number, id): (usize, CustomerId)| Person::here(id, format!("{NAME}{number}"));
        let mut people: Vec<Person> = template.customers.into_iter().enumerate().map(named).collect();
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
            products: template.products.into(),
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

    /// Kills the process, and starts another on what it left behind.
    pub async fn crash(&mut self, breaker_open: bool) {
        self.wire.cut();
        let left_behind = self.journal.crash();
        // Ends its actors, and lets none of them write any more.
        self.shop.close().await;
        self.reopen(left_behind, breaker_open).await;
    }

    /// Ends the process as it should end, and starts another.
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

    /// A rental by how many came after it; none when there are none.
    pub fn rental(&self, from_newest: usize) -> Option<RentalId> {
        let placed = self.rentals.len();
        (placed > 0).then(|| self.rentals[placed - 1 - from_newest % placed])
    }

    pub fn as_journal(&self) -> Arc<dyn Journal> {
        self.journal.clone()
    }

    /// Every event so far.
    pub async fn history(&self) -> Vec<Arc<Recorded>> {
        self.journal.read(Position(0), usize::MAX).await.unwrap()
    }

    /// A product by when it was registered.
    pub fn product(&self, index: usize) -> ProductId {
        self.products[index % self.products.len()]
    }

    /// Contexts that are paused, as of the journal.
    pub async fn paused(&self) -> Vec<Context> {
        let mut paused = Vec::new();
        for context in Context::ALL {
            let state = reads::read::<Maintenance>(&self.as_journal(), context).await.unwrap();
            paused.extend(state.paused.then_some(context));
        }
        paused
    }

    /// Who is in quarantine.
    pub async fn quarantined(&self) -> Vec<EntityId> {
        let kinds = self.shop.actors().await.unwrap().items;
        let ids = kinds.into_iter().flat_map(|kind| kind.status.quarantined_ids);
        ids.map(|id| EntityId::parse(&id).unwrap()).collect()
    }

    /// Takes note of whoever and whatever is new.
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
