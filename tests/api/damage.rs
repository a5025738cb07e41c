//! Damaged records on disk: what is refused, what continues, and what the operator sees.

use std::time::Duration;

use saem::EntityId;
use serde_json::Value;

use crate::{
    kit::{Client, TestApp, eventually, id, until},
    raw::{Raw, with_raw},
};

/// Restarts after which an actor is restarted every five seconds only.
const RESTARTS: u64 = 5;
/// Time without progress after which it counts as hung.
const STUCK_AFTER_S: u64 = 7;

/// Makes one test of each function for each durable backend.
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
    damaged_entity_is_quarantined_alone,
    unreadable_event_stops_only_its_readers,
    shop_whose_views_cannot_be_rebuilt_does_not_open,
});

async fn damaged_entity_is_quarantined_alone(backend: &str) {
    let mut app = TestApp::on(backend);
    let (bad, good) = (app.product(100, 5).await, app.product(100, 5).await);
    app.stop();
    with_raw(&app, |raw| raw.damage_entity(EntityId::parse(&bad).unwrap()));
    app.restart();
    let (customer, operator) = (app.customer(1).await, app.operator());
    operator.restock(&bad, 1).await.problem(500, "internal");
    let in_quarantine =
        || async { Some(operator.restock(&bad, 1).await).filter(|answer| answer.status == 503) };
    eventually("it is in quarantine", in_quarantine).await.problem(503, "actor-quarantined");
    let actor = operator.get(&format!("/v1/operations/actors?kind=product&id={bad}")).await.expect(200);
    assert_eq!(actor["status"], "QUARANTINED");
    assert!(actor["lastFailure"].is_string(), "{actor}");
    // All others continue, and so does a rental of the product up to its stock move.
    operator.restock(&good, 1).await.expect(200);
    customer.rented(&good).await;
    let rental = customer.rent(&bad, "tok_ok").await.expect(201);
    customer.timeline_holds(&rental, "DeliveryStarted").await;
    until("its stock move is parked", || async {
        operator.held().await.iter().any(|held| held["target"] == *bad)
    })
    .await;
    customer.rented(&good).await;
    operator.get("/healthz").await.expect(200);
    operator.get("/readyz").await.expect(200);
}

/// Places a rental whose `DeliveryStarted` the paused product context has not read, with later commits behind
/// it. Returns the rental and the position of that event.
async fn unseen(app: &TestApp, customer: &Client, product: &str) -> (Value, u64) {
    app.operator().pause("product").await;
    let rental = customer.rent(product, "tok_ok").await.expect(201);
    customer.timeline_holds(&rental, "DeliveryStarted").await;
    let timeline = customer.timeline(&rental).await;
    let started = timeline.iter().find(|event| event["type"] == "DeliveryStarted");
    for number in [100, 101] {
        app.customer(number).await;
    }
    let position = started.unwrap()["sequence"].as_u64().unwrap();
    (rental, position)
}

async fn unreadable_event_stops_only_its_readers(backend: &str) {
    let mut app = TestApp::with(|settings| {
        settings.store.backend = backend.to_owned();
        settings.actors.stuck_after_ms = 1_000 * STUCK_AFTER_S;
    });
    let (customer, product) = (app.customer(1).await, app.product(100, 5).await);
    let (rental, position) = unseen(&app, &customer, &product).await;
    // Projections must begin after the event at the next start, or they read it, too.
    let mut looks = tokio::time::interval(Duration::from_millis(1_500));
    loop {
        looks.tick().await;
        app.stop();
        if with_raw(&app, Raw::stands) > position {
            break;
        }
        app.restart();
    }
    with_raw(&app, |raw| raw.damage_event(position));
    app.restart();
    let (customer, operator) = (app.anyone().with_token_of(&customer), app.operator());
    operator.resume("product").await;
    until("the product reactor fails again and again", || async {
        let actors = operator.items("/v1/operations/actors").await;
        let reactor = actors.iter().find(|actor| actor["kind"] == "reactor" && actor["name"] == "product");
        reactor.unwrap()["restarted"].as_u64().unwrap() > RESTARTS
    })
    .await;
    // Longer than a hang is tolerated: it fails, but a new process would not help.
    let mut looks = tokio::time::interval(Duration::from_secs(1));
    for _ in 0..STUCK_AFTER_S + 2 {
        looks.tick().await;
        operator.get("/healthz").await.expect(200);
    }
    operator.get("/readyz").await.expect(200);
    let context = operator.context("product").await;
    assert!(context["backlog"].as_u64().unwrap() > 0, "the operator sees it: {context}");
    let other = customer.rent(&product, "tok_ok").await.expect(201);
    customer.timeline_holds(&other, "DeliveryStarted").await;
    customer.cancel(&other).await.expect(200);
    customer.get(&format!("/v1/rentals/{}", id(&rental))).await.expect(200);
    customer.get(&format!("/v1/rentals/{}/timeline", id(&rental))).await.problem(500, "internal");
}

async fn shop_whose_views_cannot_be_rebuilt_does_not_open(backend: &str) {
    let mut app = TestApp::on(backend);
    let (customer, product) = (app.customer(1).await, app.product(100, 5).await);
    let (_, position) = unseen(&app, &customer, &product).await;
    app.stop();
    with_raw(&app, |raw| raw.damage_event(position));
    // Lost views are rebuilt from the beginning of the journal.
    with_raw(&app, Raw::delete_views);
    let refused = app.restart_refused();
    let named = refused.contains(&format!("the commit at event {position}: "));
    assert!(named && refused.contains("checksum is wrong"), "{refused}");
}
