//! The payment gateway of a simulated world, with its own ledger: it outlives the processes of the shop, and
//! does all that a real gateway may do wrong.
//!
//! A call that was sent is carried out, also when its caller gave up. Without voids it is carried out within
//! two timeouts of the shop: the settle horizon relies on that. A refund is done once for each reference, as
//! at gateways with idempotency keys.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use saem::{
    Call, ChargeKey, Charged, Entry, EntryStatus, Found, GatewayError, InvalidMethod, Money, PaymentGateway,
    PaymentMethod, PriorCharge, Voided,
};
use tokio::{sync::oneshot, time::Instant};

use crate::plan::{Card, Mood};

/// Delay of a charge at most, without voids.
const LATEST_MS: u64 = 1_600;
/// Delay of a charge at most, with voids: the shop may rely on no limit.
const LATEST_WITH_VOID_MS: u64 = 10_000;
/// Time in which a forgetful gateway does not find a new capture.
const FORGETFUL_FOR: Duration = Duration::from_millis(500);

/// The gateway. Cheap to clone.
#[derive(Clone)]
pub struct Bank {
    inner: Arc<Inner>,
}

struct Inner {
    voids: bool,
    accounts: Mutex<BTreeMap<ChargeKey, Account>>,
    mood: Mutex<Mood>,
    dice: Mutex<StdRng>,
    /// Answers that are never given.
    unanswered: Mutex<Vec<Box<dyn Send>>>,
}

/// State of one key.
#[derive(Clone, Debug, Default)]
struct Account {
    captured: Option<(Money, Instant)>,
    declined: bool,
    voided: bool,
    /// References of its refunds.
    refunds: BTreeSet<String>,
}

/// The course of one call.
struct Fate {
    delay_ms: u64,
    fails: bool,
    answered: bool,
}

impl Bank {
    pub fn new(voids: bool, seed: u64) -> Self {
        let inner = Inner {
            voids,
            accounts: Mutex::default(),
            mood: Mutex::default(),
            dice: Mutex::new(StdRng::seed_from_u64(seed)),
            unanswered: Mutex::default(),
        };
        Self { inner: Arc::new(inner) }
    }

    pub fn set_mood(&self, mood: Mood) {
        *self.inner.mood.lock().unwrap() = mood;
    }

    /// Carries out work after the delay of its fate, and answers unless the answer is lost.
    fn serve<T: Send + 'static>(
        &self,
        fate: Fate,
        work: impl FnOnce(&Inner) -> Result<T, GatewayError> + Send + 'static,
    ) -> Call<T> {
        let inner = Arc::clone(&self.inner);
        let (answer, answered) = oneshot::channel();
        tokio::spawn(async move {
            if fate.delay_ms > 0 {
                tokio::time::sleep(Duration::from_millis(fate.delay_ms)).await;
            }
            let done = if fate.fails { Err(GatewayError::Unknown("500".to_owned())) } else { work(&inner) };
            if fate.answered {
                // The caller may have given up.
                let _ = answer.send(done);
            } else {
                inner.unanswered.lock().unwrap().push(Box::new(answer));
            }
        });
        Box::pin(async move {
            answered.await.unwrap_or_else(|_| Err(GatewayError::Unknown("connection lost".to_owned())))
        })
    }
}

impl Inner {
    fn accounts(&self) -> MutexGuard<'_, BTreeMap<ChargeKey, Account>> {
        self.accounts.lock().unwrap()
    }

    fn fate(&self) -> Fate {
        let mood = *self.mood.lock().unwrap();
        let panics = self.dice.lock().unwrap().random_range(0..100) < mood.panic_percent;
        assert!(!panics, "injected fault on the way to the bank");
        let mut dice = self.dice.lock().unwrap();
        let mut percent = |percent| dice.random_range(0..100) < percent;
        let (fails, lost) = (percent(mood.error_percent), percent(mood.lost_percent));
        let delay_ms = if mood.latency_ms == 0 { 0 } else { dice.random_range(0..=mood.latency_ms) };
        Fate { delay_ms, fails, answered: !lost }
    }

    fn charge_fate(&self, card: Card) -> Fate {
        let fate = self.fate();
        let late_percent = self.mood.lock().unwrap().late_percent;
        let mut dice = self.dice.lock().unwrap();
        let late = card == Card::Late || dice.random_range(0..100) < late_percent;
        let latest_ms = if self.voids { LATEST_WITH_VOID_MS } else { LATEST_MS };
        let delay_ms = if late { dice.random_range(850..=latest_ms) } else { fate.delay_ms.min(latest_ms) };
        let fails = fate.fails || matches!(card, Card::Broken | Card::Silent);
        let answered = fate.answered && !matches!(card, Card::Lost | Card::Silent);
        Fate { delay_ms, fails, answered }
    }

    fn charge(&self, key: ChargeKey, amount: Money, card: Card) -> Charged {
        let mut accounts = self.accounts();
        let account = accounts.entry(key).or_default();
        let declined = |code: &str| Charged::Declined { code: code.to_owned() };
        if account.voided {
            return declined("voided");
        }
        if account.captured.is_none() && (account.declined || card == Card::Declined) {
            account.declined = true;
            return declined("card_declined");
        }
        account.captured.get_or_insert_with(|| (amount, now()));
        Charged::Approved { reference: reference(key) }
    }

    fn found(&self, key: ChargeKey) -> Found {
        let forgetful = self.mood.lock().unwrap().forgetful;
        let accounts = self.accounts();
        let Some(account) = accounts.get(&key) else { return Found::Nothing };
        match account.captured {
            Some((_, at)) if forgetful && at.elapsed() < FORGETFUL_FOR => Found::Nothing,
            Some((amount, _)) => {
                let refunded = if account.refunds.is_empty() { Money::ZERO } else { amount };
                Found::Captured { reference: reference(key), refunded }
            }
            None if account.declined => Found::Declined { code: "card_declined".to_owned() },
            None => Found::Nothing,
        }
    }

    fn refund(&self, sought: &PriorCharge) -> Result<(), GatewayError> {
        let refused = |why: &str| Err(GatewayError::Refused(why.to_owned()));
        if self.mood.lock().unwrap().refuses_refunds {
            return refused("refund_refused");
        }
        let mut accounts = self.accounts();
        let Some(account) = accounts.get_mut(&sought.key) else { return refused("not_captured") };
        match account.captured {
            Some((captured, _)) if captured == sought.amount => {
                let by = sought.reference.clone().unwrap_or_else(|| reference(sought.key));
                account.refunds.insert(by);
                Ok(())
            }
            Some(_) => refused("amount_mismatch"),
            None => refused("not_captured"),
        }
    }

    fn void(&self, key: ChargeKey) -> Voided {
        if !self.voids {
            return Voided::Unsupported;
        }
        let mut accounts = self.accounts();
        let account = accounts.entry(key).or_default();
        if account.captured.is_some() {
            return Voided::Captured { reference: reference(key) };
        }
        account.voided = true;
        Voided::Settled
    }
}

fn reference(key: ChargeKey) -> String {
    format!("bank_{key}")
}

#[expect(clippy::disallowed_methods, reason = "tokio's clock, which the simulation pauses")]
fn now() -> Instant {
    Instant::now()
}

impl PaymentGateway for Bank {
    fn provider(&self) -> &'static str {
        "bank"
    }

    fn accepts(&self, _: &PaymentMethod) -> Result<(), InvalidMethod> {
        Ok(())
    }

    fn needs_checkout(&self) -> bool {
        false
    }

    fn charge(&self, key: ChargeKey, amount: Money, method: &PaymentMethod) -> Call<Charged> {
        let PaymentMethod::Card { token } = method else { unreachable!("plans have only cards") };
        let card = Card::of(token).expect("a card of a plan");
        self.serve(self.inner.charge_fate(card), move |inner| Ok(inner.charge(key, amount, card)))
    }

    fn find(&self, sought: &PriorCharge) -> Call<Found> {
        let key = sought.key;
        self.serve(self.inner.fate(), move |inner| Ok(inner.found(key)))
    }

    fn refund(&self, sought: &PriorCharge) -> Call<()> {
        let sought = sought.clone();
        self.serve(self.inner.fate(), move |inner| inner.refund(&sought))
    }

    fn void(&self, sought: &PriorCharge) -> Call<Voided> {
        let key = sought.key;
        self.serve(self.inner.fate(), move |inner| Ok(inner.void(key)))
    }

    fn ledger(&self) -> Option<Vec<Entry>> {
        let mut entries: BTreeMap<_, Entry> = BTreeMap::new();
        for (key, account) in self.inner.accounts().iter() {
            let Some((amount, _)) = account.captured else { continue };
            let (payment_id, status) = (key.payment, EntryStatus::Captured);
            let new = Entry { payment_id, amount, captures: 0, refunds: 0, status };
            let entry = entries.entry(payment_id).or_insert(new);
            entry.captures += 1;
            entry.refunds += u32::try_from(account.refunds.len()).expect("few");
        }
        Some(entries.into_values().collect())
    }
}
