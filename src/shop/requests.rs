//! Requests that come with an `Idempotency-Key`: their hashes, and how each is answered once.

use std::{future::Future, sync::Arc};

use super::{Once, Principal, Shop, ShopError};
use crate::{
    actors::{
        entity::ask::Decided,
        receipts::{KeyGuard, KeyLookup, Receipt, ReceiptOutcome},
        request::{RequestContext, RequestKey},
    },
    domain::{Journaled, Position},
};

/// The most bytes an answer that is remembered may have.
pub const ANSWER_BYTES_MAX: usize = 16 * 1_024;

impl Shop {
    /// The key of a request in its scope (method and path), and what it was used for: both hashed with a
    /// secret of this store. Without a `principal`, anyone's.
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

    /// Does some work, unless it was done before for a request with the same key; then answers alike. For
    /// work that is safe to repeat: a crash, or a caller that goes away, between the work and its receipt
    /// has it done again.
    ///
    /// # Errors
    /// What the work says: that is not remembered. [`ShopError::KeyReused`], [`ShopError::KeyInProgress`];
    /// [`ShopError::Internal`] for an answer of more than [`ANSWER_BYTES_MAX`].
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

    /// Has an entity asked, unless it was asked before for a request with the same key; then says what it
    /// decided.
    pub(crate) async fn asked_once<A: Journaled>(
        &self,
        request: RequestContext,
        ask: impl AsyncFnOnce(KeyGuard) -> Result<Decided<A>, ShopError>,
    ) -> Result<Decided<A>, ShopError> {
        match self.receipts.begin(request.key).await? {
            KeyLookup::New(key_guard) => ask(key_guard).await,
            KeyLookup::Seen(receipt) => {
                let (entity, state) = receipt.state::<A>()?;
                // Where it stands now: a read that has got there shows what was decided, too.
                let version = self.journal.load(entity).await?.version;
                let (state, position) = (Arc::new(state), Position(version.0));
                Ok(Decided { entity, state, version, position, changed: false, replayed: true })
            }
        }
    }
}
