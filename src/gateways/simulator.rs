//! The payment simulator: a gateway in the process, with a ledger of its own.
//!
//! What it does follows from the card's token, as with Stripe's test cards. A call that was sent is
//! carried out even if the caller no longer waits, as with any real gateway: so each runs as a task.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use tokio::sync::{Semaphore, oneshot};

use super::{
    Call, ChargeKey, Charged, Found, GatewayError, PaymentGateway, PaymentMethod, Sought, Unfit, Voided,
    ledger::{Entry, Ledger, LedgerError, Operation, Standing},
    unknown_method,
};
use crate::domain::Money;

/// How the simulator behaves.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Behaviour {
    /// How long a call takes.
    pub latency_ms: u64,
    /// By how much that varies, up and down.
    pub jitter_ms: u64,
    /// How many calls it serves at once; 0 is no bound. The others wait inside.
    pub capacity: usize,
    /// How many charges of 0 ..= 1 fail without being carried out.
    pub error_rate: f64,
    /// How many are declined.
    pub decline_rate: f64,
    /// How many are carried out, and never answered.
    pub drop_rate: f64,
    /// Refuse every refund for good.
    pub refuse_refunds: bool,
    /// Answer nothing at all.
    pub hang: bool,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            latency_ms: 0,
            jitter_ms: 0,
            capacity: 0,
            error_rate: 0.0,
            decline_rate: 0.0,
            drop_rate: 0.0,
            refuse_refunds: false,
            hang: false,
        }
    }
}

/// At least so long takes `tok_slow`, in ms.
const SLOW_MIN_MS: u64 = 700;

/// What a token stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Script {
    Approve,
    Decline,
    Slow,
    Timeout,
    Error,
    LostResponse,
}

impl Script {
    fn of(token: &str) -> Option<Self> {
        Some(match token {
            "tok_ok" => Self::Approve,
            "tok_decline" => Self::Decline,
            "tok_slow" => Self::Slow,
            "tok_timeout" => Self::Timeout,
            "tok_error" => Self::Error,
            "tok_lost_response" => Self::LostResponse,
            _ => return None,
        })
    }
}

/// The simulator. Cheap to clone.
#[derive(Clone)]
pub struct Simulator {
    inner: Arc<Inner>,
}

struct Inner {
    ledger: Mutex<Ledger>,
    behaviour: Mutex<(Behaviour, Option<Arc<Semaphore>>)>,
    random: Mutex<StdRng>,
}

impl Simulator {
    /// A simulator with this ledger and this behaviour; `seed` decides its jitter and its rates.
    #[must_use]
    pub fn new(ledger: Ledger, behaviour: Behaviour, seed: u64) -> Self {
        let inner = Inner {
            ledger: Mutex::new(ledger),
            behaviour: Mutex::new((Behaviour::default(), None)),
            random: Mutex::new(StdRng::seed_from_u64(seed)),
        };
        let simulator = Self { inner: Arc::new(inner) };
        simulator.set_behaviour(behaviour);
        simulator
    }

    /// Behaves like this from the next call on.
    pub fn set_behaviour(&self, behaviour: Behaviour) {
        let bound = (behaviour.capacity > 0).then(|| Arc::new(Semaphore::new(behaviour.capacity)));
        *lock(&self.inner.behaviour) = (behaviour, bound);
    }

    /// How it behaves.
    #[must_use]
    pub fn behaviour(&self) -> Behaviour {
        lock(&self.inner.behaviour).0
    }

    /// Runs `work` when it is its turn and its time has passed, whether or not anybody still waits.
    /// `None` means that it is carried out, and never answered.
    fn serve<T: Send + 'static>(
        &self,
        latency_ms: impl FnOnce(u64) -> u64 + Send + 'static,
        work: impl FnOnce(&Inner, Behaviour) -> Option<Result<T, GatewayError>> + Send + 'static,
    ) -> Call<T> {
        let inner = Arc::clone(&self.inner);
        let (mut answer, answered) = oneshot::channel();
        tokio::spawn(async move {
            let (behaviour, bound) = lock(&inner.behaviour).clone();
            let _turn = match &bound {
                Some(bound) => Some(bound.acquire().await),
                None => None,
            };
            let latency_ms = latency_ms(inner.latency_ms(behaviour));
            if latency_ms > 0 {
                tokio::time::sleep(Duration::from_millis(latency_ms)).await;
            }
            let result = if behaviour.hang { None } else { work(&inner, behaviour) };
            match result {
                Some(result) => drop(answer.send(result)),
                None => answer.closed().await,
            }
        });
        Box::pin(async move {
            let dropped = || GatewayError::Unknown("the simulator ended".to_owned());
            answered.await.unwrap_or_else(|_| Err(dropped()))
        })
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn unwritten(error: LedgerError) -> GatewayError {
    GatewayError::Unknown(error.to_string())
}

impl Inner {
    fn latency_ms(&self, behaviour: Behaviour) -> u64 {
        if behaviour.jitter_ms == 0 {
            return behaviour.latency_ms;
        }
        let jitter = lock(&self.random).random_range(0..=2 * behaviour.jitter_ms);
        (behaviour.latency_ms + jitter).saturating_sub(behaviour.jitter_ms)
    }

    fn happens(&self, rate: f64) -> bool {
        rate > 0.0 && lock(&self.random).random_bool(rate.clamp(0.0, 1.0))
    }

    fn charge(&self, key: ChargeKey, amount: Money, script: Script) -> Result<Charged, GatewayError> {
        let mut ledger = lock(&self.ledger);
        match ledger.standing(key) {
            Some(Standing::Captured { .. }) => return Ok(approved(key)),
            Some(Standing::Declined { code }) => return Ok(Charged::Declined { code }),
            Some(Standing::Voided) => return Ok(Charged::Declined { code: "voided".to_owned() }),
            None => {}
        }
        if script == Script::Decline {
            let code = "card_declined".to_owned();
            ledger.record(key, &Operation::Declined { code: code.clone() }).map_err(unwritten)?;
            return Ok(Charged::Declined { code });
        }
        ledger.record(key, &Operation::Captured { amount }).map_err(unwritten)?;
        Ok(approved(key))
    }
}

fn reference(key: ChargeKey) -> String {
    format!("sim_{key}")
}

fn approved(key: ChargeKey) -> Charged {
    Charged::Approved { reference: reference(key) }
}

/// A key alone is enough for it.
impl Simulator {
    /// What became of a charge under this key.
    pub fn found(&self, key: ChargeKey) -> Call<Found> {
        self.serve(
            |ms| ms,
            move |inner, _| {
                Some(Ok(match lock(&inner.ledger).standing(key) {
                    Some(Standing::Captured { amount, refunded }) => Found::Captured {
                        reference: reference(key),
                        refunded: if refunded { amount } else { Money::ZERO },
                    },
                    Some(Standing::Declined { code }) => Found::Declined { code },
                    Some(Standing::Voided) | None => Found::Nothing,
                }))
            },
        )
    }

    /// Gives back the capture under this key.
    pub fn refunded(&self, key: ChargeKey, amount: Money) -> Call<()> {
        self.serve(
            |ms| ms,
            move |inner, behaviour| {
                let mut ledger = lock(&inner.ledger);
                Some(match ledger.standing(key) {
                    _ if behaviour.refuse_refunds => Err(GatewayError::Refused("refund_refused".to_owned())),
                    Some(Standing::Captured { refunded: true, .. }) => Ok(()),
                    Some(Standing::Captured { amount: captured, refunded: false }) if captured == amount => {
                        ledger.record(key, &Operation::Refunded).map_err(unwritten)
                    }
                    Some(Standing::Captured { .. }) => {
                        Err(GatewayError::Refused("amount_mismatch".to_owned()))
                    }
                    Some(Standing::Declined { .. } | Standing::Voided) | None => {
                        Err(GatewayError::Refused("not_captured".to_owned()))
                    }
                })
            },
        )
    }

    /// Makes sure that this key will never be charged.
    pub fn voided(&self, key: ChargeKey) -> Call<Voided> {
        self.serve(
            |ms| ms,
            move |inner, _| {
                let mut ledger = lock(&inner.ledger);
                Some(match ledger.standing(key) {
                    Some(Standing::Captured { .. }) => Ok(Voided::Captured { reference: reference(key) }),
                    Some(Standing::Declined { .. } | Standing::Voided) => Ok(Voided::Settled),
                    None => {
                        ledger.record(key, &Operation::Voided).map(|()| Voided::Settled).map_err(unwritten)
                    }
                })
            },
        )
    }
}

impl PaymentGateway for Simulator {
    fn provider(&self) -> &'static str {
        "simulator"
    }

    fn accepts(&self, method: &PaymentMethod) -> Result<(), Unfit> {
        let PaymentMethod::Card { token } = method else { return Err(Unfit::NO_CARD) };
        let rule = "must be tok_ok, tok_decline, tok_slow, tok_timeout, tok_error or tok_lost_response";
        Script::of(token).map(drop).ok_or(Unfit { field: "token", rule })
    }

    fn needs_checkout(&self) -> bool {
        false
    }

    fn charge(&self, key: ChargeKey, amount: Money, method: &PaymentMethod) -> Call<Charged> {
        let PaymentMethod::Card { token } = method else { return unknown_method() };
        let Some(script) = Script::of(token) else {
            let refused = GatewayError::Refused("unknown_token".to_owned());
            return Box::pin(std::future::ready(Err(refused)));
        };
        let latency = move |ms: u64| if script == Script::Slow { (10 * ms).max(SLOW_MIN_MS) } else { ms };
        self.serve(latency, move |inner, behaviour| {
            if script == Script::Timeout {
                return None;
            }
            if script == Script::Error || inner.happens(behaviour.error_rate) {
                return Some(Err(GatewayError::Unknown("500".to_owned())));
            }
            let script = if inner.happens(behaviour.decline_rate) { Script::Decline } else { script };
            let charged = inner.charge(key, amount, script);
            let lost = script == Script::LostResponse || inner.happens(behaviour.drop_rate);
            (!lost).then_some(charged)
        })
    }

    fn find(&self, sought: &Sought) -> Call<Found> {
        self.found(sought.key)
    }

    fn refund(&self, sought: &Sought) -> Call<()> {
        self.refunded(sought.key, sought.amount)
    }

    fn void(&self, sought: &Sought) -> Call<Voided> {
        self.voided(sought.key)
    }

    fn ledger(&self) -> Option<Vec<Entry>> {
        Some(lock(&self.inner.ledger).entries())
    }
}

#[cfg(test)]
#[path = "simulator_tests.rs"]
mod tests;
