//! `/metrics`: counters of the work done, and gauges of the shop's state.

use std::collections::BTreeMap;

use reqwest::Method;

use crate::kit::{TestApp, until};

#[tokio::test]
async fn requests_are_counted_by_known_route_and_method() {
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
        app.metric(&format!("saem_http_requests_total{labels}")).await
    };
    assert_eq!(count("GET", "/v1/products/{id}", 200).await, Some(3.0));
    assert_eq!(count("GET", "/v1/products/{id}", 404).await, Some(1.0));
    assert_eq!(count("GET", "none", 404).await, Some(1.0));
    assert_eq!(count("other", "none", 404).await, Some(1.0));
    let observed = "saem_http_request_duration_seconds_count{method=\"GET\",route=\"/v1/products/{id}\"}";
    assert_eq!(app.metric(observed).await, Some(4.0));
}

#[tokio::test]
async fn gauges_show_the_state_of_the_shop() {
    let app = TestApp::start();
    let (operator, product) = (app.operator(), app.product(100, 5).await);
    assert_eq!(app.metric("saem_ready").await, Some(1.0));
    assert_eq!(app.metric("saem_journal_events").await, Some(1.0));
    assert_eq!(app.metric("saem_payment_breaker{state=\"CLOSED\"}").await, Some(1.0));
    operator.pause("product").await;
    assert_eq!(app.metric("saem_context_paused{context=\"product\"}").await, Some(1.0));
    assert_eq!(app.metric("saem_context_paused{context=\"rental\"}").await, Some(0.0));
    operator.resume("product").await;
    operator.fail_entity(&product).await;
    let restarts = "saem_actor_restarts_total{kind=\"product\",name=\"\"}";
    until("the restart is counted", || async { app.metric(restarts).await == Some(1.0) }).await;
}

#[tokio::test]
async fn exposed_and_documented_metrics_are_the_same() {
    let app = TestApp::start();
    let (customer, product) = (app.customer(1).await, app.product(100, 5).await);
    customer.rented(&product).await;
    let text = app.anyone().get("/metrics").await.expect(200);
    let exposed = text.as_str().unwrap().lines().filter_map(|line| {
        let (name, kind) = line.strip_prefix("# TYPE ")?.split_once(' ')?;
        Some((name.to_owned(), kind.to_owned()))
    });
    let documented = include_str!("../../docs/metrics.md").lines().filter_map(|line| {
        let (name, rest) = line.strip_prefix("| `")?.split_once("` | ")?;
        Some((name.to_owned(), rest.split_once(" |")?.0.to_owned()))
    });
    let (exposed, documented): (BTreeMap<_, _>, BTreeMap<_, _>) = (exposed.collect(), documented.collect());
    assert_eq!(exposed, documented);
}

#[tokio::test]
async fn counters_show_the_work_done() {
    let app = TestApp::start();
    let (customer, product) = (app.customer(1).await, app.product(100, 5).await);
    let rental = customer.rented(&product).await;
    customer.cancel_until(&rental, "ProductIncreased").await;
    let at_least = async |name: &str, least: f64| {
        let enough = || async { app.metric(name).await.is_some_and(|value| value >= least) };
        until(&format!("{name} is at least {least}"), enough).await;
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
    let lag = "saem_journal_lag_events{kind=\"projection\",name=\"mypage\"}";
    until("My Page catches up", || async { app.metric(lag).await == Some(0.0) }).await;
    customer.rent(&product, "tok_decline").await.problem(402, "payment-declined");
    at_least(&call("charge", "declined"), 1.0).await;
}
