//! Every paged list: chained by cursors it is the whole list in its order, nothing twice.

use serde_json::Value;
use time::{Duration, OffsetDateTime, format_description::well_known::Rfc3339};

use super::{
    cases::Case,
    document::{CONTRACT, Operation},
    request::Request,
    world::World,
};
use crate::kit::id;

/// Fields that lists are ordered by, newest first.
const MOMENTS: [&str; 4] = ["createdAt", "placedAt", "requestedAt", "startedAt"];

/// Largest difference of the times of racing events.
const RACE: Duration = Duration::seconds(5);

fn lists() -> impl Iterator<Item = &'static Operation> {
    CONTRACT.operations.iter().filter(|operation| operation.is_list())
}

/// Makes enough items for every list.
async fn fill(world: &World) {
    for _ in 0..3 {
        world.operator.product(100, 10).await;
        world.rental().await;
    }
    let product = world.quarantined_product().await;
    for _ in 0..6 {
        world.customer.rent(&product, "tok_ok").await.expect(201);
    }
    world.settled().await;
}

async fn whole(request: &Request) -> Vec<Value> {
    let list = request.clone().query("limit", "100").succeeds().await.body;
    assert_eq!(list["nextCursor"], Value::Null, "{request}");
    list["items"].as_array().unwrap().clone()
}

/// Asserts the order that the operation promises.
fn in_order(operation: &Operation, items: &[Value]) {
    if let Some(moment) = MOMENTS.into_iter().find(|moment| items[0][moment].is_string()) {
        // The time is that of the decision, the order that of the journal: racing events may be swapped.
        let at = |item: &Value| OffsetDateTime::parse(item[moment].as_str().unwrap(), &Rfc3339).unwrap();
        let newest_first = items.is_sorted_by(|a, b| at(a) + RACE >= at(b));
        assert!(newest_first, "{}: by {moment}: {items:?}", operation.id);
    } else if items[0]["sequence"].is_u64() {
        let oldest_first = items.is_sorted_by(|a, b| a["sequence"].as_u64() < b["sequence"].as_u64());
        assert!(oldest_first, "{}: {items:?}", operation.id);
    } else {
        assert_eq!(operation.id, "listHeld", "its items have no time");
    }
}

#[tokio::test]
async fn pages_chain_without_gaps_or_repetitions() {
    let world = World::start().await;
    fill(&world).await;
    for operation in lists() {
        let request = (Case::of(&operation.id).make)(&world).await;
        world.settled().await;
        let whole = whole(&request).await;
        assert!(whole.len() >= 3, "{}: `fill` must make more of these: {}", operation.id, whole.len());
        in_order(operation, &whole);
        for limit in [1, 2, whole.len()] {
            let mut parts = Vec::new();
            let mut part = request.clone().query("limit", limit.to_string());
            loop {
                let list = part.succeeds().await.body;
                let items = list["items"].as_array().unwrap();
                assert!(items.len() <= limit && parts.len() <= whole.len(), "{part}");
                parts.extend(items.iter().cloned());
                let Some(next) = list["nextCursor"].as_str() else { break };
                assert_eq!(items.len(), limit, "{part}: a part before the last is full");
                part = request.clone().query("limit", limit.to_string()).query("cursor", next);
            }
            assert_eq!(parts, whole, "{}: in parts of {limit}", operation.id);
        }
    }
}

#[tokio::test]
async fn foreign_cursor_is_refused_or_harmless() {
    let world = World::start().await;
    fill(&world).await;
    let mut cursors = vec![];
    for operation in lists() {
        let first = (Case::of(&operation.id).make)(&world).await.query("limit", "1").succeeds().await.body;
        cursors.push(first["nextCursor"].as_str().expect("there is more").to_owned());
    }
    let bad = ["", "nonsense", "가", "-1", "00", "%00", " "].map(str::to_owned);
    for operation in lists() {
        let request = (Case::of(&operation.id).make)(&world).await;
        for cursor in cursors.iter().chain(&bad) {
            let answer = request.clone().query("cursor", cursor).send().await;
            let refused = answer.status == 400 && answer.body["errors"][0]["pointer"] == "/query/cursor";
            assert!(refused || answer.status == 200, "{}: {cursor:?}: {}", operation.id, answer.body);
            assert!(
                refused || !["", "nonsense", "가"].contains(&cursor.as_str()),
                "{}: {cursor}",
                operation.id
            );
        }
    }
}

#[tokio::test]
async fn cursor_of_another_customer_shows_nothing_of_theirs() {
    let world = World::start().await;
    fill(&world).await;
    for operation in lists().filter(|o| o.takes("CUSTOMER") && !o.path.contains('{')) {
        let request = Request::of(&operation.id, &world.customer).query("limit", "1");
        let cursor = request.succeeds().await.body["nextCursor"].as_str().unwrap().to_owned();
        let theirs = Request::of(&operation.id, &world.other).query("cursor", cursor);
        let answer = theirs.send().await;
        let nothing = answer.status == 400 || answer.body["items"] == Value::Array(Vec::new());
        assert!(nothing, "{theirs}: {}", answer.body);
    }
    assert_eq!(id(&world.customer.get("/v1/customers/me").await.expect(200)), world.customer.id);
}
