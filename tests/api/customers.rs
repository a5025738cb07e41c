//! `/v1/customers`, `/v1/sessions`.

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};

use crate::kit::{Client, TestApp, contains, operator_key, text};

fn person(password: &str) -> Value {
    json!({"name": "홍길동", "phone": "010-1234-5678", "password": password})
}

fn credentials(phone: &str) -> Value {
    json!({"phone": phone, "password": "password"})
}

#[tokio::test]
async fn spellings_of_one_number_are_one_account() {
    let app = TestApp::start();
    let anyone = app.anyone();
    let customer = anyone.post("/v1/customers", person("password")).await.expect(201);
    assert_eq!(customer["phone"], "+821012345678");
    for phone in ["01012345678", "+82 10 1234 5678", "010-1234-5678"] {
        let mut again = person("password");
        again["phone"] = json!(phone);
        anyone.post("/v1/customers", again).await.problem(409, "phone-taken");
        let session = anyone.post("/v1/sessions", credentials(phone)).await.expect(201);
        assert_eq!(session["role"], "CUSTOMER");
    }
}

#[tokio::test]
async fn concurrent_sign_ups_with_one_number_make_one_customer() {
    let app = TestApp::start();
    let anyone = app.anyone();
    let tries = (0..64).map(|_| anyone.post("/v1/customers", person("password")));
    let answers = join_all(tries).await;
    let created = answers.iter().filter(|answer| answer.status == 201).count();
    let refused = answers.iter().filter(|answer| answer.status == 409).count();
    assert_eq!((created, refused), (1, 63));
}

#[tokio::test]
async fn wrong_password_and_unknown_number_get_the_same_answer() {
    let app = TestApp::start();
    app.customer(1).await;
    let wrong = json!({"phone": "010-1000-0001", "password": "passwort"});
    let wrong = app.anyone().post("/v1/sessions", wrong).await.problem(401, "unauthorized");
    let unknown = app.anyone().post("/v1/sessions", credentials("010-9999-9999")).await;
    assert_eq!(unknown.problem(401, "unauthorized")["detail"], wrong["detail"]);
    let key = json!({"operatorKey": "not the operator's key, by far, at all"});
    app.anyone().post("/v1/sessions", key).await.problem(401, "unauthorized");
}

#[tokio::test]
async fn guesses_are_limited_by_number() {
    let app = TestApp::start();
    app.customer(1).await;
    app.customer(2).await;
    let guess = json!({"phone": "010-1000-0001", "password": "guesswork"});
    let anyone = app.anyone();
    let guesses = join_all((0..32).map(|_| anyone.post("/v1/sessions", guess.clone())));
    let statuses: Vec<u16> = guesses.await.iter().map(|answer| answer.status).collect();
    assert_eq!(statuses.iter().filter(|status| **status == 401).count(), 5, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|status| **status == 429).count(), 27, "{statuses:?}");
    // The right password waits, too, or the delay would reveal it.
    let answer = app.anyone().post("/v1/sessions", credentials("010-1000-0001")).await;
    answer.problem(429, "too-many-requests");
    app.anyone().post("/v1/sessions", credentials("010-1000-0002")).await.expect(201);
    app.operator().get("/v1/operations/contexts").await.expect(200);
}

#[tokio::test]
async fn operator_key_and_its_session_have_the_same_role() {
    let app = TestApp::start();
    let key = operator_key(&app.data());
    let session = Client::log_in(&app.url(), json!({"operatorKey": key})).await;
    session.get("/v1/operations/contexts").await.expect(200);
    app.operator().get("/v1/customers/me").await.problem(403, "forbidden");
}

#[tokio::test]
async fn log_out_ends_one_session_for_ever() {
    let mut app = TestApp::start();
    let customer = app.customer(1).await;
    let mut other = Client::log_in(&app.url(), credentials("010-1000-0001")).await;
    customer.call(Method::DELETE, "/v1/sessions/current").await.expect(204);
    customer.get("/v1/customers/me").await.problem(401, "unauthorized");
    // Sessions and their ends outlive the process.
    app.restart();
    other.move_to(&app.url());
    other.get("/v1/customers/me").await.expect(200);
    let ended = app.anyone().with_token_of(&customer);
    ended.get("/v1/customers/me").await.problem(401, "unauthorized");
}

#[tokio::test]
async fn changed_name_and_password_take_effect() {
    let app = TestApp::start();
    let customer = app.customer(1).await;
    let me = customer.get("/v1/customers/me").await.expect(200);
    assert_eq!(
        (&me["id"], &me["name"], &me["phone"]),
        (&json!(customer.id), &json!("홍길동"), &json!("+821010000001"))
    );
    let change = json!({"name": "김샘", "password": "new password"});
    let answer = customer.patch("/v1/customers/me", change).await.expect(200);
    assert_eq!(answer["name"], "김샘");
    assert_eq!(customer.get("/v1/customers/me").await.expect(200)["name"], "김샘");
    app.anyone().post("/v1/sessions", credentials("010-1000-0001")).await.problem(401, "unauthorized");
    let renewed = json!({"phone": "010-1000-0001", "password": "new password"});
    app.anyone().post("/v1/sessions", renewed).await.expect(201);
}

#[tokio::test]
async fn passwords_and_tokens_are_not_stored_in_plain_text() {
    let app = TestApp::start();
    let anyone = app.anyone();
    let password = "a-password-like-no-other";
    anyone.post("/v1/customers", person(password)).await.expect(201);
    let logged_in = json!({"phone": "010-1234-5678", "password": password});
    let session = anyone.post("/v1/sessions", logged_in).await.expect(201);
    let data = std::fs::read(app.data().join("journal/db")).unwrap();
    for secret in [password, text(&session, "token")] {
        assert!(!contains(&data, secret));
    }
}
