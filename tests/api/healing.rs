//! What supervision cannot mend: something that hangs. The process says that it is not alive, for whoever
//! replaces it; and nothing is lost by that.

use serde_json::{Value, json};

use crate::{
    kit::{Client, TestApp, eventually},
    metrics::sample,
};

/// A server that notices within three seconds.
fn watched() -> TestApp {
    TestApp::with(|settings| {
        settings.actors.arbiters = 2;
        settings.actors.ask_timeout_ms = 500;
        settings.actors.stuck_after_ms = 1_000;
    })
}

async fn fault(app: &TestApp, target: Value, mode: &str) {
    app.operator().post("/v1/operations/faults", json!({"target": target, "mode": mode})).await.expect(202);
}

/// Waits until the process is not alive any more, and answers what it says of itself.
async fn not_alive(app: &TestApp) -> String {
    let problem = eventually("it is noticed", || async {
        let health = app.anyone().get("/healthz").await;
        (health.status != 200).then_some(health)
    });
    problem.await.problem(503, "not-alive")["detail"].as_str().unwrap().to_owned()
}

/// Somebody rents, whether or not anything answers.
async fn rent(customer: &Client, product: &str) {
    let _ = customer.rent(product, "tok_ok").await;
}

#[tokio::test]
async fn what_hangs_is_named_and_a_new_process_goes_on() {
    for (target, named) in [
        (json!({"kind": "reactor", "id": "delivery"}), "reactor delivery"),
        (json!({"kind": "projection", "id": "mypage"}), "projection mypage"),
        (json!({"kind": "arbiter", "id": "1"}), "arbiter 1"),
        (json!({"kind": "store-writer"}), "store-writer"),
    ] {
        let mut app = watched();
        let (mut customer, product) = (app.customer(1).await, app.product(29_900, 10).await);
        let rental = customer.rented(&product).await;
        assert_eq!(app.anyone().get("/healthz").await.expect(200)["status"], "ok");
        fault(&app, target, "HANG").await;
        // What is behind and does nothing hangs; what has nothing to do rests.
        rent(&customer, &product).await;
        let told = not_alive(&app).await;
        assert!(told.contains(named), "{named}: {told}");
        if named.starts_with("arbiter") {
            let actors = app.operator().get("/v1/operations/actors").await;
            assert!(!actors.header("Retry-After").is_empty(), "who asks is told, and does not hang, too");
        }
        // Whoever watches hears of it, too: an arbiter that hangs does not hang what tells of it.
        assert_eq!(sample(&app, "saem_alive").await, Some(0.0), "{named}");
        app.restart();
        customer.move_to(&app.url());
        assert_eq!(app.anyone().get("/healthz").await.expect(200)["status"], "ok");
        customer.cancel(&rental).await.expect(200);
        customer.timeline_holds(&rental, "ProductIncreased").await;
    }
}

#[tokio::test]
async fn a_writer_or_an_arbiter_that_ends_is_noticed_too() {
    for (target, mode) in [
        (json!({"kind": "store-writer"}), "STOP"),
        (json!({"kind": "store-writer", "id": "store-writer"}), "PANIC"),
        (json!({"kind": "arbiter", "id": "0"}), "STOP"),
    ] {
        let app = watched();
        fault(&app, target, mode).await;
        not_alive(&app).await;
    }
}

#[tokio::test]
async fn an_arbiter_survives_a_task_that_panics() {
    let app = watched();
    let (customer, product) = (app.customer(1).await, app.product(29_900, 10).await);
    for arbiter in ["0", "1"] {
        fault(&app, json!({"kind": "arbiter", "id": arbiter}), "PANIC").await;
    }
    customer.rented(&product).await;
    for id in ["2", "-1", "x"] {
        let target = json!({"target": {"kind": "arbiter", "id": id}, "mode": "PANIC"});
        app.operator().post("/v1/operations/faults", target).await.problem(404, "not-found");
    }
}

#[tokio::test]
async fn a_disk_that_is_nearly_full_is_read_and_not_written() {
    let mut app = watched();
    let (mut customer, product) = (app.customer(1).await, app.product(29_900, 10).await);
    let rental = customer.rented(&product).await;
    // More than any disk has: as if it were full.
    app.change(|settings| settings.store.min_free_mb = 1_000_000_000);
    app.restart();
    customer.move_to(&app.url());
    let refused = customer.rent(&product, "tok_ok").await;
    assert!(!refused.header("Retry-After").is_empty());
    refused.problem(503, "store-unavailable");
    app.anyone().get("/readyz").await.problem(503, "not-ready");
    assert_eq!(
        app.anyone().get("/healthz").await.expect(200)["status"],
        "ok",
        "a new process would not help"
    );
    let row = customer.get(&format!("/v1/mypage/{}", rental["id"].as_str().unwrap())).await.expect(200);
    assert_eq!(row["rentalStatus"], "CONFIRMED");
    app.change(|settings| settings.store.min_free_mb = 0);
    app.restart();
    customer.move_to(&app.url());
    customer.rent(&product, "tok_ok").await.expect(201);
}

#[tokio::test]
async fn what_waits_is_not_taken_for_what_hangs() {
    let app = watched();
    let (customer, product) = (app.customer(1).await, app.product(29_900, 10).await);
    app.operator().post("/v1/operations/contexts/product/pause", json!({})).await.expect(200);
    let rental = customer.rent(&product, "tok_ok").await.expect(201);
    // Something else hangs meanwhile: when that is noticed, the paused one would have been, too.
    fault(&app, json!({"kind": "reactor", "id": "delivery"}), "HANG").await;
    rent(&customer, &product).await;
    let told = not_alive(&app).await;
    assert!(told.contains("reactor delivery") && !told.contains("product"), "{told}: {rental}");
}
