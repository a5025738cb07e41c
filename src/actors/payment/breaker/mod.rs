//! The circuit breaker: whether the gateway may be tried, from how the last tries went.
//!
//! It outlives payment actors. What it decides, [`machine`] does; here are the lock, the clock, the
//! operator's say, and the log.

pub mod machine;
pub mod window;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use tracing::warn;

use self::machine::{CallPass, Machine};
pub use self::{
    machine::{BreakerOpen, BreakerRules, BreakerState},
    window::{Span, Tally},
};
use crate::actors::sources::Sources;

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

/// The breaker, as whoever looks after it sees it.
#[derive(Clone, Copy, Debug)]
pub struct BreakerView {
    /// Whether calls are let through now.
    pub state: BreakerState,
    /// Who decides that.
    pub mode: BreakerMode,
    /// The calls that its next decision is made from.
    pub window: Tally,
    /// How often it has opened since the start.
    pub openings: u64,
    /// How many calls it has refused since the start.
    pub not_permitted: u64,
    /// How long it stays shut, in ms, if it is.
    pub retry_after_ms: Option<u64>,
}

/// The breaker.
pub struct Breaker {
    sources: Sources,
    rules: BreakerRules,
    inner: Mutex<Inner>,
}

struct Inner {
    machine: Machine,
    mode: BreakerMode,
    /// Where it was when last looked at: a change is logged once.
    known: BreakerState,
    openings: u64,
    not_permitted: u64,
}

impl Breaker {
    /// A closed breaker.
    #[must_use]
    pub fn new(rules: BreakerRules, sources: Sources) -> Self {
        let inner = Inner {
            machine: Machine::new(rules),
            mode: BreakerMode::Auto,
            known: BreakerState::Closed,
            openings: 0,
            not_permitted: 0,
        };
        Self { sources, rules, inner: Mutex::new(inner) }
    }

    /// Asks to make one call.
    ///
    /// # Errors
    /// [`BreakerOpen`]: do not make it.
    pub fn ask(self: &Arc<Self>) -> Result<BreakerPermit, BreakerOpen> {
        let mut inner = self.lock();
        let asked = match inner.mode {
            BreakerMode::Auto => inner.machine.ask(self.now_ms()).map(Some),
            BreakerMode::ForcedOpen => Err(self.forced()),
            BreakerMode::Disabled => Ok(None),
        };
        inner.not_permitted += u64::from(asked.is_err());
        self.noticed(&mut inner);
        drop(inner);
        asked.map(|pass| BreakerPermit { breaker: Arc::clone(self), pass })
    }

    /// Whether a call would be refused now.
    pub fn shut(&self) -> Option<BreakerOpen> {
        let mut inner = self.lock();
        let shut = match inner.mode {
            BreakerMode::Auto => inner.machine.shut(self.now_ms()),
            BreakerMode::ForcedOpen => Some(self.forced()),
            BreakerMode::Disabled => None,
        };
        self.noticed(&mut inner);
        shut
    }

    /// Whether a call is refused now, before its permit is waited for; if so, it counts as refused.
    pub fn refuses(&self) -> bool {
        let refused = self.shut().is_some();
        self.lock().not_permitted += u64::from(refused);
        refused
    }

    /// When trying again is worth while, in ms: when it may be open no longer, or as soon as may be.
    #[must_use]
    pub fn retry_after_ms(&self) -> u64 {
        self.shut().map_or(self.rules.open_wait_ms, |shut| shut.retry_after_ms)
    }

    /// Lets somebody else decide. When it is the breaker again, it begins anew.
    pub fn set_mode(&self, mode: BreakerMode) {
        let mut inner = self.lock();
        if inner.mode != mode {
            warn!(from = ?inner.mode, to = ?mode, "the operator decides who opens the breaker");
            inner.mode = mode;
            inner.machine.reset();
            self.noticed(&mut inner);
        }
    }

    /// How it is.
    #[must_use]
    pub fn view(&self) -> BreakerView {
        let mut inner = self.lock();
        self.noticed(&mut inner);
        let now_ms = self.now_ms();
        let retry_after_ms = match inner.mode {
            BreakerMode::Auto => inner.machine.shut(now_ms).map(|shut| shut.retry_after_ms),
            BreakerMode::ForcedOpen | BreakerMode::Disabled => None,
        };
        BreakerView {
            state: inner.known,
            mode: inner.mode,
            window: inner.machine.tally(now_ms),
            openings: inner.openings,
            not_permitted: inner.not_permitted,
            retry_after_ms,
        }
    }

    /// Nobody knows when the operator lets go.
    const fn forced(&self) -> BreakerOpen {
        BreakerOpen { retry_after_ms: self.rules.open_wait_ms }
    }

    fn noticed(&self, inner: &mut Inner) {
        let now_ms = self.now_ms();
        let state = match inner.mode {
            BreakerMode::Auto => inner.machine.state(now_ms),
            BreakerMode::ForcedOpen => BreakerState::Open,
            BreakerMode::Disabled => BreakerState::Closed,
        };
        let from = std::mem::replace(&mut inner.known, state);
        if from != state {
            inner.openings += u64::from(state == BreakerState::Open);
            let (from, to) = (from.as_str(), state.as_str());
            warn!(from, to, mode = ?inner.mode, "the circuit breaker changed");
        }
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.sources.now().0).unwrap_or_default()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The leave to make one call. Dropped without an answer, it was not made, or nobody knows of it.
pub struct BreakerPermit {
    breaker: Arc<Breaker>,
    pass: Option<CallPass>,
}

impl BreakerPermit {
    /// The call was made; it failed if it has no definite answer.
    pub fn answered(mut self, failed: bool, took_ms: u64) {
        if let Some(pass) = self.pass.take() {
            let mut inner = self.breaker.lock();
            inner.machine.answered(pass, self.breaker.now_ms(), failed, took_ms);
            self.breaker.noticed(&mut inner);
        }
    }
}

impl Drop for BreakerPermit {
    fn drop(&mut self) {
        if let Some(pass) = self.pass.take() {
            self.breaker.lock().machine.returned(pass);
        }
    }
}
