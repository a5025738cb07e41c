//! Settings of a shop.

use std::{path::PathBuf, sync::Arc, time::Duration};

use super::Brand;
use crate::{
    actors::{
        entity::{delay::DelayHook, exchange::ExchangeSettings, supervisor::EvictionPolicy},
        payment::{PaymentRules, admission::AdmissionBounds, breaker::BreakerRules},
        supervision::restart::RestartLimits,
    },
    domain::notice::Locale,
    store::images::Images,
};

/// Settings of a shop; [`ShopSettings::new`] has the server's defaults.
#[derive(Clone, Debug)]
pub struct ShopSettings {
    /// Number of arbiters for entities; 0 runs everything on the current one, for simulations.
    pub arbiters: usize,
    /// Time limit for a command to an entity, in ms.
    pub ask_timeout_ms: u64,
    /// Maximum number of commands that wait for one entity.
    pub entity_mailbox: usize,
    /// Idle time after which an entity is evicted, in ms.
    pub entity_idle_ms: u64,
    /// Number of entities of an arbiter above which idle ones are evicted sooner.
    pub entities_max: usize,
    /// Restart limits of failing actors.
    pub restart_limits: RestartLimits,
    /// Operator key, at least 32 characters.
    pub operator_key: String,
    /// Language of messages.
    pub locale: Locale,
    /// Name, slogan and SMS prefix of the shop.
    pub brand: Brand,
    /// Deadlines and time-outs of payments.
    pub payment: PaymentRules,
    /// Bounds of concurrent gateway calls and of the queue before them.
    pub admission: AdmissionBounds,
    /// Thresholds of the circuit breaker.
    pub breaker: BreakerRules,
    /// Time without progress after which the watchdog reports a component as stuck, in ms; at least two
    /// seconds longer than `ask_timeout_ms`.
    pub stuck_after_ms: u64,
    /// `true` if faults may be injected.
    pub faults_enabled: bool,
    /// Further files that a backup copies, if they exist.
    pub beside: Vec<PathBuf>,
    /// Store of product images; in memory by default.
    pub images: Images,
    /// Hook that delays messages to entities, for simulations.
    #[doc(hidden)]
    pub delay_hook: Option<Arc<dyn DelayHook>>,
}

impl ShopSettings {
    /// Returns the defaults, which are also the server's, with this operator key.
    ///
    /// ```
    /// use saem::{Locale, ShopSettings};
    ///
    /// let key = "an operator's key has 32 characters or more";
    /// let settings = ShopSettings { locale: Locale::En, ..ShopSettings::new(key) };
    /// assert_eq!(settings.payment.deadline_ms, 900);
    /// ```
    #[must_use]
    pub fn new(operator_key: impl Into<String>) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            arbiters: cores.min(8),
            ask_timeout_ms: 5_000,
            entity_mailbox: 1_024,
            entity_idle_ms: 10_000,
            entities_max: 20_000,
            restart_limits: RestartLimits::default(),
            operator_key: operator_key.into(),
            locale: Locale::default(),
            brand: Brand::default(),
            payment: PaymentRules::default(),
            admission: AdmissionBounds::default(),
            breaker: BreakerRules::default(),
            stuck_after_ms: 8_000,
            faults_enabled: false,
            beside: Vec::new(),
            images: Images::default(),
            delay_hook: None,
        }
    }

    /// A component that waits for an answer is not stuck: allows two seconds more than that.
    pub(crate) fn stuck_after_s(&self) -> u32 {
        let after_ms = self.stuck_after_ms.max(self.ask_timeout_ms + 2_000);
        u32::try_from(after_ms.div_ceil(1_000)).unwrap_or(u32::MAX)
    }

    pub(crate) fn exchange(&self) -> ExchangeSettings {
        ExchangeSettings {
            ask_timeout: Duration::from_millis(self.ask_timeout_ms),
            mailbox: 16_384,
            eviction: EvictionPolicy {
                idle_ms: self.entity_idle_ms,
                live_max: self.entities_max,
                mailbox: self.entity_mailbox,
                limits: self.restart_limits,
            },
            delay_hook: self.delay_hook.clone(),
        }
    }
}
