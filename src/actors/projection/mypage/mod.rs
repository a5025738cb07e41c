//! My Page: one row for each rental, with the state of all contexts.
//!
//! | key | row |
//! | --- | --- |
//! | `m/r` rental | [`RentalRow`] |
//! | `m/c` customer, time (newest first), rental | – |
//! | `m/a` | rentals, see `projection::lists` |

mod lists;
mod row;

use std::sync::Arc;

pub use self::{
    lists::{ALL, BY_CUSTOMER, listing, rows},
    row::{PaymentStatus, RentalFilter, RentalRow},
};
use super::{Projection, Result, Rows, key, lists::Items};
use crate::{
    domain::{
        Event, Position, Recorded, RentalId,
        delivery::{DeliveryEvent, DeliveryStatus},
        invariants::version_never_goes_back,
        payment::PaymentEvent,
        rental::{RentalEvent, RentalStatus, Terms},
    },
    store::{Journal, StoreError, codec},
};

/// Prefix of the rows' keys; a rental id follows.
pub const ROWS: &[u8] = b"m/r";

#[derive(Default)]
pub struct MyPage {
    placed: Items<RentalId>,
}

impl Projection for MyPage {
    const NAME: &'static str = "mypage";
    const FORMAT: u8 = 2;
    const PREFIX: &'static [u8] = b"m/";

    async fn open(&mut self, _: &Arc<dyn Journal>) -> Result<()> {
        Ok(())
    }

    fn reads(&self, recorded: &Recorded) -> Option<Vec<u8>> {
        let placing = matches!(recorded.event, Event::Rental(RentalEvent::RentalPlaced(_)));
        recorded.rental().filter(|_| !placing).map(row_key)
    }

    async fn fold(&mut self, recorded: &Recorded, rows: &mut Rows) -> Result<()> {
        let Some(rental) = recorded.rental() else { return Ok(()) };
        let row_key = row_key(rental);
        let placing = matches!(recorded.event, Event::Rental(RentalEvent::RentalPlaced(_)));
        let before = if placing { None } else { rows.get::<RentalRow>(&row_key).await? };
        let row = folded(before, rental, recorded)
            .ok_or_else(|| StoreError::Corrupt(format!("{rental} has events before it was placed")))?;
        if placing {
            rows.put_encoded(listing(&row), Vec::new());
            self.placed.push((recorded.position, rental));
        }
        rows.put(row_key, &row)
    }

    fn amend(&mut self, rows: &mut Rows) -> Result<()> {
        ALL.put(&std::mem::take(&mut self.placed), rows)
    }
}

/// Folds an event into a rental's row; `None` if the rental was never placed.
pub fn folded(row: Option<RentalRow>, rental: RentalId, recorded: &Recorded) -> Option<RentalRow> {
    if let Event::Rental(RentalEvent::RentalPlaced(terms)) = &recorded.event {
        return Some(placed(rental, terms, recorded));
    }
    let mut row = row?;
    match &recorded.event {
        Event::Rental(event) => fold_rental(&mut row, event),
        Event::Payment(event) => fold_payment(&mut row, event),
        Event::Delivery(event) => {
            row.delivery_status = Some(match event {
                DeliveryEvent::DeliveryStarted { .. } => DeliveryStatus::Started,
                DeliveryEvent::DeliveryDispatched { .. } => DeliveryStatus::InTransit,
                DeliveryEvent::DeliveryCompleted => DeliveryStatus::Delivered,
                DeliveryEvent::DeliveryCanceled { .. } => DeliveryStatus::Canceled,
            });
        }
        // They change the version only.
        Event::Product(_) | Event::Account(_) | Event::Context(_) => {}
    }
    row.updated_at = recorded.meta.at;
    debug_assert_eq!(version_never_goes_back(Position(row.version), recorded.position), Ok(()));
    row.version = recorded.position.0;
    Some(row)
}

fn row_key(rental: RentalId) -> Vec<u8> {
    key(ROWS, &[&rental.0.to_be_bytes()])
}

fn placed(rental_id: RentalId, terms: &Terms, recorded: &Recorded) -> RentalRow {
    RentalRow {
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

fn fold_rental(row: &mut RentalRow, event: &RentalEvent) {
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

fn fold_payment(row: &mut RentalRow, event: &PaymentEvent) {
    row.payment_status = match event {
        PaymentEvent::PaymentRequested { .. } => PaymentStatus::Requested,
        PaymentEvent::PaymentApproved { .. } => PaymentStatus::Approved,
        PaymentEvent::PaymentDeclined { .. } => PaymentStatus::Declined,
        // Approved until it is refunded; unresolved while the outcome is unknown.
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

pub async fn row(journal: &Arc<dyn Journal>, rental: RentalId) -> Result<Option<RentalRow>> {
    let row = journal.view_get(row_key(rental)).await?;
    row.map(|row| codec::decode(&row)).transpose()
}
