//! What goes out: every resource as JSON, with the contract's names.

use serde_json::{Value, json};

use crate::{
    actors::shop::{
        ContextView, CustomerView, DeliveryView, HeldView, NotificationView, Page, PaymentView, Principal,
        ProductView, RentalView, Row, SessionView,
    },
    domain::{Causation, Event, Recorded, RentalId, Timestamp, address::Address, money::CURRENCY},
};

/// RFC 3339, UTC, with milliseconds.
#[must_use]
pub fn time(at: Timestamp) -> String {
    let nanos = i128::from(at.0) * 1_000_000;
    let at =
        time::OffsetDateTime::from_unix_timestamp_nanos(nanos).unwrap_or(time::OffsetDateTime::UNIX_EPOCH);
    let (hour, minute, second, ms) = at.time().as_hms_milli();
    let (year, month, day) = (at.year(), u8::from(at.month()), at.day());
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{ms:03}Z")
}

/// An object without its nulls: what is not there is not shown.
fn object(mut value: Value) -> Value {
    if let Value::Object(fields) = &mut value {
        fields.retain(|_, field| !field.is_null());
    }
    value
}

/// A part of a list.
pub fn page<T>(page: &Page<T>, item: impl Fn(&T) -> Value) -> Value {
    let items: Vec<Value> = page.items.iter().map(item).collect();
    json!({"items": items, "nextCursor": page.next_cursor})
}

/// A product.
#[must_use]
pub fn product(product: &ProductView) -> Value {
    json!({
        "id": product.id,
        "name": product.offer.name,
        "model": product.offer.model,
        "description": product.offer.description,
        "fee": product.offer.fee,
        "currency": CURRENCY,
        "stock": product.stock,
        "available": product.available(),
        "createdAt": time(product.created_at),
        "updatedAt": time(product.updated_at),
    })
}

fn address(address: Option<&Address>) -> Value {
    address.map_or(Value::Null, |a| {
        object(json!({
            "recipient": a.recipient, "postalCode": a.postal_code, "line1": a.line1, "line2": a.line2,
        }))
    })
}

/// A rental.
#[must_use]
pub fn rental(view: &RentalView) -> Value {
    let RentalView { id, rental, address: to } = view;
    let terms = rental.terms.as_ref();
    object(json!({
        "id": id,
        "customerId": terms.map(|terms| terms.customer_id),
        "productId": terms.map(|terms| terms.product_id),
        "productName": terms.map(|terms| &terms.product_name),
        "fee": terms.map(|terms| terms.fee),
        "currency": CURRENCY,
        "address": address(to.as_ref()),
        "status": rental.status,
        "cancelReason": rental.cancel_reason,
        "paymentId": id.payment(),
        "deliveryId": rental.delivery_id(*id),
        "correlationId": terms.map(|terms| terms.correlation),
        "placedAt": time(rental.placed_at),
        "updatedAt": time(rental.updated_at),
    }))
}

/// A payment.
#[must_use]
pub fn payment(view: &PaymentView) -> Value {
    object(json!({
        "id": view.id,
        "rentalId": view.id.rental(),
        "amount": view.amount,
        "currency": CURRENCY,
        "status": view.status,
        "attempts": view.attempts,
        "provider": view.provider,
        "providerReference": view.provider_reference,
        "requestedAt": time(view.requested_at),
        "approvedAt": view.approved_at.map(time),
        "declinedAt": view.declined_at.map(time),
        "canceledAt": view.canceled_at.map(time),
    }))
}

/// A delivery.
#[must_use]
pub fn delivery(view: &DeliveryView) -> Value {
    let DeliveryView { id, delivery, address: to, .. } = view;
    object(json!({
        "id": id,
        "rentalId": id.rental(),
        "status": delivery.status,
        "address": address(to.as_ref()),
        "startedAt": time(delivery.started_at),
        "dispatchedAt": delivery.dispatched_at.map(time),
        "completedAt": delivery.completed_at.map(time),
        "canceledAt": delivery.canceled_at.map(time),
        "carrier": delivery.carrier,
        "trackingNumber": delivery.tracking_number,
    }))
}

/// A row of My Page.
#[must_use]
pub fn row(row: &Row) -> Value {
    object(json!({
        "rentalId": row.rental_id,
        "productId": row.product_id,
        "productName": row.product_name,
        "fee": row.fee,
        "currency": CURRENCY,
        "rentalStatus": row.rental_status,
        "cancelReason": row.cancel_reason,
        "paymentId": row.rental_id.payment(),
        "paymentStatus": row.payment_status,
        "paymentRetryAt": row.payment_retry_at.map(time),
        "paymentDueAt": row.payment_due_at.map(time),
        "deliveryId": row.delivery_status.map(|_| row.rental_id.delivery()),
        "deliveryStatus": row.delivery_status,
        "placedAt": time(row.placed_at),
        "updatedAt": time(row.updated_at),
        "version": row.version,
    }))
}

/// A text message.
#[must_use]
pub fn notification(view: &NotificationView) -> Value {
    object(json!({
        "id": view.id,
        "rentalId": view.rental_id,
        "event": view.event,
        "phone": view.phone,
        "text": view.text,
        "status": view.status,
        "attempts": view.attempts,
        "createdAt": time(view.created_at),
        "sentAt": view.sent_at.map(time),
    }))
}

/// A customer.
#[must_use]
pub fn customer(view: &CustomerView) -> Value {
    json!({"id": view.id, "name": view.name, "phone": view.phone, "createdAt": time(view.created_at)})
}

/// A session, with its token: shown this once.
#[must_use]
pub fn session(view: &SessionView) -> Value {
    let role = match view.principal {
        Principal::Customer(_) => "CUSTOMER",
        Principal::Operator => "OPERATOR",
    };
    json!({"token": view.token, "role": role, "expiresAt": time(view.expires_at)})
}

/// An event of a rental's timeline.
#[must_use]
pub fn event(recorded: &Recorded) -> Value {
    json!({
        "sequence": recorded.position,
        "type": recorded.event.name(),
        "occurredAt": time(recorded.meta.at),
        "context": recorded.event.kind(),
        "entityId": recorded.entity.to_string(),
        "correlationId": recorded.meta.correlation,
        "causationId": match recorded.meta.causation {
            Causation::Request(span) => format!("request-{span:016x}"),
            Causation::Event(position) => format!("event-{}", position.0),
            Causation::Schedule => "schedule".to_owned(),
        },
        "data": data(&recorded.event),
    })
}

/// What an event says, without what only Saem itself needs.
fn data(event: &Event) -> Value {
    let tagged = match event {
        Event::Rental(event) => json!(event),
        Event::Payment(event) => json!(event),
        Event::Delivery(event) => json!(event),
        Event::Product(event) => json!(event),
        Event::Account(event) => json!(event),
        Event::Context(event) => json!(event),
    };
    let Value::Object(tagged) = tagged else { return json!({}) };
    let mut data = tagged.into_iter().next().map_or_else(|| json!({}), |(_, data)| data);
    if let Value::Object(fields) = &mut data {
        fields.retain(|name, _| !matches!(name.as_str(), "fence" | "fingerprint" | "correlation"));
        if let Some(Value::Object(deferral)) = fields.shift_remove("deferral") {
            let at = |ms: Value| ms.as_i64().map(|ms| time(Timestamp(ms)));
            fields.extend(deferral.into_iter().map(|(name, ms)| (name, json!(at(ms)))));
        }
    }
    data
}

/// A context under maintenance, or not.
#[must_use]
pub fn context(view: &ContextView) -> Value {
    let ContextView { context, paused, backlog, held } = view;
    json!({"context": context, "paused": paused, "backlog": backlog, "held": held})
}

/// A held target.
#[must_use]
pub fn held(view: &HeldView) -> Value {
    let HeldView { key, hold } = view;
    json!({
        "id": key.to_string(),
        "group": key.group,
        "lane": key.lane,
        "target": key.target.to_string(),
        "position": hold.position,
        "event": hold.event,
        "reason": hold.reason,
        "attempts": hold.attempts,
    })
}

/// Where a rental is found.
#[must_use]
pub fn rental_location(id: RentalId) -> String {
    format!("/v1/rentals/{id}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_milliseconds_even_when_they_are_zero() {
        assert_eq!(time(Timestamp(0)), "1970-01-01T00:00:00.000Z");
        assert_eq!(time(Timestamp(1_763_886_000_007)), "2025-11-23T08:20:00.007Z");
    }
}
