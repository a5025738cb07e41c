//! A thousand concurrent rentals of five hundred units.

use std::collections::HashMap;

use serde_json::Value;

use crate::kit::{Client, TestApp, eventually, id, text};

const FEE_WON: u64 = 29_900;

/// Items of all pages of a list.
async fn all(client: &Client, path: &str) -> Vec<Value> {
    let mut items = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = client.get(&format!("{path}?limit=100{cursor}")).await.expect(200);
        items.extend(page["items"].as_array().unwrap().iter().cloned());
        let Some(next) = page["nextCursor"].as_str() else { return items };
        cursor = format!("&cursor={next}");
    }
}

/// True if a rental that found no unit is refunded, and its delivery canceled.
fn is_settled(row: &Value) -> bool {
    row["rentalStatus"] != "CANCELED"
        || (row["paymentStatus"] == "CANCELED" && row["deliveryStatus"] == "CANCELED")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousand_rentals_for_500_units_come_out_even() {
    let app = TestApp::with(|settings| settings.payment.queue = 1_024);
    let mut products = Vec::new();
    for _ in 0..10 {
        products.push(app.product(FEE_WON, 50).await);
    }
    let mut customers = Vec::new();
    for number in 0..64 {
        customers.push(app.customer(number).await);
    }
    let mut clients = tokio::task::JoinSet::new();
    for (index, customer) in customers.iter().cloned().enumerate() {
        let products = products.clone();
        clients.spawn(async move {
            let mut refused = 0;
            for n in (index..1_000).step_by(64) {
                let answer = customer.rent(&products[n % 10], "tok_ok").await;
                match answer.status {
                    201 => {}
                    409 if answer.body["type"] == "/problems/out-of-stock" => refused += 1,
                    other => panic!("{other}: {}", answer.body),
                }
            }
            refused
        });
    }
    let refused: usize = clients.join_all().await.into_iter().sum();
    for product in &products {
        app.stock_becomes(product, 0).await;
    }
    let rows = || async {
        let mut rows = Vec::new();
        for customer in &customers {
            rows.extend(all(customer, "/v1/mypage").await);
        }
        let confirmed = rows.iter().filter(|row| row["rentalStatus"] == "CONFIRMED").count();
        (confirmed == 500 && rows.iter().all(is_settled)).then_some(rows)
    };
    let rows = eventually("every saga is finished", rows).await;
    assert_eq!(rows.len() + refused, 1_000);

    let rentals = all(&app.operator(), "/v1/rentals").await;
    assert_eq!(rentals.len(), rows.len());
    let ledger = app.operator().items("/v1/operations/ledger").await;
    let ledger: HashMap<&str, &Value> =
        ledger.iter().map(|entry| (text(entry, "paymentId"), entry)).collect();
    let mut kept = 0;
    for row in &rows {
        let entry = ledger[text(row, "paymentId")];
        let confirmed = row["rentalStatus"] == "CONFIRMED";
        let expected = (1, u64::from(!confirmed));
        assert_eq!(
            (entry["captures"].as_u64().unwrap(), entry["refunds"].as_u64().unwrap()),
            expected,
            "{row}"
        );
        assert!(confirmed || row["cancelReason"] == "OUT_OF_STOCK", "{row}");
        kept += if confirmed { entry["amount"].as_u64().unwrap() } else { 0 };
    }
    assert_eq!(kept, 500 * FEE_WON, "My Page and the ledger agree to the won");
    assert!(rentals.iter().all(|rental| rows.iter().any(|row| row["rentalId"] == *id(rental))));
}
