//! Lists of rows: one for each customer, with a key for each rental, and one of all rentals.

use std::sync::Arc;

use super::{ROWS, RentalFilter, RentalRow, row_key};
use crate::{
    actors::projection::{
        after_prefix, key,
        lists::{List, ListError, Listed, after_cursor},
    },
    domain::{CustomerId, RentalId, Timestamp},
    store::{Journal, codec},
};

pub const BY_CUSTOMER: &[u8] = b"m/c";
pub const ALL: List = List(b"m/a");
/// Length of the rental id at the end of a listing's key.
const ID_LEN: usize = 16;
/// Maximum number of rows that one page looks at, even if too few match.
const SCAN_MAX: usize = 2_000;

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
    let (mut after, mut found, mut scanned) = (cursor, Vec::new(), 0);
    loop {
        let (page, more) = listed(journal, filter.customer_id, after.as_deref(), limit + 1).await?;
        scanned += page.len();
        for (cursor, row) in page {
            if found.len() == limit {
                return Ok((found, after));
            }
            after = Some(cursor);
            let row = row.map(|row| codec::decode::<RentalRow>(&row)).transpose()?;
            found.extend(row.filter(|row| matches(row, filter)));
        }
        if !more {
            return Ok((found, None));
        }
        if scanned >= SCAN_MAX {
            return Ok((found, after));
        }
    }
}

/// Returns about `wanted` rows of one customer or of all, and whether there may be more.
async fn listed(
    journal: &Arc<dyn Journal>,
    customer: Option<CustomerId>,
    after: Option<&[u8]>,
    wanted: usize,
) -> Result<(Listed, bool), ListError> {
    let Some(customer) = customer else {
        return ALL.rows(journal, after, wanted, |_, rental| row_key(rental)).await;
    };
    let prefix = customer_key(customer, None);
    let end = after_prefix(&prefix);
    let listed = journal.view_list(after_cursor(prefix, after)?, end, wanted, listed_row).await?;
    let more = listed.len() == wanted;
    Ok((listed, more))
}

fn listed_row(listed: &[u8]) -> Vec<u8> {
    let id = listed.last_chunk::<ID_LEN>().expect("a listing's key ends with the rental's id");
    key(ROWS, &[id])
}

fn matches(row: &RentalRow, filter: RentalFilter) -> bool {
    let RentalFilter { customer_id, status, product_id, correlation, delivery_status } = filter;
    customer_id.is_none_or(|wanted| wanted == row.customer_id)
        && status.is_none_or(|wanted| wanted == row.rental_status)
        && product_id.is_none_or(|wanted| wanted == row.product_id)
        && correlation.is_none_or(|wanted| wanted == row.correlation)
        && delivery_status.is_none_or(|wanted| Some(wanted) == row.delivery_status)
}
