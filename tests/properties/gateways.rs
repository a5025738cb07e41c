//! What outlives the shop's process: the payment gateway behind a wire that can be cut, and the phones.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, Ordering},
};

use saem::{
    domain::{Money, NotificationId},
    gateways::{
        Call, ChargeKey, Charged, Found, PaymentGateway, PaymentMethod, Sought, Unfit, Voided,
        ledger::{Entry, Ledger},
        simulator::{Behaviour, Simulator},
        sms::{Sending, SmsError, SmsGateway, TextMessage},
    },
};

/// How long each call to the gateway takes, in ms.
const LATENCY_MS: u64 = 10;
/// Every so many messages, one is not taken.
const REFUSE_EVERY: usize = 5;

pub fn gateway() -> Simulator {
    Simulator::new(Ledger::in_memory(), Behaviour { latency_ms: LATENCY_MS, ..Behaviour::default() }, 1)
}

/// One process's wire to the gateway. Once it is cut nothing more is sent, but what was sent arrives.
pub struct Wire {
    gateway: Simulator,
    cut: AtomicBool,
}

impl Wire {
    pub fn to(gateway: Simulator) -> Arc<Self> {
        Arc::new(Self { gateway, cut: AtomicBool::new(false) })
    }

    pub fn cut(&self) {
        self.cut.store(true, Ordering::Relaxed);
    }

    fn call<T: 'static>(&self, call: impl FnOnce(&Simulator) -> Call<T>) -> Call<T> {
        if self.cut.load(Ordering::Relaxed) {
            return Box::pin(std::future::pending());
        }
        call(&self.gateway)
    }
}

impl PaymentGateway for Wire {
    fn provider(&self) -> &'static str {
        self.gateway.provider()
    }

    fn accepts(&self, method: &PaymentMethod) -> Result<(), Unfit> {
        self.gateway.accepts(method)
    }

    fn needs_checkout(&self) -> bool {
        self.gateway.needs_checkout()
    }

    fn charge(&self, key: ChargeKey, amount: Money, method: &PaymentMethod) -> Call<Charged> {
        self.call(|gateway| gateway.charge(key, amount, method))
    }

    fn find(&self, sought: &Sought) -> Call<Found> {
        self.call(|gateway| gateway.find(sought))
    }

    fn refund(&self, sought: &Sought) -> Call<()> {
        self.call(|gateway| gateway.refund(sought))
    }

    fn void(&self, sought: &Sought) -> Call<Voided> {
        self.call(|gateway| gateway.void(sought))
    }

    fn ledger(&self) -> Option<Vec<Entry>> {
        self.gateway.ledger()
    }
}

/// The customers' phones.
#[derive(Default)]
pub struct Phones {
    tried: Mutex<usize>,
    received: Mutex<Vec<NotificationId>>,
}

impl Phones {
    pub fn received(&self) -> Vec<NotificationId> {
        self.received.lock().unwrap().clone()
    }
}

impl SmsGateway for Phones {
    fn provider(&self) -> &'static str {
        "phones"
    }

    fn send(&self, message: TextMessage) -> Sending {
        let mut tried = self.tried.lock().unwrap();
        *tried += 1;
        if tried.is_multiple_of(REFUSE_EVERY) {
            return Box::pin(std::future::ready(Err(SmsError("now and then".to_owned()))));
        }
        self.received.lock().unwrap().push(message.id);
        Box::pin(std::future::ready(Ok(())))
    }
}
