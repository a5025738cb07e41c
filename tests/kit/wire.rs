//! One process's connection to a payment gateway that outlives it.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use saem::{
    Call, ChargeKey, Charged, Entry, Found, InvalidMethod, Money, PaymentGateway, PaymentMethod, PriorCharge,
    Voided,
};

/// Once the connection is cut, nothing more is sent; what was sent arrives.
pub struct Wire<G> {
    gateway: G,
    cut: AtomicBool,
}

impl<G: PaymentGateway> Wire<G> {
    pub fn to(gateway: G) -> Arc<Self> {
        Arc::new(Self { gateway, cut: AtomicBool::new(false) })
    }

    pub fn cut(&self) {
        self.cut.store(true, Ordering::Relaxed);
    }

    fn call<T: 'static>(&self, call: impl FnOnce(&G) -> Call<T>) -> Call<T> {
        if self.cut.load(Ordering::Relaxed) {
            return Box::pin(std::future::pending());
        }
        call(&self.gateway)
    }
}

impl<G: PaymentGateway> PaymentGateway for Wire<G> {
    fn provider(&self) -> &'static str {
        self.gateway.provider()
    }

    fn accepts(&self, method: &PaymentMethod) -> Result<(), InvalidMethod> {
        self.gateway.accepts(method)
    }

    fn needs_checkout(&self) -> bool {
        self.gateway.needs_checkout()
    }

    fn charge(&self, key: ChargeKey, amount: Money, method: &PaymentMethod) -> Call<Charged> {
        self.call(|gateway| gateway.charge(key, amount, method))
    }

    fn find(&self, sought: &PriorCharge) -> Call<Found> {
        self.call(|gateway| gateway.find(sought))
    }

    fn refund(&self, sought: &PriorCharge) -> Call<()> {
        self.call(|gateway| gateway.refund(sought))
    }

    fn void(&self, sought: &PriorCharge) -> Call<Voided> {
        self.call(|gateway| gateway.void(sought))
    }

    fn ledger(&self) -> Option<Vec<Entry>> {
        self.gateway.ledger()
    }
}
