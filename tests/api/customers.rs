//! `/v1/customers`, `/v1/sessions`.

use reqwest::Method;
use serde_json::{Value, json};

use crate::kit::TestApp;

fn credentials(phone: &str) -> Value {
    json!({"phone": phone, "password": "password"})
}

#[tokio::test]
async fn the_ways_people_type_a_number_are_one_account() {
    let app = TestApp::start();
    let anyone = app.anyone();
    let person = json!({"name": "홍길동", "phone": "010-1234-5678", "password": "password"});
    let customer = anyone.post("/v1/customers", person.clone()).await.expect(201);
    assert_eq!(customer["phone"], "+821012345678");
    for phone in ["01012345678", "+82 10 1234 5678", "010-1234-5678"] {
        let mut again = person.clone();
        again["phone"] = json!(phone);
        anyone.post("/v1/customers", again).await.problem(409, "phone-taken");
        let session = anyone.post("/v1/sessions", credentials(phone)).await.expect(201);
        assert_eq!(session["role"], "CUSTOMER");
    }
}

#[tokio::test]
async fn sixty_four_sign_ups_with_one_number_make_one_customer() {
    let app = TestApp::start();
    let person = json!({"name": "홍길동", "phone": "010-1234-5678", "password": "password"});
    let anyone = app.anyone();
    let tries = (0..64).map(|_| anyone.post("/v1/customers", person.clone()));
    let answers = futures_util::future::join_all(tries).await;
    let created = answers.iter().filter(|answer| answer.status == 201).count();
    let refused = answers.iter().filter(|answer| answer.status == 409).count();
    assert_eq!((created, refused), (1, 63));
}

#[tokio::test]
async fn every_field_that_breaks_its_rule_is_named() {
    let app = TestApp::start();
    let anyone = app.anyone();
    let bad = json!({"name": "", "phone": "02-123-4567", "password": "short"});
    anyone.post("/v1/customers", bad).await.invalid(&["/name", "/phone", "/password"]);
    let long = json!({"name": "길".repeat(101), "phone": "010-1234-5678", "password": "p".repeat(129)});
    anyone.post("/v1/customers", long).await.invalid(&["/name", "/password"]);
    anyone.post("/v1/customers", json!({"name": "홍길동"})).await.invalid(&["/phone"]);
    let extra = json!({"name": "홍길동", "phone": "010-1234-5678", "password": "password", "admin": true});
    anyone.post("/v1/customers", extra).await.invalid(&["/admin"]);
    let wrong = json!({"name": 1, "phone": "010-1234-5678", "password": "password"});
    anyone.post("/v1/customers", wrong).await.invalid(&["/name"]);
    let fits = json!({"name": "길".repeat(100), "phone": "010-1234-5678", "password": "p".repeat(128)});
    anyone.post("/v1/customers", fits).await.expect(201);
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_number_get_the_same_answer() {
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
async fn guessing_has_to_wait_and_keeps_nobody_else_out() {
    let app = TestApp::start();
    app.customer(1).await;
    app.customer(2).await;
    let guess = json!({"phone": "010-1000-0001", "password": "guesswork"});
    let anyone = app.anyone();
    let guesses = futures_util::future::join_all((0..32).map(|_| anyone.post("/v1/sessions", guess.clone())));
    let statuses: Vec<u16> = guesses.await.iter().map(|answer| answer.status).collect();
    assert_eq!(statuses.iter().filter(|status| **status == 401).count(), 5, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|status| **status == 429).count(), 27, "{statuses:?}");
    // Even the right password waits, or waiting would tell which one it is.
    let answer = app.anyone().post("/v1/sessions", credentials("010-1000-0001")).await;
    answer.problem(429, "too-many-requests");
    app.anyone().post("/v1/sessions", credentials("010-1000-0002")).await.expect(201);
    app.operator().get("/v1/operations/contexts").await.expect(200);
}

#[tokio::test]
async fn the_operators_key_and_its_session_are_both_the_operator() {
    let app = TestApp::start();
    let key = crate::kit::operator_key(&app.data());
    let session = app.anyone().post("/v1/sessions", json!({"operatorKey": key})).await.expect(201);
    assert_eq!(session["role"], "OPERATOR");
    let request = app.anyone().request(Method::GET, "/v1/operations/contexts");
    let answer = request.bearer_auth(session["token"].as_str().unwrap()).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    app.operator().get("/v1/customers/me").await.problem(403, "forbidden");
}

#[tokio::test]
async fn logging_out_ends_that_session_and_no_other() {
    let mut app = TestApp::start();
    let customer = app.customer(1).await;
    let other = app.anyone().post("/v1/sessions", credentials("010-1000-0001")).await.expect(201);
    customer.call(Method::DELETE, "/v1/sessions/current").await.expect(204);
    customer.get("/v1/customers/me").await.problem(401, "unauthorized");
    let token = other["token"].as_str().unwrap().to_owned();
    // Sessions outlive the process, ended ones too.
    app.restart();
    let me = app.anyone().request(Method::GET, "/v1/customers/me").bearer_auth(token);
    assert_eq!(me.send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn name_and_password_can_be_changed() {
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
async fn neither_passwords_nor_tokens_are_kept_in_plain_text() {
    let app = TestApp::start();
    let anyone = app.anyone();
    let password = "a-password-like-no-other";
    let person = json!({"name": "홍길동", "phone": "010-1234-5678", "password": password});
    anyone.post("/v1/customers", person).await.expect(201);
    let logged_in = json!({"phone": "010-1234-5678", "password": password});
    let session = anyone.post("/v1/sessions", logged_in).await.expect(201);
    let data = std::fs::read(app.data().join("journal/db")).unwrap();
    for secret in [password, session["token"].as_str().unwrap()] {
        assert!(!data.windows(secret.len()).any(|window| window == secret.as_bytes()));
    }
}
