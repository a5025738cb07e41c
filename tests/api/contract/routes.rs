//! Routes that are served and routes that are documented: every path × every method.

use std::collections::{BTreeMap, BTreeSet};

use reqwest::Method;
use saem::internal::http::ROUTES;
use serde_json::Value;

use super::{cases::Case, document::CONTRACT, world::World};
use crate::kit::Answer;

const METHODS: [Method; 7] =
    [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS];

#[tokio::test]
async fn served_document_has_exactly_the_served_routes() {
    let world = World::start().await;
    let served = world.app.anyone().get("/openapi.json").await.expect(200);
    assert_eq!(served, CONTRACT.document);
    let paths = served["paths"].as_object().unwrap().iter();
    let described: BTreeSet<_> = paths
        .flat_map(|(path, item)| item.as_object().unwrap().keys().map(move |m| (path.clone(), m.clone())))
        .collect();
    let served = ROUTES.iter().map(|(path, method)| ((*path).to_owned(), (*method).to_owned()));
    assert_eq!(served.collect::<BTreeSet<_>>(), described);
}

#[tokio::test]
async fn other_methods_are_refused_with_the_allowed_ones() {
    let world = World::start().await;
    let mut paths = BTreeMap::<&str, BTreeSet<&str>>::new();
    for operation in &CONTRACT.operations {
        let methods = paths.entry(&operation.path).or_default();
        methods.insert(operation.method.as_str());
        if operation.method == Method::GET {
            methods.insert("HEAD");
        }
    }
    for (path, allowed) in paths {
        let operation = CONTRACT.operations.iter().find(|operation| operation.path == path).unwrap();
        let request = (Case::of(&operation.id).make)(&world).await;
        for method in METHODS {
            let answer = Answer::of(world.app.anyone().request(method.clone(), &request.url())).await;
            let at = format!("{method} {path}: {} {}", answer.status, answer.body);
            if allowed.contains(method.as_str()) {
                assert!(![404, 405].contains(&answer.status), "{at}");
                assert!(answer.status < 500, "{at}");
                continue;
            }
            assert_eq!(answer.status, 405, "{at}");
            let allow: BTreeSet<_> = answer.header("allow").split(',').map(str::trim).collect();
            assert_eq!(allow, allowed, "{at}");
            if method != Method::HEAD {
                answer.problem(405, "method-not-allowed");
            }
        }
    }
}

#[tokio::test]
async fn unknown_paths_are_not_found() {
    let world = World::start().await;
    for path in ["/v1", "/v1/", "/v2/products", "/v1/products/", "/v1/Products", "/docs/", "/administration"]
    {
        for method in METHODS {
            let answer = Answer::of(world.app.anyone().request(method.clone(), path)).await;
            assert_eq!(answer.status, 404, "{method} {path}");
            if method != Method::HEAD {
                assert_eq!(answer.problem(404, "not-found")["instance"], Value::from(path));
            }
        }
    }
}
