//! Messages of the protocol of provider `http` (`docs/gateway.md`), shared by client and simulator server.

use serde::{Deserialize, Serialize};

use super::{ChargeKey, PaymentMethod};
use crate::domain::{Money, PaymentId};

#[derive(Clone, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "UPPERCASE", deny_unknown_fields)]
pub(crate) enum MethodBody {
    Card { token: String },
}

/// Fails for methods that belong to another provider.
impl TryFrom<&PaymentMethod> for MethodBody {
    type Error = ();

    fn try_from(method: &PaymentMethod) -> Result<Self, ()> {
        match method {
            PaymentMethod::Card { token } => Ok(Self::Card { token: token.clone() }),
            PaymentMethod::Toss { .. } => Err(()),
        }
    }
}

impl From<MethodBody> for PaymentMethod {
    fn from(method: MethodBody) -> Self {
        let MethodBody::Card { token } = method;
        Self::Card { token }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Currency {
    /// Korean won, which has no minor unit.
    #[serde(rename = "KRW")]
    Krw,
}

/// Body of `PUT /charges/{key}`.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ChargeRequest {
    pub amount: Money,
    pub currency: Currency,
    pub payment_method: MethodBody,
}

/// Body of `POST /charges/{key}/refund`.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct RefundRequest {
    pub amount: Money,
    pub currency: Currency,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "UPPERCASE", rename_all_fields = "camelCase")]
pub(crate) enum ChargeBody {
    Captured {
        reference: String,
        /// Amount refunded since, in KRW.
        refunded: Money,
    },
    Declined {
        code: String,
    },
    /// Not captured, and never will be.
    Voided,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ErrorBody {
    /// Error code, such as `not_found`.
    pub code: String,
}

/// Error code for an unknown charge key.
pub(crate) const NOT_FOUND: &str = "not_found";

impl std::str::FromStr for ChargeKey {
    type Err = ();

    /// Parses exactly what `Display` writes: payment id, hyphen, attempt.
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
    fn only_the_displayed_form_of_a_key_is_parsed() {
        let key = ChargeKey { payment: PaymentId(1), attempt: 12 };
        assert_eq!(key.to_string().parse(), Ok(key));
        for attempt in ["", "+1", "-1", "01", " 1", "1 ", "4294967296"] {
            assert_eq!(format!("{}-{attempt}", key.payment).parse::<ChargeKey>(), Err(()), "{attempt}");
        }
    }
}
