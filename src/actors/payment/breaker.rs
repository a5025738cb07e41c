//! The circuit breaker's seam: whether the gateway may be tried.
//!
//! For now the operator alone opens it; a measured one takes its place behind the same two questions.

use std::sync::atomic::{AtomicU8, Ordering};

use serde::{Deserialize, Serialize};

/// Who decides whether the breaker is open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum BreakerMode {
    /// The breaker.
    #[default]
    Auto,
    /// The operator: open.
    ForcedOpen,
    /// The operator: closed.
    Disabled,
}

/// Whether the gateway may be tried.
#[derive(Debug)]
pub struct Breaker {
    mode: AtomicU8,
    open_wait_ms: u64,
}

impl Breaker {
    /// A closed breaker; while it is open, trying again is worth while after `open_wait_ms`.
    #[must_use]
    pub const fn new(open_wait_ms: u64) -> Self {
        Self { mode: AtomicU8::new(BreakerMode::Auto as u8), open_wait_ms }
    }

    /// Who decides.
    #[must_use]
    pub fn mode(&self) -> BreakerMode {
        match self.mode.load(Ordering::Relaxed) {
            mode if mode == BreakerMode::ForcedOpen as u8 => BreakerMode::ForcedOpen,
            mode if mode == BreakerMode::Disabled as u8 => BreakerMode::Disabled,
            _ => BreakerMode::Auto,
        }
    }

    /// Lets somebody else decide.
    pub fn set_mode(&self, mode: BreakerMode) {
        self.mode.store(mode as u8, Ordering::Relaxed);
    }

    /// Whether calls are let through.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.mode() == BreakerMode::ForcedOpen
    }

    /// When trying again is worth while, in ms.
    #[must_use]
    pub const fn retry_after_ms(&self) -> u64 {
        self.open_wait_ms
    }
}
