//! The clock of a simulated world: tokio's paused clock, and jumps on demand.

use std::sync::atomic::{AtomicI64, Ordering};

use saem::{Clock, Timestamp, internal::actors::TokioClock};

/// The beginning of every history.
pub const BEGINNING: Timestamp = Timestamp(1_000_000_000);

pub struct Watch {
    tokio: TokioClock,
    skew_ms: AtomicI64,
}

impl Watch {
    pub fn new() -> Self {
        Self { tokio: TokioClock::starting_at(BEGINNING), skew_ms: AtomicI64::new(0) }
    }

    pub fn jump(&self, ms: i64) {
        self.skew_ms.fetch_add(ms, Ordering::Relaxed);
    }

    /// Time that has passed, without the jumps, in ms.
    pub fn elapsed_ms(&self) -> u64 {
        self.tokio.now().ms_since(BEGINNING)
    }
}

impl Clock for Watch {
    fn now(&self) -> Timestamp {
        Timestamp(self.tokio.now().0 + self.skew_ms.load(Ordering::Relaxed))
    }
}
