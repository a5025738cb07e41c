//! `POST /v1/operations/backup`.

use reqwest::Method;
use serde_json::json;

use crate::kit::{Answer, Client, TestApp, operator_key, text, until};

async fn back_up(app: &TestApp, directory: &str) -> Answer {
    app.operator().post("/v1/operations/backup", json!({"directory": directory})).await
}

/// Everything that the customer and the operator see of a shop at rest.
async fn shown(operator: &Client, customer: &Client) -> String {
    let mut all = String::new();
    for (client, path) in [
        (customer, "mypage"),
        (customer, "rentals"),
        (customer, "customers/me"),
        (operator, "products"),
        (operator, "payments"),
        (operator, "deliveries"),
        (operator, "notifications"),
        (operator, "operations/ledger"),
    ] {
        all += &client.get(&format!("/v1/{path}")).await.expect(200).to_string();
    }
    all
}

/// Waits until all messages are sent, and until the catalogue and My Page have every event.
async fn at_rest(app: &TestApp, customer: &Client, product: &str) {
    let operator = app.operator();
    // Two of the rental, five of the canceled one.
    until("every message is sent", || async {
        let messages = operator.items("/v1/notifications?limit=100").await;
        messages.len() == 7 && messages.iter().all(|message| message["status"] == "SENT")
    })
    .await;
    let restocked = operator.restock(product, 1).await;
    // Of ten units one is rented, and one was added.
    app.stock_becomes(product, 10).await;
    let read = customer.request(Method::GET, "/v1/mypage");
    Answer::of(read.header("Saem-Position", restocked.header("Saem-Position"))).await.expect(200);
}

#[tokio::test]
async fn backup_is_a_shop_of_its_own() {
    for backend in ["sled", "redb"] {
        is_a_shop_of_its_own(backend).await;
    }
}

async fn is_a_shop_of_its_own(backend: &str) {
    let app = TestApp::on(backend);
    let (mut customer, product) = (app.customer(1).await, app.product(29_900, 10).await);
    let rental = customer.rented(&product).await;
    let canceled = customer.rented(&product).await;
    customer.cancel_until(&canceled, "ProductIncreased").await;
    at_rest(&app, &customer, &product).await;
    let then = shown(&app.operator(), &customer).await;
    let copy = app.data().with_file_name("copy");
    let made = back_up(&app, copy.to_str().unwrap()).await.expect(200);
    assert_eq!(made["directory"], copy.to_str().unwrap());
    assert!(made["position"].as_u64().unwrap() > 10 && made["bytes"].as_u64().unwrap() > 0, "{made}");
    // What happens afterwards is not in the backup.
    customer.cancel(&rental).await.expect(200);
    let mut copied = TestApp::with(|settings| {
        settings.store.backend = backend.to_owned();
        settings.store.path.clone_from(&copy);
    });
    let operator = Client::of(&copied.url(), Some(operator_key(&app.data())));
    customer.move_to(&copied.url());
    assert_eq!(shown(&operator, &customer).await, then, "the same key and the same session see the same");
    customer.rental_becomes(&rental, "CONFIRMED").await;
    // The copy continues: no message is sent again, and the simulator refunds.
    customer.cancel_until(&rental, "ProductIncreased").await;
    let ledger = operator.items("/v1/operations/ledger").await;
    assert!(ledger.iter().all(|entry| entry["status"] == "REFUNDED"), "{ledger:?}");
    copied.stop();
}

#[tokio::test]
async fn unfit_target_is_refused() {
    let app = TestApp::start();
    for directory in ["", "relative/path", "a\nb"] {
        back_up(&app, directory).await.invalid(&["/directory"]);
    }
    let full = app.data();
    let refused = back_up(&app, full.to_str().unwrap()).await.problem(409, "backup-refused");
    assert!(text(&refused, "detail").contains("holds files already"), "{refused}");
    let inside = app.data().join("backup");
    back_up(&app, inside.to_str().unwrap()).await.problem(409, "backup-refused");
    let memory = TestApp::with(|settings| settings.store.backend = "memory".to_owned());
    let nowhere = json!({"directory": memory.data().with_file_name("new")});
    memory.operator().post("/v1/operations/backup", nowhere).await.problem(409, "backup-refused");
}
