//! Lists of rows: one for each customer, with a key for each rental, and one of all rentals.

use std::sync::Arc;

use super::{ROW, RentalFilter, RentalRow, row_key};
use crate::{
    actors::projection::{
        after_prefix, key,
        lists::{List, ListError},
    },
    domain::{CustomerId, Position, RentalId, Timestamp},
    store::{Journal, StoreError, codec},
};

pub const BY_CUSTOMER: &[u8] = b"m/c";
pub const ALL: List = List(b"m/a");
/// Length of the rental id at the end of a listing's key.
const ID_LEN: usize = 16;
/// Maximum number of rows that one page looks at, even if too few match.
const SCAN_MAX: usize = 2_000;

/// Returns the key of a row in its customer's list.
pub fn listing(row: &RentalRow) -> Vec<u8> {
    customer_key(row.customer_id, Some((row.placed_at, row.rental_id)))
}

fn customer_key(customer: CustomerId, placing: Option<(Timestamp, RentalId)>) -> Vec<u8> {
    let prefix = key(BY_CUSTOMER, &[&customer.0.to_be_bytes()]);
    let Some((at, rental)) = placing else { return prefix };
    let newest_first = !at.0.cast_unsigned();
    key(&prefix, &[&newest_first.to_be_bytes(), &rental.0.to_be_bytes()])
}

/// Returns up to `limit` rows that match `filter`, newest first, after `cursor`; and the next cursor, if
/// there may be more.
pub async fn rows(
    journal: &Arc<dyn Journal>,
    filter: RentalFilter,
    cursor: Option<Vec<u8>>,
    limit: usize,
) -> Result<(Vec<RentalRow>, Option<Vec<u8>>), ListError> {
    let mut list = Listing::open(filter.customer_id, cursor)?;
    let (mut found, mut scanned) = (Vec::new(), 0);
    loop {
        let (listed, more) = list.next(journal, limit + 1).await?;
        scanned += listed.len();
        for (cursor, row) in listed {
            if found.len() == limit {
                return Ok((found, list.after));
            }
            list.after = Some(cursor);
            let row = row.map(|row| codec::decode::<RentalRow>(&row)).transpose()?;
            found.extend(row.filter(|row| matches(row, filter)));
        }
        if !more {
            return Ok((found, None));
        }
        if scanned >= SCAN_MAX {
            return Ok((found, list.after));
        }
    }
}

/// A list, read from after a key. Cursors are keys of the list.
struct Listing {
    /// Prefix of a customer's list; `None` for the list of all.
    customer: Option<Vec<u8>>,
    after: Option<Vec<u8>>,
}

type Listed = Vec<(Vec<u8>, Option<Vec<u8>>)>;

impl Listing {
    /// Opens a list. A cursor of another list is refused, since cursors come from clients.
    fn open(customer: Option<CustomerId>, after: Option<Vec<u8>>) -> Result<Self, ListError> {
        let customer = customer.map(|customer| customer_key(customer, None));
        let known = after.as_ref().is_none_or(|after| match &customer {
            Some(prefix) => after.starts_with(prefix),
            None => ALL.position_of(after).is_some(),
        });
        if known { Ok(Self { customer, after }) } else { Err(ListError::BadCursor) }
    }

    /// Returns about `wanted` items, and whether there may be more.
    async fn next(&self, journal: &Arc<dyn Journal>, wanted: usize) -> Result<(Listed, bool), StoreError> {
        let Some(prefix) = &self.customer else {
            let after = self.after.as_deref().and_then(|after| ALL.position_of(after));
            return placed_before(journal, after.unwrap_or(Position(u64::MAX)), wanted).await;
        };
        let from = self.after.as_ref().map_or_else(|| prefix.clone(), |after| key(after, &[&[0]]));
        let listed = journal.view_list(from, after_prefix(prefix), wanted, listed_row).await?;
        let more = listed.len() == wanted;
        Ok((listed, more))
    }
}

async fn placed_before(
    journal: &Arc<dyn Journal>,
    before: Position,
    wanted: usize,
) -> Result<(Listed, bool), StoreError> {
    let (placed, more) = ALL.before::<RentalId>(journal, before, wanted).await?;
    let rows = journal.view_get_all(placed.iter().map(|(_, rental)| row_key(*rental)).collect()).await?;
    Ok((placed.into_iter().map(|(position, _)| ALL.key(position)).zip(rows).collect(), more))
}

/// Returns the key of the row that is listed under this key.
fn listed_row(listed: &[u8]) -> Vec<u8> {
    let id = listed.last_chunk::<ID_LEN>().expect("a listing's key ends with the rental's id");
    key(ROW, &[id])
}

fn matches(row: &RentalRow, filter: RentalFilter) -> bool {
    let RentalFilter { customer_id, status, product_id, correlation, delivery_status } = filter;
    customer_id.is_none_or(|wanted| wanted == row.customer_id)
        && status.is_none_or(|wanted| wanted == row.rental_status)
        && product_id.is_none_or(|wanted| wanted == row.product_id)
        && correlation.is_none_or(|wanted| wanted == row.correlation)
        && delivery_status.is_none_or(|wanted| Some(wanted) == row.delivery_status)
}
