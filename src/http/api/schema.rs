//! OpenAPI schemas of the domain's values. They stand here because the domain does not know HTTP.

use serde::{Serialize, Serializer};
use time::OffsetDateTime;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        KnownFormat, ObjectBuilder, RefOr, SchemaFormat, Type,
        schema::{Object, Schema},
    },
};

use crate::{
    domain::{
        CheckoutId, Correlation, CustomerId, DeliveryId, Money, NotificationId, PaymentId, ProductId,
        RentalId, Timestamp,
        context::{Context, Group},
        delivery::DeliveryStatus,
        id::ascii,
        phone::Phone,
        rental::{CancelReason, RentalStatus},
    },
    gateways::payment::ledger::EntryStatus,
    shop::{BreakerMode, NotificationStatus, PaymentStatus},
    store::FaultMode,
};

/// ISO 4217 code of the only currency.
const CURRENCY: &str = "KRW";

/// A time: RFC 3339, UTC, with milliseconds.
#[derive(Clone, Copy)]
pub(crate) struct Time(pub Timestamp);

impl Time {
    /// Formats by hand: rows contain many times, and `write!` took a tenth of the time of a response.
    fn text(self) -> [u8; 24] {
        let at = utc(self.0);
        let (hour, minute, second, ms) = at.time().as_hms_milli();
        let mut text = *b"0000-00-00T00:00:00.000Z";
        let mut put = |digits: std::ops::Range<usize>, mut number: u32| {
            for digit in text[digits].iter_mut().rev() {
                *digit += (number % 10) as u8;
                number /= 10;
            }
        };
        // RFC 3339 has no years before 0.
        put(0..4, at.year().try_into().unwrap_or_default());
        put(5..7, u8::from(at.month()).into());
        put(8..10, at.day().into());
        put(11..13, hour.into());
        put(14..16, minute.into());
        put(17..19, second.into());
        put(20..23, ms.into());
        text
    }
}

pub(crate) fn utc(at: Timestamp) -> OffsetDateTime {
    let at = OffsetDateTime::from_unix_timestamp_nanos(i128::from(at.0) * 1_000_000);
    at.unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

impl std::fmt::Display for Time {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(ascii(&self.text()))
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(ascii(&self.text()))
    }
}

/// The only currency.
#[derive(Clone, Copy)]
pub(crate) struct Currency;

impl Serialize for Currency {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(CURRENCY)
    }
}

pub(crate) const PHONE_CHARS_MAX: usize = 32;
/// A Korean mobile number, as [`Phone::parse`] accepts it.
const PHONE: &str = concat!(
    r"^\s*(\+[ .-]*8[ .-]*2[ .-]*0?|[ .-]*0)[ .-]*1[ .-]*",
    r"(0([ .-]*[0-9]){8}|[16-9]([ .-]*[0-9]){7,8})[ .-]*\s*$",
);

macro_rules! schemas {
    ($($type:ty as $name:literal = $object:expr;)*) => {$(
        impl PartialSchema for $type {
            fn schema() -> RefOr<Schema> {
                RefOr::T(Schema::Object($object))
            }
        }

        impl ToSchema for $type {
            fn name() -> std::borrow::Cow<'static, str> {
                std::borrow::Cow::Borrowed($name)
            }
        }
    )*};
}

schemas! {
    ProductId as "ProductId" = id(ProductId::PREFIX);
    CustomerId as "CustomerId" = id(CustomerId::PREFIX);
    RentalId as "RentalId" = id(RentalId::PREFIX);
    PaymentId as "PaymentId" = id(PaymentId::PREFIX);
    DeliveryId as "DeliveryId" = id(DeliveryId::PREFIX);
    NotificationId as "NotificationId" = id(NotificationId::PREFIX);
    CheckoutId as "CheckoutId" = id(CheckoutId::PREFIX);
    Phone as "Phone" = ObjectBuilder::new()
        .schema_type(Type::String)
        .max_length(Some(PHONE_CHARS_MAX))
        .pattern(Some(PHONE))
        .examples(["010-1234-5678"])
        .build();
    Correlation as "CorrelationId" = text("^[0-9a-f]{32}$", "4bf92f3577b34da6a3ce929d0e0e4736");
    Time as "Time" = ObjectBuilder::new()
        .schema_type(Type::String)
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
        .description(Some("RFC 3339, UTC, with milliseconds"))
        .examples(["2026-11-24T09:30:00.000Z"])
        .build();
    Money as "Won" = ObjectBuilder::new()
        .schema_type(Type::Integer)
        .minimum(Some(0))
        .description(Some("Whole Korean won"))
        .examples([29_900])
        .build();
    Currency as "Currency" = one_of(&[CURRENCY]);
    RentalStatus as "RentalStatus" = said(one_of(&[
        Self::Confirmed, Self::Placed, Self::PaymentDeferred, Self::Delivered, Self::Canceled,
    ]),
        "`PLACED`: the payment is under way. `PAYMENT_DEFERRED`: to be paid later. `CONFIRMED`: \
         paid. `DELIVERED`: installed; final. `CANCELED`: over, and refunded if it was paid; \
         final");
    CancelReason as "CancelReason" = said(one_of(&[
        Self::Customer, Self::Operator, Self::PaymentDeclined, Self::PaymentExpired,
        Self::PaymentUnavailable, Self::OutOfStock,
    ]),
        "`CUSTOMER`, `OPERATOR`: who canceled. `PAYMENT_DECLINED`: when it was placed. \
         `PAYMENT_EXPIRED`: not paid in time. `PAYMENT_UNAVAILABLE`: the payment gave no answer, \
         and deferring is off. `OUT_OF_STOCK`: others took the last units in the same moment");
    PaymentStatus as "PaymentStatus" = said(one_of(&[
        Self::Approved, Self::Requested, Self::Unresolved, Self::Declined, Self::Canceled,
    ]),
        "`REQUESTED`: under way. `UNRESOLVED`: not known yet whether it was captured; it will be. \
         `APPROVED`: captured. `DECLINED`. `CANCELED`: refunded, or never captured");
    DeliveryStatus as "DeliveryStatus" = said(one_of(&[
        Self::Started, Self::InTransit, Self::Delivered, Self::Canceled,
    ]),
        "`STARTED`: being prepared. `IN_TRANSIT`: the courier has it. `DELIVERED`: installed. \
         `CANCELED`");
    NotificationStatus as "NotificationStatus" = said(one_of(&[
        Self::Sent, Self::Pending, Self::Delivered, Self::Failed,
    ]),
        "`PENDING`: to be sent. `SENT`: the provider has taken it. `DELIVERED`: it has arrived. \
         `FAILED`: given up");
    BreakerMode as "BreakerMode" = said(one_of(&[Self::Auto, Self::ForcedOpen, Self::Disabled]),
        "`AUTO`: the breaker decides. `FORCED_OPEN`: no payments are tried. `DISABLED`: all are");
    FaultMode as "FaultMode" = said(one_of(&[Self::Panic, Self::Stop, Self::Hang]),
        "`PANIC`, `STOP`: it fails at once. `HANG`: it does nothing any more");
    EntryStatus as "LedgerStatus" = one_of(&[Self::Captured, Self::Refunded]);
    Context as "Context" = one_of(&Self::ALL);
    Group as "Group" = one_of(&[Self::Rental, Self::Payment, Self::Delivery, Self::Product, Self::Agenda]);
}

fn text(pattern: &str, example: &str) -> Object {
    ObjectBuilder::new().schema_type(Type::String).pattern(Some(pattern)).examples([example]).build()
}

/// Schema of a TypeID: prefix, and 128 bits in base 32.
fn id(prefix: &str) -> Object {
    let pattern = format!("^{prefix}_[0-7][0-9a-hjkmnp-tv-z]{{25}}$");
    text(&pattern, &format!("{prefix}_01kb3q5v8rf7k9x2m4n6p8q0st"))
}

/// Schema of an enumeration; the first value is the example.
fn one_of(values: &[impl Serialize]) -> Object {
    let words = values.iter().map(|value| serde_json::json!(value));
    let examples = words.clone().take(1);
    ObjectBuilder::new().schema_type(Type::String).enum_values(Some(words)).examples(examples).build()
}

fn said(mut words: Object, meaning: &str) -> Object {
    words.description = Some(meaning.to_owned());
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_milliseconds_even_when_they_are_zero() {
        assert_eq!(Time(Timestamp(0)).to_string(), "1970-01-01T00:00:00.000Z");
        assert_eq!(Time(Timestamp(1_763_886_000_007)).to_string(), "2025-11-23T08:20:00.007Z");
    }

    #[test]
    fn an_example_of_an_id_is_an_id() {
        let RefOr::T(Schema::Object(schema)) = ProductId::schema() else { panic!("an object") };
        ProductId::parse(schema.examples[0].as_str().unwrap()).unwrap();
    }
}
