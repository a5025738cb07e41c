//! Checkouts: order and amount, fixed before a customer pays in a payment provider's own window.
//!
//! A checkout is a record of the vault, written before its id is returned. It names the rental, and so the
//! payment, and the attempt that it will become. Nothing is charged and nothing is in the journal until it is
//! used. It holds no personal data, and is kept for a day after it expires, so that a repeated request gets
//! the same answer.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{sources::Sources, vault::sweep_regularly};
use crate::{
    domain::{CheckoutId, CustomerId, Money, ProductId, RentalId, Timestamp, id::uuid_v7, payment::Attempt},
    gateways::payment::ChargeKey,
    store::{Journal, StoreError, VaultWrite, codec},
};

const CHECKOUTS: &str = "checkout/";
/// Prefix of the provider's payment keys, by payment and attempt. They are never swept: an attempt may be
/// looked up late, and a rental's id need not tell its age.
const SENT: &str = "sent/";
/// Time that a checkout can be used, in ms.
pub(crate) const VALID_MS: u64 = 30 * 60 * 1_000;
/// Time that a checkout is kept after it has expired, in ms.
const KEPT_MS: u64 = 24 * 60 * 60 * 1_000;

/// A checkout. Stored: append only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkout {
    pub customer: CustomerId,
    pub product: ProductId,
    pub fee: Money,
    /// Id of the rental, which may be placed already.
    pub rental: RentalId,
    /// Attempt that the payment will be.
    pub attempt: Attempt,
    pub expires_at: Timestamp,
    /// True if a later attempt at a deferred rental began with this checkout: another checkout may name the
    /// same attempt. For a first attempt, the placed rental tells.
    pub used: bool,
}

impl Checkout {
    pub(crate) fn write(&self, id: CheckoutId) -> Result<VaultWrite, StoreError> {
        Ok(VaultWrite { key: key(id), value: Some(codec::encode(self)?) })
    }
}

/// Returns the write that keeps the provider's payment key of an attempt, for the commit that begins the
/// attempt. Several windows may be open for one order; only the payment with this key is confirmed.
pub(crate) fn sent_for(attempt: ChargeKey, payment_key: &str) -> VaultWrite {
    VaultWrite { key: format!("{SENT}{attempt}"), value: Some(payment_key.as_bytes().to_vec()) }
}

/// Returns the provider's payment key of an attempt; `None` if it was not paid in a provider's window.
pub(crate) async fn sent_payment_key(
    journal: &Arc<dyn Journal>,
    attempt: ChargeKey,
) -> Result<Option<String>, StoreError> {
    let row = journal.vault_get(format!("{SENT}{attempt}")).await?;
    let text = |row| String::from_utf8(row).map_err(|_| StoreError::Corrupt("a payment key".to_owned()));
    row.map(text).transpose()
}

pub(crate) struct Checkouts {
    journal: Arc<dyn Journal>,
    sources: Sources,
}

impl Checkouts {
    pub(crate) const fn new(journal: Arc<dyn Journal>, sources: Sources) -> Self {
        Self { journal, sources }
    }

    pub(crate) async fn find(&self, id: CheckoutId) -> Result<Option<Checkout>, StoreError> {
        let row = self.journal.vault_get(key(id)).await?;
        row.map(|row| codec::decode(&row)).transpose()
    }

    /// Erases checkouts that expired long ago, until dropped.
    pub(crate) async fn run(self: Arc<Self>) -> Result<(), String> {
        // Ids begin with their time, so the oldest come first.
        let kept_from = || uuid_v7(self.sources.now().minus_ms(VALID_MS + KEPT_MS).0, 0);
        sweep_regularly(&self.journal, "checkouts", CHECKOUTS, || key(CheckoutId(kept_from()))).await
    }
}

fn key(id: CheckoutId) -> String {
    format!("{CHECKOUTS}{id}")
}
