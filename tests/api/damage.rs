//! A record on the disk that is damaged: whom it concerns, who goes on, and how the operator is told.

use std::time::Duration;

use reqwest::Method;
use saem::{
    domain::{EntityId, Position},
    store::codec,
};
use serde_json::{Value, json};

use crate::app::{Client, TestApp, eventually, id};

/// After how many restarts an actor is tried every five seconds only, and how long the one that is tried so
/// may do nothing until it is taken for hanging.
const RESTARTS: u64 = 5;
const STUCK_AFTER_S: u64 = 7;

/// A stopped server's store.
fn db(app: &TestApp) -> sled::Db {
    let config = sled::Config::new().path(app.data().join("journal")).segment_size(2 * 1_024 * 1_024);
    config.open().unwrap()
}

/// Does something to the rows of a stopped server's journal.
fn with_journal(app: &TestApp, change: impl FnOnce(&sled::Tree)) {
    let db = db(app);
    change(&db.open_tree("journal").unwrap());
    db.flush().unwrap();
}

/// Flips a bit in the last byte of a row.
fn damage(journal: &sled::Tree, key: &[u8]) {
    let mut row = journal.get(key).unwrap().expect("it is there").to_vec();
    *row.last_mut().unwrap() ^= 1;
    journal.insert(key, row).unwrap();
}

/// Flips a bit in what is known of an entity.
fn damage_entity(app: &TestApp, entity: EntityId) {
    let key = [&[b'e', entity.kind as u8][..], &entity.id.to_be_bytes()].concat();
    with_journal(app, |journal| damage(journal, &key));
}

/// Flips a bit in the event at a position.
fn damage_event(app: &TestApp, position: u64) {
    let key = [&b"j"[..], &position.to_be_bytes()].concat();
    with_journal(app, |journal| {
        let chunk = journal.range(b"j".to_vec()..=key).next_back().unwrap().unwrap();
        damage(journal, &chunk.0);
    });
}

#[tokio::test]
async fn a_damaged_entity_is_refused_alone_and_the_operator_is_told() {
    let mut app = TestApp::start();
    let (bad, good) = (app.product(100, 5).await, app.product(100, 5).await);
    app.stop();
    damage_entity(&app, EntityId::parse(&bad).unwrap());
    app.restart();
    let (customer, operator) = (app.customer(1).await, app.operator());
    let restock = |product: &str| format!("/v1/products/{product}/restock");
    let one = json!({"quantity": 1});
    operator.post(&restock(&bad), one.clone()).await.problem(500, "internal");
    let in_quarantine = || async {
        let answer = operator.post(&restock(&bad), one.clone()).await;
        (answer.status == 503).then_some(answer)
    };
    eventually("it is in quarantine", in_quarantine).await.problem(503, "actor-quarantined");
    let actor = operator.get(&format!("/v1/operations/actors?kind=product&id={bad}")).await.expect(200);
    assert_eq!(actor["status"], "QUARANTINED");
    assert!(actor["lastFailure"].is_string(), "{actor}");
    // Everybody else goes on, and so does a rental of it as far as it can.
    operator.post(&restock(&good), one).await.expect(200);
    customer.rented(&good).await;
    let rental = customer.rent(&bad, "tok_ok").await.expect(201);
    customer.timeline_holds(&rental, "DeliveryStarted").await;
    let held = || async {
        let held = operator.get("/v1/operations/held").await.expect(200);
        held["items"].as_array().unwrap().iter().any(|held| held["target"] == *bad).then_some(())
    };
    eventually("its unit is held for the operator", held).await;
    customer.rented(&good).await;
    operator.get("/healthz").await.expect(200);
    operator.get("/readyz").await.expect(200);
}

/// A rental whose `DeliveryStarted` the paused product context has not seen, with others' commits behind it.
/// Answers the rental, and where that event stands.
async fn unseen(app: &TestApp, customer: &Client, product: &str) -> (Value, u64) {
    app.operator().call(Method::POST, "/v1/operations/contexts/product/pause").await.expect(200);
    let rental = customer.rent(product, "tok_ok").await.expect(201);
    customer.timeline_holds(&rental, "DeliveryStarted").await;
    let timeline = app.operator().get(&format!("/v1/rentals/{}/timeline", id(&rental))).await.expect(200);
    let started =
        timeline["items"].as_array().unwrap().iter().find(|event| event["type"] == "DeliveryStarted");
    for number in [100, 101] {
        app.customer(number).await;
    }
    let position = started.unwrap()["sequence"].as_u64().unwrap();
    (rental, position)
}

/// Where the projections that are made anew at each start begin to read, in a stopped server's views.
fn stands(app: &TestApp) -> u64 {
    let db = db(app);
    let views = db.open_tree("views").unwrap();
    let stand = |name: &str| {
        let row = views.get(format!("stand/{name}")).unwrap();
        row.map_or(0, |row| codec::decode::<(u8, Position)>(&row).unwrap().1.0)
    };
    ["catalogue", "agenda", "mypage", "notification"].into_iter().map(stand).min().unwrap()
}

#[tokio::test]
async fn an_unreadable_event_stops_who_comes_to_it_and_nobody_else() {
    let mut app = TestApp::with(|settings| settings.actors.stuck_after_ms = 1_000 * STUCK_AFTER_S);
    let (customer, product) = (app.customer(1).await, app.product(100, 5).await);
    let (rental, position) = unseen(&app, &customer, &product).await;
    // Whoever begins before it at the next start comes to it, too: all but the paused one are to be past it.
    let mut looks = tokio::time::interval(Duration::from_millis(1_500));
    loop {
        looks.tick().await;
        app.stop();
        if stands(&app) > position {
            break;
        }
        app.restart();
    }
    damage_event(&app, position);
    app.restart();
    let (customer, operator) = (app.anyone().with_token_of(&customer), app.operator());
    operator.call(Method::POST, "/v1/operations/contexts/product/resume").await.expect(200);
    let failing = || async {
        let actors = operator.get("/v1/operations/actors").await.expect(200);
        let mut items = actors["items"].as_array().unwrap().iter();
        let reactor = items.find(|actor| actor["kind"] == "reactor" && actor["name"] == "product");
        (reactor.unwrap()["restarted"].as_u64().unwrap() > RESTARTS).then_some(())
    };
    eventually("the product reactor fails again and again", failing).await;
    // Longer than whoever hangs is taken for alive: it fails, but that a new process would not help.
    let mut looks = tokio::time::interval(Duration::from_secs(1));
    for _ in 0..STUCK_AFTER_S + 2 {
        looks.tick().await;
        operator.get("/healthz").await.expect(200);
    }
    operator.get("/readyz").await.expect(200);
    let contexts = operator.get("/v1/operations/contexts").await.expect(200);
    let product_context = contexts["items"].as_array().unwrap().iter().find(|c| c["context"] == "product");
    assert!(product_context.unwrap()["backlog"].as_u64().unwrap() > 0, "the operator sees it: {contexts}");
    let other = customer.rent(&product, "tok_ok").await.expect(201);
    customer.timeline_holds(&other, "DeliveryStarted").await;
    customer.cancel(&other).await.expect(200);
    customer.get(&format!("/v1/rentals/{}", id(&rental))).await.expect(200);
    customer.get(&format!("/v1/rentals/{}/timeline", id(&rental))).await.problem(500, "internal");
}

#[tokio::test]
async fn a_shop_that_cannot_be_shown_as_it_is_does_not_open() {
    let mut app = TestApp::start();
    let (customer, product) = (app.customer(1).await, app.product(100, 5).await);
    let (_, position) = unseen(&app, &customer, &product).await;
    app.stop();
    damage_event(&app, position);
    // Views that are lost are made anew of the journal, from its beginning.
    db(&app).open_tree("views").unwrap().clear().unwrap();
    let refused = app.restart_refused();
    let line = format!("the commit at event {position}: the checksum is wrong");
    assert!(refused.contains(&line), "{refused}");
}
