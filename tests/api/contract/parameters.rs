//! Each parameter of the query and of the headers × (at and beyond its bounds, wrong type, twice), and an
//! unknown parameter.

use serde_json::Value;

use super::{
    cases::Case,
    document::{CONTRACT, Operation, Parameter},
    fields::of_value,
    request::Request,
    world::World,
};
use crate::kit::Answer;

/// A call by the operator if allowed: only the operator filters by customer.
async fn call(world: &World, operation: &'static Operation) -> Request {
    let request = (Case::of(&operation.id).make)(world).await;
    if operation.takes("OPERATOR") { request.by(&world.operator) } else { request }
}

fn names(answer: &Answer, pointer: &str) -> bool {
    let errors = answer.body["errors"].as_array().into_iter().flatten();
    answer.status == 400 && errors.map(|error| &error["pointer"]).any(|at| at == pointer)
}

/// Texts for a parameter, each with whether its schema accepts it.
fn texts(parameter: &Parameter) -> Vec<(String, bool)> {
    let schema = &parameter.schema;
    let typed = |text: &str| match schema["type"].as_str() {
        Some("integer") => text.parse::<i64>().map_or_else(|_| Value::from(text), Value::from),
        Some("boolean") => text.parse::<bool>().map_or_else(|_| Value::from(text), Value::from),
        Some(_) | None => Value::from(text),
    };
    let mut values: Vec<Value> = of_value(schema).into_iter().map(|(value, _)| value).collect();
    values.extend(schema["examples"].as_array().into_iter().flatten().cloned());
    if schema["type"] != "string" {
        values.extend(["true", "false", "TRUE", "1", "x", "", "가", "1.5", " 1", "+", "-"].map(Value::from));
    }
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let texts = values.iter().map(text);
    texts.map(|text| (text.clone(), CONTRACT.violations(schema, &typed(&text)).is_empty())).collect()
}

#[tokio::test]
async fn query_parameters_follow_their_schemas() {
    let world = World::start().await;
    let mut tried = 0;
    let with_query = CONTRACT.operations.iter().filter(|o| o.parameters_in("query").next().is_some());
    for operation in with_query {
        let request = call(&world, operation).await;
        for parameter in operation.parameters_in("query") {
            let name = parameter.name.as_str();
            let pointer = format!("/query/{name}");
            for (text, fits) in texts(parameter) {
                let request = request.clone().query(name, &text);
                let answer = request.send().await;
                let expected = if fits { answer.status < 400 } else { names(&answer, &pointer) };
                assert!(expected, "{request}: fits: {fits}, {} {}", answer.status, answer.body);
                tried += 1;
            }
            let twice = request.clone().query(name, "1").query(name, "1").send().await;
            assert!(names(&twice, &pointer), "{}: {name} twice: {}", operation.id, twice.body);
        }
        let unknown = request.clone().query("unknown", "1").send().await;
        assert!(names(&unknown, "/query/unknown"), "{}: {}", operation.id, unknown.body);
        tried += 2;
    }
    println!("{tried} tried");
}

/// True if a text can be a header's value: trimmed, without control characters.
fn can_be_sent(text: &str) -> bool {
    text.trim() == text && !text.chars().any(char::is_control)
}

#[tokio::test]
async fn header_parameters_follow_their_schemas() {
    let world = World::start().await;
    let mut tried = 0;
    for operation in &CONTRACT.operations {
        for parameter in operation.parameters_in("header") {
            let name = parameter.name.as_str();
            let mut request = call(&world, operation).await;
            request.headers.retain(|(of, _)| of != name);
            if parameter.required {
                assert_eq!(request.send().await.status, 428, "{request}");
            }
            let pointer = format!("/headers/{name}");
            for (text, fits) in texts(parameter).into_iter().filter(|(text, _)| can_be_sent(text)) {
                // An accepted call takes effect, and so needs its own state.
                let request = if fits { call(&world, operation).await } else { request.clone() };
                let request = request.header(name, &text);
                let answer = request.send().await;
                let expected = if fits { answer.status < 400 } else { names(&answer, &pointer) };
                assert!(expected, "{request}: fits: {fits}, {} {}", answer.status, answer.body);
                tried += 1;
            }
            let twice = request.clone().header(name, "1").header(name, "2").send().await;
            let told = names(&twice, &pointer) || parameter.required && twice.status == 412;
            assert!(told, "{}: {name} twice: {} {}", operation.id, twice.status, twice.body);
        }
    }
    println!("{tried} tried");
}

#[tokio::test]
async fn change_with_an_unknown_etag_is_refused() {
    let world = World::start().await;
    let request = (Case::of("changeProduct").make)(&world).await;
    for (tag, status) in [("\"stale\"", 412), ("", 412), ("stale", 412), ("W/\"stale\"", 412)] {
        let mut request = request.clone();
        request.headers[0].1 = tag.to_owned();
        assert_eq!(request.send().await.status, status, "{request}");
    }
}
