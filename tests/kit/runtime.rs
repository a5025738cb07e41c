//! A shop that can be crashed and opened again, with a clock that can be put forward.

use std::{
    cell::RefCell,
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use saem::{
    actors::{
        entity::ask::{RequestContext, RequestKey},
        sources::{Clock, Sources, SystemClock},
    },
    config::Settings,
    domain::{
        CustomerId, Money, ProductId, Timestamp, address::Address, phone::Phone, product::Offer,
        rental::CancelReason,
    },
    gateways::{
        payment::{
            Gateways, PaymentMethod,
            ledger::Ledger,
            simulator::{Behaviour, Simulator},
        },
        sms::LogSms,
    },
    shop::{BreakerMode, Order, PayOutcome, Placed, Principal, Shop, ShopError, ShopParts},
    store::{Journal, memory::MemoryJournal},
};

pub const OPERATOR_KEY: &str = "operator-key-of-at-least-32-characters";
pub const HOUR_MS: u64 = 60 * 60 * 1_000;

/// The machine's clock, put forward.
#[derive(Default)]
pub struct Forward(AtomicU64);

impl Clock for Forward {
    fn now(&self) -> Timestamp {
        SystemClock.now().plus_ms(self.0.load(Ordering::Relaxed))
    }
}

/// All that outlives a shop.
pub struct Works {
    pub journal: Arc<MemoryJournal>,
    gateway: Arc<Simulator>,
    clock: Arc<Forward>,
    shop: RefCell<Option<Arc<Shop>>>,
    one_thread: bool,
}

impl Works {
    pub fn new() -> Self {
        let gateway = Arc::new(Simulator::new(Ledger::in_memory(), Behaviour::default(), 1));
        Self {
            journal: MemoryJournal::new(),
            gateway,
            clock: Arc::default(),
            shop: RefCell::default(),
            one_thread: false,
        }
    }

    /// Everything on this thread: what is begun is still under way when the test goes on.
    pub fn on_one_thread() -> Self {
        Self { one_thread: true, ..Self::new() }
    }

    pub async fn open(&self) -> Arc<Shop> {
        self.open_with(Arc::clone(&self.gateway).into()).await
    }

    /// A shop that takes its money elsewhere.
    pub async fn open_with(&self, gateways: Gateways) -> Arc<Shop> {
        let journal = Arc::clone(&self.journal);
        let clock: Arc<dyn Clock> = Arc::clone(&self.clock) as _;
        let sources = Sources::seeded(clock, Sources::system().bits() as u64);
        let parts = ShopParts { journal, gateways, sms: Arc::new(LogSms), sources };
        let mut settings = Settings::default();
        settings.actors.arbiters = 2;
        // Short, since a failed payment is looked into only when its calls cannot be under way any more.
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

    /// What a process finds that starts after this one was killed.
    pub async fn crashed(&mut self) -> Arc<Shop> {
        self.journal = self.journal.crash();
        // The one that was killed must not go on with the gateway that both share.
        let killed = self.shop.take();
        killed.expect("one was open").close().await;
        self.open().await
    }

    pub fn put_forward(&self, ms: u64) {
        self.clock.0.fetch_add(ms, Ordering::Relaxed);
    }

    /// The keys of the vault that begin so.
    pub async fn vault(&self, prefix: &str) -> Vec<String> {
        let rows = self.journal.vault_scan(prefix.to_owned()).await.unwrap();
        rows.into_iter().map(|(key, _)| key).collect()
    }
}

/// Runs a test. One that hangs fails instead; none comes near the limit.
pub fn run(test: impl Future<Output = ()>) {
    let limited = async { tokio::time::timeout(Duration::from_secs(120), test).await };
    actix_rt::System::new().block_on(limited).expect("the test hangs");
}

/// Asks again until the answer is there: what is asynchronous has no other sign.
pub async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, ask: impl Fn() -> F) -> T {
    let asking = async {
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), asking).await.unwrap_or_else(|_| panic!("never: {what}"))
}

/// A request with this key and this body.
pub fn keyed(shop: &Shop, key: &str, body: u8) -> RequestContext {
    RequestContext { key: Some(request_key(shop, key, body)), ..shop.new_request() }
}

pub fn request_key(shop: &Shop, key: &str, body: u8) -> RequestKey {
    shop.request_key(Some(Principal::Operator), "POST /", key, [body; 32])
}

pub fn offer() -> Offer {
    Offer {
        name: "맑은샘 정수기".to_owned(),
        model: "MS-100".to_owned(),
        description: String::new(),
        fee: Money::won(29_900),
    }
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

pub fn order(customer_id: CustomerId, product_id: ProductId, token: &str) -> Order {
    let address = Address {
        recipient: "홍길동".to_owned(),
        postal_code: "04524".to_owned(),
        line1: "세종대로 110".to_owned(),
        line2: None,
    };
    Order { customer_id, product_id, address, method: card(token), expected_fee: None }
}

/// A rental that waits to be paid, and was not charged.
pub async fn deferred(shop: &Shop, customer: CustomerId, product: ProductId) -> Placed {
    shop.set_breaker(BreakerMode::ForcedOpen);
    let placed = shop.place_rental(order(customer, product, "tok_ok"), shop.new_request()).await.unwrap();
    assert!(matches!(placed.outcome, PayOutcome::Deferred { .. }), "{:?}", placed.outcome);
    shop.set_breaker(BreakerMode::Disabled);
    placed
}

/// A rental that is paid, with its delivery started and its unit taken.
pub async fn rented(shop: &Shop, customer: CustomerId, product: ProductId) -> Placed {
    let placed = shop.place_rental(order(customer, product, "tok_ok"), shop.new_request()).await.unwrap();
    assert_eq!(placed.outcome, PayOutcome::Confirmed);
    happens(shop, &placed, "ProductDecreased").await;
    placed
}

pub async fn canceled(shop: &Shop, placed: &Placed) {
    shop.cancel_rental(placed.rental.id, CancelReason::Customer, shop.new_request()).await.unwrap();
    happens(shop, placed, "DeliveryCanceled").await;
}

/// Waits until an event is on the rental's timeline.
pub async fn happens(shop: &Shop, placed: &Placed, event: &str) {
    eventually(event, || async {
        let timeline = shop.timeline(placed.rental.id).await.unwrap();
        timeline.iter().any(|recorded| recorded.event.name() == event).then_some(())
    })
    .await;
}

#[track_caller]
pub fn reused<T: std::fmt::Debug>(answer: Result<T, ShopError>) {
    assert_eq!(answer.unwrap_err(), ShopError::KeyReused);
}
