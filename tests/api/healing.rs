//! Failures that supervision cannot mend: hangs. The process reports that it is not alive, so that it is
//! replaced; nothing is lost by that.

use serde_json::json;

use crate::kit::{Client, TestApp, eventually, text};

/// An application that notices a hang within three seconds, a customer, and a product.
async fn watched() -> (TestApp, Client, String) {
    let app = TestApp::with(|settings| {
        settings.actors.arbiters = 2;
        settings.actors.ask_timeout_ms = 500;
        settings.actors.stuck_after_ms = 1_000;
    });
    let (customer, product) = (app.customer(1).await, app.product(29_900, 10).await);
    (app, customer, product)
}

/// Waits until the process is not alive, and returns the detail.
async fn not_alive(app: &TestApp) -> String {
    let health = eventually("the hang is noticed", || async {
        Some(app.anyone().get("/healthz").await).filter(|health| health.status != 200)
    });
    text(&health.await.problem(503, "not-alive"), "detail").to_owned()
}

async fn is_alive(app: &TestApp) {
    assert_eq!(app.anyone().get("/healthz").await.expect(200)["status"], "ok");
}

#[tokio::test]
async fn hung_part_is_named_and_a_new_process_continues() {
    for (target, named) in [
        (json!({"kind": "reactor", "id": "delivery"}), "reactor delivery"),
        (json!({"kind": "projection", "id": "mypage"}), "projection mypage"),
        (json!({"kind": "arbiter", "id": "1"}), "arbiter 1"),
        (json!({"kind": "store-writer"}), "store-writer"),
    ] {
        let (mut app, mut customer, product) = watched().await;
        let rental = customer.rented(&product).await;
        is_alive(&app).await;
        app.operator().fault(target, "HANG").await.expect(202);
        // A part that is behind and does nothing hangs; one without work rests.
        customer.rent(&product, "tok_ok").await;
        let detail = not_alive(&app).await;
        assert!(detail.contains(named), "{named}: {detail}");
        if named.starts_with("arbiter") {
            let actors = app.operator().get("/v1/operations/actors").await;
            assert!(!actors.header("Retry-After").is_empty(), "the request is answered, and does not hang");
        }
        // A hung arbiter does not stop the metrics.
        assert_eq!(app.metric("saem_alive").await, Some(0.0), "{named}");
        app.restart();
        customer.move_to(&app.url());
        is_alive(&app).await;
        customer.cancel_until(&rental, "ProductIncreased").await;
    }
}

#[tokio::test]
async fn ended_writer_or_arbiter_is_noticed() {
    for (target, mode) in [
        (json!({"kind": "store-writer"}), "STOP"),
        (json!({"kind": "store-writer", "id": "store-writer"}), "PANIC"),
        (json!({"kind": "arbiter", "id": "0"}), "STOP"),
    ] {
        let (app, ..) = watched().await;
        app.operator().fault(target, mode).await.expect(202);
        not_alive(&app).await;
    }
}

#[tokio::test]
async fn arbiter_survives_a_task_that_panics() {
    let (app, customer, product) = watched().await;
    let operator = app.operator();
    for arbiter in ["0", "1"] {
        operator.fault(json!({"kind": "arbiter", "id": arbiter}), "PANIC").await.expect(202);
    }
    customer.rented(&product).await;
    for id in ["2", "-1", "x"] {
        operator.fault(json!({"kind": "arbiter", "id": id}), "PANIC").await.problem(404, "not-found");
    }
}

#[tokio::test]
async fn nearly_full_disk_is_read_and_not_written() {
    let (mut app, mut customer, product) = watched().await;
    let rental = customer.rented(&product).await;
    // More than any disk has: as if it were full.
    app.change(|settings| settings.store.min_free_mb = 1_000_000_000);
    app.restart();
    customer.move_to(&app.url());
    let refused = customer.rent(&product, "tok_ok").await;
    assert!(!refused.header("Retry-After").is_empty());
    refused.problem(503, "store-unavailable");
    app.anyone().get("/readyz").await.problem(503, "not-ready");
    // A new process would not help.
    is_alive(&app).await;
    let row = customer.get(&format!("/v1/mypage/{}", text(&rental, "id"))).await.expect(200);
    assert_eq!(row["rentalStatus"], "CONFIRMED");
    app.change(|settings| settings.store.min_free_mb = 0);
    app.restart();
    customer.move_to(&app.url());
    customer.rent(&product, "tok_ok").await.expect(201);
}

#[tokio::test]
async fn paused_context_does_not_count_as_hung() {
    let (app, customer, product) = watched().await;
    let operator = app.operator();
    operator.pause("product").await;
    let rental = customer.rent(&product, "tok_ok").await.expect(201);
    // Another part hangs meanwhile: by the time that is noticed, the paused one would have been, too.
    operator.fault(json!({"kind": "reactor", "id": "delivery"}), "HANG").await.expect(202);
    customer.rent(&product, "tok_ok").await;
    let detail = not_alive(&app).await;
    assert!(detail.contains("reactor delivery") && !detail.contains("product"), "{detail}: {rental}");
}
