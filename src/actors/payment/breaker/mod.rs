//! Circuit breaker: refuses gateway calls while recent calls failed or were slow.
//!
//! It is shared by all incarnations of the payment actor. [`machine`] decides when it opens and closes; this
//! file adds a lock, the clock, the operator's modes, and the log.

pub(crate) mod machine;
pub(crate) mod window;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use tracing::warn;

pub(crate) use self::machine::BreakerOpen;
use self::machine::{CallPass, Machine};
pub use self::{
    machine::{BreakerRules, BreakerState},
    window::{BreakerSpan, Tally},
};
use crate::actors::sources::Sources;

/// Mode of the breaker, set by the operator.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum BreakerMode {
    /// The breaker opens and closes by itself.
    #[default]
    Auto,
    /// Always open.
    ForcedOpen,
    /// Always closed.
    Disabled,
}

/// State and counters of the breaker.
#[derive(Clone, Copy, Debug)]
pub struct BreakerView {
    /// Current state.
    pub state: BreakerState,
    pub mode: BreakerMode,
    /// Counts of the calls that the next decision is made from.
    pub window: Tally,
    /// Openings since the server started.
    pub openings: u64,
    /// Calls refused since the server started.
    pub not_permitted: u64,
    /// Remaining time until trial calls, in ms; `None` unless the breaker is open in mode `AUTO`.
    pub retry_after_ms: Option<u64>,
}

pub(crate) struct Breaker {
    sources: Sources,
    rules: BreakerRules,
    inner: Mutex<Inner>,
}

struct Inner {
    machine: Machine,
    mode: BreakerMode,
    /// Last state seen, so that each change is logged once.
    known: BreakerState,
    openings: u64,
    not_permitted: u64,
}

impl Breaker {
    pub(crate) fn new(rules: BreakerRules, sources: Sources) -> Self {
        let (machine, mode, known) = (Machine::new(rules), BreakerMode::Auto, BreakerState::Closed);
        let inner = Inner { machine, mode, known, openings: 0, not_permitted: 0 };
        Self { sources, rules, inner: Mutex::new(inner) }
    }

    /// Takes a permit for one call, unless the breaker refuses it.
    pub(crate) fn ask(self: &Arc<Self>) -> Result<BreakerPermit, BreakerOpen> {
        let mut inner = self.lock();
        let asked = match inner.mode {
            BreakerMode::Auto => inner.machine.ask(self.now_ms()).map(Some),
            BreakerMode::ForcedOpen => Err(self.forced_open()),
            BreakerMode::Disabled => Ok(None),
        };
        inner.not_permitted += u64::from(asked.is_err());
        self.log_change(&mut inner);
        drop(inner);
        asked.map(|pass| BreakerPermit { breaker: Arc::clone(self), pass })
    }

    /// Returns the refusal that a call would get now, if any.
    pub(crate) fn shut(&self) -> Option<BreakerOpen> {
        let mut inner = self.lock();
        let shut = match inner.mode {
            BreakerMode::Auto => inner.machine.shut(self.now_ms()),
            BreakerMode::ForcedOpen => Some(self.forced_open()),
            BreakerMode::Disabled => None,
        };
        self.log_change(&mut inner);
        shut
    }

    /// Returns whether a call would be refused now, and counts a refusal. Called before a permit of the
    /// gateway is waited for.
    pub(crate) fn refuses(&self) -> bool {
        let refused = self.shut().is_some();
        self.lock().not_permitted += u64::from(refused);
        refused
    }

    pub(crate) fn retry_after_ms(&self) -> u64 {
        self.shut().map_or(self.rules.open_wait_ms, |shut| shut.retry_after_ms)
    }

    /// Sets the mode. A change of mode clears the window.
    pub(crate) fn set_mode(&self, mode: BreakerMode) {
        let mut inner = self.lock();
        if inner.mode != mode {
            warn!(from = ?inner.mode, to = ?mode, "the operator decides who opens the breaker");
            inner.mode = mode;
            inner.machine.close();
            self.log_change(&mut inner);
        }
    }

    pub(crate) fn view(&self) -> BreakerView {
        let mut inner = self.lock();
        self.log_change(&mut inner);
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

    /// Refusal while forced open, whose end is unknown.
    const fn forced_open(&self) -> BreakerOpen {
        BreakerOpen { retry_after_ms: self.rules.open_wait_ms }
    }

    fn log_change(&self, inner: &mut Inner) {
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

/// Permit for one call. Dropping it without an answer returns it.
pub(crate) struct BreakerPermit {
    breaker: Arc<Breaker>,
    pass: Option<CallPass>,
}

impl BreakerPermit {
    /// Records the call. It failed if it has no definite answer.
    pub(crate) fn answered(mut self, failed: bool, took_ms: u64) {
        if let Some(pass) = self.pass.take() {
            let mut inner = self.breaker.lock();
            inner.machine.answered(pass, self.breaker.now_ms(), failed, took_ms);
            self.breaker.log_change(&mut inner);
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
