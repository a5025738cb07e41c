//! Messages: one record for each change that a customer is notified of.
//!
//! | key | row |
//! | --- | --- |
//! | `n/m` customer, position (newest first) | the record, with its status |
//! | `n/a` | customers, see [`lists`](super::lists) |
//! | `n/p` position | the customer: the message is pending, and not in the outbox |
//!
//! Records follow from the journal, but their status does not: a rebuild only adds missing records, so that
//! no message is sent again.

pub(crate) mod outbox;
pub(crate) mod record;
mod upgrade;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use tracing::error;

pub(crate) use self::{
    outbox::Outbox,
    record::{NotificationStatus, Record},
};
use super::{
    Projection, Result, Rows, after_prefix, key,
    lists::{Items, List, ListError, Listed, after_cursor},
};
use crate::{
    actors::{
        entity::reads,
        people::{Person, person_key},
    },
    domain::{
        CustomerId, Position, Recorded, RentalId,
        notice::{self, Facts, NoticeStyle},
        rental::Rental,
    },
    store::{Journal, StoreError, codec},
};

pub(crate) const RECORDS: &[u8] = b"n/m";
/// List of all messages: the customer of each.
pub(crate) const ALL: List = List(b"n/a");
pub(crate) const PENDING: &[u8] = b"n/p";

pub(crate) struct Messages {
    style: NoticeStyle,
    outbox: Outbox,
    /// Up to this position, records may exist already.
    recorded: Position,
    /// Messages of the current batch, for the list of all.
    listed: Items<CustomerId>,
    rentals: HashMap<RentalId, Rental>,
    new: BTreeMap<Position, Record>,
    /// True if some of them are pending when their rows are applied.
    rows_wait: bool,
}

impl Messages {
    /// Writes messages in this language and style, and puts them into `outbox` for the courier.
    pub(crate) fn new(style: impl Into<NoticeStyle>, outbox: Outbox) -> Self {
        let (rentals, new, listed) = (HashMap::new(), BTreeMap::new(), Items::new());
        let style = style.into();
        Self { style, outbox, recorded: Position::default(), listed, rentals, new, rows_wait: false }
    }
}

impl Projection for Messages {
    const NAME: &'static str = "notification";
    const FORMAT: u8 = 2;
    /// A rebuild keeps the records.
    const PREFIX: &'static [u8] = ALL.0;

    async fn upgrade(&mut self, journal: &Arc<dyn Journal>) -> Result<()> {
        upgrade::upgrade(journal).await
    }

    async fn open(&mut self, journal: &Arc<dyn Journal>) -> Result<()> {
        let stand = super::stored_position::<Self>(journal).await?;
        // In a rebuild, any record may exist already.
        self.recorded = stand.unwrap_or_else(|| *journal.head().borrow());
        self.outbox.opened(stand.unwrap_or_default());
        Ok(())
    }

    async fn fold(&mut self, recorded: &Recorded, rows: &mut Rows) -> Result<()> {
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
        self.listed.push((recorded.position, terms.customer_id));
        let known = recorded.position <= self.recorded;
        let key = record_key(terms.customer_id, recorded.position);
        if known && rows.get::<Record>(&key).await?.is_some() {
            return Ok(());
        }
        let facts = Facts::of(&recorded.event, &terms.product_name, terms.fee);
        let record = Record {
            id: notice::id(recorded.position, rental_id),
            rental_id,
            customer_id: terms.customer_id,
            event: notice.name().to_owned(),
            text: notice::text(notice, &self.style, &facts),
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

    fn amend(&mut self, rows: &mut Rows) -> Result<()> {
        for (position, record) in std::mem::take(&mut self.new) {
            let record = self.outbox.settle(position).unwrap_or(record);
            if record.status == NotificationStatus::Pending {
                rows.put(pending_key(position), &record.customer_id)?;
                self.rows_wait = true;
            }
            rows.put(record_key(record.customer_id, position), &record)?;
        }
        ALL.put(&std::mem::take(&mut self.listed), rows)
    }

    fn applied(&mut self) {
        self.rentals.clear();
        self.outbox.applied(std::mem::take(&mut self.rows_wait));
    }
}

pub(crate) fn record_key(customer: CustomerId, position: Position) -> Vec<u8> {
    let newest_first = !position.0;
    key(RECORDS, &[&customer.0.to_be_bytes(), &newest_first.to_be_bytes()])
}

pub(crate) fn pending_key(position: Position) -> Vec<u8> {
    key(PENDING, &[&position.0.to_be_bytes()])
}

pub(crate) fn position_of(pending_key: &[u8]) -> Position {
    let position = pending_key.last_chunk::<8>().expect("a pending key ends with a position");
    Position(u64::from_be_bytes(*position))
}

/// Reads the phone numbers of customers that have not left.
pub(crate) async fn phones_of(
    journal: &Arc<dyn Journal>,
    customers: impl Iterator<Item = CustomerId>,
) -> Result<BTreeMap<CustomerId, Result<String>>> {
    let customers: BTreeSet<CustomerId> = customers.collect();
    let people = journal.vault_get_all(customers.iter().copied().map(person_key).collect()).await?;
    let phone = |person: Vec<u8>| codec::decode::<Person>(&person).map(|person| person.phone);
    let known = customers.into_iter().zip(people);
    Ok(known.filter_map(|(customer, person)| Some((customer, phone(person?)))).collect())
}

/// Returns up to `limit` messages with phone numbers, newest first, of one customer or of all, after
/// `cursor`; and the next cursor, if there are more.
pub(crate) async fn records(
    journal: &Arc<dyn Journal>,
    customer: Option<CustomerId>,
    cursor: Option<Vec<u8>>,
    limit: usize,
) -> Result<(Vec<(Record, Option<String>)>, Option<Vec<u8>>), ListError> {
    let (rows, more) = match customer {
        Some(customer) => rows_of(journal, customer, cursor.as_deref(), limit).await?,
        None => {
            let key = |position, customer| record_key(customer, position);
            ALL.rows(journal, cursor.as_deref(), limit, key).await?
        }
    };
    let next = rows.last().filter(|_| more).map(|(cursor, _)| cursor.clone());
    let records = rows.into_iter().filter_map(|(_, row)| row).map(|row| codec::decode(&row));
    let records = records.collect::<Result<Vec<Record>>>()?;
    let phones = phones_of(journal, records.iter().map(|record| record.customer_id)).await?;
    let with_phone = |record: Record| {
        let phone = phones.get(&record.customer_id).cloned().transpose()?;
        Ok((record, phone))
    };
    Ok((records.into_iter().map(with_phone).collect::<Result<_>>()?, next))
}

async fn rows_of(
    journal: &Arc<dyn Journal>,
    customer: CustomerId,
    cursor: Option<&[u8]>,
    limit: usize,
) -> Result<(Listed, bool), ListError> {
    let prefix = key(RECORDS, &[&customer.0.to_be_bytes()]);
    let end = after_prefix(&prefix);
    let mut rows = journal.view_scan(after_cursor(prefix, cursor)?, end, limit + 1).await?;
    let more = rows.len() > limit;
    rows.truncate(limit);
    Ok((rows.into_iter().map(|(key, row)| (key, Some(row))).collect(), more))
}
