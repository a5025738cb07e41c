//! Time, ids and randomness: the one place they come from, so that a whole system can run from a seed.

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

/// Tells the time.
pub trait Clock: Send + Sync + 'static {
    /// Now.
    fn now(&self) -> Timestamp;
}

/// The machine's own clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the clock")]
    fn now(&self) -> Timestamp {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
    }
}

/// A clock that moves with tokio's (which tests may pause), from a moment of one's choice.
#[derive(Clone, Copy, Debug)]
pub struct TokioClock {
    origin: tokio::time::Instant,
    at_origin: Timestamp,
}

impl TokioClock {
    /// A clock that shows `now` now.
    #[must_use]
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

/// Where time, ids and randomness come from. Cheap to clone.
#[derive(Clone)]
pub struct Sources {
    clock: Arc<dyn Clock>,
    random: Arc<Mutex<StdRng>>,
}

impl Sources {
    /// The machine's clock, and randomness from the operating system.
    #[must_use]
    pub fn system() -> Self {
        let random = StdRng::try_from_rng(&mut SysRng).expect("the operating system gives randomness");
        Self { clock: Arc::new(SystemClock), random: Arc::new(Mutex::new(random)) }
    }

    /// A clock of one's own, and randomness from a seed: the same calls give the same answers.
    #[must_use]
    pub fn seeded(clock: Arc<dyn Clock>, seed: u64) -> Self {
        Self { clock, random: Arc::new(Mutex::new(StdRng::seed_from_u64(seed))) }
    }

    /// Now.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// 128 random bits.
    #[must_use]
    pub fn bits(&self) -> u128 {
        self.random.lock().unwrap_or_else(PoisonError::into_inner).random()
    }

    /// Fills `bytes` with randomness fit for secrets.
    pub fn fill(&self, bytes: &mut [u8]) {
        self.random.lock().unwrap_or_else(PoisonError::into_inner).fill_bytes(bytes);
    }

    /// A name for a commit.
    #[must_use]
    pub fn commit_id(&self) -> CommitId {
        CommitId(self.bits())
    }

    /// A new product's id; sorts by time.
    #[must_use]
    pub fn product_id(&self) -> ProductId {
        ProductId(self.time_ordered())
    }

    /// A new rental's id; sorts by time.
    #[must_use]
    pub fn rental_id(&self) -> RentalId {
        RentalId(self.time_ordered())
    }

    /// A new checkout's id; sorts by time.
    #[must_use]
    pub fn checkout_id(&self) -> CheckoutId {
        CheckoutId(self.time_ordered())
    }

    /// A correlation for what begins here.
    #[must_use]
    pub fn correlation(&self) -> Correlation {
        Correlation(uuid_v8(self.bits()))
    }

    fn time_ordered(&self) -> u128 {
        uuid_v7(self.now().0, self.bits())
    }
}
