//! Each field of each body × (missing, null, wrong type, at and beyond its bounds, outside its enum or
//! pattern), and an unknown field: a value that the schema refuses is a 400 that names the field.

use serde_json::Value;

use super::{
    cases::{CASES, Case},
    document::CONTRACT,
    fields::{Variant, variants},
    request::Request,
    world::World,
};

fn with_bodies() -> impl Iterator<Item = (&'static Case, &'static Value)> {
    CASES.iter().filter_map(|case| Some((case, CONTRACT.operation_named(case.operation).body.as_ref()?)))
}

fn changed(request: &Request, variant: &Variant) -> Request {
    let mut request = request.clone();
    request.set(&variant.pointer, variant.value.clone());
    request
}

async fn is_refused(request: &Request, pointer: &str) {
    let answer = request.send().await;
    assert_eq!(answer.status, 400, "{request}: {}", answer.body);
    assert_eq!(answer.body["type"], "/problems/invalid-request", "{request}: {}", answer.body);
    let errors = answer.body["errors"].as_array().unwrap();
    let named = errors.iter().any(|error| error["pointer"] == pointer);
    assert!(named, "{request}: {pointer} is not named in {}", answer.body);
}

#[test]
fn every_example_fits_its_schema() {
    for operation in &CONTRACT.operations {
        let request = operation.body.iter().map(|schema| (schema, &operation.example));
        let responses = operation.responses.as_object().unwrap().values();
        let answers = responses.filter_map(|response| {
            let media = &response["content"]["application/json"];
            Some((media.get("schema")?, media.get("example")?))
        });
        for (schema, example) in request.chain(answers) {
            let wrong = CONTRACT.violations(schema, example);
            assert!(wrong.is_empty(), "{}: {example}: {wrong:?}", operation.id);
        }
    }
    for (name, example) in CONTRACT.document["components"]["examples"].as_object().unwrap() {
        let problem = &CONTRACT.document["components"]["schemas"]["Problem"];
        assert!(CONTRACT.violations(problem, &example["value"]).is_empty(), "{name}");
    }
}

#[tokio::test]
async fn refused_values_name_their_field_and_change_nothing() {
    let world = World::start().await;
    let mut tried = 0;
    for (case, schema) in with_bodies() {
        let request = (case.make)(&world).await;
        let body = request.body.as_ref().unwrap();
        let wrong = CONTRACT.violations(schema, body);
        assert!(wrong.is_empty(), "{request}: the case's own body is wrong: {wrong:?}");
        let variants = variants(schema, body);
        let refused = world.unchanged_by(case.operation, async {
            for variant in variants.iter().filter(|variant| !variant.fits) {
                is_refused(&changed(&request, variant), &variant.pointer).await;
                tried += 1;
            }
            if request.operation.body_required {
                let without = Request { body: None, ..request.clone() };
                assert_eq!(without.send().await.status, 415, "{without}");
            }
            for wrong in ["[]", "7", "null", "\"x\"", "[{}]"] {
                let answer = request.send_raw(wrong).await;
                assert_eq!(answer.status, 400, "{request}: {wrong}: {}", answer.body);
            }
            for broken in ["{", "{\"a\":}", "{} {}", "\u{feff}{}", "nonsense"] {
                let answer = request.send_raw(broken).await;
                assert_eq!(answer.status, 400, "{request}: {broken}: {}", answer.body);
                assert_eq!(answer.body["type"], "/problems/malformed-json", "{request}: {broken}");
            }
        });
        refused.await;
        request.succeeds().await;
    }
    println!("{tried} refused");
}

#[tokio::test]
async fn values_that_fit_the_schema_are_accepted() {
    let world = World::start().await;
    let mut tried = 0;
    for (case, schema) in with_bodies() {
        let request = (case.make)(&world).await;
        for variant in variants(schema, request.body.as_ref().unwrap()).iter().filter(|v| v.fits) {
            let request = changed(&(case.make)(&world).await, variant);
            let answer = request.send().await;
            let taken =
                answer.status < 400 || case.beyond.contains(&(variant.pointer.as_str(), answer.status));
            assert!(taken, "{request}: {} {}", answer.status, answer.body);
            tried += 1;
        }
    }
    println!("{tried} taken");
}
