//! `/metrics`: what was done is counted, and what the shop is like is shown.

use std::collections::BTreeMap;

use reqwest::Method;
use serde_json::json;

use crate::kit::{TestApp, eventually};

/// The value of a sample, by its name and labels as they are written.
pub async fn sample(app: &TestApp, name: &str) -> Option<f64> {
    let answer = app.anyone().get("/metrics").await;
    assert_eq!(answer.header("content-type"), "text/plain; version=0.0.4");
    let text = answer.expect(200);
    let mut lines = text.as_str().unwrap().lines();
    lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
}

#[tokio::test]
async fn requests_are_counted_by_route_and_not_by_what_anybody_makes_up() {
    let app = TestApp::start();
    let product = app.product(100, 5).await;
    for _ in 0..3 {
        app.anyone().get(&format!("/v1/products/{product}")).await.expect(200);
    }
    app.anyone().get("/v1/products/product_nonsense").await.problem(404, "product-not-found");
    app.anyone().get("/made/up").await.problem(404, "not-found");
    app.anyone().call(Method::from_bytes(b"INVENTED").unwrap(), "/made/up/too").await;
    let count = async |method: &str, route: &str, status: u16| {
        let labels = format!("{{method=\"{method}\",route=\"{route}\",status=\"{status}\"}}");
        sample(&app, &format!("saem_http_requests_total{labels}")).await
    };
    assert_eq!(count("GET", "/v1/products/{id}", 200).await, Some(3.0));
    assert_eq!(count("GET", "/v1/products/{id}", 404).await, Some(1.0));
    assert_eq!(count("GET", "none", 404).await, Some(1.0));
    assert_eq!(count("other", "none", 404).await, Some(1.0));
    let observed = "saem_http_request_duration_seconds_count{method=\"GET\",route=\"/v1/products/{id}\"}";
    assert_eq!(sample(&app, observed).await, Some(4.0));
}

#[tokio::test]
async fn the_state_of_the_shop_is_shown() {
    let app = TestApp::start();
    let (operator, product) = (app.operator(), app.product(100, 5).await);
    assert_eq!(sample(&app, "saem_ready").await, Some(1.0));
    assert_eq!(sample(&app, "saem_journal_events").await, Some(1.0));
    assert_eq!(sample(&app, "saem_payment_breaker{state=\"CLOSED\"}").await, Some(1.0));
    operator.call(Method::POST, "/v1/operations/contexts/product/pause").await.expect(200);
    assert_eq!(sample(&app, "saem_context_paused{context=\"product\"}").await, Some(1.0));
    assert_eq!(sample(&app, "saem_context_paused{context=\"rental\"}").await, Some(0.0));
    operator.call(Method::POST, "/v1/operations/contexts/product/resume").await.expect(200);
    let fault = json!({"target": {"kind": "product", "id": product}, "mode": "PANIC"});
    operator.post("/v1/operations/faults", fault).await.expect(202);
    let restarted = async || {
        let restarts = sample(&app, "saem_actor_restarts_total{kind=\"product\",name=\"\"}").await;
        (restarts == Some(1.0)).then_some(())
    };
    eventually("the restart is counted", restarted).await;
}

#[tokio::test]
async fn what_is_told_is_documented_and_the_other_way_round() {
    let app = TestApp::start();
    let (customer, product) = (app.customer(1).await, app.product(100, 5).await);
    customer.rented(&product).await;
    let text = app.anyone().get("/metrics").await.expect(200);
    let told = text.as_str().unwrap().lines().filter_map(|line| {
        let (name, kind) = line.strip_prefix("# TYPE ")?.split_once(' ')?;
        Some((name.to_owned(), kind.to_owned()))
    });
    let documented = include_str!("../../docs/metrics.md").lines().filter_map(|line| {
        let (name, rest) = line.strip_prefix("| `")?.split_once("` | ")?;
        Some((name.to_owned(), rest.split_once(" |")?.0.to_owned()))
    });
    let (told, documented): (BTreeMap<_, _>, BTreeMap<_, _>) = (told.collect(), documented.collect());
    assert_eq!(told, documented);
}

#[tokio::test]
async fn the_work_is_counted() {
    let app = TestApp::start();
    let (customer, product) = (app.customer(1).await, app.product(100, 5).await);
    let rental = customer.rented(&product).await;
    customer.cancel(&rental).await.expect(200);
    customer.timeline_holds(&rental, "ProductIncreased").await;
    let at_least = async |name: &str, least: f64| {
        let found = async || sample(&app, name).await.filter(|value| *value >= least).map(drop);
        eventually(&format!("{name} is at least {least}"), found).await;
    };
    at_least("saem_store_commits_total", 12.0).await;
    at_least("saem_store_sync_seconds_count", 5.0).await;
    at_least("saem_store_batch_commits_sum", 12.0).await;
    at_least("saem_store_bytes", 1_000.0).await;
    at_least("saem_disk_free_bytes", 1_000_000.0).await;
    at_least("saem_messages_total{outcome=\"sent\"}", 5.0).await;
    let call = |operation: &str, outcome: &str| {
        format!(
            "saem_gateway_calls_total\
             {{provider=\"simulator\",operation=\"{operation}\",outcome=\"{outcome}\"}}"
        )
    };
    at_least(&call("charge", "approved"), 1.0).await;
    at_least(&call("refund", "done"), 1.0).await;
    let behind = async || {
        let lag = sample(&app, "saem_journal_lag_events{kind=\"projection\",name=\"mypage\"}").await;
        (lag == Some(0.0)).then_some(())
    };
    eventually("My Page catches up", behind).await;
    let declined = customer.rent(&product, "tok_decline").await;
    declined.problem(402, "payment-declined");
    at_least(&call("charge", "declined"), 1.0).await;
}
