//! Request rates and cross-origin requests (CORS).

use reqwest::{Method, RequestBuilder};
use saem::internal::config::{List, Settings};

use crate::kit::{Answer, TestApp, eventually, until};

const PRODUCTS: &str = "/v1/products";

/// A limit that a test reaches within a second.
fn strict(settings: &mut Settings) {
    settings.limits.requests_per_second = 3;
}

fn behind_a_proxy(settings: &mut Settings) {
    strict(settings);
    settings.http.trusted_proxies = list(&["127.0.0.0/8"]);
}

fn list(texts: &[&str]) -> List {
    List(texts.iter().map(|&text| text.to_owned()).collect())
}

fn get(app: &TestApp, path: &str, forwarded: &str) -> RequestBuilder {
    app.anyone().request(Method::GET, path).header("x-forwarded-for", forwarded)
}

/// Sends requests until one is refused, and returns the refusal.
async fn refused(app: &TestApp, forwarded: &str) -> Answer {
    eventually("a request too many", || async {
        let answer = Answer::of(get(app, PRODUCTS, forwarded)).await;
        (answer.status != 200).then_some(answer)
    })
    .await
}

#[tokio::test]
async fn requests_beyond_the_limit_are_refused_for_a_while() {
    let app = TestApp::with(strict);
    refused(&app, "").await.problem(429, "too-many-requests");
    // The refusal comes before the token and the body are read.
    let nobody = app.anyone().request(Method::POST, "/v1/rentals").body("{".repeat(70_000));
    eventually("a refusal before the body is read", || async {
        let answer = Answer::of(nobody.try_clone().unwrap()).await;
        (answer.status == 429).then(|| answer.problem(429, "too-many-requests"))
    })
    .await;
    for path in ["/healthz", "/readyz", "/problems/too-many-requests"] {
        for _ in 0..20 {
            app.anyone().get(path).await.expect(200);
        }
    }
    until("requests are accepted again", || async { app.anyone().get(PRODUCTS).await.status == 200 }).await;
}

#[tokio::test]
async fn clients_behind_a_trusted_proxy_have_their_own_limits() {
    let app = TestApp::with(behind_a_proxy);
    refused(&app, "198.51.100.1").await.problem(429, "too-many-requests");
    for other in ["198.51.100.2", "2001:db8:1:1::1", "1.1.1.1, 198.51.100.3, 127.0.0.9"] {
        Answer::of(get(&app, PRODUCTS, other)).await.expect(200);
    }
    // Addresses left of the client's are its own claims, and one /64 is one client.
    eventually("one client reaches its limit", || async {
        let mut all = 0;
        for claimed in 0..10 {
            let answers = [format!("10.9.8.{claimed}, 198.51.100.4"), format!("2001:db8:2:2::{claimed}")];
            for forwarded in answers {
                all += u32::from(Answer::of(get(&app, PRODUCTS, &forwarded)).await.status == 429);
            }
        }
        (all > 2).then_some(())
    })
    .await;
}

#[tokio::test]
async fn forwarded_header_of_an_untrusted_peer_is_ignored() {
    let app = TestApp::with(|settings| {
        strict(settings);
        settings.http.trusted_proxies = list(&["192.0.2.7"]);
    });
    let claims = std::cell::Cell::new(0_u32);
    let refused = eventually("a request too many", || async {
        claims.set(claims.get() + 1);
        let answer = Answer::of(get(&app, PRODUCTS, &format!("198.51.100.{}", claims.get() % 250))).await;
        (answer.status != 200).then_some(answer)
    });
    refused.await.problem(429, "too-many-requests");
}

#[tokio::test]
async fn zero_means_no_limit() {
    let app = TestApp::with(|settings| settings.limits.requests_per_second = 0);
    for _ in 0..200 {
        app.anyone().get(PRODUCTS).await.expect(200);
    }
}

const SHOP: &str = "https://shop.example";

fn preflight(app: &TestApp, origin: &str, method: &str, headers: &str) -> RequestBuilder {
    let request = app.anyone().request(Method::OPTIONS, "/v1/rentals").header("origin", origin);
    let request = request.header("access-control-request-method", method);
    if headers.is_empty() { request } else { request.header("access-control-request-headers", headers) }
}

fn from(app: &TestApp, origin: &str, method: Method, path: &str) -> RequestBuilder {
    app.anyone().request(method, path).header("origin", origin)
}

/// Names listed in a header, sorted.
fn names(answer: &Answer, header: &str) -> Vec<String> {
    let mut names: Vec<_> =
        answer.header(header).split(',').map(|name| name.trim().to_ascii_lowercase()).collect();
    names.sort();
    names
}

#[tokio::test]
async fn listed_origin_may_call_and_read_the_answers() {
    let app = TestApp::with(|settings| {
        strict(settings);
        settings.http.cors_origins = list(&[SHOP, "http://localhost:3000"]);
    });
    let sent = "authorization, content-type, idempotency-key, if-match, if-none-match, last-event-id, \
                saem-position, traceparent";
    // More of them than the limit allows requests.
    for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"] {
        let answer = Answer::of(preflight(&app, SHOP, method, sent)).await;
        assert_eq!((answer.status, answer.header("access-control-allow-origin")), (200, SHOP));
        assert_eq!(names(&answer, "access-control-allow-headers").join(", "), sent);
        assert!(answer.header("access-control-allow-methods").contains(method));
        assert_eq!(answer.header("x-correlation-id").len(), 32);
    }
    let exposed =
        ["etag", "idempotency-replayed", "location", "retry-after", "saem-position", "x-correlation-id"];
    let found = Answer::of(from(&app, "http://localhost:3000", Method::GET, PRODUCTS)).await;
    assert_eq!(found.header("access-control-allow-origin"), "http://localhost:3000");
    assert_eq!(found.header("access-control-allow-credentials"), "true");
    assert_eq!(names(&found, "access-control-expose-headers"), exposed);
    found.expect(200);
    // A page must be able to read failures, too.
    for (method, path, status) in [(Method::POST, "/v1/rentals", 401), (Method::GET, "/v1/nothing", 404)] {
        let failure = eventually("a failure that is not a refusal", || async {
            let answer = Answer::of(from(&app, SHOP, method.clone(), path)).await;
            (answer.status != 429).then_some(answer)
        });
        let failure = failure.await;
        assert_eq!((failure.status, failure.header("access-control-allow-origin")), (status, SHOP));
    }
    let refused = eventually("a request too many", || async {
        let answer = Answer::of(from(&app, SHOP, Method::GET, PRODUCTS)).await;
        (answer.status != 200).then_some(answer)
    });
    let refused = refused.await;
    assert_eq!(refused.header("access-control-allow-origin"), SHOP);
    assert_eq!(names(&refused, "access-control-expose-headers"), exposed);
    refused.problem(429, "too-many-requests");
}

#[tokio::test]
async fn other_origins_are_refused() {
    let app = TestApp::with(|settings| settings.http.cors_origins = list(&[SHOP]));
    for origin in ["https://shop.example.evil.example", "http://shop.example", "null"] {
        Answer::of(preflight(&app, origin, "GET", "")).await.invalid(&["/headers/Origin"]);
        let answer = Answer::of(from(&app, origin, Method::GET, PRODUCTS)).await;
        assert_eq!(answer.header("access-control-allow-origin"), "");
    }
    let method = preflight(&app, SHOP, "TRACE", "");
    Answer::of(method).await.invalid(&["/headers/Access-Control-Request-Method"]);
    let header = preflight(&app, SHOP, "GET", "x-evil");
    Answer::of(header).await.invalid(&["/headers/Access-Control-Request-Headers"]);
    // Not every OPTIONS is a preflight.
    app.anyone().call(Method::OPTIONS, "/v1/rentals").await.problem(405, "method-not-allowed");
}

#[tokio::test]
async fn any_origin_may_call_without_credentials() {
    let app = TestApp::with(|settings| settings.http.cors_origins = list(&["*"]));
    let answer = Answer::of(from(&app, SHOP, Method::GET, PRODUCTS)).await;
    assert_eq!(answer.header("access-control-allow-origin"), "*");
    assert_eq!(answer.header("access-control-allow-credentials"), "");
    Answer::of(preflight(&app, SHOP, "POST", "authorization")).await.expect(200);
}

#[tokio::test]
async fn without_origins_there_are_no_cors_headers() {
    let app = TestApp::start();
    let answer = Answer::of(from(&app, SHOP, Method::GET, PRODUCTS)).await;
    assert!(answer.headers.keys().all(|name| !name.as_str().starts_with("access-control-")));
    Answer::of(preflight(&app, SHOP, "GET", "")).await.problem(405, "method-not-allowed");
}
