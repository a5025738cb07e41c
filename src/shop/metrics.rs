//! What the shop tells of itself in figures.

use std::sync::Arc;

use super::Shop;
use crate::{
    actors::{jobs::courier::MessageCounters, progress::Progress},
    gateways::payment::CallMetrics,
    store::{StoreError, StoreFigures},
};

/// How far behind a consumer of the journal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lag {
    /// `reactor` or `projection`.
    pub kind: &'static str,
    /// Such as `product`, `mypage`.
    pub name: &'static str,
    /// How many events it has not got to.
    pub events: u64,
}

impl Shop {
    /// What the store has done.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn store_figures(&self) -> Result<StoreFigures, StoreError> {
        self.journal.figures().await
    }

    /// How far messages got.
    #[must_use]
    pub fn message_figures(&self) -> &Arc<MessageCounters> {
        &self.messages
    }

    /// Who takes the money now: `simulator`, where nothing is real.
    #[must_use]
    pub fn provider(&self) -> &'static str {
        self.gateways.current().provider()
    }

    /// Something that nobody used before, for a form that is to be sent once.
    #[must_use]
    pub fn nonce(&self) -> String {
        format!("{:032x}", self.sources.bits())
    }

    /// Calls of the payment gateways, by provider and operation.
    #[must_use]
    pub fn gateway_figures(&self) -> Vec<CallMetrics> {
        self.gateways.metrics()
    }

    /// How far behind each consumer of the journal is.
    #[must_use]
    pub fn lags(&self) -> Vec<Lag> {
        let head = self.head().0;
        let Self { progress, .. } = self;
        let consumers = [
            ("reactor", "rental", &progress.rental),
            ("reactor", "payment", &progress.payment),
            ("reactor", "delivery", &progress.delivery),
            ("reactor", "product", &progress.product),
            ("projection", "catalogue", &progress.catalogue),
            ("projection", "mypage", &progress.mypage),
            ("projection", "notification", &progress.notification),
            ("projection", "agenda", &progress.job_queue),
        ];
        let lag = |(kind, name, progress): (_, _, &Arc<Progress>)| Lag {
            kind,
            name,
            events: head.saturating_sub(progress.position().0),
        };
        consumers.map(lag).into()
    }
}
