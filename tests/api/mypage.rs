//! `/v1/mypage` and `/v1/notifications`: what the customer watches.

use serde_json::{Value, json};

use crate::{
    kit::{Client, TestApp, eventually, id, text, until},
    raw::{Raw, with_raw},
};

fn row_path(rental: &Value) -> String {
    format!("/v1/mypage/{}", id(rental))
}

/// The row, once it has the last event of the rental's timeline.
async fn row_at_rest(customer: &Client, rental: &Value) -> Value {
    eventually("My Page has every event", || async {
        let timeline = customer.timeline(rental).await;
        let row = customer.get(&row_path(rental)).await.expect(200);
        (row["version"] == timeline.last()?["sequence"]).then_some(row)
    })
    .await
}

#[tokio::test]
async fn row_is_there_right_after_the_answer() {
    let app = TestApp::start();
    let (customer, product) = (app.customer(1).await, app.product(100, 100).await);
    for _ in 0..50 {
        let rental = customer.rent(&product, "tok_ok").await.expect(201);
        let row = customer.get(&row_path(&rental)).await.expect(200);
        assert_eq!(row["rentalId"], rental["id"]);
    }
}

#[tokio::test]
async fn row_follows_its_rental_and_its_version_grows() {
    let app = TestApp::start();
    let (customer, product) = (app.customer(1).await, app.product(100, 5).await);
    let rental = customer.rented(&product).await;
    let started = customer.becomes(&row_path(&rental), "deliveryStatus", "STARTED").await;
    assert_eq!(
        (&started["rentalStatus"], &started["paymentStatus"], &started["fee"], &started["productName"]),
        (&json!("CONFIRMED"), &json!("APPROVED"), &json!(100), &json!("맑은샘"))
    );
    customer.cancel_until(&rental, "ProductIncreased").await;
    customer.becomes(&row_path(&rental), "deliveryStatus", "CANCELED").await;
    until("the list shows the row", || async {
        let row = customer.get(&row_path(&rental)).await.expect(200);
        customer.items("/v1/mypage").await == [row]
    })
    .await;
    let canceled = customer.becomes(&row_path(&rental), "deliveryStatus", "CANCELED").await;
    assert_eq!(
        (&canceled["rentalStatus"], &canceled["paymentStatus"], &canceled["cancelReason"]),
        (&json!("CANCELED"), &json!("CANCELED"), &json!("CUSTOMER"))
    );
    assert!(canceled["version"].as_u64() > started["version"].as_u64());
}

#[tokio::test]
async fn each_change_has_one_message_also_after_a_restart() {
    let mut app = TestApp::start();
    let (customer, product) = (app.customer(1).await, app.product(29_900, 5).await);
    let rental = customer.rented(&product).await;
    customer.cancel(&rental).await.expect(200);
    let events =
        ["RentalConfirmed", "DeliveryStarted", "RentalCanceled", "PaymentCanceled", "DeliveryCanceled"];
    let sent = customer.messages(&events).await;
    assert!(sent.iter().all(|m| m["phone"] == "+821010000001" && m["rentalId"] == rental["id"]));
    assert!(text(&sent[3], "text").contains("29,900"), "{}", sent[3]);
    app.restart();
    let again = app.anyone().with_token_of(&customer).messages(&events).await;
    assert_eq!(again, sent);
}

#[tokio::test]
async fn messages_are_in_the_language_of_the_shop() {
    let app = TestApp::with(|settings| settings.locale = "en".to_owned());
    let (customer, product) = (app.customer(1).await, app.product(29_900, 5).await);
    customer.rented(&product).await;
    let sent = customer.messages(&["RentalConfirmed", "DeliveryStarted"]).await;
    let english =
        |message: &Value| ["rental", "delivery"].iter().any(|word| text(message, "text").contains(word));
    assert!(sent.iter().all(english), "{sent:?}");
}

#[tokio::test]
async fn paused_notification_context_catches_up() {
    let app = TestApp::start();
    let (customer, product) = (app.customer(1).await, app.product(100, 5).await);
    app.operator().pause("notification").await;
    let rental = customer.rented(&product).await;
    customer.becomes(&row_path(&rental), "deliveryStatus", "STARTED").await;
    app.operator().resume("notification").await;
    customer.messages(&["RentalConfirmed", "DeliveryStarted"]).await;
}

#[tokio::test]
async fn every_step_of_a_delivery_has_a_message() {
    let app = TestApp::start();
    let (customer, operator, product) = (app.customer(1).await, app.operator(), app.product(100, 5).await);
    let rental = customer.rented(&product).await;
    for step in ["dispatch", "complete"] {
        operator.deliver(&rental, step).await.expect(200);
    }
    let steps = ["RentalConfirmed", "DeliveryStarted", "DeliveryDispatched", "DeliveryCompleted"];
    customer.messages(&steps).await;
    assert_eq!(operator.items("/v1/notifications").await.len(), 4);
}

/// Changes the views of a stopped server.
fn with_views(app: &TestApp, change: impl FnOnce(&sled::Tree)) {
    with_raw(app, |raw| {
        let Raw::Sled(db) = raw else { panic!("the default backend is sled") };
        change(&db.open_tree("views").unwrap());
        db.flush().unwrap();
    });
}

#[tokio::test]
async fn older_and_lost_views_are_rebuilt() {
    let mut app = TestApp::start();
    let (customer, product) = (app.customer(1).await, app.product(100, 5).await);
    let rental = customer.rented(&product).await;
    let before = row_at_rest(&customer, &rental).await;
    let sent = customer.messages(&["RentalConfirmed", "DeliveryStarted"]).await;
    let position = before["version"].as_u64().unwrap();
    let changes: [fn(&sled::Tree, u64); 2] = [
        |views, _| views.clear().unwrap(),
        |views, position| {
            let older = saem::internal::store::encode(&(0_u8, position)).unwrap();
            for name in ["mypage", "catalogue"] {
                views.insert(format!("stand/{name}"), older.clone()).unwrap();
            }
            // This version cannot read rows of an older one.
            views.iter().keys().map(Result::unwrap).filter(|key| key.starts_with(b"m/")).for_each(|key| {
                views.insert(key, b"older").unwrap();
            });
        },
    ];
    for change in changes {
        app.stop();
        with_views(&app, |views| change(views, position));
        app.restart();
        let customer = app.anyone().with_token_of(&customer);
        assert_eq!(customer.becomes(&row_path(&rental), "deliveryStatus", "STARTED").await, before);
        assert_eq!(app.stock(&product).await, 4);
        let again = customer.messages(&["RentalConfirmed", "DeliveryStarted"]).await;
        let ids = |messages: &[Value]| messages.iter().map(|m| m["id"].clone()).collect::<Vec<_>>();
        assert_eq!(ids(&again), ids(&sent));
    }
}

#[tokio::test]
async fn damaged_row_is_rebuilt_by_the_next_event() {
    let mut app = TestApp::start();
    let (customer, product) = (app.customer(1).await, app.product(100, 5).await);
    let rental = customer.rented(&product).await;
    // Events not folded yet would meet the damage at the start.
    row_at_rest(&customer, &rental).await;
    app.stop();
    with_views(&app, |views| {
        for row in views.scan_prefix(b"m/").map(Result::unwrap).filter(|(_, row)| !row.is_empty()) {
            let mut damaged = row.1.to_vec();
            *damaged.last_mut().unwrap() ^= 1;
            views.insert(row.0, damaged).unwrap();
        }
    });
    app.restart();
    let customer = app.anyone().with_token_of(&customer);
    customer.get(&row_path(&rental)).await.problem(500, "internal");
    customer.cancel(&rental).await.expect(200);
    until("the row is there again", || async {
        let row = customer.get(&row_path(&rental)).await;
        row.status == 200 && row.body["deliveryStatus"] == "CANCELED"
    })
    .await;
}
