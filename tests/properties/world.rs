//! A shop with its customers and products, everything around it, and what it has promised so far.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    sync::{Arc, OnceLock},
};

use saem::{
    actors::{
        payment::Rules,
        restart::RestartLimits,
        shop::{BreakerMode, PayOutcome, Shop, ShopParts, ShopSettings},
        sources::{Sources, TokioClock},
    },
    domain::{
        CustomerId, EntityId, Event, Money, Position, ProductId, Recorded, RentalId, Timestamp,
        notice::Locale, phone::Phone, product::Offer, rental::RentalEvent,
    },
    gateways::simulator::Simulator,
    store::{Journal, memory::MemoryJournal},
};

use crate::{
    gateways::{Phones, Wire, gateway},
    model::CROWD,
};

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
        gateway: Wire::to(gateway()),
        sms: Arc::new(Phones::default()),
        sources,
    };
    let shop = Shop::open(parts, settings(true)).await.unwrap();
    let mut customers = Vec::new();
    let mut products = Vec::new();
    for (index, stock) in STOCK.into_iter().enumerate() {
        let phone = Phone::parse(&format!("010-1234-567{index}")).unwrap();
        let (name, password) = (format!("손님{index}"), "password".to_owned());
        customers.push(shop.sign_up(name, phone, password, shop.because()).await.unwrap().value.id);
        let offer = Offer {
            name: format!("샘 {index}"),
            model: format!("MS-{index}"),
            description: String::new(),
            fee: Money::won(29_900 + 10_000 * index as u64),
        };
        let registered = shop.register_product(offer, stock, shop.because()).await.unwrap();
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
        payment: Rules {
            deadline_ms: 900,
            timeout_ms: 800,
            charge_min_ms: 300,
            defer,
            deferral_ttl_ms: TTL_MS,
        },
        payment_concurrency: 64,
        payment_queue: 256,
        breaker_open_wait_ms: 5_000,
        faults_enabled: true,
    }
}

/// Whose history an acknowledgement stands in, and by which event.
pub type Acknowledged = (EntityId, &'static str);

/// Units added to a product: for sure, and perhaps.
#[derive(Clone, Copy, Debug, Default)]
pub struct Restocked {
    pub surely: u64,
    pub perhaps: u64,
}

/// The whole world.
pub struct World {
    pub journal: Arc<MemoryJournal>,
    pub shop: Arc<Shop>,
    pub gateway: Simulator,
    pub phones: Arc<Phones>,
    pub customers: [CustomerId; CROWD],
    pub products: [ProductId; CROWD],
    /// In the order of their placing.
    pub rentals: Vec<RentalId>,
    /// How often each entity was made to fail since the process started.
    pub failures: BTreeMap<EntityId, u32>,
    /// The same for the payment actor.
    pub desk_failures: u32,
    pub acknowledged: Vec<Acknowledged>,
    /// What each key was first answered, by customer and key.
    pub keys: BTreeMap<(usize, u8), (RentalId, PayOutcome)>,
    pub restocked: [Restocked; CROWD],
    /// The newest version seen of each row of My Page.
    pub versions: RefCell<BTreeMap<RentalId, Position>>,
    wire: Arc<Wire>,
    sources: Sources,
    defer: bool,
}

impl World {
    pub async fn open(template: &Template, defer: bool) -> Self {
        tokio::time::pause();
        let sources = Sources::seeded(Arc::new(TokioClock::starting_at(Timestamp(1_000_000))), 7);
        let (journal, gateway, phones) = (template.journal.crash(), gateway(), Arc::new(Phones::default()));
        let wire = Wire::to(gateway.clone());
        let parts = ShopParts {
            journal: journal.clone(),
            gateway: wire.clone(),
            sms: phones.clone(),
            sources: sources.clone(),
        };
        Self {
            shop: Shop::open(parts, settings(defer)).await.unwrap(),
            journal,
            gateway,
            phones,
            customers: template.customers,
            products: template.products,
            rentals: Vec::new(),
            failures: BTreeMap::new(),
            desk_failures: 0,
            acknowledged: Vec::new(),
            keys: BTreeMap::new(),
            restocked: Default::default(),
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
        self.journal = left_behind;
        self.wire = Wire::to(self.gateway.clone());
        let parts = ShopParts {
            journal: self.journal.clone(),
            gateway: self.wire.clone(),
            sms: self.phones.clone(),
            sources: self.sources.clone(),
        };
        self.shop = Shop::open(parts, settings(self.defer)).await.unwrap();
        self.failures.clear();
        self.desk_failures = 0;
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

    /// Takes note of rentals that are new.
    pub async fn notice_rentals(&mut self) {
        for recorded in self.history().await {
            let id = RentalId(recorded.entity.id);
            let placed = matches!(recorded.event, Event::Rental(RentalEvent::RentalPlaced(_)));
            if placed && !self.rentals.contains(&id) {
                self.rentals.push(id);
            }
        }
    }
}
