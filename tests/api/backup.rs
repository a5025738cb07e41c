//! `POST /v1/operations/backup`: what is copied is a shop of its own.

use reqwest::Method;
use serde_json::json;

use crate::kit::{Answer, Client, TestApp, eventually, id};

async fn back_up(app: &TestApp, directory: &str) -> Answer {
    app.operator().post("/v1/operations/backup", json!({"directory": directory})).await
}

/// What the customer and the operator see of a shop, once everything has come to rest.
async fn shown(operator: &Client, customer: &Client) -> String {
    let mut all = String::new();
    for (client, path) in [
        (customer, "/v1/mypage"),
        (customer, "/v1/rentals"),
        (customer, "/v1/customers/me"),
        (operator, "/v1/products"),
        (operator, "/v1/payments"),
        (operator, "/v1/deliveries"),
        (operator, "/v1/notifications"),
        (operator, "/v1/operations/ledger"),
    ] {
        all += &client.get(path).await.expect(200).to_string();
    }
    all
}

/// Everything there was to send is sent, and catalogue and My Page have got to where the journal is.
async fn at_rest(app: &TestApp, customer: &Client, product: &str) {
    // Two of the rental, five of the one that was canceled.
    eventually("every message is sent", || async {
        let messages = app.operator().get("/v1/notifications?limit=100").await.expect(200);
        let messages = messages["items"].as_array().unwrap();
        (messages.len() == 7 && messages.iter().all(|m| m["status"] == "SENT")).then_some(())
    })
    .await;
    let restocked =
        app.operator().post(&format!("/v1/products/{product}/restock"), json!({"quantity": 1})).await;
    // Of ten, one was taken, and one more came back; one is new.
    let shown = || async { (app.stock(product).await == 10).then_some(()) };
    eventually("the catalogue shows the restock", shown).await;
    let read = customer.request(Method::GET, "/v1/mypage");
    Answer::of(read.header("Saem-Position", restocked.header("Saem-Position"))).await.expect(200);
}

#[tokio::test]
async fn a_copy_is_a_shop_of_its_own_as_of_then() {
    for backend in ["sled", "redb"] {
        is_a_shop_of_its_own(backend).await;
    }
}

async fn is_a_shop_of_its_own(backend: &str) {
    let app = TestApp::on(backend);
    let (mut customer, product) = (app.customer(1).await, app.product(29_900, 10).await);
    let rental = customer.rented(&product).await;
    let canceled = customer.rented(&product).await;
    customer.cancel(&canceled).await.expect(200);
    customer.timeline_holds(&canceled, "ProductIncreased").await;
    at_rest(&app, &customer, &product).await;
    let then = shown(&app.operator(), &customer).await;
    let copy = app.data().with_file_name("copy");
    let made = back_up(&app, copy.to_str().unwrap()).await.expect(200);
    assert_eq!(made["directory"], copy.to_str().unwrap());
    assert!(made["position"].as_u64().unwrap() > 10 && made["bytes"].as_u64().unwrap() > 0, "{made}");
    // What happens afterwards is not in it.
    customer.cancel(&rental).await.expect(200);
    let mut copied = TestApp::with(|settings| {
        settings.store.backend = backend.to_owned();
        settings.store.path.clone_from(&copy);
    });
    let operator = Client::of(&copied.url(), Some(crate::kit::operator_key(&app.data())));
    customer.move_to(&copied.url());
    assert_eq!(shown(&operator, &customer).await, then, "the same key and the same session see the same");
    assert_eq!(
        customer.get(&format!("/v1/rentals/{}", id(&rental))).await.expect(200)["status"],
        "CONFIRMED"
    );
    // And it goes on: nothing that was sent is sent again, and the simulator can give the money back.
    customer.cancel(&rental).await.expect(200);
    customer.timeline_holds(&rental, "ProductIncreased").await;
    let ledger = operator.get("/v1/operations/ledger").await.expect(200);
    assert!(
        ledger["items"].as_array().unwrap().iter().all(|entry| entry["status"] == "REFUNDED"),
        "{ledger}"
    );
    copied.stop();
}

#[tokio::test]
async fn where_it_cannot_go_is_said() {
    let app = TestApp::start();
    for directory in ["", "relative/path", "a\nb"] {
        back_up(&app, directory).await.invalid(&["/directory"]);
    }
    let full = app.data();
    let refused = back_up(&app, full.to_str().unwrap()).await.problem(409, "backup-refused");
    assert!(refused["detail"].as_str().unwrap().contains("holds files already"), "{refused}");
    let inside = app.data().join("backup");
    back_up(&app, inside.to_str().unwrap()).await.problem(409, "backup-refused");
    let memory = TestApp::with(|settings| settings.store.backend = "memory".to_owned());
    let nowhere = json!({"directory": memory.data().with_file_name("new")});
    memory.operator().post("/v1/operations/backup", nowhere).await.problem(409, "backup-refused");
}

#[tokio::test]
async fn the_same_call_again_tells_how_it_ended() {
    let mut app = TestApp::start();
    let copy = app.data().with_file_name("copy");
    let ask = |app: &TestApp| {
        let operator = app.operator();
        let body = json!({"directory": copy});
        async move {
            let request = operator.request(Method::POST, "/v1/operations/backup");
            Answer::of(request.header("Idempotency-Key", "nightly").json(&body)).await
        }
    };
    let first = ask(&app).await.expect(200);
    let again = ask(&app).await;
    assert_eq!(again.header("Idempotency-Replayed"), "true");
    assert_eq!(again.expect(200), first);
    app.restart();
    assert_eq!(ask(&app).await.expect(200), first);
}
