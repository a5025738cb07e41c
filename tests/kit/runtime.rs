//! The shop without HTTP: on a journal in memory it can crash, and its clock can be advanced.

use std::{
    cell::RefCell,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use actix_rt::{System, SystemRunner};
use saem::{
    Address, Behaviour, BreakerMode, CancelReason, Clock, CustomerId, Gateways, Journal, Ledger, LogSms,
    MemoryJournal, Money, Offer, Order, PageRequest, PayOutcome, PaymentMethod, Phone, PlacedRental,
    Principal, ProductId, RequestContext, RequestKey, Shop, ShopError, ShopParts, ShopSettings, Simulator,
    Sources, Timestamp,
    internal::{actors::SystemClock, config::Settings},
};
use tokio::runtime::Builder;

use super::until;

pub const OPERATOR_KEY: &str = "operator-key-of-at-least-32-characters";
pub const HOUR_MS: u64 = 60 * 60 * 1_000;
pub const PAGE: PageRequest = PageRequest { cursor: None, limit: 100 };

/// A runtime on this thread with a paused clock: time passes only when nothing else can happen.
pub fn paused() -> SystemRunner {
    let paused = || Builder::new_current_thread().enable_time().start_paused(true).build();
    System::with_tokio_rt(move || paused().expect("a runtime needs nothing"))
}

/// The system's clock, advanced.
#[derive(Default)]
struct AdvancedClock(AtomicU64);

impl Clock for AdvancedClock {
    fn now(&self) -> Timestamp {
        SystemClock.now().plus_ms(self.0.load(Ordering::Relaxed))
    }
}

pub fn simulator() -> Simulator {
    Simulator::new(Ledger::in_memory(), Behaviour::default(), 1)
}

/// Opens a shop on a journal, with the simulator as payment provider.
pub async fn open_on(journal: Arc<dyn Journal>, gateway: Simulator, settings: ShopSettings) -> Arc<Shop> {
    let gateways = Arc::new(gateway).into();
    let parts = ShopParts { journal, gateways, sms: Arc::new(LogSms), sources: Sources::system() };
    Shop::open(parts, settings).await.unwrap()
}

/// Parts that survive a crash of the shop.
pub struct Runtime {
    pub journal: Arc<MemoryJournal>,
    gateway: Arc<Simulator>,
    clock: Arc<AdvancedClock>,
    shop: RefCell<Option<Arc<Shop>>>,
    one_thread: bool,
}

impl Runtime {
    fn new(one_thread: bool) -> Self {
        let (journal, gateway) = (MemoryJournal::new(), Arc::new(simulator()));
        Self { journal, gateway, clock: Arc::default(), shop: RefCell::default(), one_thread }
    }

    pub async fn start() -> (Self, Arc<Shop>) {
        let runtime = Self::new(false);
        let shop = runtime.open(Arc::clone(&runtime.gateway).into()).await;
        (runtime, shop)
    }

    /// Starts with other payment gateways.
    pub async fn start_with(gateways: Gateways) -> (Self, Arc<Shop>) {
        let runtime = Self::new(false);
        let shop = runtime.open(gateways).await;
        (runtime, shop)
    }

    /// Starts all actors on this thread: they run only while the test waits.
    pub async fn start_on_one_thread() -> (Self, Arc<Shop>) {
        let runtime = Self::new(true);
        let shop = runtime.open(Arc::clone(&runtime.gateway).into()).await;
        (runtime, shop)
    }

    pub async fn open(&self, gateways: Gateways) -> Arc<Shop> {
        let journal = Arc::clone(&self.journal);
        let clock: Arc<dyn Clock> = Arc::clone(&self.clock) as _;
        let sources = Sources::seeded(clock, Sources::system().bits() as u64);
        let parts = ShopParts { journal, gateways, sms: Arc::new(LogSms), sources };
        let mut settings = Settings::default();
        settings.actors.arbiters = 2;
        // Short: a failed payment is looked into only when its calls must have ended.
        let payment = &mut settings.payment;
        (payment.deadline_ms, payment.timeout_ms, payment.charge_min_ms) = (200, 100, 10);
        let mut settings = settings.shop(OPERATOR_KEY.to_owned());
        if self.one_thread {
            settings.arbiters = 0;
        }
        let shop = Shop::open(parts, settings).await.unwrap();
        self.shop.replace(Some(Arc::clone(&shop)));
        shop
    }

    /// Crashes the shop, and opens it on what was durable.
    pub async fn crash(&mut self) -> Arc<Shop> {
        self.crash_to(Arc::clone(&self.gateway).into()).await
    }

    /// Crashes the shop, and opens it with these gateways.
    pub async fn crash_to(&mut self, gateways: Gateways) -> Arc<Shop> {
        self.journal = self.journal.crash();
        // The crashed one must not continue with the gateway that both share.
        let crashed = self.shop.take();
        crashed.expect("a shop is open").close().await;
        self.open(gateways).await
    }

    pub fn advance(&self, ms: u64) {
        self.clock.0.fetch_add(ms, Ordering::Relaxed);
    }

    /// Keys of the vault with this prefix.
    pub async fn vault(&self, prefix: &str) -> Vec<String> {
        let rows = self.journal.vault_scan(prefix.to_owned()).await.unwrap();
        rows.into_iter().map(|(key, _)| key).collect()
    }
}

/// Context of a request with this idempotency key and this body.
pub fn keyed(shop: &Shop, key: &str, body: u8) -> RequestContext {
    RequestContext { key: Some(request_key(shop, key, body)), ..shop.new_request() }
}

pub fn request_key(shop: &Shop, key: &str, body: u8) -> RequestKey {
    shop.request_key(Some(Principal::Operator), "POST /", key, [body; 32])
}

pub fn offer() -> Offer {
    let (name, model) = ("맑은샘 정수기".to_owned(), "MS-100".to_owned());
    Offer { name, model, description: String::new(), fee: Money::won(29_900) }
}

pub async fn product(shop: &Shop, stock: u32) -> ProductId {
    shop.register_product(offer(), stock, shop.new_request()).await.unwrap().value.id
}

pub fn phone() -> Phone {
    Phone::parse("010-1234-5678").unwrap()
}

pub async fn customer(shop: &Shop) -> CustomerId {
    let (name, password) = ("홍길동".to_owned(), "password".to_owned());
    shop.sign_up(name, phone(), password, shop.new_request()).await.unwrap().value.id
}

pub fn card(token: &str) -> PaymentMethod {
    PaymentMethod::Card { token: token.to_owned() }
}

pub fn address() -> Address {
    let (recipient, postal_code) = ("홍길동".to_owned(), "04524".to_owned());
    Address { recipient, postal_code, line1: "세종대로 110".to_owned(), line2: None }
}

pub fn order(customer_id: CustomerId, product_id: ProductId, token: &str) -> Order {
    Order { customer_id, product_id, address: address(), method: card(token), expected_fee: None }
}

/// Places a rental while the breaker is open: it waits for its payment, and nothing was charged.
pub async fn deferred(shop: &Shop, customer: CustomerId, product: ProductId) -> PlacedRental {
    shop.set_breaker(BreakerMode::ForcedOpen);
    let placed = shop.place_rental(order(customer, product, "tok_ok"), shop.new_request()).await.unwrap();
    assert!(matches!(placed.outcome, PayOutcome::Deferred { .. }), "{:?}", placed.outcome);
    shop.set_breaker(BreakerMode::Disabled);
    placed
}

/// Places a rental that is paid, and waits until its unit was taken.
pub async fn rented(shop: &Shop, customer: CustomerId, product: ProductId) -> PlacedRental {
    let placed = shop.place_rental(order(customer, product, "tok_ok"), shop.new_request()).await.unwrap();
    assert_eq!(placed.outcome, PayOutcome::Confirmed);
    happens(shop, &placed, "ProductDecreased").await;
    placed
}

pub async fn canceled(shop: &Shop, placed: &PlacedRental) {
    shop.cancel_rental(placed.rental.id, CancelReason::Customer, shop.new_request()).await.unwrap();
    happens(shop, placed, "DeliveryCanceled").await;
}

/// Waits until an event is on the rental's timeline.
pub async fn happens(shop: &Shop, placed: &PlacedRental, event: &str) {
    until(event, || async {
        let timeline = shop.timeline(placed.rental.id).await.unwrap();
        timeline.iter().any(|recorded| recorded.event.name() == event)
    })
    .await;
}

#[track_caller]
pub fn reused<T: std::fmt::Debug>(answer: Result<T, ShopError>) {
    assert_eq!(answer.unwrap_err(), ShopError::KeyReused);
}
