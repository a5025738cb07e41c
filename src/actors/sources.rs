//! Time, ids and randomness, injected everywhere, so that a whole system can run from a seed.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

use rand::{
    Rng, RngExt, SeedableRng,
    rngs::{StdRng, SysRng},
};

use crate::{
    domain::{
        CheckoutId, Correlation, ProductId, RentalId, Timestamp,
        id::{uuid_v7, uuid_v8},
    },
    store::CommitId,
};

/// Source of the time. It may step, as wall clocks do.
pub trait Clock: Send + Sync + 'static {
    fn now(&self) -> Timestamp;
}

/// Clock of the operating system.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the clock")]
    fn now(&self) -> Timestamp {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
    }
}

/// Clock that moves with tokio's, which tests may pause, from a given time on.
#[derive(Clone, Copy, Debug)]
pub struct TokioClock {
    origin: tokio::time::Instant,
    at_origin: Timestamp,
}

impl TokioClock {
    #[expect(clippy::disallowed_methods, reason = "tokio's clock, which simulations pause")]
    pub fn starting_at(now: Timestamp) -> Self {
        Self { origin: tokio::time::Instant::now(), at_origin: now }
    }
}

impl Clock for TokioClock {
    fn now(&self) -> Timestamp {
        let elapsed_ms = self.origin.elapsed().as_millis();
        self.at_origin.plus_ms(u64::try_from(elapsed_ms).unwrap_or(u64::MAX))
    }
}

/// Source of time, ids and randomness. Cheap to clone.
#[derive(Clone)]
pub struct Sources {
    clock: Arc<dyn Clock>,
    random: Arc<Mutex<StdRng>>,
}

impl Sources {
    /// Uses the clock and the randomness of the operating system.
    pub fn system() -> Self {
        let random = StdRng::try_from_rng(&mut SysRng).expect("the operating system gives randomness");
        Self { clock: Arc::new(SystemClock), random: Arc::new(Mutex::new(random)) }
    }

    /// Uses the given clock, and randomness from a seed: the same calls give the same results.
    pub fn seeded(clock: Arc<dyn Clock>, seed: u64) -> Self {
        Self { clock, random: Arc::new(Mutex::new(StdRng::seed_from_u64(seed))) }
    }

    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Returns 128 random bits.
    pub fn bits(&self) -> u128 {
        self.random.lock().unwrap_or_else(PoisonError::into_inner).random()
    }

    /// Fills `bytes` with randomness that is fit for secrets.
    pub fn fill(&self, bytes: &mut [u8]) {
        self.random.lock().unwrap_or_else(PoisonError::into_inner).fill_bytes(bytes);
    }

    pub fn commit_id(&self) -> CommitId {
        CommitId(self.bits())
    }

    pub fn product_id(&self) -> ProductId {
        ProductId(self.time_ordered())
    }

    pub fn rental_id(&self) -> RentalId {
        RentalId(self.time_ordered())
    }

    pub fn checkout_id(&self) -> CheckoutId {
        CheckoutId(self.time_ordered())
    }

    pub fn correlation(&self) -> Correlation {
        Correlation(uuid_v8(self.bits()))
    }

    fn time_ordered(&self) -> u128 {
        uuid_v7(self.now().0, self.bits())
    }
}
