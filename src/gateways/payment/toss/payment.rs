//! A payment as Toss Payments tells of it, and what that means here.

use serde::Deserialize;

use crate::domain::Money;

/// A payment, as far as it matters here.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Payment {
    pub payment_key: String,
    pub order_id: String,
    pub total_amount: Money,
    /// What is left of it after refunds.
    pub balance_amount: Money,
    status: Status,
    /// Set once it was captured, and still after a refund.
    approved_at: Option<String>,
    failure: Option<Refusal>,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum Status {
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

/// Why something was refused. The message beside the code is for people, and may tell of them.
#[derive(Deserialize)]
pub(super) struct Refusal {
    code: String,
}

impl Refusal {
    /// The code, if it looks like one: it goes into the journal and the log.
    pub(super) fn known(self) -> Option<String> {
        known(&self.code).then_some(self.code)
    }
}

fn known(code: &str) -> bool {
    let of_a_code = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
    (1..=64).contains(&code.len()) && code.bytes().all(of_a_code)
}

/// Where an order is, as far as its money is concerned.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// The window was opened, at most: there is nothing that could be confirmed.
    Untouched,
    /// The customer has authorized it. A confirmation may be under way there for longer than anything here
    /// waits; the provider ends it, one way or the other, within ten minutes.
    Open,
    /// It waits for the customer to transfer money, for days.
    Deposit,
    /// It was captured.
    Captured { refunded: Money },
    /// It was not, and cannot be any more.
    Declined { code: String },
}

impl Payment {
    /// How much of it was given back.
    pub(super) fn refunded(&self) -> Money {
        match self.stage() {
            Stage::Captured { refunded } => refunded,
            _ => Money::ZERO,
        }
    }

    pub(super) fn stage(&self) -> Stage {
        let declined = |status: &str| {
            let code = self.failure.as_ref().map(|failure| failure.code.clone());
            Stage::Declined { code: code.filter(|code| known(code)).unwrap_or_else(|| status.to_owned()) }
        };
        let total_won = self.total_amount.as_won();
        let refunded = Money::won(total_won.saturating_sub(self.balance_amount.as_won()));
        match self.status {
            Status::Ready => Stage::Untouched,
            Status::WaitingForDeposit => Stage::Deposit,
            Status::Done | Status::PartialCanceled => Stage::Captured { refunded },
            Status::Canceled if self.approved_at.is_some() => Stage::Captured { refunded: self.total_amount },
            // It was called off before any money came.
            Status::Canceled => declined("CANCELED"),
            // The provider confirms nothing that has got here.
            Status::Aborted => declined("ABORTED"),
            Status::Expired => declined("EXPIRED"),
            Status::InProgress | Status::Other => Stage::Open,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn stage(status: &str, balance: u64, others: Value) -> Stage {
        let mut payment = json!({
            "paymentKey": "k", "orderId": "o", "totalAmount": 100, "balanceAmount": balance, "status": status,
            "approvedAt": null, "failure": null,
        });
        payment.as_object_mut().unwrap().extend(others.as_object().unwrap().clone());
        serde_json::from_value::<Payment>(payment).unwrap().stage()
    }

    #[test]
    fn each_status_means_what_it_means_for_the_money() {
        let approved = json!({"approvedAt": "2026-11-25T12:00:00+09:00"});
        let captured = |won| Stage::Captured { refunded: Money::won(won) };
        let declined = |code: &str| Stage::Declined { code: code.to_owned() };
        assert_eq!(stage("READY", 100, json!({})), Stage::Untouched);
        assert_eq!(stage("IN_PROGRESS", 100, json!({})), Stage::Open);
        assert_eq!(stage("SOMETHING_NEW", 100, json!({})), Stage::Open);
        assert_eq!(stage("WAITING_FOR_DEPOSIT", 100, json!({})), Stage::Deposit);
        assert_eq!(stage("DONE", 100, approved.clone()), captured(0));
        assert_eq!(stage("PARTIAL_CANCELED", 70, approved.clone()), captured(30));
        assert_eq!(stage("CANCELED", 0, approved), captured(100));
        assert_eq!(stage("CANCELED", 0, json!({})), declined("CANCELED"));
        assert_eq!(stage("EXPIRED", 100, json!({})), declined("EXPIRED"));
        let failure = |code| json!({"failure": {"code": code, "message": "010-1234-5678 …"}});
        assert_eq!(stage("ABORTED", 100, failure("REJECT_CARD_PAYMENT")), declined("REJECT_CARD_PAYMENT"));
        assert_eq!(stage("ABORTED", 100, failure("call 010-1234-5678")), declined("ABORTED"));
    }
}
