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

mod record;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use tokio::sync::Notify;
use tracing::{Instrument as _, debug_span, error, field::display, warn};

pub use self::record::Record;
use super::{
    contexts::Contexts,
    projection::{Projection, Rows, after_prefix, key},
    reads,
    shop::{MessageFigures, NotificationStatus, Person, ShopError, person_key},
    sources::Sources,
};
use crate::{
    domain::{
        CustomerId, Position, Recorded, RentalId,
        context::Context,
        notice::{self, Facts, Locale},
        phone::Phone,
        rental::Rental,
    },
    gateways::sms::{SmsError, SmsGateway, TextMessage},
    planted::{self, Bug},
    store::{Journal, StoreError, codec},
    trace::{self, TraceContext},
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
        // Whoever failed before may have written messages, and have told nobody.
        self.written.notify_one();
        Ok(())
    }

    fn reads(&self, recorded: &Recorded) -> Option<Vec<u8>> {
        notice::notice(&recorded.event).map(|_| record_key(recorded.position))
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
                        let correlation = recorded.meta.correlation;
                        error!(rental = %rental_id, %correlation, what, "a damaged rental sends no messages");
                        return Ok(());
                    }
                    Err(error) => return Err(error),
                };
                self.rentals.entry(rental_id).or_insert(rental)
            }
        };
        let terms =
            rental.terms().map_err(|_| StoreError::Corrupt(format!("{rental_id} was never placed")))?;
        rows.mark(listing_key(terms.customer_id, recorded.position));
        let record_key = record_key(recorded.position);
        if rows.get_as(&record_key, Record::read).await?.is_some() {
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
            correlation: Some(recorded.meta.correlation),
        };
        rows.mark(key(PENDING, &[&recorded.position.0.to_be_bytes()]));
        rows.put(record_key, &record)
    }

    fn applied(&mut self) {
        self.rentals.clear();
        self.written.notify_one();
    }
}

/// What the keys of all records begin with.
pub const RECORDS: &[u8] = RECORD;

/// Where the message about the event at `position` is.
#[must_use]
pub fn record_key(position: Position) -> Vec<u8> {
    key(RECORD, &[&position_key(position)])
}

/// Where it is listed for its customer.
#[must_use]
pub fn listing_key(customer: CustomerId, position: Position) -> Vec<u8> {
    key(BY_CUSTOMER, &[&customer.0.to_be_bytes(), &position_key(position)])
}

/// Newest first.
const fn position_key(position: Position) -> [u8; 8] {
    (!position.0).to_be_bytes()
}

/// Which message a pending key is about.
fn position_of(pending_key: &[u8]) -> Position {
    let position = pending_key.last_chunk::<8>().expect("a pending key ends with a position");
    Position(u64::from_be_bytes(*position))
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
    /// How far messages got.
    pub figures: Arc<MessageFigures>,
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
        let (due, unreadable) = self.records_at(pending.iter().map(|(key, _)| position_of(key))).await?;
        let mut failures = unreadable;
        if planted::is(Bug::MessageNotedBeforeSent) {
            self.journal.view_apply(pending.into_iter().map(|(key, _)| (key, None)).collect()).await?;
        }
        let sends = due
            .into_iter()
            .map(async |(position, record, phone)| (position, self.send(record, phone.as_deref()).await));
        let mut writes = Vec::new();
        for (position, record) in futures_util::future::join_all(sends).await {
            match record.status {
                NotificationStatus::Failed => self.figures.given_up.count(),
                NotificationStatus::Pending => self.figures.failed.count(),
                NotificationStatus::Sent | NotificationStatus::Delivered => self.figures.sent.count(),
            }
            let over = record.status != NotificationStatus::Pending;
            failures |= !over;
            writes.push((record_key(position), Some(codec::encode(&record)?)));
            if over {
                writes.push((key(PENDING, &[&position.0.to_be_bytes()]), None));
            }
        }
        self.journal.view_apply(writes).await?;
        Ok(if failures { Sent::WithFailures } else { Sent::Some })
    }

    /// The records of these messages, each with its customer's number; and whether some cannot be read:
    /// these must not have the others sent again.
    async fn records_at(
        &self,
        positions: impl Iterator<Item = Position>,
    ) -> Result<(Vec<(Position, Record, Option<String>)>, bool), StoreError> {
        let positions: Vec<Position> = positions.collect();
        let rows = self.journal.view_get_all(positions.iter().copied().map(record_key).collect()).await?;
        let missing = || StoreError::Corrupt("a message is to be sent, but not there".to_owned());
        let decode = |row: Option<Vec<u8>>| Record::read(&row.ok_or_else(missing)?);
        let records: Vec<_> = rows.into_iter().map(decode).collect();
        let customers = records.iter().flatten().map(|record| record.customer_id);
        let phones = phones_of(&self.journal, customers).await?;
        let (mut due, mut unreadable) = (Vec::new(), false);
        for (position, record) in positions.into_iter().zip(records) {
            let phone = |record: Record| {
                let phone = phones.get(&record.customer_id).cloned().transpose()?;
                Ok((position, record, phone))
            };
            match record.and_then(phone) {
                Ok(readable) => due.push(readable),
                Err(error) => {
                    error!(%error, "a message cannot be read");
                    unreadable = true;
                }
            }
        }
        Ok((due, unreadable))
    }

    /// Has a message sent, as part of its rental's trace.
    async fn hand_over(&self, message: TextMessage) -> Result<(), SmsError> {
        let Some(correlation) = message.correlation else { return self.sms.send(message).await };
        let (context, provider) = (TraceContext::root(correlation), self.sms.provider());
        let span = debug_span!("message", notification = %message.id, provider, %correlation);
        let span = trace::joined(span, context);
        let sending = async { self.sms.send(message).await };
        trace::place_of(&span, context).within(sending).instrument(span).await
    }

    /// Sends one message, and says how far it got.
    async fn send(&self, mut record: Record, phone: Option<&str>) -> Record {
        let Some(phone) = phone.map(Phone::parse).and_then(Result::ok) else {
            // The customer has left, and the number with them.
            record.status = NotificationStatus::Failed;
            return record;
        };
        record.attempts += 1;
        let (id, text, correlation) = (record.id, record.text.clone(), record.correlation);
        let message = TextMessage { id, phone, text, correlation };
        match self.hand_over(message).await {
            Ok(()) => {
                record.status = NotificationStatus::Sent;
                record.sent_at = Some(self.sources.now());
            }
            Err(error) => {
                let (correlation, attempts) = (correlation.map(display), record.attempts);
                warn!(notification = %id, correlation, attempts, %error, "a message could not be sent");
                if record.attempts >= ATTEMPTS_MAX {
                    record.status = NotificationStatus::Failed;
                }
            }
        }
        record
    }
}

enum Sent {
    All,
    Some,
    WithFailures,
}

/// The numbers of those customers who have not left, as far as they can be read.
async fn phones_of(
    journal: &Arc<dyn Journal>,
    customers: impl Iterator<Item = CustomerId>,
) -> Result<BTreeMap<CustomerId, Result<String, StoreError>>, StoreError> {
    let customers: BTreeSet<CustomerId> = customers.collect();
    let people = journal.vault_get_all(customers.iter().copied().map(person_key).collect()).await?;
    let phone = |person: Vec<u8>| codec::decode::<Person>(&person).map(|person| person.phone);
    let known = customers.into_iter().zip(people);
    Ok(known.filter_map(|(customer, person)| Some((customer, phone(person?)))).collect())
}

/// The key of the record that a listing's key leads to.
fn listed_record(listed: &[u8]) -> Vec<u8> {
    key(RECORD, &[listed.last_chunk::<8>().expect("a listing's key ends with a position")])
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
    let mut listed = journal.view_list(from, end, limit + 1, listed_record).await?;
    let more = listed.len() > limit;
    listed.truncate(limit);
    let next = listed.last().filter(|_| more).map(|(last, _)| last.clone());
    let records = listed.into_iter().filter_map(|(_, row)| row).map(|row| Record::read(&row));
    let records = records.collect::<Result<Vec<Record>, StoreError>>()?;
    let phones = phones_of(journal, records.iter().map(|record| record.customer_id)).await?;
    let with_phone = |record: Record| {
        let phone = phones.get(&record.customer_id).cloned().transpose()?;
        Ok((record, phone))
    };
    Ok((records.into_iter().map(with_phone).collect::<Result<_, StoreError>>()?, next))
}
