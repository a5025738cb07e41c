//! Payment methods in requests: a card token, or a payment authorized in a provider's window.

use super::prelude::*;
use crate::{domain::CheckoutId, gateways};

/// The body's field, parsed by hand as either variant of [`PaymentMethodBody`]: a tagged enum could not name
/// the field at fault.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct PaymentMethodInput {
    r#type: MethodType,
    #[serde(default, deserialize_with = "said")]
    token: Option<String>,
    #[serde(default, deserialize_with = "said")]
    payment_key: Option<String>,
    #[serde(default, deserialize_with = "said")]
    checkout_id: Option<String>,
}

/// Deserializes a field that may be absent, but not null.
fn said<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    String::deserialize(deserializer).map(Some)
}

#[derive(Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum MethodType {
    Card,
    Toss,
}

/// The payment method; the server's payment provider determines which variant is accepted.
#[derive(ToSchema)]
#[schema(as = PaymentMethod, example = json!({"type": "CARD", "token": "tok_ok"}))]
#[serde(untagged)]
#[expect(dead_code, reason = "tells the document what `PaymentMethodInput` reads")]
pub(crate) enum PaymentMethodBody {
    #[schema(title = "card")]
    Card(CardPayment),
    #[schema(title = "toss")]
    Toss(TossPayment),
}

/// A card, by its token.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(dead_code, reason = "tells the document what `PaymentMethodInput` reads")]
pub(crate) struct CardPayment {
    r#type: Card,
    /// Token of the card. The simulator accepts `tok_ok`, `tok_decline`, `tok_slow`, `tok_timeout`,
    /// `tok_error` and `tok_lost_response`; Stripe accepts `pm_…` and `tok_…`.
    #[schema(min_length = 1, max_length = 255, example = "tok_ok")]
    token: String,
}

/// A payment that the customer authorized in the window of Toss Payments.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({
    "type": "TOSS",
    "paymentKey": "tgen_20261125093000abcd1",
    "checkoutId": "checkout_01kb3q5v8rf7k9x2m4n6p8q0st",
}))]
#[expect(dead_code, reason = "tells the document what `PaymentMethodInput` reads")]
pub(crate) struct TossPayment {
    r#type: Toss,
    /// Payment key that the window returned.
    #[schema(min_length = 1, max_length = 200, example = "tgen_20261125093000abcd1")]
    payment_key: String,
    /// The checkout with which the window was opened.
    #[schema(value_type = CheckoutId)]
    checkout_id: String,
}

#[derive(ToSchema)]
#[schema(as = CardType)]
#[serde(rename_all = "UPPERCASE")]
#[expect(dead_code, reason = "tells the document what `PaymentMethodInput` reads")]
enum Card {
    Card,
}

#[derive(ToSchema)]
#[schema(as = TossType)]
#[serde(rename_all = "UPPERCASE")]
#[expect(dead_code, reason = "tells the document what `PaymentMethodInput` reads")]
enum Toss {
    Toss,
}

impl PaymentMethodInput {
    pub(crate) fn checked(self, rules: &mut Rules) -> Option<gateways::payment::PaymentMethod> {
        let Self { r#type, token, payment_key, checkout_id } = self;
        let mut alien = |field: &str, value: &Option<String>| {
            if value.is_some() {
                rules.broken(&format!("/paymentMethod/{field}"), "is not a field of this type");
            }
        };
        match r#type {
            MethodType::Card => {
                alien("paymentKey", &payment_key);
                alien("checkoutId", &checkout_id);
                let token = required(rules, "/paymentMethod/token", token)?;
                let token = rules.line("/paymentMethod/token", &token, 1, 255)?;
                Some(gateways::payment::PaymentMethod::Card { token })
            }
            MethodType::Toss => {
                alien("token", &token);
                let key = required(rules, "/paymentMethod/paymentKey", payment_key);
                let id = required(rules, "/paymentMethod/checkoutId", checkout_id);
                let key = key.and_then(|key| rules.line("/paymentMethod/paymentKey", &key, 1, 200));
                let id = id.and_then(|id| rules.check("/paymentMethod/checkoutId", CheckoutId::parse(&id)));
                let (payment_key, checkout_id) = key.zip(id)?;
                Some(gateways::payment::PaymentMethod::Toss { payment_key, checkout_id })
            }
        }
    }
}

fn required(rules: &mut Rules, pointer: &str, value: Option<String>) -> Option<String> {
    rules.check(pointer, value.ok_or("is required"))
}
