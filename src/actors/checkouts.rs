//! Checkouts: what is fixed before a customer pays in a payment provider's own window, which needs to be
//! told order and amount first.
//!
//! A checkout is a record of the vault, on disk before its id is told. It names the rental (and so the
//! payment) and the attempt that it will become; nothing is charged, and nothing is in the journal, until
//! it is used. It is kept for a day after it has expired, as receipts are, so that whoever sends it again
//! is answered alike; then it is swept, oldest first, a few at a time. It holds no personal data.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{
    sources::Sources,
    vault::{VaultError, erase_before, sweep_regularly},
};
use crate::{
    domain::{CheckoutId, CustomerId, Money, ProductId, RentalId, Timestamp, id::uuid_v7, payment::Attempt},
    gateways::payment::ChargeKey,
    store::{Journal, StoreError, VaultWrite, codec},
};

const CHECKOUTS: &str = "checkout/";
/// What the provider calls the payment that an attempt was sent for, by payment and attempt. Kept for good: a
/// rental's id need not tell its age (a keyed one's is a hash), and an attempt may be looked at late.
const SENT: &str = "sent/";
/// For so long, in ms, it can be used: for the customer to find a card and pay in the window.
pub const VALID_MS: u64 = 30 * 60 * 1_000;
/// For so long after that, in ms, it is kept.
const KEPT_MS: u64 = 24 * 60 * 60 * 1_000;
/// How many are swept at once.
const SWEEP_MAX: usize = 256;

/// What is fixed. Part of the format: append only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkout {
    /// Who pays.
    pub customer: CustomerId,
    /// For which product.
    pub product: ProductId,
    /// How much.
    pub fee: Money,
    /// For which rental, placed already or not.
    pub rental: RentalId,
    /// Which attempt at its payment.
    pub attempt: Attempt,
    /// Until when it can be used.
    pub expires_at: Timestamp,
    /// Whether the attempt at a rental that was deferred began with it: another checkout may be for the
    /// same attempt. Where a rental is placed, the rental itself tells.
    pub used: bool,
}

impl Checkout {
    /// What the vault is to be told with the commit that begins its attempt.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when it is too large.
    pub fn mark_used(&self, id: CheckoutId) -> Result<VaultWrite, StoreError> {
        let used = Self { used: true, ..self.clone() };
        Ok(VaultWrite { key: key(id), value: Some(codec::encode(&used)?) })
    }
}

/// What the vault is to be told with the commit that begins an attempt: by which name the provider knows what
/// the customer has authorized. Several windows may have been opened for one order, and only this one is
/// confirmed: what became of it is what counts.
#[must_use]
pub fn sent_for(attempt: ChargeKey, payment_key: &str) -> VaultWrite {
    VaultWrite { key: format!("{SENT}{attempt}"), value: Some(payment_key.as_bytes().to_vec()) }
}

/// What an attempt was sent for, if it was paid in a provider's window.
///
/// # Errors
/// [`StoreError`]
pub async fn sent_payment_key(
    journal: &Arc<dyn Journal>,
    attempt: ChargeKey,
) -> Result<Option<String>, StoreError> {
    let row = journal.vault_get(format!("{SENT}{attempt}")).await?;
    let text = |row| String::from_utf8(row).map_err(|_| StoreError::Corrupt("a payment's name".to_owned()));
    row.map(text).transpose()
}

/// All checkouts.
pub struct Checkouts {
    journal: Arc<dyn Journal>,
    sources: Sources,
}

impl Checkouts {
    /// Checkouts in this journal's vault.
    #[must_use]
    pub const fn new(journal: Arc<dyn Journal>, sources: Sources) -> Self {
        Self { journal, sources }
    }

    /// Keeps a checkout, durably.
    ///
    /// # Errors
    /// [`VaultError`]
    pub async fn keep(&self, id: CheckoutId, checkout: &Checkout) -> Result<(), VaultError> {
        let write = VaultWrite { key: key(id), value: Some(codec::encode(checkout)?) };
        Ok(self.journal.vault_write(vec![write]).await?)
    }

    /// A checkout, if it is still kept.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn find(&self, id: CheckoutId) -> Result<Option<Checkout>, StoreError> {
        let row = self.journal.vault_get(key(id)).await?;
        row.map(|row| codec::decode(&row)).transpose()
    }

    /// Erases checkouts that are too old to be sent again, at most a few; answers how many.
    ///
    /// # Errors
    /// [`VaultError`]
    pub async fn sweep(&self) -> Result<usize, VaultError> {
        // Ids begin with the moment they were made: the oldest come first.
        let kept_from = self.sources.now().minus_ms(VALID_MS + KEPT_MS);
        let kept_from = key(CheckoutId(uuid_v7(kept_from.0, 0)));
        erase_before(&self.journal, CHECKOUTS, &kept_from, SWEEP_MAX).await
    }

    /// Sweeps until dropped; see [`sweep_regularly`].
    ///
    /// # Errors
    /// None.
    pub async fn run(self: Arc<Self>) -> Result<(), String> {
        sweep_regularly("checkouts", SWEEP_MAX, async || self.sweep().await).await
    }
}

fn key(id: CheckoutId) -> String {
    format!("{CHECKOUTS}{id}")
}
