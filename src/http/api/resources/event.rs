//! Events of a rental's timeline.

use serde_json::{Value, json};

use super::prelude::*;
use crate::domain::{Causation, Correlation, Event, Recorded, Timestamp};

/// An event of a rental's timeline.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TimelineEvent {
    /// Position in the journal; later events have larger numbers.
    #[schema(minimum = 1, example = 42)]
    sequence: u64,
    /// Type of the event, such as `RentalPlaced`. More types may be added.
    #[serde(rename = "type")]
    #[schema(example = "PaymentApproved")]
    kind: &'static str,
    occurred_at: Time,
    /// Context of the entity: `rental`, `payment`, `delivery` or `product`.
    #[schema(example = "payment")]
    context: &'static str,
    /// The entity that the event belongs to.
    #[schema(example = "payment_01kb3q5v8rf7k9x2m4n6p8q0st")]
    entity_id: String,
    /// Correlation id, the same on every event of this rental.
    correlation_id: Correlation,
    /// Cause of the event: `request-…`, `event-` and a sequence, or `schedule`.
    #[schema(example = "event-41")]
    causation_id: String,
    /// Further fields, depending on the type.
    #[schema(value_type = Object, example = json!({"attempt": 1, "amount": 29900}))]
    data: Value,
}

impl From<&Recorded> for TimelineEvent {
    fn from(recorded: &Recorded) -> Self {
        let Recorded { position, entity, meta, event } = recorded;
        Self {
            sequence: position.0,
            kind: event.name(),
            occurred_at: Time(meta.at),
            context: event.kind().as_str(),
            entity_id: entity.to_string(),
            correlation_id: meta.correlation,
            causation_id: match meta.causation {
                Causation::Request(span) => format!("request-{span:016x}"),
                Causation::Event(position) => format!("event-{}", position.0),
                Causation::Schedule => "schedule".to_owned(),
            },
            data: data(event),
        }
    }
}

/// Returns the fields of an event without those that only the engine needs.
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
            let at = |ms: Value| ms.as_i64().map(|ms| Time(Timestamp(ms)));
            fields.extend(deferral.into_iter().map(|(name, ms)| (name, json!(at(ms)))));
        }
    }
    data
}
