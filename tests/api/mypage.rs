//! `/v1/mypage`, `/v1/notifications`: what the customer watches.

use std::fs::File;

use serde_json::{Value, json};

use crate::kit::{Client, TestApp, eventually, id};

async fn row_with(customer: &Client, rental: &Value, field: &str, value: &str) -> Value {
    let path = format!("/v1/mypage/{}", id(rental));
    let get = || async {
        let row = customer.get(&path).await.expect(200);
        (row[field] == value).then_some(row)
    };
    eventually(&format!("{field} is {value}"), get).await
}

/// The row, once it has heard of all there is on the rental's timeline.
async fn row_at_rest(customer: &Client, rental: &Value) -> Value {
    let (row, timeline) =
        (format!("/v1/mypage/{}", id(rental)), format!("/v1/rentals/{}/timeline", id(rental)));
    let get = || async {
        let timeline = customer.get(&timeline).await.expect(200);
        let row = customer.get(&row).await.expect(200);
        (row["version"] == timeline["items"].as_array()?.last()?["sequence"]).then_some(row)
    };
    eventually("My Page has heard of everything", get).await
}

async fn messages(customer: &Client, events: &[&str]) -> Vec<Value> {
    let get = || async {
        let list = customer.get("/v1/notifications").await.expect(200);
        let mut items = list["items"].as_array().unwrap().clone();
        items.reverse();
        let complete = items.iter().map(|m| m["event"].as_str().unwrap()).eq(events.iter().copied());
        (complete && items.iter().all(|m| m["status"] == "SENT")).then_some(items)
    };
    eventually(&format!("messages about {events:?}"), get).await
}

#[tokio::test]
async fn the_row_is_there_right_after_the_answer() {
    let app = TestApp::start();
    let (customer, product) = (app.customer(1).await, app.product(100, 100).await);
    for _ in 0..50 {
        let rental = customer.rent(&product, "tok_ok").await.expect(201);
        let row = customer.get(&format!("/v1/mypage/{}", id(&rental))).await.expect(200);
        assert_eq!(row["rentalId"], rental["id"]);
    }
}

#[tokio::test]
async fn a_row_follows_its_rental_and_its_version_only_grows() {
    let app = TestApp::start();
    let (customer, product) = (app.customer(1).await, app.product(100, 5).await);
    let rental = customer.rented(&product).await;
    let started = row_with(&customer, &rental, "deliveryStatus", "STARTED").await;
    assert_eq!(
        (&started["rentalStatus"], &started["paymentStatus"], &started["fee"], &started["productName"]),
        (&json!("CONFIRMED"), &json!("APPROVED"), &json!(100), &json!("맑은샘"))
    );
    customer.cancel(&rental).await.expect(200);
    customer.timeline_holds(&rental, "ProductIncreased").await;
    row_with(&customer, &rental, "deliveryStatus", "CANCELED").await;
    let stands_still = || async {
        let list = customer.get("/v1/mypage").await.expect(200);
        let row = customer.get(&format!("/v1/mypage/{}", id(&rental))).await.expect(200);
        (list == json!({"items": [row], "nextCursor": null})).then_some(())
    };
    eventually("the list shows the row", stands_still).await;
    let canceled = row_with(&customer, &rental, "deliveryStatus", "CANCELED").await;
    assert_eq!(
        (&canceled["rentalStatus"], &canceled["paymentStatus"], &canceled["cancelReason"]),
        (&json!("CANCELED"), &json!("CANCELED"), &json!("CUSTOMER"))
    );
    assert!(canceled["version"].as_u64() > started["version"].as_u64());
}

#[tokio::test]
async fn one_message_for_each_change_and_none_twice() {
    let mut app = TestApp::start();
    let (customer, product) = (app.customer(1).await, app.product(29_900, 5).await);
    let rental = customer.rented(&product).await;
    customer.cancel(&rental).await.expect(200);
    let events =
        ["RentalConfirmed", "DeliveryStarted", "RentalCanceled", "PaymentCanceled", "DeliveryCanceled"];
    let sent = messages(&customer, &events).await;
    assert!(sent.iter().all(|m| m["phone"] == "+821010000001" && m["rentalId"] == rental["id"]));
    assert!(sent[3]["text"].as_str().unwrap().contains("29,900"), "{}", sent[3]);
    app.restart();
    let again = messages(&app.anyone().with_token_of(&customer), &events).await;
    assert_eq!(again, sent);
}

#[tokio::test]
async fn messages_speak_the_language_of_the_shop() {
    let app = TestApp::with(|settings| settings.locale = "en".to_owned());
    let (customer, product) = (app.customer(1).await, app.product(29_900, 5).await);
    customer.rented(&product).await;
    let sent = messages(&customer, &["RentalConfirmed", "DeliveryStarted"]).await;
    assert!(
        sent.iter().all(|m| m["text"].as_str().unwrap().contains("rental")
            || m["text"].as_str().unwrap().contains("delivery")),
        "{sent:?}"
    );
}

#[tokio::test]
async fn a_paused_notification_context_catches_up() {
    let app = TestApp::start();
    let (customer, product) = (app.customer(1).await, app.product(100, 5).await);
    let context = |verb: &str| format!("/v1/operations/contexts/notification/{verb}");
    app.operator().call(reqwest::Method::POST, &context("pause")).await.expect(200);
    let rental = customer.rented(&product).await;
    row_with(&customer, &rental, "deliveryStatus", "STARTED").await;
    app.operator().call(reqwest::Method::POST, &context("resume")).await.expect(200);
    messages(&customer, &["RentalConfirmed", "DeliveryStarted"]).await;
}

#[tokio::test]
async fn a_customer_hears_of_every_step_of_the_delivery() {
    let app = TestApp::start();
    let (customer, operator, product) = (app.customer(1).await, app.operator(), app.product(100, 5).await);
    let rental = customer.rented(&product).await;
    for step in ["dispatch", "complete"] {
        let path = format!("/v1/deliveries/{}/{step}", rental["deliveryId"].as_str().unwrap());
        operator.call(reqwest::Method::POST, &path).await.expect(200);
    }
    let steps = ["RentalConfirmed", "DeliveryStarted", "DeliveryDispatched", "DeliveryCompleted"];
    messages(&customer, &steps).await;
    let all = operator.get("/v1/notifications").await.expect(200);
    assert_eq!(all["items"].as_array().unwrap().len(), 4);
}

/// Does something to the rows of a stopped server's views.
fn with_views(app: &TestApp, change: impl FnOnce(&sled::Tree)) {
    let store = app.data().join("journal");
    // Threads of sled's end a little later than whoever had it open.
    let free = || {
        while File::open(store.join("db")).unwrap().try_lock().is_err() {
            std::thread::yield_now();
        }
    };
    free();
    {
        let db = sled::Config::new().path(&store).segment_size(2 * 1_024 * 1_024).open().unwrap();
        change(&db.open_tree("views").unwrap());
        db.flush().unwrap();
    }
    free();
}

#[tokio::test]
async fn views_of_an_older_format_and_lost_ones_are_rebuilt() {
    let mut app = TestApp::start();
    let (customer, product) = (app.customer(1).await, app.product(100, 5).await);
    let rental = customer.rented(&product).await;
    let before = row_at_rest(&customer, &rental).await;
    let sent = messages(&customer, &["RentalConfirmed", "DeliveryStarted"]).await;
    let position = before["version"].as_u64().unwrap();
    let changes: [fn(&sled::Tree, u64); 2] = [
        |views, _| views.clear().unwrap(),
        |views, position| {
            let older = saem::store::codec::encode(&(0_u8, position)).unwrap();
            for name in ["mypage", "catalogue"] {
                views.insert(format!("stand/{name}"), older.clone()).unwrap();
            }
            // What an older version wrote means nothing to this one.
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
        assert_eq!(row_with(&customer, &rental, "deliveryStatus", "STARTED").await, before);
        assert_eq!(app.stock(&product).await, 4);
        let again = messages(&customer, &["RentalConfirmed", "DeliveryStarted"]).await;
        let ids = |messages: &[Value]| messages.iter().map(|m| m["id"].clone()).collect::<Vec<_>>();
        assert_eq!(ids(&again), ids(&sent));
    }
}

#[tokio::test]
async fn damaged_rows_are_made_anew_when_they_are_met() {
    let mut app = TestApp::start();
    let (customer, product) = (app.customer(1).await, app.product(100, 5).await);
    let rental = customer.rented(&product).await;
    // What is not folded yet would meet the damage at the start.
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
    customer.get(&format!("/v1/mypage/{}", id(&rental))).await.problem(500, "internal");
    customer.cancel(&rental).await.expect(200);
    let mended = || async {
        let row = customer.get(&format!("/v1/mypage/{}", id(&rental))).await;
        (row.status == 200 && row.body["deliveryStatus"] == "CANCELED").then_some(())
    };
    eventually("the row is there again", mended).await;
}
