//! Messages: one record for each change that a customer hears of, and the courier that sends them.
//!
//! | key | row |
//! | --- | --- |
//! | `n/r` position (newest first) | the record, with how far it got |
//! | `n/c` customer, position (newest first) | – |
//! | `n/p` position | –: it is still to be sent, and not in the outbox |
//!
//! Records are made from the journal, but how far they got is not in it: so a rebuild only adds what is
//! missing, and nobody gets a message again.

mod courier;
mod outbox;
mod record;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use tracing::error;

pub use self::{courier::Courier, outbox::Outbox, record::Record};
use super::{
    projection::{self, Projection, Rows, after_prefix, key},
    reads,
    shop::{NotificationStatus, Person, ShopError, person_key},
};
use crate::{
    domain::{
        CustomerId, Position, Recorded, RentalId,
        notice::{self, Facts, Locale},
        rental::Rental,
    },
    store::{Journal, StoreError, codec},
};

const RECORD: &[u8] = b"n/r";
const BY_CUSTOMER: &[u8] = b"n/c";
const PENDING: &[u8] = b"n/p";
/// The projection that writes messages.
pub struct Messages {
    locale: Locale,
    outbox: Outbox,
    /// Up to here there may be records from before; none behind it.
    recorded: Position,
    /// Rentals of the batch at hand.
    rentals: HashMap<RentalId, Rental>,
    /// Its messages.
    new: BTreeMap<Position, Record>,
    /// Whether some of them are still to be sent when their rows are applied.
    rows_wait: bool,
}

impl Messages {
    /// Writes messages in this language, and has the courier find them in `outbox`.
    #[must_use]
    pub fn new(locale: Locale, outbox: Outbox) -> Self {
        let (rentals, new) = (HashMap::new(), BTreeMap::new());
        Self { locale, outbox, recorded: Position::default(), rentals, new, rows_wait: false }
    }
}

impl Projection for Messages {
    const NAME: &'static str = "notification";
    const FORMAT: u8 = 1;
    /// Only the list of a customer's messages is derived.
    const PREFIX: &'static [u8] = BY_CUSTOMER;

    async fn open(&mut self, journal: &Arc<dyn Journal>) -> Result<(), StoreError> {
        let newest = journal.view_scan(RECORD.to_vec(), after_prefix(RECORD), 1).await?;
        self.recorded = newest.first().map_or(Position::default(), |(key, _)| Position(!position_of(key).0));
        let stand = projection::stand_of::<Self>(journal).await?;
        self.outbox.opened(stand.unwrap_or_default());
        Ok(())
    }

    fn reads(&self, recorded: &Recorded) -> Option<Vec<u8>> {
        let known = recorded.position <= self.recorded;
        known.then(|| notice::notice(&recorded.event)).flatten().map(|_| record_key(recorded.position))
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
        let known = recorded.position <= self.recorded;
        if known && rows.get_as(&record_key(recorded.position), Record::read).await?.is_some() {
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
        self.outbox.add(recorded.position, &record);
        self.new.insert(recorded.position, record);
        Ok(())
    }

    fn amend(&mut self, rows: &mut Rows) -> Result<(), StoreError> {
        for (position, record) in std::mem::take(&mut self.new) {
            let record = self.outbox.settle(position).unwrap_or(record);
            if record.status == NotificationStatus::Pending {
                rows.mark(pending_key(position));
                self.rows_wait = true;
            }
            rows.put(record_key(position), &record)?;
        }
        Ok(())
    }

    fn applied(&mut self) {
        self.rentals.clear();
        self.outbox.applied(std::mem::take(&mut self.rows_wait));
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

fn pending_key(position: Position) -> Vec<u8> {
    key(PENDING, &[&position.0.to_be_bytes()])
}

/// Which message a pending key is about.
fn position_of(pending_key: &[u8]) -> Position {
    let position = pending_key.last_chunk::<8>().expect("a pending key ends with a position");
    Position(u64::from_be_bytes(*position))
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
