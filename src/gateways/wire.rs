//! The protocol of provider `http`, as both sides write it: `docs/gateway.md` tells it to operators.

use serde::{Deserialize, Serialize};

use super::{ChargeKey, PaymentMethod};
use crate::domain::{Money, PaymentId};

/// What a charge is paid with.
#[derive(Clone, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "UPPERCASE", deny_unknown_fields)]
pub enum Method {
    /// A card.
    Card {
        /// The gateway's token.
        token: String,
    },
}

impl TryFrom<&PaymentMethod> for Method {
    type Error = ();

    /// Other methods have a provider of their own.
    fn try_from(method: &PaymentMethod) -> Result<Self, ()> {
        match method {
            PaymentMethod::Card { token } => Ok(Self::Card { token: token.clone() }),
            PaymentMethod::Toss { .. } => Err(()),
        }
    }
}

impl From<Method> for PaymentMethod {
    fn from(method: Method) -> Self {
        let Method::Card { token } = method;
        Self::Card { token }
    }
}

/// The only currency there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Currency {
    /// Korean won; it has no smaller unit.
    #[serde(rename = "KRW")]
    Krw,
}

/// `PUT /charges/{key}`
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ChargeOrder {
    /// In won.
    pub amount: Money,
    /// Which won.
    pub currency: Currency,
    /// What it is paid with.
    pub payment_method: Method,
}

/// `POST /charges/{key}/refund`
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RefundOrder {
    /// In won.
    pub amount: Money,
    /// Which won.
    pub currency: Currency,
}

/// What became of a charge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "UPPERCASE", rename_all_fields = "camelCase")]
pub enum Charge {
    /// The money was captured.
    Captured {
        /// The gateway's own name for the capture.
        reference: String,
        /// How much of it was given back since, in won.
        refunded: Money,
    },
    /// It was declined, for good.
    Declined {
        /// Why.
        code: String,
    },
    /// It was voided: it never was, and never will be captured.
    Voided,
}

/// Why something was refused.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Refusal {
    /// As a word, such as `not_found`.
    pub code: String,
}

/// The code of a refusal because nothing is known under this key.
pub const NOT_FOUND: &str = "not_found";

impl std::str::FromStr for ChargeKey {
    type Err = ();

    /// Reads what `Display` writes, and nothing else: the payment's id, a hyphen, the attempt.
    fn from_str(text: &str) -> Result<Self, ()> {
        let (payment, attempt) = text.rsplit_once('-').ok_or(())?;
        let payment = PaymentId::parse(payment).map_err(|_| ())?;
        let key = Self { payment, attempt: attempt.parse().map_err(|_| ())? };
        if key.to_string() == text { Ok(key) } else { Err(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_as_it_is_written_and_no_other_way() {
        let key = ChargeKey { payment: PaymentId(1), attempt: 12 };
        assert_eq!(key.to_string().parse(), Ok(key));
        for attempt in ["", "+1", "-1", "01", " 1", "1 ", "4294967296"] {
            assert_eq!(format!("{}-{attempt}", key.payment).parse::<ChargeKey>(), Err(()), "{attempt}");
        }
    }
}
