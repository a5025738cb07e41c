//! Secrets of this store, from which ids and tokens are derived.
//!
//! Each is generated once and kept in the vault; the data directory therefore contains them.

use std::sync::Arc;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use super::{Principal, Result};
use crate::{
    actors::{request::RequestKey, sources::Sources},
    store::{Journal, StoreError, VaultWrite},
};

pub(crate) struct Secret([u8; 32]);

pub(crate) struct Secrets {
    /// Derives customer ids from phone numbers.
    pub phone: Secret,
    /// Hashes idempotency keys and request bodies.
    pub request: Secret,
    /// Derives the tokens of sessions that were opened with an idempotency key.
    pub session: Secret,
}

impl Secret {
    async fn open(journal: &Arc<dyn Journal>, sources: &Sources, name: &str) -> Result<Self> {
        let at = format!("secret/{name}");
        if let Some(kept) = journal.vault_get(at.clone()).await? {
            let kept = kept.try_into();
            return Ok(Self(kept.map_err(|_| StoreError::Corrupt(format!("the length of {at}")))?));
        }
        let mut made = [0; 32];
        sources.fill(&mut made);
        journal.vault_write(vec![VaultWrite { key: at, value: Some(made.to_vec()) }]).await?;
        Ok(Self(made))
    }

    /// Returns the HMAC-SHA-256 of the concatenated `parts`.
    pub(crate) fn mac(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes keys of any length");
        parts.iter().for_each(|part| mac.update(part));
        mac.finalize().into_bytes().into()
    }

    /// Returns the first half of [`Self::mac`].
    pub(crate) fn mac_16(&self, parts: &[&[u8]]) -> [u8; 16] {
        let mac = self.mac(parts);
        *mac.first_chunk().expect("a SHA-256 has 32 bytes")
    }
}

impl Secrets {
    pub(crate) async fn open(journal: &Arc<dyn Journal>, sources: &Sources) -> Result<Self> {
        let [phone, request, session] = ["phone", "request", "session"];
        Ok(Self {
            phone: Secret::open(journal, sources, phone).await?,
            request: Secret::open(journal, sources, request).await?,
            session: Secret::open(journal, sources, session).await?,
        })
    }

    pub(crate) fn request_key(
        &self,
        principal: Option<Principal>,
        scope: &str,
        key: &str,
        body_digest: [u8; 32],
    ) -> RequestKey {
        let who = match principal {
            None => "anyone".to_owned(),
            Some(Principal::Operator) => "operator".to_owned(),
            Some(Principal::Customer(customer)) => customer.to_string(),
        };
        // Length prefixes keep different requests distinct.
        let lengths = [who.len() as u64, scope.len() as u64].map(u64::to_be_bytes).concat();
        let parts = [b"key", &lengths[..], who.as_bytes(), scope.as_bytes(), key.as_bytes()];
        RequestKey {
            hash: u128::from_be_bytes(self.request.mac_16(&parts)),
            fingerprint: self.request.mac_16(&[b"body", &body_digest]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::CustomerId;

    fn secrets(seed: u8) -> Secrets {
        Secrets { phone: Secret([seed; 32]), request: Secret([seed; 32]), session: Secret([seed; 32]) }
    }

    #[test]
    fn different_requests_have_different_hashes() {
        let customer = |id| Some(Principal::Customer(CustomerId(id)));
        let requests = [
            (None, "POST /a", "1"),
            (Some(Principal::Operator), "POST /a", "1"),
            (customer(1), "POST /a", "1"),
            (customer(2), "POST /a", "1"),
            (customer(1), "POST /b", "1"),
            (customer(1), "POST /a", "2"),
            (customer(1), "POST /", "a1"),
            (customer(1), "POST /a1", ""),
        ];
        let hashes = |seed: u8| {
            let key = |(who, scope, key)| secrets(seed).request_key(who, scope, key, [0; 32]).hash;
            requests.map(key)
        };
        let mut all = [hashes(1), hashes(2)].concat();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 2 * requests.len());
        assert_eq!(hashes(1), hashes(1));
    }

    #[test]
    fn fingerprint_depends_on_body_and_secret_only() {
        let fingerprint = |seed, key, body| secrets(seed).request_key(None, "s", key, [body; 32]).fingerprint;
        assert_eq!(fingerprint(1, "a", 1), fingerprint(1, "b", 1));
        assert_ne!(fingerprint(1, "a", 1), fingerprint(1, "a", 2));
        assert_ne!(fingerprint(1, "a", 1), fingerprint(2, "a", 1));
    }
}
