//! My Page: one row a rental, whatever context its news come from.
//!
//! | key | row |
//! | --- | --- |
//! | `m/r` rental | [`Row`] |
//! | `m/c` customer, time (newest first), rental | – |
//! | `m/a` time (newest first), rental | – |

use std::sync::Arc;

use super::{
    projection::{Projection, Rows, after_prefix, key},
    shop::{
        ShopError,
        views::{PaymentStatus, RentalFilter, Row},
    },
};
use crate::{
    domain::{
        CustomerId, Event, Position, Recorded, RentalId, Timestamp,
        delivery::{DeliveryEvent, DeliveryStatus},
        invariants::version_never_goes_back,
        payment::PaymentEvent,
        rental::{RentalEvent, RentalStatus},
    },
    store::{Journal, StoreError, codec},
};

const ROW: &[u8] = b"m/r";
const BY_CUSTOMER: &[u8] = b"m/c";
const BY_TIME: &[u8] = b"m/a";
/// Where in a listing's key the rental's id stands, from the end.
const ID_LEN: usize = 16;
/// A page looks at no more rows than this, even if it finds too few that match.
const SCAN_MAX: usize = 2_000;

/// The projection that writes the rows.
pub struct MyPage;

impl Projection for MyPage {
    const NAME: &'static str = "mypage";
    const FORMAT: u8 = 1;
    const PREFIX: &'static [u8] = b"m/";

    async fn open(&mut self, _: &Arc<dyn Journal>) -> Result<(), StoreError> {
        Ok(())
    }

    fn reads(&self, recorded: &Recorded) -> Option<Vec<u8>> {
        let placing = matches!(recorded.event, Event::Rental(RentalEvent::RentalPlaced(_)));
        recorded.rental().filter(|_| !placing).map(row_key)
    }

    async fn fold(&mut self, recorded: &Recorded, rows: &mut Rows) -> Result<(), StoreError> {
        let Some(rental) = recorded.rental() else { return Ok(()) };
        let row_key = row_key(rental);
        let placing = matches!(recorded.event, Event::Rental(RentalEvent::RentalPlaced(_)));
        let before = if placing { None } else { rows.get::<Row>(&row_key).await? };
        let row = folded(before, rental, recorded)
            .ok_or_else(|| StoreError::Corrupt(format!("{rental} has events before it was placed")))?;
        if placing {
            listings(&row).into_iter().for_each(|listing| rows.mark(listing));
        }
        rows.put(row_key, &row)
    }
}

/// A rental's row after one more of its events; none before it was placed.
#[must_use]
pub fn folded(row: Option<Row>, rental: RentalId, recorded: &Recorded) -> Option<Row> {
    if let Event::Rental(RentalEvent::RentalPlaced(_)) = &recorded.event {
        return Some(placed(rental, recorded));
    }
    let mut row = row?;
    fold_into(&mut row, &recorded.event);
    row.updated_at = recorded.meta.at;
    debug_assert_eq!(version_never_goes_back(Position(row.version), recorded.position), Ok(()));
    row.version = recorded.position.0;
    Some(row)
}

/// Where a row is listed: for its customer, and for all.
#[must_use]
pub fn listings(row: &Row) -> [Vec<u8>; 2] {
    let placing = Some((row.placed_at, row.rental_id));
    [customer_key(row.customer_id, placing), time_key(placing)]
}

/// What the keys of all rows begin with; a rental's id follows.
pub const ROWS: &[u8] = ROW;
/// What the keys of both listings begin with.
pub const LISTINGS: [&[u8]; 2] = [BY_CUSTOMER, BY_TIME];

fn row_key(rental: RentalId) -> Vec<u8> {
    key(ROW, &[&rental.0.to_be_bytes()])
}

fn placed(rental_id: RentalId, recorded: &Recorded) -> Row {
    let Event::Rental(RentalEvent::RentalPlaced(terms)) = &recorded.event else {
        unreachable!("a row begins with the placing")
    };
    Row {
        rental_id,
        customer_id: terms.customer_id,
        product_id: terms.product_id,
        product_name: terms.product_name.clone(),
        fee: terms.fee,
        correlation: terms.correlation,
        rental_status: RentalStatus::Placed,
        cancel_reason: None,
        payment_status: PaymentStatus::Requested,
        payment_retry_at: None,
        payment_due_at: None,
        delivery_status: None,
        placed_at: recorded.meta.at,
        updated_at: recorded.meta.at,
        version: recorded.position.0,
    }
}

/// What an event after the placing changes in its rental's row.
fn fold_into(row: &mut Row, event: &Event) {
    match event {
        Event::Rental(event) => fold_rental(row, event),
        Event::Payment(event) => fold_payment(row, event),
        Event::Delivery(event) => {
            row.delivery_status = Some(match event {
                DeliveryEvent::DeliveryStarted { .. } => DeliveryStatus::Started,
                DeliveryEvent::DeliveryDispatched { .. } => DeliveryStatus::InTransit,
                DeliveryEvent::DeliveryCompleted => DeliveryStatus::Delivered,
                DeliveryEvent::DeliveryCanceled { .. } => DeliveryStatus::Canceled,
            });
        }
        // Stock moves are not the customer's business, but they do move the version.
        Event::Product(_) | Event::Account(_) | Event::Context(_) => {}
    }
}

fn fold_rental(row: &mut Row, event: &RentalEvent) {
    match event {
        RentalEvent::RentalPlaced(_) => {}
        RentalEvent::PaymentDeferred { deferral, sent } => {
            row.rental_status = RentalStatus::PaymentDeferred;
            row.payment_retry_at = Some(deferral.retry_at);
            row.payment_due_at = Some(deferral.due_at);
            if *sent && row.payment_status == PaymentStatus::Requested {
                row.payment_status = PaymentStatus::Unresolved;
            }
        }
        RentalEvent::RentalConfirmed { .. } => {
            row.rental_status = RentalStatus::Confirmed;
            (row.payment_retry_at, row.payment_due_at) = (None, None);
        }
        RentalEvent::RentalDelivered => row.rental_status = RentalStatus::Delivered,
        RentalEvent::RentalCanceled { reason, .. } => {
            row.rental_status = RentalStatus::Canceled;
            row.cancel_reason = Some(*reason);
            (row.payment_retry_at, row.payment_due_at) = (None, None);
        }
    }
}

fn fold_payment(row: &mut Row, event: &PaymentEvent) {
    row.payment_status = match event {
        PaymentEvent::PaymentRequested { .. } => PaymentStatus::Requested,
        PaymentEvent::PaymentApproved { .. } => PaymentStatus::Approved,
        PaymentEvent::PaymentDeclined { .. } => PaymentStatus::Declined,
        // Approved until it is refunded; open for as long as nobody knows.
        PaymentEvent::PaymentCancelRequested { late_capture, .. } => match row.payment_status {
            PaymentStatus::Approved => PaymentStatus::Approved,
            _ if late_capture.is_some() => PaymentStatus::Approved,
            _ => PaymentStatus::Unresolved,
        },
        PaymentEvent::PaymentCanceled { .. } => PaymentStatus::Canceled,
        PaymentEvent::StrayCaptureFound { .. } | PaymentEvent::StrayCaptureRefunded { .. } => {
            row.payment_status
        }
    };
}

type Placing = (Timestamp, RentalId);

fn newest_first(prefix: Vec<u8>, placing: Option<Placing>) -> Vec<u8> {
    match placing {
        Some((at, rental)) => {
            let inverted = !at.0.cast_unsigned();
            key(&prefix, &[&inverted.to_be_bytes(), &rental.0.to_be_bytes()])
        }
        None => prefix,
    }
}

fn customer_key(customer: CustomerId, placing: Option<Placing>) -> Vec<u8> {
    newest_first(key(BY_CUSTOMER, &[&customer.0.to_be_bytes()]), placing)
}

fn time_key(placing: Option<Placing>) -> Vec<u8> {
    newest_first(BY_TIME.to_vec(), placing)
}

/// The row of a rental.
///
/// # Errors
/// [`StoreError`]
pub async fn row(journal: &Arc<dyn Journal>, rental: RentalId) -> Result<Option<Row>, StoreError> {
    let row = journal.view_get(row_key(rental)).await?;
    row.map(|row| codec::decode(&row)).transpose()
}

/// Up to `limit` rows that `filter` lets through, newest first, from after the key `cursor` on; and the
/// key to go on after, if there may be more.
///
/// # Errors
/// [`ShopError::BadCursor`], [`ShopError::Store`]
pub async fn rows(
    journal: &Arc<dyn Journal>,
    filter: RentalFilter,
    cursor: Option<Vec<u8>>,
    limit: usize,
) -> Result<(Vec<Row>, Option<Vec<u8>>), ShopError> {
    let prefix = match filter.customer_id {
        Some(customer) => customer_key(customer, None),
        None => time_key(None),
    };
    let end = after_prefix(&prefix);
    // Cursors come from outside: one from another list must not reach into this one.
    let mut from = match cursor {
        Some(cursor) if cursor.starts_with(&prefix) => key(&cursor, &[&[0]]),
        Some(_) => return Err(ShopError::BadCursor),
        None => prefix,
    };
    let (mut found, mut scanned) = (Vec::new(), 0);
    loop {
        let wanted = limit + 1;
        let listing = journal.view_list(from.clone(), end.clone(), wanted, listed_row).await?;
        let more = listing.len() == wanted;
        scanned += listing.len();
        for (listed, row) in listing {
            if found.len() == limit {
                return Ok((found, Some(from)));
            }
            from = listed;
            let row = row.map(|row| codec::decode::<Row>(&row)).transpose()?;
            found.extend(row.filter(|row| matches(row, filter)));
        }
        if !more {
            return Ok((found, None));
        }
        if scanned >= SCAN_MAX {
            return Ok((found, Some(from)));
        }
        from.push(0);
    }
}

/// The key of the row that a listing's key leads to.
fn listed_row(listed: &[u8]) -> Vec<u8> {
    let id = listed.last_chunk::<ID_LEN>().expect("a listing's key ends with the rental's id");
    key(ROW, &[id])
}

fn matches(row: &Row, filter: RentalFilter) -> bool {
    let RentalFilter { customer_id, status, product_id, correlation, delivery_status } = filter;
    customer_id.is_none_or(|wanted| wanted == row.customer_id)
        && status.is_none_or(|wanted| wanted == row.rental_status)
        && product_id.is_none_or(|wanted| wanted == row.product_id)
        && correlation.is_none_or(|wanted| wanted == row.correlation)
        && delivery_status.is_none_or(|wanted| Some(wanted) == row.delivery_status)
}
