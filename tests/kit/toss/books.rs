//! The double's books: who has authorized what, what was taken, and what was given back.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::{StatusAndBody, refusal};

/// Outcome of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ends {
    /// Executed and answered.
    Well,
    /// Refused with this status and code; nothing is done.
    Refused(u16, &'static str),
    /// Executed, never answered.
    Lost,
    /// Executed, and answered with this status and code.
    DoneBut(u16, &'static str),
    /// Executed only after it is released.
    Held,
    /// Paid through a virtual account that waits for a transfer, not by card.
    Deposit,
}

struct Paid {
    key: String,
    order: String,
    won: u64,
    balance: u64,
    status: &'static str,
    approved: bool,
    failure: Option<&'static str>,
    ends: Ends,
}

#[derive(Default)]
pub struct Books {
    paid: Vec<Paid>,
    /// Answers by idempotency key and address; `None` while a call is being executed.
    kept: HashMap<String, Option<StatusAndBody>>,
    /// Outcomes of the next cancels; successful once it is empty.
    pub cancels: Vec<Ends>,
    /// Calls that Saem must never send.
    pub wrong: Vec<String>,
    /// Numbers of captures and refunds.
    pub captures: u32,
    pub refunds: u32,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Confirm {
    payment_key: String,
    order_id: String,
    amount: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Cancel {
    cancel_reason: String,
    cancel_amount: Option<u64>,
}

impl Books {
    pub(super) fn open(&mut self, order: &str, won: u64, ends: Ends) -> String {
        let fits = (6..=64).contains(&order.len())
            && order.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
        assert!(fits, "the window refuses this order id: {order}");
        let paid = self.paid.iter().any(|paid| paid.order == order && paid.approved);
        assert!(!paid, "the window refuses an order that was paid: {order}");
        let key = format!("tgen_{:020}", self.paid.len() + 1);
        let (order, status) = (order.to_owned(), "IN_PROGRESS");
        let (balance, approved, failure) = (won, false, None);
        self.paid.push(Paid { key: key.clone(), order, won, balance, status, approved, failure, ends });
        key
    }

    /// The card behind this payment is declined in the window.
    pub fn abort(&mut self, payment_key: &str) {
        let paid = self.paid.iter_mut().find(|paid| paid.key == payment_key).expect("it was opened");
        (paid.status, paid.failure) = ("ABORTED", Some("REJECT_CARD_PAYMENT"));
    }

    /// Lets ten minutes pass: authorizations that were not confirmed expire.
    pub fn expire(&mut self) {
        let open = self.paid.iter_mut().filter(|paid| paid.status == "IN_PROGRESS");
        open.for_each(|paid| (paid.status, paid.failure) = ("EXPIRED", Some("EXPIRED_PAYMENT")));
    }

    /// The customer transfers the money to the account.
    pub fn deposit(&mut self, order: &str) {
        let paid = self.paid.iter_mut().find(|paid| paid.order == order).expect("there is an account");
        assert_eq!(paid.status, "WAITING_FOR_DEPOSIT");
        (paid.status, paid.approved) = ("DONE", true);
        self.captures += 1;
    }

    /// Returns the captured amount of an order, less refunds, in won.
    pub fn kept_won(&self, order: &str) -> u64 {
        self.paid.iter().filter(|paid| paid.order == order && paid.approved).map(|paid| paid.balance).sum()
    }

    pub fn status(&self, order: &str) -> &'static str {
        self.paid.iter().rfind(|paid| paid.order == order).map_or("NONE", |paid| paid.status)
    }

    /// Returns the answer of an earlier call, or marks this one as being executed.
    pub(super) fn begin(&mut self, at: &str) -> Option<StatusAndBody> {
        match self.kept.get(at) {
            Some(Some(answer)) => Some(answer.clone()),
            Some(None) => Some(refusal(409, "IDEMPOTENT_REQUEST_PROCESSING")),
            None => {
                self.kept.insert(at.to_owned(), None);
                None
            }
        }
    }

    /// Stores a call's result, and returns the answer, if there is to be one.
    pub(super) fn end(&mut self, at: String, ends: Ends) -> Option<StatusAndBody> {
        let done = |books: &Self| {
            let last = at.split(' ').next_back().unwrap_or_default();
            let by_address = books.paid.iter().find(|paid| last.contains(&paid.key));
            let by_key = || books.paid.iter().rfind(|paid| at.starts_with(&format!("{} ", paid.order)));
            (200, told(by_address.or_else(by_key).expect("it is about a payment")))
        };
        let answer = match &ends {
            Ends::Refused(status, code) | Ends::DoneBut(status, code) => refusal(*status, code),
            Ends::Well | Ends::Lost | Ends::Held | Ends::Deposit => done(self),
        };
        self.kept.insert(at, Some(answer.clone()));
        (ends != Ends::Lost).then_some(answer)
    }

    /// Returns true if a call has arrived and is not executed yet.
    pub fn under_way(&self) -> bool {
        self.kept.values().any(Option::is_none)
    }

    /// Returns true if a confirmation is held back.
    pub(super) fn holds(&self, body: &Value) -> bool {
        self.paid.iter().any(|paid| body["paymentKey"] == paid.key.as_str() && paid.ends == Ends::Held)
    }

    /// Returns an order by its id (its first window, if there were several), or a payment by its key.
    pub(super) fn look(&self, order_or_key: &str) -> StatusAndBody {
        let paid = self.paid.iter().find(|paid| paid.order == order_or_key || paid.key == order_or_key);
        paid.map_or_else(|| refusal(404, "NOT_FOUND_PAYMENT"), |paid| (200, told(paid)))
    }

    pub(super) fn confirm(&mut self, body: &Value) -> Ends {
        let Some(Confirm { payment_key, order_id, amount }) = self.read(body) else {
            return Ends::Refused(400, "INVALID_REQUEST");
        };
        let Some(paid) = self.paid.iter_mut().find(|paid| paid.key == payment_key) else {
            return Ends::Refused(404, "NOT_FOUND_PAYMENT");
        };
        if paid.order != order_id || !["IN_PROGRESS", "DONE", "CANCELED"].contains(&paid.status) {
            return Ends::Refused(404, "NOT_FOUND_PAYMENT_SESSION");
        }
        if paid.won != amount {
            return Ends::Refused(400, "INVALID_REQUEST");
        }
        if paid.status != "IN_PROGRESS" {
            return Ends::Refused(400, "ALREADY_PROCESSED_PAYMENT");
        }
        match paid.ends {
            Ends::Refused(status, code) => {
                // A failure behind it leaves it as it is; a decline ends it.
                if status < 500 {
                    (paid.status, paid.failure) = ("ABORTED", Some(code));
                }
            }
            Ends::Deposit => paid.status = "WAITING_FOR_DEPOSIT",
            Ends::Well | Ends::Lost | Ends::DoneBut(..) | Ends::Held => {
                (paid.status, paid.approved) = ("DONE", true);
                self.captures += 1;
            }
        }
        paid.ends.clone()
    }

    pub(super) fn cancel(&mut self, payment_key: &str, body: &Value) -> Ends {
        let Some(Cancel { cancel_reason, cancel_amount }) = self.read(body) else {
            return Ends::Refused(400, "INVALID_REQUEST");
        };
        if !(1..=200).contains(&cancel_reason.chars().count()) {
            self.wrong.push("a cancel without a reason that fits".to_owned());
        }
        let ends = if self.cancels.is_empty() { Ends::Well } else { self.cancels.remove(0) };
        if let Ends::Refused(..) = ends {
            return ends;
        }
        let Some(paid) = self.paid.iter_mut().find(|paid| paid.key == payment_key) else {
            return Ends::Refused(404, "NOT_FOUND_PAYMENT");
        };
        let won = cancel_amount.unwrap_or(paid.balance);
        match paid.status {
            "CANCELED" => return Ends::Refused(400, "ALREADY_CANCELED_PAYMENT"),
            "DONE" | "PARTIAL_CANCELED" | "WAITING_FOR_DEPOSIT" if won == 0 || won > paid.balance => {
                return Ends::Refused(403, "NOT_CANCELABLE_AMOUNT");
            }
            "DONE" | "PARTIAL_CANCELED" => {
                paid.balance -= won;
                paid.status = if paid.balance == 0 { "CANCELED" } else { "PARTIAL_CANCELED" };
                self.refunds += 1;
            }
            "WAITING_FOR_DEPOSIT" if won < paid.balance => {
                return Ends::Refused(403, "NOT_ALLOWED_PARTIAL_REFUND_WAITING_DEPOSIT");
            }
            "WAITING_FOR_DEPOSIT" => (paid.status, paid.balance) = ("CANCELED", 0),
            _ => return Ends::Refused(403, "NOT_CANCELABLE_PAYMENT"),
        }
        ends
    }

    fn read<T: for<'a> Deserialize<'a>>(&mut self, body: &Value) -> Option<T> {
        let read = T::deserialize(body);
        read.map_err(|error| self.wrong.push(format!("{body}: {error}"))).ok()
    }
}

fn told(paid: &Paid) -> Value {
    json!({
        "mId": "saem", "version": "2022-11-16", "method": "카드", "currency": "KRW",
        "paymentKey": paid.key, "orderId": paid.order, "status": paid.status,
        "totalAmount": paid.won, "balanceAmount": paid.balance,
        "approvedAt": paid.approved.then_some("2026-11-25T21:00:00+09:00"),
        "failure": paid.failure.map(|code| json!({"code": code, "message": "사람이 읽는 메시지"})),
    })
}
