//! `/v1/operations`: faults on purpose, quarantine, holding; and who may do that.

use reqwest::Method;
use serde_json::{Value, json};

use crate::kit::{Answer, Client, TestApp, eventually, services::SERVICES};

async fn fault(app: &TestApp, kind: &str, id: &str, mode: &str) -> Answer {
    app.operator()
        .post("/v1/operations/faults", json!({"target": {"kind": kind, "id": id}, "mode": mode}))
        .await
}

async fn kind(app: &TestApp, kind: &str) -> Value {
    app.operator().get(&format!("/v1/operations/actors?kind={kind}")).await.expect(200)["items"][0].clone()
}

async fn restock(app: &TestApp, product: &str) -> Answer {
    app.operator().post(&format!("/v1/products/{product}/restock"), json!({"quantity": 1})).await
}

async fn nothing_is_held(app: &TestApp) {
    let held = || async {
        (app.operator().get("/v1/operations/held").await.expect(200)["items"] == json!([])).then_some(())
    };
    eventually("nothing is held", held).await;
}

/// Has a product fail until it is in quarantine.
pub async fn quarantine(app: &TestApp, product: &str) {
    let quarantined = || async {
        fault(app, "product", product, "PANIC").await.expect(202);
        restock(app, product).await;
        let state = app.operator().get(&format!("/v1/operations/actors?kind=product&id={product}")).await;
        (state.expect(200)["status"] == "QUARANTINED").then_some(())
    };
    eventually("the product is in quarantine", quarantined).await;
}

#[tokio::test]
async fn a_product_that_panics_comes_back_with_its_state_and_nobody_else_notices() {
    let app = TestApp::start();
    let (customer, product, other) =
        (app.customer(1).await, app.product(1, 5).await, app.product(2, 5).await);
    for mode in ["PANIC", "STOP"] {
        fault(&app, "product", &product, mode).await.expect(202);
        let failed = restock(&app, &product).await;
        assert!(failed.status == 503 || failed.status == 200, "{}", failed.body);
        restock(&app, &other).await.expect(200);
        customer.rented(&other).await;
        let back = || async { (restock(&app, &product).await.status == 200).then_some(()) };
        eventually("the product is back", back).await;
    }
    assert!(app.stock(&product).await >= 7);
    assert!(kind(&app, "product").await["restarted"].as_u64().unwrap() >= 1);
    assert_eq!(kind(&app, "product").await["quarantined"], 0);
}

#[tokio::test]
async fn a_product_that_keeps_panicking_is_quarantined_while_others_work_and_revived() {
    let app = TestApp::start();
    let (customer, product, other) =
        (app.customer(1).await, app.product(1, 5).await, app.product(2, 5).await);
    quarantine(&app, &product).await;
    restock(&app, &product).await.problem(503, "actor-quarantined");
    let status = kind(&app, "product").await;
    assert_eq!((&status["quarantined"], &status["quarantinedIds"]), (&json!(1), &json!([product])));
    restock(&app, &other).await.expect(200);
    customer.rented(&other).await;

    // Ordering goes on for the product in quarantine too; its stock move is held, with a reason.
    let rental = customer.rent(&product, "tok_ok").await.expect(201);
    let held = || async {
        let held = app.operator().get("/v1/operations/held").await.expect(200);
        held["items"].get(0).cloned()
    };
    let held = eventually("the stock move is held", held).await;
    assert_eq!((&held["group"], &held["target"]), (&json!("product"), &json!(product)));
    assert!(held["reason"].as_str().is_some_and(|reason| !reason.is_empty()), "{held}");

    let revive = format!("/v1/operations/actors/product/{product}/revive");
    assert_ne!(app.operator().call(Method::POST, &revive).await.expect(200)["status"], "QUARANTINED");
    app.operator().call(Method::POST, &revive).await.problem(404, "not-found");
    customer.timeline_holds(&rental, "ProductDecreased").await;
    nothing_is_held(&app).await;
    restock(&app, &product).await.expect(200);
}

#[tokio::test]
async fn a_popular_product_in_quarantine_is_held_in_every_lane_and_its_stock_comes_out_right() {
    let app = TestApp::start();
    let (customer, product) = (app.customer(1).await, app.product(1, 500).await);
    quarantine(&app, &product).await;
    let stock = app.stock(&product).await;
    let rentals = futures_util::future::join_all((0..40).map(|_| customer.rent(&product, "tok_ok"))).await;
    let rentals: Vec<Value> = rentals.into_iter().map(|answer| answer.expect(201)).collect();
    for rental in &rentals[..10] {
        customer.cancel(rental).await.expect(200);
    }
    let settled = || async {
        let contexts = app.operator().get("/v1/operations/contexts").await.expect(200);
        let product =
            contexts["items"].as_array().unwrap().iter().find(|c| c["context"] == "product").unwrap();
        (product["backlog"] == 0 && product["held"].as_u64() > Some(10)).then_some(())
    };
    eventually("everything waits", settled).await;
    let revive = format!("/v1/operations/actors/product/{product}/revive");
    app.operator().call(Method::POST, &revive).await.expect(200);
    for rental in &rentals {
        customer.timeline_holds(rental, "ProductDecreased").await;
    }
    for rental in &rentals[..10] {
        customer.timeline_holds(rental, "ProductIncreased").await;
    }
    assert_eq!(app.stock(&product).await, stock - 30);
    nothing_is_held(&app).await;
}

#[tokio::test]
async fn what_is_held_can_be_tried_again_or_given_up() {
    let app = TestApp::start();
    let (customer, product) = (app.customer(1).await, app.product(1, 5).await);
    quarantine(&app, &product).await;
    let stock = app.stock(&product).await;
    customer.rent(&product, "tok_ok").await.expect(201);
    let held =
        || async { app.operator().get("/v1/operations/held").await.expect(200)["items"].get(0).cloned() };
    let first = eventually("the stock move is held", held).await;
    let path = |verb: &str| format!("/v1/operations/held/{}/{verb}", first["id"].as_str().unwrap());
    app.operator().call(Method::POST, &path("retry")).await.expect(202);
    eventually("it is held again", held).await;
    app.operator().post(&path("dismiss"), json!({"reason": ""})).await.invalid(&["/reason"]);
    app.operator().post(&path("dismiss"), json!({"reason": "counted by hand"})).await.expect(200);
    app.operator().post(&path("dismiss"), json!({"reason": "again"})).await.problem(404, "not-found");
    let revive = format!("/v1/operations/actors/product/{product}/revive");
    app.operator().call(Method::POST, &revive).await.expect(200);
    restock(&app, &product).await.expect(200);
    assert_eq!(app.stock(&product).await, stock + 1, "the move that was given up is not made");
}

#[tokio::test]
async fn every_always_on_actor_comes_back_after_a_panic() {
    let app = TestApp::start();
    let (customer, product) = (app.customer(1).await, app.product(1, 50).await);
    for (kind, name) in SERVICES {
        fault(&app, kind, name, "PANIC").await.expect(202);
    }
    let rental = customer.rented(&product).await;
    customer.cancel(&rental).await.expect(200);
    customer.timeline_holds(&rental, "ProductIncreased").await;
    app.stock_becomes(&product, 50).await;
    let sent = || async {
        let list = customer.get("/v1/notifications").await.expect(200);
        let items = list["items"].as_array().unwrap().clone();
        (items.len() == 5 && items.iter().all(|m| m["status"] == "SENT")).then_some(())
    };
    eventually("every message is sent", sent).await;
    let actors = app.operator().get("/v1/operations/actors").await.expect(200);
    for (kind, name) in SERVICES {
        let items = actors["items"].as_array().unwrap();
        let actor = items.iter().find(|actor| actor["kind"] == kind && actor["name"] == name).unwrap();
        assert_eq!((&actor["live"], &actor["restarted"]), (&json!(1), &json!(1)), "{kind} {name}");
    }
}

#[tokio::test]
async fn the_payment_actor_comes_back_and_nothing_is_charged_twice() {
    let app = TestApp::impatient(|_| {});
    let (customer, product) = (app.customer(1).await, app.product(1, 50).await);
    for mode in ["PANIC", "STOP", "HANG"] {
        let target = json!({"target": {"kind": "payment"}, "mode": mode});
        app.operator().post("/v1/operations/faults", target).await.expect(202);
        // One that hangs is noticed by those who wait, or by those who look.
        if mode == "STOP" {
            app.operator().get("/v1/operations/payment").await.expect(200);
        }
        let placed = || async {
            let answer = customer.rent(&product, "tok_ok").await;
            (answer.status == 201).then_some(answer.body)
        };
        let rental = eventually("rentals are placed again", placed).await;
        assert_eq!(app.ledger(&rental["paymentId"]).await, (1, 0));
    }
    assert!(kind(&app, "payment-actor").await["restarted"].as_u64().unwrap() >= 1);
    let ledger = app.operator().get("/v1/operations/ledger").await.expect(200);
    assert!(ledger["items"].as_array().unwrap().iter().all(|entry| entry["captures"] == 1), "{ledger}");
}

#[tokio::test]
async fn what_a_hung_payment_actor_held_is_not_lost_for_ever() {
    let app = TestApp::impatient(|settings| (settings.payment.concurrency, settings.payment.queue) = (1, 1));
    let (customer, product) = (app.customer(1).await, app.product(1, 50).await);
    let target = json!({"target": {"kind": "payment"}, "mode": "HANG"});
    app.operator().post("/v1/operations/faults", target).await.expect(202);
    // Two of three orders take all the tickets there are, into a mailbox that nobody reads.
    let mut orders = tokio::task::JoinSet::new();
    for _ in 0..3 {
        let (customer, product) = (customer.clone(), product.clone());
        orders.spawn(async move { customer.rent(&product, "tok_ok").await });
    }
    let first = orders.join_next().await.unwrap().unwrap();
    first.problem(503, "payment-overloaded");
    app.operator().get("/v1/operations/payment").await.expect(200);
    let placed = || async { (customer.rent(&product, "tok_ok").await.status == 201).then_some(()) };
    eventually("rentals are placed again", placed).await;
}

#[tokio::test]
async fn faults_are_off_unless_they_are_turned_on() {
    let app = TestApp::with(|settings| settings.faults.enabled = false);
    let product = app.product(1, 1).await;
    fault(&app, "product", &product, "PANIC").await.problem(404, "not-found");
    restock(&app, &product).await.expect(200);
}

#[tokio::test]
async fn faults_for_nobody_are_named() {
    let app = TestApp::start();
    for (kind, id) in [("product", "nonsense"), ("reactor", "nonsense"), ("cook", "x")] {
        fault(&app, kind, id, "PANIC").await.problem(404, "not-found");
    }
    fault(&app, "reactor", "rental", "EXPLODE").await.invalid(&["/mode"]);
}

#[tokio::test]
async fn operations_are_for_the_operator_alone() {
    let app = TestApp::start();
    let customer = app.customer(1).await;
    let product = app.product(1, 1).await;
    let calls = [
        (Method::GET, "actors".to_owned()),
        (Method::GET, "contexts".to_owned()),
        (Method::POST, "contexts/rental/pause".to_owned()),
        (Method::POST, "contexts/rental/resume".to_owned()),
        (Method::GET, "held".to_owned()),
        (Method::POST, "held/x/retry".to_owned()),
        (Method::GET, "ledger".to_owned()),
        (Method::GET, "payment".to_owned()),
        (Method::PUT, "payment/breaker".to_owned()),
        (Method::POST, "faults".to_owned()),
        (Method::POST, format!("actors/product/{product}/revive")),
    ];
    for (method, path) in calls {
        let path = format!("/v1/operations/{path}");
        let call = async |client: &Client| {
            Answer::of(client.request(method.clone(), &path).json(&json!({"mode": "AUTO"}))).await
        };
        call(&app.anyone()).await.problem(401, "unauthorized");
        call(&customer).await.problem(403, "forbidden");
    }
    assert_eq!(app.anyone().get("/healthz").await.expect(200)["status"], "ok");
    assert_eq!(app.anyone().get("/readyz").await.expect(200)["status"], "ready");
}
