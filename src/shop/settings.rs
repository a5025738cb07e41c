//! How a shop is run.

use std::{path::PathBuf, sync::Arc, time::Duration};

use super::Brand;
use crate::{
    actors::{
        entity::{
            delay::DelayHook,
            exchange::{Exchange, ExchangeSettings},
            supervisor::EvictionPolicy,
        },
        payment::{
            PaymentParts, Rules,
            admission::Bounds,
            breaker::{Breaker, BreakerRules},
        },
        sources::Sources,
        supervision::restart::RestartLimits,
    },
    domain::notice::Locale,
    gateways::payment::Gateways,
    store::{Journal, images::Images},
};

/// How a shop is run.
#[derive(Clone, Debug)]
pub struct ShopSettings {
    /// How many arbiters entities live on; 0 puts everything on the current one, as simulations need it.
    pub arbiters: usize,
    /// How long a question to an entity may take, in ms.
    pub ask_timeout_ms: u64,
    /// How many commands may wait for one entity.
    pub entity_mailbox: usize,
    /// An entity without work for so long, in ms, is let go.
    pub entity_idle_ms: u64,
    /// With more than so many entities on an arbiter, idle ones are let go sooner.
    pub entities_max: usize,
    /// How often an actor may fail.
    pub restart_limits: RestartLimits,
    /// The operator's key.
    pub operator_key: String,
    /// The language of messages.
    pub locale: Locale,
    /// Name, slogan and SMS prefix of the shop.
    pub brand: Brand,
    /// The payment actor's deadlines.
    pub payment: Rules,
    /// How many may talk to the gateway, and wait for that.
    pub admission: Bounds,
    /// When the circuit breaker opens, and for how long.
    pub breaker: BreakerRules,
    /// Something that gets nothing done for so long, in ms, is stuck; it is at least two seconds longer than
    /// `ask_timeout_ms`.
    pub stuck_after_ms: u64,
    /// Whether faults may be injected.
    pub faults_enabled: bool,
    /// Files that a backup takes along, where they are there.
    pub beside: Vec<PathBuf>,
    /// Where products' pictures are kept: in memory unless told otherwise.
    pub images: Images,
    /// How messages to entities travel, unless they go straight: for simulations.
    pub delay_hook: Option<Arc<dyn DelayHook>>,
}

impl ShopSettings {
    /// The defaults, which the settings of the server share, and the operator's key.
    ///
    /// ```
    /// use saem::{actors::shop::ShopSettings, domain::notice::Locale};
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
            payment: Rules::default(),
            admission: Bounds::default(),
            breaker: BreakerRules::default(),
            stuck_after_ms: 8_000,
            faults_enabled: false,
            beside: Vec::new(),
            images: Images::default(),
            delay_hook: None,
        }
    }

    /// Whoever waits for an answer is not stuck.
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

    pub(crate) fn payment_parts(
        &self,
        journal: &Arc<dyn Journal>,
        exchange: &Exchange,
        gateways: &Gateways,
        sources: &Sources,
    ) -> PaymentParts {
        PaymentParts {
            journal: Arc::clone(journal),
            exchange: exchange.clone(),
            gateways: gateways.clone(),
            sources: sources.clone(),
            rules: self.payment,
            breaker: Arc::new(Breaker::new(self.breaker, sources.clone())),
        }
    }
}
