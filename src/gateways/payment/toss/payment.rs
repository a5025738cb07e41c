//! A payment of the Toss Payments API, and what its status means for the money.

use serde::Deserialize;

use crate::domain::Money;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Payment {
    pub payment_key: String,
    pub order_id: String,
    pub total_amount: Money,
    /// Total minus refunds.
    pub balance_amount: Money,
    status: TossStatus,
    /// Set once the payment was captured; a refund does not clear it.
    approved_at: Option<String>,
    failure: Option<TossError>,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum TossStatus {
    Ready,
    InProgress,
    WaitingForDeposit,
    Done,
    Canceled,
    PartialCanceled,
    Aborted,
    Expired,
    #[serde(other)]
    Other,
}

/// Error object. Its message is not read, since it may contain personal data.
#[derive(Deserialize)]
pub(super) struct TossError {
    code: String,
}

impl TossError {
    /// Returns the code if it is well formed, since it goes into the journal and the log.
    pub(super) fn into_code(self) -> Option<String> {
        is_code(&self.code).then_some(self.code)
    }
}

fn is_code(code: &str) -> bool {
    let code_byte = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
    (1..=64).contains(&code.len()) && code.bytes().all(code_byte)
}

/// State of an order with regard to the money.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum TossState {
    /// Not authorized: there is nothing to confirm.
    NotAuthorized,
    /// Authorized by the customer, or of an unknown status. A confirmation may be in progress for longer than
    /// the settle horizon; the provider ends this state within ten minutes.
    Open,
    /// Waiting for a bank transfer, for up to days.
    AwaitingDeposit,
    /// Captured, with the refunded amount.
    Captured { refunded: Money },
    /// Not captured, and no longer capturable.
    Declined { code: String },
}

impl Payment {
    pub(super) fn refunded(&self) -> Money {
        match self.state() {
            TossState::Captured { refunded } => refunded,
            _ => Money::ZERO,
        }
    }

    pub(super) fn state(&self) -> TossState {
        let declined = |status: &str| {
            let code = self.failure.as_ref().map(|failure| failure.code.clone());
            TossState::Declined {
                code: code.filter(|code| is_code(code)).unwrap_or_else(|| status.to_owned()),
            }
        };
        let total_won = self.total_amount.as_won();
        let refunded = Money::won(total_won.saturating_sub(self.balance_amount.as_won()));
        match self.status {
            TossStatus::Ready => TossState::NotAuthorized,
            TossStatus::WaitingForDeposit => TossState::AwaitingDeposit,
            TossStatus::Done | TossStatus::PartialCanceled => TossState::Captured { refunded },
            TossStatus::Canceled if self.approved_at.is_some() => {
                TossState::Captured { refunded: self.total_amount }
            }
            // Canceled before a capture.
            TossStatus::Canceled => declined("CANCELED"),
            // The provider does not confirm orders in these states.
            TossStatus::Aborted => declined("ABORTED"),
            TossStatus::Expired => declined("EXPIRED"),
            TossStatus::InProgress | TossStatus::Other => TossState::Open,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn state(status: &str, balance: u64, others: Value) -> TossState {
        let mut payment = json!({
            "paymentKey": "k", "orderId": "o", "totalAmount": 100, "balanceAmount": balance, "status": status,
            "approvedAt": null, "failure": null,
        });
        payment.as_object_mut().unwrap().extend(others.as_object().unwrap().clone());
        serde_json::from_value::<Payment>(payment).unwrap().state()
    }

    #[test]
    fn each_status_maps_to_a_state_of_the_money() {
        let approved = json!({"approvedAt": "2026-11-25T12:00:00+09:00"});
        let captured = |won| TossState::Captured { refunded: Money::won(won) };
        let declined = |code: &str| TossState::Declined { code: code.to_owned() };
        assert_eq!(state("READY", 100, json!({})), TossState::NotAuthorized);
        assert_eq!(state("IN_PROGRESS", 100, json!({})), TossState::Open);
        assert_eq!(state("SOMETHING_NEW", 100, json!({})), TossState::Open);
        assert_eq!(state("WAITING_FOR_DEPOSIT", 100, json!({})), TossState::AwaitingDeposit);
        assert_eq!(state("DONE", 100, approved.clone()), captured(0));
        assert_eq!(state("PARTIAL_CANCELED", 70, approved.clone()), captured(30));
        assert_eq!(state("CANCELED", 0, approved), captured(100));
        assert_eq!(state("CANCELED", 0, json!({})), declined("CANCELED"));
        assert_eq!(state("EXPIRED", 100, json!({})), declined("EXPIRED"));
        let failure = |code| json!({"failure": {"code": code, "message": "010-1234-5678 …"}});
        assert_eq!(state("ABORTED", 100, failure("REJECT_CARD_PAYMENT")), declined("REJECT_CARD_PAYMENT"));
        assert_eq!(state("ABORTED", 100, failure("call 010-1234-5678")), declined("ABORTED"));
    }
}
