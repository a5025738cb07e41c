//! The document and the route table agree and are complete.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Object, document};
use crate::http::{api::table, problem::ProblemKind};

fn operations(document: &Value) -> Vec<(String, String, Object)> {
    let paths = document["paths"].as_object().unwrap().iter();
    let operation = |path: &str, (method, operation): (&String, &Value)| {
        (path.to_owned(), method.clone(), operation.as_object().unwrap().clone())
    };
    paths.flat_map(|(path, item)| item.as_object().unwrap().iter().map(move |o| operation(path, o))).collect()
}

#[test]
fn every_operation_has_a_name_a_summary_and_examples() {
    let document = document();
    let mut names = BTreeSet::new();
    for (path, method, operation) in operations(&document) {
        let at = format!("{method} {path}");
        assert!(names.insert(operation["operationId"].to_string()), "{at}: its name is taken");
        assert!(operation["summary"].as_str().is_some_and(|summary| summary.ends_with('.')), "{at}");
        let mut contents = vec![&operation.get("requestBody").unwrap_or(&Value::Null)["content"]];
        contents.extend(operation["responses"].as_object().unwrap().values().map(|r| &r["content"]));
        for media in contents.into_iter().filter_map(Value::as_object).flat_map(Object::values) {
            let example = ["example", "examples"].iter().any(|name| media.get(name).is_some());
            assert!(example, "{at}: a body without an example");
        }
    }
    assert_eq!(names.len(), table::ROUTES.len(), "nothing is served twice");
}

#[test]
fn every_problem_belongs_to_an_operation() {
    let document = document();
    let mut listed = BTreeSet::new();
    for (_, _, operation) in operations(&document) {
        for response in operation["responses"].as_object().unwrap().values() {
            let examples = response["content"]["application/problem+json"]["examples"].as_object();
            listed.extend(examples.into_iter().flat_map(Object::keys).cloned());
        }
    }
    // No route has this problem: it answers methods that no route has.
    let kinds = ProblemKind::ALL.iter().filter(|kind| **kind != ProblemKind::MethodNotAllowed);
    assert_eq!(kinds.map(|kind| kind.slug().to_owned()).collect::<BTreeSet<_>>(), listed);
}

#[test]
fn references_have_no_siblings_and_nothing_is_null() {
    fn check(value: &Value, at: &str) {
        if let Some(object) = value.as_object() {
            let alone = object.keys().all(|key| ["$ref", "summary", "description"].contains(&key.as_str()));
            // JSON Schema 2020-12 allows siblings of `$ref`.
            assert!(!object.contains_key("$ref") || alone || at.contains("/schema"), "{at}: {value}");
        }
        let parts = value.as_object().into_iter().flatten().map(|(name, part)| (name.clone(), part));
        let items = value.as_array().into_iter().flatten().enumerate().map(|(n, item)| (n.to_string(), item));
        for (name, part) in
            parts.chain(items).filter(|(name, _)| !["example", "value"].contains(&name.as_str()))
        {
            assert!(!part.is_null(), "{at}/{name} is null");
            check(part, &format!("{at}/{name}"));
        }
    }
    check(&document(), "");
}

fn name_of(schema: &Value) -> &str {
    let reference = schema["$ref"].as_str().expect("a body is a schema of its own");
    reference.rsplit('/').next().expect("a reference has a last part")
}

#[test]
fn request_schemas_refuse_unknown_fields() {
    let document = document();
    let schemas = document["components"]["schemas"].as_object().unwrap();
    let mut left: Vec<&str> = Vec::new();
    let operations = operations(&document);
    for (_, _, operation) in &operations {
        let body = operation.get("requestBody").and_then(|body| body["content"].get("application/json"));
        let body = body.map(|media| &media["schema"]);
        let mut names: Vec<&str> = body.into_iter().map(name_of).collect();
        while let Some(name) = names.pop() {
            match schemas[name]["oneOf"].as_array() {
                Some(shapes) => names.extend(shapes.iter().map(name_of)),
                None => {
                    assert_eq!(schemas[name]["additionalProperties"], false, "{name}");
                    left.push(name);
                }
            }
        }
    }
    assert!(left.len() >= 10, "{left:?}");
}
