//! Metrics exposed by the shop.

use std::sync::Arc;

use super::Shop;
use crate::{
    actors::jobs::courier::MessageCounters,
    gateways::payment::CallMetrics,
    store::{StoreError, StoreFigures},
};

/// Lag of a consumer of the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lag {
    /// `reactor` or `projection`.
    pub kind: &'static str,
    /// Name, such as `product` or `mypage`.
    pub name: &'static str,
    /// Number of events that it has not handled yet.
    pub events: u64,
}

impl Shop {
    /// Returns the store's counters.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn store_figures(&self) -> Result<StoreFigures, StoreError> {
        self.journal.figures().await
    }

    /// Returns counters of sent, failed and abandoned messages.
    #[must_use]
    pub fn message_figures(&self) -> &Arc<MessageCounters> {
        &self.messages
    }

    /// Returns the name of the current payment provider; `simulator` moves no money.
    #[must_use]
    pub fn provider(&self) -> &'static str {
        self.gateways.current().provider()
    }

    /// Returns a random idempotency key for a form that may be sent once.
    #[cfg(feature = "server")]
    #[must_use]
    pub(crate) fn nonce(&self) -> String {
        format!("{:032x}", self.sources.bits())
    }

    /// Returns counters of gateway calls, by provider and operation.
    #[must_use]
    pub fn gateway_figures(&self) -> Vec<CallMetrics> {
        self.gateways.metrics()
    }

    /// Returns the lag of each consumer of the journal.
    #[must_use]
    pub fn lags(&self) -> Vec<Lag> {
        let head = self.head().0;
        let consumers = self.progress.all().map(|(kind, name, progress)| {
            let events = head.saturating_sub(progress.position().0);
            Lag { kind, name, events }
        });
        consumers.into()
    }
}
