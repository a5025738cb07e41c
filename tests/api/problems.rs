//! Every failure is a problem (RFC 9457), the framework's own too.

use reqwest::{Method, header};
use serde_json::json;

use crate::kit::{Answer, TestApp, order};

#[tokio::test]
async fn the_frameworks_own_failures_are_problems() {
    let app = TestApp::start();
    let (customer, product) = (app.customer(1).await, app.product(1, 1).await);
    app.anyone().get("/v1/nothing").await.problem(404, "not-found");
    app.anyone().get("/v2").await.problem(404, "not-found");
    let wrong = app.anyone().call(Method::DELETE, "/v1/products").await;
    assert_eq!(wrong.header("allow"), "GET, HEAD, POST");
    wrong.problem(405, "method-not-allowed");
    let post = || customer.request(Method::POST, "/v1/rentals");
    let text = post().header(header::CONTENT_TYPE, "text/plain").body("{}");
    Answer::of(text).await.problem(415, "unsupported-media-type");
    Answer::of(post()).await.problem(415, "unsupported-media-type");
    let json_body = |body: String| post().header(header::CONTENT_TYPE, "application/json").body(body);
    for malformed in ["", "{", "{\"a\":1,}", "\u{1}", "nul", "{} {}"] {
        Answer::of(json_body(malformed.to_owned())).await.problem(400, "malformed-json");
    }
    Answer::of(json_body("[".repeat(60_000))).await.invalid(&[""]);
    Answer::of(json_body("[]".to_owned())).await.problem(400, "invalid-request");
    let fits = format!("{}{}", " ".repeat(60_000), order(&product, "tok_ok"));
    Answer::of(json_body(fits)).await.expect(201);
    let large = format!("{}{}", " ".repeat(65_536), order(&product, "tok_ok"));
    Answer::of(json_body(large)).await.problem(413, "payload-too-large");
}

#[tokio::test]
async fn every_problem_has_a_page_that_says_what_to_do() {
    let app = TestApp::start();
    for kind in saem::http::problem::kinds::Kind::ALL {
        let page = app.anyone().get(&kind.type_uri()).await;
        assert!(page.header("content-type").starts_with("text/html"));
        let page = page.expect(200);
        let text = page.as_str().unwrap().replace("<code>", "`").replace("</code>", "`");
        assert!(text.contains(kind.happened()) && text.contains(kind.advice()), "{page}");
    }
    app.anyone().get("/problems/nothing").await.problem(404, "not-found");
}

#[tokio::test]
async fn a_bad_token_is_nobody() {
    let app = TestApp::start();
    for value in ["Bearer", "Bearer ", "Bearer x", "Basic eDp5", "Bearer 정수기"] {
        let request = app.anyone().request(Method::GET, "/v1/mypage");
        Answer::of(request.header(header::AUTHORIZATION, value)).await.problem(401, "unauthorized");
    }
}

#[tokio::test]
async fn every_answer_has_a_correlation_and_a_bad_trace_is_ignored() {
    let app = TestApp::start();
    for bad in ["x", "00-0-0-0", "00-00000000000000000000000000000000-00f067aa0ba902b7-01"] {
        let request = app.anyone().request(Method::GET, "/v1/products").header("traceparent", bad);
        let answer = Answer::of(request).await;
        assert_eq!(answer.header("x-correlation-id").len(), 32, "{bad}");
        answer.expect(200);
    }
}

#[tokio::test]
async fn malformed_ids_are_not_found_everywhere() {
    let app = TestApp::start();
    let (customer, operator) = (app.customer(1).await, app.operator());
    let long = "x".repeat(2_000);
    for wrong in ["x", "rental_", "rental_zzzzzzzzzzzzzzzzzzzzzzzzzz", "%00", "..%2f", &long] {
        for resource in ["rentals", "mypage", "payments", "deliveries"] {
            let path = format!("/v1/{resource}/{wrong}");
            customer.get(&path).await.problem(404, "not-found");
        }
        customer.call(Method::POST, &format!("/v1/rentals/{wrong}/cancel")).await.problem(404, "not-found");
        operator
            .call(Method::POST, &format!("/v1/deliveries/{wrong}/complete"))
            .await
            .problem(404, "not-found");
    }
    operator.get("/v1/operations/actors?kind=rental&id=x").await.problem(404, "not-found");
    customer
        .post("/v1/rentals/x/payment", json!({"paymentMethod": {"type": "CARD", "token": "tok_ok"}}))
        .await
        .problem(404, "not-found");
}

#[tokio::test]
async fn an_array_is_no_object_anywhere() {
    let app = TestApp::start();
    let (customer, product) = (app.customer(1).await, app.product(1, 5).await);
    let operator = app.operator();
    operator.post("/v1/products", json!(["맑은샘", "MS-100", "", 1_000, 5])).await.invalid(&[""]);
    operator.post(&format!("/v1/products/{product}/restock"), json!([7])).await.invalid(&[""]);
    let mut body = order(&product, "tok_ok");
    body["address"] = json!(["홍길동", "04524", "세종대로 110", null]);
    customer.post("/v1/rentals", body).await.invalid(&["/address"]);
    let mut body = order(&product, "tok_ok");
    body["paymentMethod"] = json!(["CARD", "tok_ok"]);
    customer.post("/v1/rentals", body).await.invalid(&["/paymentMethod"]);
    assert_eq!(app.stock(&product).await, 5);
    let wrong = json!({"name": "x", "model": "x", "fee": "1", "stock": 1});
    let problem = operator.post("/v1/products", wrong).await.invalid(&["/fee"]);
    assert!(!problem.to_string().contains("u64"), "{problem}");
}

#[tokio::test]
async fn what_is_said_twice_is_not_half_heard() {
    let app = TestApp::start();
    let (customer, product) = (app.customer(1).await, app.product(1, 5).await);
    let order = order(&product, "tok_ok");
    let post = || customer.request(Method::POST, "/v1/rentals").json(&order);
    let two_keys = post().header("idempotency-key", "a").header("idempotency-key", "b");
    Answer::of(two_keys).await.invalid(&["/headers/Idempotency-Key"]);
    let two_tokens = post().header(header::AUTHORIZATION, "Bearer x");
    Answer::of(two_tokens).await.problem(401, "unauthorized");
    let twice = r#"{"phone": "010-1234-0001", "password": "wrong", "password": "password 1"}"#;
    let twice = app.anyone().request(Method::POST, "/v1/sessions").body(twice);
    let twice = twice.header(header::CONTENT_TYPE, "application/json");
    Answer::of(twice).await.invalid(&["/password"]);
    let zipped = post().header(header::CONTENT_ENCODING, "gzip");
    Answer::of(zipped).await.problem(415, "unsupported-media-type");
    assert_eq!(customer.get("/v1/rentals").await.expect(200)["items"], json!([]));
}

#[tokio::test]
async fn head_is_get_without_the_body() {
    let app = TestApp::start();
    let product = app.product(1, 5).await;
    for path in ["/healthz", "/readyz", "/v1/products", &format!("/v1/products/{product}")] {
        let head = app.anyone().call(Method::HEAD, path).await;
        assert_eq!((head.status, head.body.as_str()), (200, Some("")), "{path}");
        let get = app.anyone().get(path).await;
        assert_eq!(head.header("content-length"), get.header("content-length"), "{path}");
    }
}
