//! Failures are problems (RFC 9457), those of the framework included.

use reqwest::{Method, header};
use serde_json::json;

use crate::kit::{Answer, TestApp, order};

#[tokio::test]
async fn unfit_bodies_are_problems() {
    let app = TestApp::start();
    let (customer, product) = (app.customer(1).await, app.product(1, 1).await);
    let post = |media_type: &str, body: String| {
        let request = customer.request(Method::POST, "/v1/rentals");
        Answer::of(request.header(header::CONTENT_TYPE, media_type).body(body))
    };
    let json = "application/json";
    post("text/plain", "{}".to_owned()).await.problem(415, "unsupported-media-type");
    for malformed in ["", "{\"a\":1,}", "\u{1}", "nul"] {
        post(json, malformed.to_owned()).await.problem(400, "malformed-json");
    }
    post(json, "[".repeat(60_000)).await.invalid(&[""]);
    let order = order(&product, "tok_ok");
    post(json, format!("{}{order}", " ".repeat(60_000))).await.expect(201);
    post(json, format!("{}{order}", " ".repeat(65_536))).await.problem(413, "payload-too-large");
}

#[tokio::test]
async fn every_problem_has_a_page_with_advice() {
    let app = TestApp::start();
    for kind in saem::internal::http::ProblemKind::ALL {
        let page = app.anyone().get(&kind.type_uri()).await;
        assert!(page.header("content-type").starts_with("text/html"));
        let page = page.expect(200);
        let text = page.as_str().unwrap().replace("<code>", "`").replace("</code>", "`");
        assert!(text.contains(kind.happened()) && text.contains(kind.advice()), "{page}");
    }
    app.anyone().get("/problems/nothing").await.problem(404, "not-found");
}

#[tokio::test]
async fn malformed_authorization_is_unauthorized() {
    let app = TestApp::start();
    for value in ["Bearer", "Bearer ", "Bearer x", "Basic eDp5", "Bearer 정수기"] {
        let request = app.anyone().request(Method::GET, "/v1/mypage");
        Answer::of(request.header(header::AUTHORIZATION, value)).await.problem(401, "unauthorized");
    }
}

#[tokio::test]
async fn malformed_traceparent_is_replaced() {
    let app = TestApp::start();
    for bad in ["x", "00-0-0-0", "00-00000000000000000000000000000000-00f067aa0ba902b7-01"] {
        let request = app.anyone().request(Method::GET, "/v1/products").header("traceparent", bad);
        let answer = Answer::of(request).await;
        assert_eq!(answer.header("x-correlation-id").len(), 32, "{bad}");
        answer.expect(200);
    }
}

#[tokio::test]
async fn array_in_place_of_an_object_is_invalid() {
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
async fn duplicate_headers_and_fields_are_refused() {
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
async fn head_is_get_without_a_body() {
    let app = TestApp::start();
    let product = app.product(1, 5).await;
    for path in ["/healthz", "/readyz", "/v1/products", &format!("/v1/products/{product}")] {
        let head = app.anyone().call(Method::HEAD, path).await;
        assert_eq!((head.status, head.body.as_str()), (200, Some("")), "{path}");
        let get = app.anyone().get(path).await;
        assert_eq!(head.header("content-length"), get.header("content-length"), "{path}");
    }
}
