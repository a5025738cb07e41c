//! Every POST × `Idempotency-Key`: it takes effect once, is answered alike also after a restart, and its key
//! is refused for another body.

use reqwest::Method;
use serde_json::Value;

use super::{
    cases::{CASES, Case},
    document::CONTRACT,
    fields::variants,
    request::Request,
    world::World,
};
use crate::kit::Answer;

fn posts() -> impl Iterator<Item = &'static Case> {
    CASES.iter().filter(|case| CONTRACT.operation_named(case.operation).method == Method::POST)
}

fn replays(request: &Request, first: &Answer, again: &Answer) {
    let told = |answer: &Answer| {
        let mut body = answer.body.clone();
        // The backlog is measured at each call.
        body.as_object_mut().map(|body| body.remove("backlog"));
        (answer.status, body)
    };
    assert_eq!(told(first), told(again), "{request}");
    assert_eq!((first.header("idempotency-replayed"), again.header("idempotency-replayed")), ("", "true"));
    for header in ["location", "etag", "retry-after"] {
        assert_eq!(first.header(header), again.header(header), "{request}: {header}");
    }
}

/// The call with one field of its body changed as the schema allows, and that field; preferably one without
/// rules beyond its schema.
fn otherwise(request: &Request, case: &Case) -> Option<(Request, String)> {
    let schema = request.operation.body.as_ref()?;
    let body = request.body.as_ref()?;
    let mut other = request.clone();
    let variants = variants(schema, body);
    let variant = variants.iter().find(|variant| {
        variant.fits
            && case.beyond.iter().all(|(field, _)| *field != variant.pointer)
            && variant.value.as_ref().is_some_and(|value| !value.is_null())
            && body.pointer(&variant.pointer) != variant.value.as_ref()
    });
    let (pointer, value) = match variant {
        Some(variant) => (variant.pointer.clone(), variant.value.clone()),
        None => {
            let mut texts = body.as_object()?.iter().filter(|(_, value)| value.is_string());
            let (name, text) = texts.next_back()?;
            (format!("/{name}"), Some(Value::from(format!("{}x", text.as_str()?))))
        }
    };
    other.set(&pointer, value);
    Some((other, pointer))
}

#[tokio::test]
async fn post_with_a_key_takes_effect_once_across_a_restart() {
    let mut world = World::start().await;
    let mut done = Vec::new();
    for (number, case) in posts().enumerate() {
        let request = (case.make)(&world).await.header("Idempotency-Key", format!("key {number}"));
        world.settled().await;
        let first = request.succeeds().await;
        world.retried(case.operation).await;
        world
            .unchanged_by(case.operation, async {
                replays(&request, &first, &request.send().await);
                let Some((other, changed)) = otherwise(&request, case) else { return };
                let reused = other.send().await;
                // Wrong credentials reveal nothing of the keys in use.
                let beyond = case.beyond.iter().find(|(field, _)| *field == changed);
                if beyond.is_none_or(|(_, status)| *status != 401 || reused.status != 401) {
                    assert_eq!(reused.status, 422, "{other}: {}", reused.body);
                    assert_eq!(reused.body["type"], "/problems/idempotency-key-reused", "{other}");
                }
            })
            .await;
        done.push((request, first));
    }
    let moved = world.restart();
    for (mut request, first) in done {
        request.by.follow(&moved);
        world
            .unchanged_by(&request.operation.id, async { replays(&request, &first, &request.send().await) })
            .await;
    }
}

#[tokio::test]
async fn key_of_another_customer_is_independent() {
    let world = World::start().await;
    let request = (Case::of("placeRental").make)(&world).await.header("Idempotency-Key", "mine");
    let mine = request.succeeds().await.body;
    let theirs = request.by(&world.other).succeeds().await;
    assert!(!theirs.is_replayed());
    assert_ne!(theirs.body["id"], mine["id"]);
}
