//! The payment simulator: an in-process gateway with its own ledger.
//!
//! The card token selects its behaviour, as with Stripe's test cards. Each call runs as a task: like a real
//! gateway, it carries out a request even if the caller no longer waits.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use tokio::sync::{Semaphore, oneshot};

use super::{
    Call, ChargeKey, Charged, Found, GatewayError, InvalidMethod, PaymentGateway, PaymentMethod, PriorCharge,
    Voided,
    ledger::{Entry, KeyState, Ledger, LedgerError, Operation},
    unclear, unknown_method,
};
use crate::domain::Money;

/// Simulator settings for latency, capacity and faults.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Behaviour {
    /// Mean duration of a call, in ms.
    pub latency_ms: u64,
    /// Maximum deviation from the mean in both directions, in ms.
    pub jitter_ms: u64,
    /// Maximum number of concurrent calls; further calls wait. 0 means no limit.
    pub capacity: usize,
    /// Share of charges that fail without being carried out, 0 to 1.
    pub error_rate: f64,
    /// Share of charges that are declined, 0 to 1.
    pub decline_rate: f64,
    /// Share of charges that are carried out and never answered, 0 to 1.
    pub drop_rate: f64,
    /// True if every refund is refused for good.
    pub refuse_refunds: bool,
    /// True if no call is answered or carried out.
    pub hang: bool,
}

/// Minimum duration of a charge with `tok_slow`, in ms.
const SLOW_MIN_MS: u64 = 700;

/// Scripted result of a card token.
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
        match token {
            "tok_ok" => Some(Self::Approve),
            "tok_decline" => Some(Self::Decline),
            "tok_slow" => Some(Self::Slow),
            "tok_timeout" => Some(Self::Timeout),
            "tok_error" => Some(Self::Error),
            "tok_lost_response" => Some(Self::LostResponse),
            _ => None,
        }
    }
}

/// The payment simulator. Cheap to clone.
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
    /// Creates a simulator. `seed` determines jitter and random faults.
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

    /// Changes the behaviour, from the next call on.
    pub fn set_behaviour(&self, behaviour: Behaviour) {
        let bound = (behaviour.capacity > 0).then(|| Arc::new(Semaphore::new(behaviour.capacity)));
        *lock(&self.inner.behaviour) = (behaviour, bound);
    }

    /// Returns the current behaviour.
    #[must_use]
    pub fn behaviour(&self) -> Behaviour {
        lock(&self.inner.behaviour).0
    }

    /// Runs `work` after waiting for capacity and latency, even if the caller no longer waits. `None` from
    /// `work` leaves the call unanswered.
    fn serve<T: Send + 'static>(
        &self,
        slow: bool,
        work: impl FnOnce(&Inner, Behaviour) -> Option<Result<T, GatewayError>> + Send + 'static,
    ) -> Call<T> {
        let inner = Arc::clone(&self.inner);
        let (mut sender, receiver) = oneshot::channel();
        tokio::spawn(async move {
            let (behaviour, bound) = lock(&inner.behaviour).clone();
            let _permit = match &bound {
                Some(bound) => Some(bound.acquire().await),
                None => None,
            };
            let latency_ms = inner.latency_ms(behaviour);
            let latency_ms = if slow { (10 * latency_ms).max(SLOW_MIN_MS) } else { latency_ms };
            if latency_ms > 0 {
                tokio::time::sleep(Duration::from_millis(latency_ms)).await;
            }
            let result = if behaviour.hang { None } else { work(&inner, behaviour) };
            match result {
                Some(result) => drop(sender.send(result)),
                None => sender.closed().await,
            }
        });
        Box::pin(async move { receiver.await.unwrap_or_else(|_| Err(unclear("the simulator stopped"))) })
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn not_recorded(error: LedgerError) -> GatewayError {
    unclear(error.to_string())
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
        match ledger.state(key) {
            Some(KeyState::Captured { .. }) => return Ok(approved(key)),
            Some(KeyState::Declined { code }) => return Ok(Charged::Declined { code }),
            Some(KeyState::Voided) => return Ok(Charged::Declined { code: "voided".to_owned() }),
            None => {}
        }
        if script == Script::Decline {
            let code = "card_declined".to_owned();
            ledger.record(key, &Operation::Declined { code: code.clone() }).map_err(not_recorded)?;
            return Ok(Charged::Declined { code });
        }
        ledger.record(key, &Operation::Captured { amount }).map_err(not_recorded)?;
        Ok(approved(key))
    }
}

fn reference(key: ChargeKey) -> String {
    format!("sim_{key}")
}

fn approved(key: ChargeKey) -> Charged {
    Charged::Approved { reference: reference(key) }
}

/// Calls that need no [`PriorCharge`], since the simulator knows charges by key alone.
impl Simulator {
    /// Looks up the charge with this key.
    pub fn find_key(&self, key: ChargeKey) -> Call<Found> {
        self.serve(false, move |inner, _| {
            Some(Ok(match lock(&inner.ledger).state(key) {
                Some(KeyState::Captured { amount, refunded }) => Found::Captured {
                    reference: reference(key),
                    refunded: if refunded { amount } else { Money::ZERO },
                },
                Some(KeyState::Declined { code }) => Found::Declined { code },
                Some(KeyState::Voided) | None => Found::Nothing,
            }))
        })
    }

    /// Refunds the capture with this key.
    pub fn refund_key(&self, key: ChargeKey, amount: Money) -> Call<()> {
        let refused = |code: &str| Err(GatewayError::Refused(code.to_owned()));
        self.serve(false, move |inner, behaviour| {
            let mut ledger = lock(&inner.ledger);
            Some(match ledger.state(key) {
                _ if behaviour.refuse_refunds => refused("refund_refused"),
                Some(KeyState::Captured { refunded: true, .. }) => Ok(()),
                Some(KeyState::Captured { amount: captured, refunded: false }) if captured == amount => {
                    ledger.record(key, &Operation::Refunded).map_err(not_recorded)
                }
                Some(KeyState::Captured { .. }) => refused("amount_mismatch"),
                Some(KeyState::Declined { .. } | KeyState::Voided) | None => refused("not_captured"),
            })
        })
    }

    /// Makes sure that this key is never charged.
    pub fn void_key(&self, key: ChargeKey) -> Call<Voided> {
        self.serve(false, move |inner, _| {
            let mut ledger = lock(&inner.ledger);
            Some(match ledger.state(key) {
                Some(KeyState::Captured { .. }) => Ok(Voided::Captured { reference: reference(key) }),
                Some(KeyState::Declined { .. } | KeyState::Voided) => Ok(Voided::Settled),
                None => {
                    ledger.record(key, &Operation::Voided).map(|()| Voided::Settled).map_err(not_recorded)
                }
            })
        })
    }
}

impl PaymentGateway for Simulator {
    fn provider(&self) -> &'static str {
        "simulator"
    }

    fn accepts(&self, method: &PaymentMethod) -> Result<(), InvalidMethod> {
        let PaymentMethod::Card { token } = method else { return Err(InvalidMethod::NOT_A_CARD) };
        let rule = "must be tok_ok, tok_decline, tok_slow, tok_timeout, tok_error or tok_lost_response";
        Script::of(token).map(drop).ok_or(InvalidMethod { field: "token", rule })
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
        self.serve(script == Script::Slow, move |inner, behaviour| {
            if script == Script::Timeout {
                return None;
            }
            if script == Script::Error || inner.happens(behaviour.error_rate) {
                return Some(Err(unclear("500")));
            }
            let script = if inner.happens(behaviour.decline_rate) { Script::Decline } else { script };
            let charged = inner.charge(key, amount, script);
            let lost = script == Script::LostResponse || inner.happens(behaviour.drop_rate);
            (!lost).then_some(charged)
        })
    }

    fn find(&self, charge: &PriorCharge) -> Call<Found> {
        self.find_key(charge.key)
    }

    fn refund(&self, charge: &PriorCharge) -> Call<()> {
        self.refund_key(charge.key, charge.amount)
    }

    fn void(&self, charge: &PriorCharge) -> Call<Voided> {
        self.void_key(charge.key)
    }

    fn ledger(&self) -> Option<Vec<Entry>> {
        Some(lock(&self.inner.ledger).entries())
    }
}

#[cfg(test)]
#[path = "simulator_tests.rs"]
mod tests;
