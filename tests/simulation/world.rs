//! The simulated world: processes of the shop, one after the other, on one thread with a paused clock;
//! and what outlives them: the disk, the bank, the phones and the customers' answers.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    rc::Rc,
    sync::{Arc, OnceLock},
    time::Duration,
};

use crate::{
    asking::{Request, send},
    bank::Bank,
    book::Book,
    checks::Seen,
    clock::Watch,
    disk::{Disk, Pace},
    generate::CROWD,
    kit::{
        phones::Phones,
        runtime::{OPERATOR_KEY, paused},
        wire::Wire,
    },
    plan::{Again, Weather},
    roads::Roads,
};
use actix_rt::task::JoinHandle;
use futures_util::FutureExt as _;
use saem::{
    BreakerMode, CustomerId, MemoryJournal, Money, Offer, PaymentRules, Phone, ProductId, RentalId, Shop,
    ShopParts, ShopSettings, Sources, internal::actors::guarded,
};

/// Names of the customers begin so, a number follows.
pub const NAME: &str = "성춘향";
pub const PASSWORD: &str = "password";

pub fn phone(number: usize) -> Phone {
    Phone::parse(&format!("010-1234-567{number}")).unwrap()
}

/// Units in stock at first.
const STOCK: [u32; CROWD] = [1, 3, 30];
/// Time that a deferred rental waits for its customer, in ms.
const DEFERRAL_MS: u64 = 60_000;
/// A process that takes longer to start is replaced.
const START_WITHIN: Duration = Duration::from_secs(120);
/// Failed starts at most: each one uses up a planned fault.
const STARTS_MAX: usize = 50;

/// A shop with customers and products, before anything happens.
pub struct Template {
    pub journal: Arc<MemoryJournal>,
    pub customers: Vec<CustomerId>,
    pub products: Vec<ProductId>,
}

/// Made once: hashing passwords is slow on purpose.
pub fn template() -> &'static Template {
    static TEMPLATE: OnceLock<Template> = OnceLock::new();
    TEMPLATE.get_or_init(|| paused().block_on(make_template()))
}

async fn make_template() -> Template {
    let journal = MemoryJournal::new();
    let parts = ShopParts {
        journal: journal.clone(),
        gateways: Wire::to(Bank::new(true, 1)).into(),
        sms: Arc::new(Phones::default()),
        sources: Sources::seeded(Arc::new(Watch::new()), 1),
    };
    let settings = ShopSettings { arbiters: 0, ..ShopSettings::new(OPERATOR_KEY) };
    let shop = Shop::open(parts, settings).await.unwrap();
    let (mut customers, mut products) = (Vec::new(), Vec::new());
    for (index, stock) in STOCK.into_iter().enumerate() {
        let (name, password) = (format!("{NAME}{index}"), PASSWORD.to_owned());
        let signed_up = shop.sign_up(name, phone(index), password, shop.new_request()).await;
        customers.push(signed_up.unwrap().value.id);
        let fee = Money::won(29_900 + 10_000 * index as u64);
        let (name, model) = (format!("샘 {index}"), format!("MS-{index}"));
        let offer = Offer { name, model, description: String::new(), fee };
        products.push(shop.register_product(offer, stock, shop.new_request()).await.unwrap().value.id);
    }
    journal.sync();
    let journal = journal.crash();
    shop.close().await;
    Template { journal, customers, products }
}

pub struct World {
    pub seed: u64,
    pub weather: Weather,
    pub shop: Arc<Shop>,
    pub disk: Arc<Disk>,
    pub bank: Bank,
    pub phones: Arc<Phones>,
    pub watch: Arc<Watch>,
    pub book: Rc<RefCell<Book>>,
    pub customers: &'static [CustomerId],
    pub products: &'static [ProductId],
    /// Requests that were sent, by step.
    pub requests: BTreeMap<usize, Request>,
    pub seen: Seen,
    /// Operations of the store during the plan: `true` for a write.
    pub operations: Vec<bool>,
    /// `true` if every planned fault of the store occurred.
    pub struck: bool,
    wire: Arc<Wire<Bank>>,
    sources: Sources,
    roads: Arc<Roads>,
    under_way: Vec<JoinHandle<()>>,
    breaker: BreakerMode,
    processes: u64,
}

impl World {
    pub async fn begin(seed: u64, weather: Weather) -> Self {
        let template = template();
        let watch = Arc::new(Watch::new());
        let sources = Sources::seeded(watch.clone(), seed);
        let bank = Bank::new(weather.voids, seed ^ 1);
        let roads = Arc::new(Roads::new(weather.transit_ms, weather.copies_percent, seed ^ 2));
        let phones = Arc::new(Phones::default());
        let wire = Wire::to(bank.clone());
        let disk = Disk::over(template.journal.crash(), pace(weather), seed ^ 3);
        let parts = ShopParts {
            journal: disk.clone(),
            gateways: wire.clone().into(),
            sms: phones.clone(),
            sources: sources.clone(),
        };
        let shop = Shop::open(parts, settings(weather, &roads)).await.expect("no faults yet");
        Self {
            seed,
            weather,
            shop,
            disk,
            bank,
            phones,
            watch,
            book: Rc::default(),
            customers: &template.customers,
            products: &template.products,
            requests: BTreeMap::new(),
            seen: Seen::default(),
            operations: Vec::new(),
            struck: false,
            wire,
            sources,
            roads,
            under_way: Vec::new(),
            breaker: BreakerMode::Auto,
            processes: 0,
        }
    }

    /// Kills the process, and starts another on what it left, which may be killed, too.
    pub async fn crash(&mut self, arrives: bool, batches: usize, again: Option<Again>) {
        self.cut();
        let left_behind = self.disk.crash(arrives, batches);
        // Its actors end, and write nothing more.
        self.shop.close().await;
        self.start(left_behind, again).await;
    }

    /// Stops the process in order, and starts another.
    pub async fn restart(&mut self) {
        self.cut();
        self.shop.close().await;
        let left_behind = self.disk.memory().crash();
        self.disk.crash(false, 0);
        self.start(left_behind, None).await;
    }

    /// Drops the requests under way, and the connection to the bank.
    fn cut(&mut self) {
        self.wire.cut();
        self.under_way.drain(..).for_each(|request| request.abort());
    }

    async fn start(&mut self, mut left_behind: Arc<MemoryJournal>, mut again: Option<Again>) {
        for _ in 0..STARTS_MAX {
            self.processes += 1;
            let seed = self.seed ^ self.processes << 8;
            self.disk = Disk::over(left_behind, pace(self.weather), seed);
            self.wire = Wire::to(self.bank.clone());
            let parts = ShopParts {
                journal: self.disk.clone(),
                gateways: self.wire.clone().into(),
                sms: self.phones.clone(),
                sources: self.sources.clone(),
            };
            let opening = guarded(Shop::open(parts, settings(self.weather, &self.roads)));
            let opened = tokio::select! {
                biased;
                () = turns(again) => None,
                opened = tokio::time::timeout(START_WITHIN, opening) => opened.ok(),
            };
            if let Some(Ok(Ok(shop))) = opened {
                shop.set_breaker(self.breaker);
                self.shop = shop;
                return;
            }
            again = None;
            self.wire.cut();
            left_behind = self.disk.crash(false, 0);
        }
        panic!("the shop does not start");
    }

    pub fn set_breaker(&mut self, open: bool) {
        self.breaker = if open { BreakerMode::ForcedOpen } else { BreakerMode::Auto };
        self.shop.set_breaker(self.breaker);
    }

    /// Sends a request without waiting for its answer.
    pub fn send(&mut self, request: Request) {
        if let Some(rental) = request.rental(&self.shop) {
            self.book.borrow_mut().rentals.insert(request.step, rental);
        }
        self.requests.insert(request.step, request.clone());
        let (shop, watch, book) = (Arc::clone(&self.shop), Arc::clone(&self.watch), Rc::clone(&self.book));
        let durable = Arc::clone(self.disk.memory());
        let sending = guarded(send(shop, request, durable, watch, book));
        // A planned panic may end the request's task, as it may end a handler's.
        self.under_way.push(actix_rt::spawn(sending.map(drop)));
        self.under_way.retain(|request| !request.is_finished());
    }

    /// True if no request is under way.
    pub fn is_idle(&self) -> bool {
        self.under_way.iter().all(JoinHandle::is_finished)
    }

    pub fn rental(&self, step: usize) -> Option<RentalId> {
        self.book.borrow().rentals.get(&step).copied()
    }
}

fn pace(weather: Weather) -> Pace {
    Pace { commit_ms: weather.commit_ms, read_ms: weather.read_ms }
}

fn settings(weather: Weather, roads: &Arc<Roads>) -> ShopSettings {
    let rules =
        PaymentRules { defer: weather.defer, deferral_ttl_ms: DEFERRAL_MS, ..PaymentRules::default() };
    let plain = ShopSettings::new(OPERATOR_KEY);
    ShopSettings {
        arbiters: 0,
        payment: rules,
        faults_enabled: true,
        delay_hook: Some(roads.clone()),
        // Entities are evicted within a history, as they are within a day.
        entity_idle_ms: 2_000,
        ..plain
    }
}

/// Returns after the given turns of the thread; never without any.
async fn turns(again: Option<Again>) {
    let Some(Again { turns }) = again else { return std::future::pending().await };
    for _ in 0..turns {
        tokio::task::yield_now().await;
    }
}
