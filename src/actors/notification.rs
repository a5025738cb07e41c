//! Messages: one record for each change that a customer hears of, and the courier that sends them.
//!
//! | key | row |
//! | --- | --- |
//! | `n/r` position (newest first) | the record, with how far it got |
//! | `n/c` customer, position (newest first) | – |
//! | `n/p` position | –: it is still to be sent |
//!
//! Records are made from the journal, but how far they got is not in it: so a rebuild only adds what is
//! missing, and nobody gets a message again.

use std::{collections::HashMap, sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use tracing::{error, warn};

use super::{
    contexts::Contexts,
    projection::{Projection, Rows, after_prefix, key},
    reads,
    shop::{NotificationStatus, Person, ShopError, person_key},
    sources::Sources,
};
use crate::{
    domain::{
        CustomerId, NotificationId, Position, Recorded, RentalId, Timestamp,
        context::Context,
        notice::{self, Facts, Locale},
        phone::Phone,
        rental::Rental,
    },
    gateways::sms::{SmsGateway, TextMessage},
    store::{Journal, StoreError, codec},
};

const RECORD: &[u8] = b"n/r";
const BY_CUSTOMER: &[u8] = b"n/c";
const PENDING: &[u8] = b"n/p";
/// How many messages are sent at once.
const SEND_MAX: usize = 64;
/// How often sending a message is tried.
const ATTEMPTS_MAX: u32 = 10;
/// The pause after a message could not be sent.
const PAUSE: Duration = Duration::from_secs(1);

/// A message, and how far it got.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Record {
    /// Its id: the same, however often it is made.
    pub id: NotificationId,
    /// About which rental.
    pub rental_id: RentalId,
    /// For whom.
    pub customer_id: CustomerId,
    /// About which event.
    pub event: String,
    /// What it says. Holds no personal data.
    pub text: String,
    /// How far it got.
    pub status: NotificationStatus,
    /// How often it was tried.
    pub attempts: u32,
    /// When it was written.
    pub created_at: Timestamp,
    /// When it was sent.
    pub sent_at: Option<Timestamp>,
}

/// The projection that writes messages.
pub struct Messages {
    locale: Locale,
    written: Arc<Notify>,
    /// Rentals of the batch at hand.
    rentals: HashMap<RentalId, Rental>,
}

impl Messages {
    /// Writes messages in this language, and tells the courier through `written`.
    #[must_use]
    pub fn new(locale: Locale, written: Arc<Notify>) -> Self {
        Self { locale, written, rentals: HashMap::new() }
    }
}

impl Projection for Messages {
    const NAME: &'static str = "notification";
    const FORMAT: u8 = 1;
    /// Only the list of a customer's messages is derived.
    const PREFIX: &'static [u8] = BY_CUSTOMER;

    async fn open(&mut self, _: &Arc<dyn Journal>) -> Result<(), StoreError> {
        Ok(())
    }

    async fn fold(&mut self, recorded: &Recorded, rows: &mut Rows) -> Result<(), StoreError> {
        let Some(notice) = notice::notice(&recorded.event) else { return Ok(()) };
        let Some(rental_id) = recorded.rental() else { return Ok(()) };
        let rental = match self.rentals.get(&rental_id) {
            Some(rental) => rental,
            None => {
                let rental = match reads::read::<Rental>(rows.journal(), rental_id).await {
                    Ok(rental) => rental,
                    Err(StoreError::Corrupt(what)) => {
                        error!(rental = %rental_id, what, "a damaged rental sends no messages");
                        return Ok(());
                    }
                    Err(error) => return Err(error),
                };
                self.rentals.entry(rental_id).or_insert(rental)
            }
        };
        let terms =
            rental.terms().map_err(|_| StoreError::Corrupt(format!("{rental_id} was never placed")))?;
        let at = position_key(recorded.position);
        rows.mark(key(BY_CUSTOMER, &[&terms.customer_id.0.to_be_bytes(), &at]));
        let record_key = key(RECORD, &[&at]);
        if rows.get::<Record>(&record_key).await?.is_some() {
            return Ok(());
        }
        let facts = Facts::of(&recorded.event, &terms.product_name, terms.fee);
        let record = Record {
            id: notice::id(recorded.position, rental_id),
            rental_id,
            customer_id: terms.customer_id,
            event: notice.name().to_owned(),
            text: notice::text(notice, self.locale, &facts),
            status: NotificationStatus::Pending,
            attempts: 0,
            created_at: recorded.meta.at,
            sent_at: None,
        };
        rows.mark(key(PENDING, &[&recorded.position.0.to_be_bytes()]));
        rows.put(record_key, &record)
    }

    fn applied(&mut self) {
        self.rentals.clear();
        self.written.notify_one();
    }
}

/// Newest first.
const fn position_key(position: Position) -> [u8; 8] {
    (!position.0).to_be_bytes()
}

/// Sends what is to be sent, oldest first.
#[derive(Clone)]
pub struct Courier {
    /// Where messages are read and marked.
    pub journal: Arc<dyn Journal>,
    /// Who sends them.
    pub sms: Arc<dyn SmsGateway>,
    /// Whether they may be sent.
    pub contexts: Arc<Contexts>,
    /// Time.
    pub sources: Sources,
    /// Rung when there is something new.
    pub written: Arc<Notify>,
}

impl Courier {
    /// Sends for as long as it is let.
    ///
    /// # Errors
    /// What the store says.
    pub async fn run(self) -> Result<(), String> {
        loop {
            self.contexts.running(Context::Notification).await;
            let sent = self.send_some().await.map_err(|error| error.to_string())?;
            match sent {
                Sent::All => self.written.notified().await,
                Sent::Some => {}
                Sent::WithFailures => tokio::time::sleep(PAUSE).await,
            }
        }
    }

    async fn send_some(&self) -> Result<Sent, StoreError> {
        // What cannot be noted down would be sent again and again.
        self.journal.health().map_err(StoreError::Unavailable)?;
        let pending = self.journal.view_scan(PENDING.to_vec(), after_prefix(PENDING), SEND_MAX).await?;
        if pending.is_empty() {
            return Ok(Sent::All);
        }
        let sends = pending.into_iter().map(|(pending_key, _)| self.send(pending_key));
        let mut writes = Vec::new();
        let mut failures = false;
        for sent in futures_util::future::join_all(sends).await {
            let (pending_key, record_key, record) = match sent {
                Ok(sent) => sent,
                Err(error) => {
                    // One that cannot be read must not have the others sent again.
                    error!(%error, "a message cannot be read");
                    failures = true;
                    continue;
                }
            };
            let over = record.status != NotificationStatus::Pending;
            failures |= !over;
            writes.push((record_key, Some(codec::encode(&record)?)));
            if over {
                writes.push((pending_key, None));
            }
        }
        self.journal.view_apply(writes).await?;
        Ok(if failures { Sent::WithFailures } else { Sent::Some })
    }

    /// Sends one message, and says how far it got.
    async fn send(&self, pending_key: Vec<u8>) -> Result<(Vec<u8>, Vec<u8>, Record), StoreError> {
        let position = pending_key.last_chunk::<8>().expect("a pending key ends with a position");
        let record_key = key(RECORD, &[&position_key(Position(u64::from_be_bytes(*position)))]);
        let row = self.journal.view_get(record_key.clone()).await?;
        let row =
            row.ok_or_else(|| StoreError::Corrupt("a message is to be sent, but not there".to_owned()))?;
        let mut record = codec::decode::<Record>(&row)?;
        let phone = phone_of(&self.journal, record.customer_id).await?;
        let phone = phone.as_deref().map(Phone::parse).and_then(Result::ok);
        let Some(phone) = phone else {
            // The customer has left, and the number with them.
            record.status = NotificationStatus::Failed;
            return Ok((pending_key, record_key, record));
        };
        record.attempts += 1;
        match self.sms.send(TextMessage { id: record.id, phone, text: record.text.clone() }).await {
            Ok(()) => {
                record.status = NotificationStatus::Sent;
                record.sent_at = Some(self.sources.now());
            }
            Err(error) => {
                let attempts = record.attempts;
                warn!(notification = %record.id, attempts, %error, "a message could not be sent");
                if record.attempts >= ATTEMPTS_MAX {
                    record.status = NotificationStatus::Failed;
                }
            }
        }
        Ok((pending_key, record_key, record))
    }
}

enum Sent {
    All,
    Some,
    WithFailures,
}

async fn phone_of(journal: &Arc<dyn Journal>, customer: CustomerId) -> Result<Option<String>, StoreError> {
    let person = journal.vault_get(person_key(customer)).await?;
    let person = person.map(|person| codec::decode::<Person>(&person)).transpose()?;
    Ok(person.map(|person| person.phone))
}

/// Up to `limit` messages with the numbers they go to, newest first, of one customer or of all, from
/// after the key `cursor` on; and the key to go on after, if there are more.
///
/// # Errors
/// [`ShopError::BadCursor`], [`ShopError::Store`]
pub async fn records(
    journal: &Arc<dyn Journal>,
    customer: Option<CustomerId>,
    cursor: Option<Vec<u8>>,
    limit: usize,
) -> Result<(Vec<(Record, Option<String>)>, Option<Vec<u8>>), ShopError> {
    let prefix =
        customer.map_or_else(|| RECORD.to_vec(), |customer| key(BY_CUSTOMER, &[&customer.0.to_be_bytes()]));
    let end = after_prefix(&prefix);
    let from = match cursor {
        Some(cursor) if cursor.starts_with(&prefix) => key(&cursor, &[&[0]]),
        Some(_) => return Err(ShopError::BadCursor),
        None => prefix,
    };
    let mut listed = journal.view_scan(from, end, limit + 1).await?;
    let more = listed.len() > limit;
    listed.truncate(limit);
    let next = listed.last().filter(|_| more).map(|(last, _)| last.clone());
    let mut records = Vec::with_capacity(listed.len());
    for (listed_key, _) in listed {
        let at = listed_key.last_chunk::<8>().expect("a listing's key ends with a position");
        let row = journal.view_get(key(RECORD, &[at])).await?;
        let Some(record) = row.map(|row| codec::decode::<Record>(&row)).transpose()? else { continue };
        let phone = phone_of(journal, record.customer_id).await?;
        records.push((record, phone));
    }
    Ok((records, next))
}
