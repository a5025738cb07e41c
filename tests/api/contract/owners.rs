//! Another customer's resources and unknown ids: the same 404.

use serde_json::Value;

use super::{cases::Case, document::CONTRACT, request::Request, world::World};
use crate::kit::Answer;

const MALFORMED: [&str; 11] = [
    "nonsense",
    "0",
    "-1",
    "%",
    "정수기",
    "product_",
    "rental_zzzzzzzzzzzzzzzzzzzzzzzzzz",
    "rental_01kb3q5v8rf7k9x2m4n6p8q0st0",
    "RENTAL_01KB3Q5V8RF7K9X2M4N6P8Q0ST",
    "\0",
    "../operator.key",
];

/// An id of the same kind that nothing has.
fn unknown(id: &str) -> String {
    match id.split_once('_') {
        Some((prefix, suffix)) if suffix.len() == 26 => format!("{prefix}_01kb3q5v8rf7k9x2m4n6p8q0st"),
        _ => "unknown".to_owned(),
    }
}

/// An answer without the members that differ from call to call.
fn told(answer: Answer) -> (u16, Value) {
    let mut body = answer.body;
    for own in ["instance", "correlationId"] {
        body.as_object_mut().expect("a problem is an object").remove(own);
    }
    (answer.status, body)
}

#[tokio::test]
async fn resources_of_another_customer_are_not_found() {
    let world = World::start().await;
    for operation in CONTRACT.operations.iter().filter(|operation| operation.takes("CUSTOMER")) {
        let request = (Case::of(&operation.id).make)(&world).await;
        if operation.is_list() && request.path.is_empty() {
            let list = request.by(&world.other).succeeds().await.body;
            assert_eq!(list["items"], Value::Array(Vec::new()), "{}", operation.id);
            continue;
        }
        let Some(at) = request.path.iter().position(|(_, value)| value.len() > 26) else { continue };
        let others = request.clone().by(&world.other);
        let mut nobodys = others.clone();
        nobodys.path[at].1 = unknown(&nobodys.path[at].1);
        let (others, nobodys) = world
            .unchanged_by(&request.to_string(), async { (others.send().await, nobodys.send().await) })
            .await;
        assert_eq!(others.status, 404, "{request}");
        assert_eq!(told(others), told(nobodys), "{request}");
        request.succeeds().await;
    }
}

#[tokio::test]
async fn filters_show_nothing_of_another_customer() {
    let world = World::start().await;
    let rental = world.rental().await;
    let mine = Request::of("listRentals", &world.other).query("customerId", world.customer.id.as_str());
    assert_eq!(mine.send().await.status, 403);
    for (operation, name, field) in [
        ("listRentals", "productId", "productId"),
        ("listRentals", "correlationId", "correlationId"),
        ("listPayments", "rentalId", "id"),
    ] {
        let request = Request::of(operation, &world.other).query(name, rental[field].as_str().unwrap());
        assert_eq!(request.succeeds().await.body["items"], Value::Array(Vec::new()), "{request}");
    }
}

#[tokio::test]
async fn unknown_and_malformed_ids_are_not_found() {
    let world = World::start().await;
    for operation in CONTRACT.operations.iter().filter(|operation| operation.path.contains('{')) {
        let request = (Case::of(&operation.id).make)(&world).await;
        let mut ids: Vec<String> = MALFORMED.map(str::to_owned).into();
        ids.push("x".repeat(2_000));
        world
            .unchanged_by(&request.to_string(), async {
                for at in 0..request.path.len() {
                    for id in ids.iter().cloned().chain([unknown(&request.path[at].1)]) {
                        let mut request = request.clone();
                        request.path[at].1 = id;
                        assert_eq!(request.send().await.status, 404, "{request}");
                    }
                }
            })
            .await;
    }
}
