//! Invariants after a crash: acknowledged rentals are there, and the gateway's ledger agrees to the won.

use std::collections::{HashMap, HashSet};

use serde_json::{Value, json};

use super::{
    book::{Book, Cancel, Customer, Known},
    rounds::{FEE_WON, STOCK},
};
use crate::kit::{Client, eventually, id};

/// The gateway's ledger by payment.
struct Ledger(HashMap<String, Value>);

impl Ledger {
    async fn read(operator: &Client) -> Self {
        let entries = operator.items("/v1/operations/ledger").await.into_iter();
        Self(entries.map(|entry| (entry["paymentId"].as_str().unwrap().to_owned(), entry)).collect())
    }

    /// Captures and refunds of a payment.
    fn of(&self, payment: &Value) -> (u64, u64) {
        let count = |entry: &Value, what: &str| entry[what].as_u64().unwrap();
        let entry = self.0.get(payment.as_str().unwrap());
        entry.map_or((0, 0), |entry| (count(entry, "captures"), count(entry, "refunds")))
    }
}

/// Asserts, directly after a crash, that the answers of this round still hold.
pub async fn nothing_is_lost(customer: &Customer, round: usize) {
    for known in customer.book.values().filter(|known| known.round == round) {
        let rental = customer.client.get(&format!("/v1/rentals/{}", known.id())).await.expect(200);
        holds_still(known, rental["status"].as_str().unwrap(), &rental);
    }
}

/// Asserts, directly after a crash, that each payment was captured at most once, and refunded at most as
/// often.
pub async fn no_fee_is_captured_twice(operator: &Client) {
    let ledger = Ledger::read(operator).await;
    for (payment, entry) in &ledger.0 {
        let (captures, refunds) = ledger.of(&json!(payment));
        assert!(captures <= 1 && refunds <= captures, "{entry}");
    }
}

fn holds_still(known: &Known, status: &str, shown: &Value) {
    let deferred = ["PAYMENT_DEFERRED", "CONFIRMED"];
    let holds = match (known.cancel, known.confirmed()) {
        (Cancel::Acknowledged, _) => status == "CANCELED",
        (Cancel::No, true) => status == "CONFIRMED",
        (Cancel::Asked, true) => ["CONFIRMED", "CANCELED"].contains(&status),
        (Cancel::No, false) => deferred.contains(&status),
        (Cancel::Asked, false) => status == "CANCELED" || deferred.contains(&status),
    };
    assert!(holds, "acknowledged, and lost: {:?} became {shown}", known.placed);
}

/// Returns the rental's row once its saga ended. A deferred rental waits for its customer, unless its fee was
/// captured: then it is confirmed by itself.
async fn settled(client: &Client, operator: &Client, known: &Known) -> Value {
    let path = format!("/v1/mypage/{}", known.id());
    let row = || async {
        let row = client.get(&path).await.expect(200);
        let states =
            ["rentalStatus", "paymentStatus", "deliveryStatus"].map(|s| row[s].as_str().unwrap_or(""));
        let done = match states {
            ["CONFIRMED", "APPROVED", "STARTED"] | ["CANCELED", "CANCELED", "CANCELED" | ""] => true,
            ["PAYMENT_DEFERRED", _, ""] => Ledger::read(operator).await.of(&row["paymentId"]).0 == 0,
            _ => false,
        };
        done.then_some(row)
    };
    eventually("the saga has ended", row).await
}

/// Asserts at the end that every saga ended, and that My Page, the ledger and the stock agree.
pub async fn everything_adds_up(operator: &Client, product: &str, customers: &[Customer]) {
    let mut rows = HashMap::new();
    for Customer { client, book } in customers {
        assert_eq!(ids(book).len(), book.len(), "each key has its own rental");
        for known in book.values() {
            let row = settled(client, operator, known).await;
            holds_still(known, row["rentalStatus"].as_str().unwrap(), &row);
            rows.insert(row["paymentId"].as_str().unwrap().to_owned(), row);
        }
    }
    let ledger = Ledger::read(operator).await;
    for (payment, entry) in &ledger.0 {
        let row = &rows[payment];
        let captures_and_amount = (entry["captures"].as_u64().unwrap(), entry["amount"].as_u64().unwrap());
        assert_eq!(captures_and_amount, (1, FEE_WON), "{row}");
    }
    let mut live = 0;
    for row in rows.values() {
        let counted = match row["rentalStatus"].as_str().unwrap() {
            "CONFIRMED" => (1, 0),
            "CANCELED" if ledger.of(&row["paymentId"]).0 == 1 => (1, 1),
            _ => (0, 0),
        };
        assert_eq!(ledger.of(&row["paymentId"]), counted, "the ledger against {row}");
        live += u64::from(row["rentalStatus"] == "CONFIRMED");
    }
    let stock = || async { (operator.stock(product).await == u64::from(STOCK) - live).then_some(()) };
    eventually("the stock is without the confirmed rentals", stock).await;
    assert_eq!(operator.held().await, [Value::Null; 0]);
    assert!(live > 0 && live < rows.len() as u64, "{live} of {}", rows.len());
}

fn ids(book: &Book) -> HashSet<&str> {
    book.values().map(|known| id(known.placed.as_ref().unwrap())).collect()
}
