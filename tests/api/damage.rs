//! A record on the disk that is damaged: whom it concerns, who goes on, and how the operator is told.

use std::time::Duration;

use reqwest::Method;
use saem::domain::EntityId;
use serde_json::{Value, json};

use crate::{
    kit::{Client, TestApp, eventually, id},
    raw::Raw,
};

/// After how many restarts an actor is tried every five seconds only, and how long the one that is tried so
/// may do nothing until it is taken for hanging.
const RESTARTS: u64 = 5;
const STUCK_AFTER_S: u64 = 7;

/// Each of these once for each durable backend.
macro_rules! damaged_on {
    ([$($name:ident: $backend:literal),* $(,)?] $tests:tt) => {
        $(damaged_on!(@ $name, $backend, $tests);)*
    };
    (@ $name:ident, $backend:literal, { $($test:ident,)* }) => {
        mod $name {
            $(
                #[tokio::test]
                async fn $test() {
                    super::$test($backend).await;
                }
            )*
        }
    };
}

damaged_on!([on_sled: "sled", on_redb: "redb"] {
    a_damaged_entity_is_refused_alone_and_the_operator_is_told,
    an_unreadable_event_stops_who_comes_to_it_and_nobody_else,
    a_shop_that_cannot_be_shown_as_it_is_does_not_open,
});

async fn a_damaged_entity_is_refused_alone_and_the_operator_is_told(backend: &str) {
    let mut app = TestApp::on(backend);
    let (bad, good) = (app.product(100, 5).await, app.product(100, 5).await);
    app.stop();
    Raw::of(&app).damage_entity(EntityId::parse(&bad).unwrap());
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

async fn an_unreadable_event_stops_who_comes_to_it_and_nobody_else(backend: &str) {
    let mut app = TestApp::with(|settings| {
        settings.store.backend = backend.to_owned();
        settings.actors.stuck_after_ms = 1_000 * STUCK_AFTER_S;
    });
    let (customer, product) = (app.customer(1).await, app.product(100, 5).await);
    let (rental, position) = unseen(&app, &customer, &product).await;
    // Whoever begins before it at the next start comes to it, too: all but the paused one are to be past it.
    let mut looks = tokio::time::interval(Duration::from_millis(1_500));
    loop {
        looks.tick().await;
        app.stop();
        if Raw::of(&app).stands() > position {
            break;
        }
        app.restart();
    }
    Raw::of(&app).damage_event(position);
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

async fn a_shop_that_cannot_be_shown_as_it_is_does_not_open(backend: &str) {
    let mut app = TestApp::on(backend);
    let (customer, product) = (app.customer(1).await, app.product(100, 5).await);
    let (_, position) = unseen(&app, &customer, &product).await;
    app.stop();
    Raw::of(&app).damage_event(position);
    // Views that are lost are made anew of the journal, from its beginning.
    Raw::of(&app).without_views();
    let refused = app.restart_refused();
    let named = refused.contains(&format!("the commit at event {position}: "));
    assert!(named && refused.contains("checksum is wrong"), "{refused}");
}
