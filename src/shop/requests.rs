//! Requests with an `Idempotency-Key`: their hashes and their single execution.

use std::{future::Future, sync::Arc};

use super::{Once, Principal, Result, Shop, ShopError};
use crate::{
    actors::{
        entity::ask::Decided,
        receipts::{KeyGuard, KeyLookup, Receipt, ReceiptOutcome},
        request::{RequestContext, RequestKey},
    },
    domain::{Journaled, Position},
};

/// Maximum size of a stored answer, in bytes.
pub(super) const ANSWER_BYTES_MAX: usize = 16 * 1_024;

impl Shop {
    /// Returns the hashed idempotency key in its scope (principal, method and path), with the hash of the
    /// body. Both use a secret of this store. Without a `principal`, the key is shared by all anonymous
    /// callers.
    #[must_use]
    pub fn request_key(
        &self,
        principal: Option<Principal>,
        scope: &str,
        key: &str,
        body_digest: [u8; 32],
    ) -> RequestKey {
        self.accounts.secrets.request_key(principal, scope, key, body_digest)
    }

    /// Runs `work` once for a key; a repeat gets the stored answer. The work must be safe to repeat: after a
    /// crash, or a caller that goes away, between the work and its receipt, it runs again.
    ///
    /// # Errors
    /// The error of the work, which is not stored. [`ShopError::KeyReused`], [`ShopError::KeyInProgress`];
    /// [`ShopError::Internal`] for an answer of more than 16 KiB.
    pub async fn once<E: From<ShopError>>(
        &self,
        key: Option<RequestKey>,
        work: impl Future<Output = Result<Vec<u8>, E>>,
    ) -> Result<Once, E> {
        let key_guard = match self.receipts.begin(key).await.map_err(ShopError::from)? {
            KeyLookup::New(key_guard) => key_guard,
            KeyLookup::Seen(Receipt { outcome: ReceiptOutcome::Answer(answer), .. }) => {
                return Ok(Once { answer, replayed: true });
            }
            KeyLookup::Seen(_) => return Err(ShopError::from(Receipt::of_something_else()).into()),
        };
        let answer = work.await?;
        if key.is_some() && answer.len() > ANSWER_BYTES_MAX {
            return Err(ShopError::Internal("an answer is too large to be remembered".to_owned()).into());
        }
        key_guard.remember(ReceiptOutcome::Answer(answer.clone())).await.map_err(ShopError::from)?;
        Ok(Once { answer, replayed: false })
    }

    /// Sends a command once for a key; a repeat gets the stored decision.
    pub(crate) async fn asked_once<A: Journaled>(
        &self,
        request: RequestContext,
        ask: impl AsyncFnOnce(KeyGuard) -> Result<Decided<A>>,
    ) -> Result<Decided<A>> {
        match self.receipts.begin(request.key).await? {
            KeyLookup::New(key_guard) => ask(key_guard).await,
            KeyLookup::Seen(receipt) => {
                let (entity, state) = receipt.outcome.state::<A>()?;
                // A read at the entity's current version shows the decision, too.
                let version = self.journal.load(entity).await?.version;
                let (state, position) = (Arc::new(state), Position(version.0));
                Ok(Decided { entity, state, version, position, changed: false, replayed: true })
            }
        }
    }
}
