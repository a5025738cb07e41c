//! Accounts: personal data, passwords and sessions of customers.
//!
//! Name, phone number and password (as an Argon2id hash) are in the vault, under the customer's id, which is
//! a keyed hash of the phone number. Session tokens are random, or derived from the request's idempotency
//! key; only their hashes are stored.

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock, Mutex, PoisonError, RwLock},
};

use argon2::{
    Argon2,
    password_hash::{PasswordHasher as _, PasswordVerifier as _, phc::PasswordHash},
};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tokio::sync::Semaphore;

use super::{
    error::{Result, ShopError},
    lockout::Lockout,
    secrets::Secrets,
    views::{Principal, SessionView},
};
use crate::{
    actors::{
        people::{Person, person_key},
        receipts::{KeyLookup, Receipt, ReceiptOutcome, Receipts},
        request::RequestKey,
        sources::Sources,
    },
    domain::{
        CustomerId, Timestamp,
        hex::{bytes_of_hex, to_hex},
        id::uuid_v8,
        phone::Phone,
    },
    store::{Journal, StoreError, VaultWrite, codec},
};

/// Length of a session, in ms.
const SESSION_TTL_MS: u64 = 24 * 60 * 60 * 1_000;
/// Maximum number of concurrent password hashes: each takes a core and 19 MiB.
const HASHING_MAX: usize = 2;

/// A session. Stored under the hash of its token.
#[derive(Clone, Copy, Serialize, Deserialize)]
struct Session {
    principal: Principal,
    expires_at: Timestamp,
}

type TokenHash = [u8; 32];

pub(crate) struct Accounts {
    journal: Arc<dyn Journal>,
    sources: Sources,
    receipts: Arc<Receipts>,
    operator_key: TokenHash,
    pub(crate) secrets: Secrets,
    sessions: RwLock<HashMap<TokenHash, Session>>,
    hashing: Semaphore,
    lockout: Mutex<Lockout>,
    /// Held while a customer's record is read, changed and written.
    pub(crate) changing: tokio::sync::Mutex<()>,
    dummy_hash: &'static str,
}

const SESSIONS: &str = "session/";

/// Hash that is verified for unknown numbers, so that they take as long as a wrong password. Made once per
/// process, since hashing is slow.
static DUMMY_HASH: LazyLock<Result<String>> = LazyLock::new(|| hash_password(b"nobody"));

impl Accounts {
    pub(crate) async fn open(
        journal: Arc<dyn Journal>,
        sources: Sources,
        receipts: Arc<Receipts>,
        operator_key: &str,
    ) -> Result<Self> {
        let secrets = Secrets::open(&journal, &sources).await?;
        let mut sessions = HashMap::new();
        for (key, value) in journal.vault_scan(SESSIONS.to_owned()).await? {
            let hash =
                key.strip_prefix(SESSIONS).and_then(bytes_of_hex).and_then(|hash| hash.try_into().ok());
            let hash = hash.ok_or_else(|| StoreError::Corrupt("a session's key".to_owned()))?;
            sessions.insert(hash, codec::decode::<Session>(&value)?);
        }
        let dummy_hash = DUMMY_HASH.as_deref().map_err(Clone::clone)?;
        Ok(Self {
            journal,
            sources,
            receipts,
            operator_key: Sha256::digest(operator_key).into(),
            secrets,
            sessions: RwLock::new(sessions),
            hashing: Semaphore::new(HASHING_MAX),
            lockout: Mutex::default(),
            changing: tokio::sync::Mutex::default(),
            dummy_hash,
        })
    }

    /// Returns the customer id of a number. `generation` counts earlier customers with the number that left.
    pub(crate) fn customer_id(&self, phone: &Phone, generation: u32) -> CustomerId {
        let bits = self.secrets.phone.mac_16(&[phone.as_e164().as_bytes(), &generation.to_be_bytes()]);
        CustomerId(uuid_v8(u128::from_be_bytes(bits)))
    }

    pub(crate) async fn person(&self, customer: CustomerId) -> Result<Option<Person>, StoreError> {
        let value = self.journal.vault_get(person_key(customer)).await?;
        value.map(|value| codec::decode(&value)).transpose()
    }

    pub(crate) fn person_write(customer: CustomerId, person: &Person) -> Result<VaultWrite, StoreError> {
        Ok(VaultWrite { key: person_key(customer), value: Some(codec::encode(person)?) })
    }

    pub(crate) async fn hash(&self, password: String) -> Result<String> {
        let _permit = self.hashing.acquire().await.map_err(internal)?;
        tokio::task::spawn_blocking(move || hash_password(password.as_bytes())).await.map_err(internal)?
    }

    /// Verifies a password; takes the same time if the person does not exist.
    pub(crate) async fn verify(&self, person: Option<&Person>, password: String) -> Result<bool> {
        let hash = person.map_or(self.dummy_hash, |person| &person.password_hash).to_owned();
        let known = person.is_some();
        let _permit = self.hashing.acquire().await.map_err(internal)?;
        let verified = tokio::task::spawn_blocking(move || {
            let hash = PasswordHash::new(&hash).map_err(internal)?;
            Ok::<_, ShopError>(Argon2::default().verify_password(password.as_bytes(), &hash).is_ok())
        });
        Ok(verified.await.map_err(internal)?? && known)
    }

    /// Counts an attempt to log in, unless it must wait.
    pub(crate) fn begin_try(&self, account: CustomerId) -> Result<()> {
        let mut lockout = self.lockout.lock().unwrap_or_else(PoisonError::into_inner);
        let begun = lockout.begin(account, self.sources.now());
        begun.map_err(|retry_after_ms| ShopError::TooManyTries { retry_after_ms })
    }

    pub(crate) fn try_succeeded(&self, account: CustomerId) {
        self.lockout.lock().unwrap_or_else(PoisonError::into_inner).succeeded(account);
    }

    /// Opens a session, durably. A repeat of the key gets the same session while it lasts.
    pub(crate) async fn open_session(
        &self,
        principal: Principal,
        key: Option<RequestKey>,
    ) -> Result<SessionView> {
        let key_guard = match self.receipts.begin(key).await? {
            KeyLookup::New(key_guard) => key_guard,
            KeyLookup::Seen(receipt) => match self.session_of(key, &receipt)? {
                Some(earlier) if earlier.principal == principal => return Ok(earlier),
                // The session has ended, and its token must not become valid again.
                _ => self.receipts.begin_anew(key)?,
            },
        };
        let mut nonce = [0; 16];
        self.sources.fill(&mut nonce);
        let token = match key {
            Some(key) => self.token_of(key, nonce),
            None => {
                let mut token = [0; 32];
                self.sources.fill(&mut token);
                to_hex(&token)
            }
        };
        let expires_at = self.sources.now().plus_ms(SESSION_TTL_MS);
        let (hash, session) = (token_hash(&token), Session { principal, expires_at });
        let mut writes = vec![VaultWrite { key: session_key(&hash), value: Some(codec::encode(&session)?) }];
        writes.extend(key_guard.receipt(ReceiptOutcome::Session { nonce })?);
        writes.extend(self.forget_expired());
        self.journal.vault_write(writes).await?;
        self.sessions.write().unwrap_or_else(PoisonError::into_inner).insert(hash, session);
        Ok(SessionView { token, principal, expires_at, replayed: false })
    }

    fn token_of(&self, key: RequestKey, nonce: [u8; 16]) -> String {
        to_hex(&self.secrets.session.mac(&[&nonce, &key.hash.to_be_bytes()]))
    }

    /// Returns the session of a receipt, unless it has ended.
    fn session_of(&self, key: Option<RequestKey>, receipt: &Receipt) -> Result<Option<SessionView>> {
        let (Some(key), ReceiptOutcome::Session { nonce }) = (key, &receipt.outcome) else {
            return Err(Receipt::of_something_else().into());
        };
        let token = self.token_of(key, *nonce);
        let Some(session) = self.session(&token_hash(&token)) else { return Ok(None) };
        let Session { principal, expires_at } = session;
        Ok(Some(SessionView { token, principal, expires_at, replayed: true }))
    }

    /// Returns the writes that erase all sessions of a customer.
    pub(crate) fn sessions_of(&self, customer: CustomerId) -> Vec<VaultWrite> {
        let sessions = self.sessions.read().unwrap_or_else(PoisonError::into_inner);
        let theirs =
            sessions.iter().filter(|(_, session)| session.principal == Principal::Customer(customer));
        theirs.map(|(hash, _)| VaultWrite { key: session_key(hash), value: None }).collect()
    }

    /// Removes all sessions and log-in attempts of a customer from memory.
    pub(crate) fn forget(&self, customer: CustomerId) {
        let mut sessions = self.sessions.write().unwrap_or_else(PoisonError::into_inner);
        sessions.retain(|_, session| session.principal != Principal::Customer(customer));
        self.try_succeeded(customer);
    }

    /// Removes ended sessions from memory; returns the writes that erase them.
    fn forget_expired(&self) -> Vec<VaultWrite> {
        let now = self.sources.now();
        let mut sessions = self.sessions.write().unwrap_or_else(PoisonError::into_inner);
        let expired = sessions.extract_if(|_, session| session.expires_at <= now);
        expired.map(|(hash, _)| VaultWrite { key: session_key(&hash), value: None }).collect()
    }

    pub(crate) async fn close_session(&self, token: &str) -> Result<()> {
        let hash = token_hash(token);
        self.journal.vault_write(vec![VaultWrite { key: session_key(&hash), value: None }]).await?;
        self.sessions.write().unwrap_or_else(PoisonError::into_inner).remove(&hash);
        Ok(())
    }

    pub(crate) fn is_operator_key(&self, key: &str) -> bool {
        // Comparing digests takes a time that does not depend on the key.
        token_hash(key) == self.operator_key
    }

    pub(crate) fn authenticate(&self, token: &str) -> Option<Principal> {
        let hash = token_hash(token);
        if hash == self.operator_key {
            return Some(Principal::Operator);
        }
        self.session(&hash).map(|session| session.principal)
    }

    fn session(&self, hash: &TokenHash) -> Option<Session> {
        let sessions = self.sessions.read().unwrap_or_else(PoisonError::into_inner);
        sessions.get(hash).copied().filter(|session| session.expires_at > self.sources.now())
    }
}

fn internal(error: impl std::fmt::Display) -> ShopError {
    ShopError::Internal(error.to_string())
}

fn hash_password(password: &[u8]) -> Result<String> {
    Ok(Argon2::default().hash_password(password).map_err(internal)?.to_string())
}

fn token_hash(token: &str) -> TokenHash {
    Sha256::digest(token).into()
}

fn session_key(hash: &TokenHash) -> String {
    format!("{SESSIONS}{}", to_hex(hash))
}
