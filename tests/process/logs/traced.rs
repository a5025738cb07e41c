//! Calls to the payment gateway continue the trace of the rental, also after a restart.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use actix_web::{
    HttpRequest, HttpResponse,
    http::StatusCode,
    web::{self, Bytes, Data},
};
use saem::{
    CheckoutId, Correlation, Money, PaymentGateway, PaymentMethod, TraceContext,
    internal::gateways::{HttpGateway, StripeGateway, TossGateway, http},
};
use serde_json::{Value, json};
use tokio::io::AsyncReadExt as _;

use crate::kit::{
    Answer, SHORT_DEADLINES, Site,
    doubles::{Served, serve},
    gateway::{Gateway, card, key},
    order, until,
};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
/// `traceparent` of a caller that knows the correlation only: the root of its trace.
const ROOT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-a3ce929d0e0e4736-01";

/// Proxy before a gateway, which records the `traceparent` of each call.
struct Recorder {
    url: String,
    calls: Calls,
    _served: Served,
}

/// Operation and `traceparent` of each call.
type Calls = Arc<Mutex<Vec<(String, String)>>>;

struct Behind {
    gateway: String,
    calls: Calls,
}

async fn forward(behind: Data<Behind>, request: HttpRequest, body: Bytes) -> HttpResponse {
    let last = request.path().rsplit('/').next().unwrap();
    let operation = match (request.method().as_str(), last) {
        ("PUT", _) => "charge",
        ("GET", _) => "find",
        (_, operation) => operation,
    };
    let header = |name: &str| {
        let value = request.headers().get(name).and_then(|value| value.to_str().ok());
        value.unwrap_or_default().to_owned()
    };
    behind.calls.lock().unwrap().push((operation.to_owned(), header("traceparent")));
    let method = request.method().as_str().parse().unwrap();
    let there = http::client().unwrap().request(method, format!("{}{}", behind.gateway, request.path()));
    let there = there.header("content-type", header("content-type")).body(body.to_vec());
    match there.send().await {
        Ok(answer) => {
            let status = StatusCode::from_u16(answer.status().as_u16()).unwrap();
            let body = answer.bytes().await.unwrap();
            HttpResponse::build(status).content_type("application/json").body(body.to_vec())
        }
        Err(_) => HttpResponse::BadGateway().finish(),
    }
}

impl Recorder {
    fn before(gateway: &Gateway) -> Self {
        let calls = Calls::default();
        let behind = Data::new(Behind { gateway: gateway.url.clone(), calls: Arc::clone(&calls) });
        let served = serve(move |config| {
            config.app_data(behind.clone()).default_service(web::to(forward));
        });
        Self { url: served.url.clone(), calls, _served: served }
    }

    /// A shop whose gateway this is.
    async fn shop(&self) -> Site {
        let settings = [("SAEM_PAYMENT__PROVIDER", "http"), ("SAEM_PAYMENT__URL", self.url.as_str())];
        Site::start(&[&SHORT_DEADLINES[..], &settings].concat()).await
    }

    /// `traceparent` of all calls of an operation.
    fn of(&self, operation: &str) -> Vec<String> {
        let calls = self.calls.lock().unwrap();
        calls.iter().filter(|(called, _)| called == operation).map(|(_, trace)| trace.clone()).collect()
    }
}

async fn rent(site: &Site, token: &str, traceparent: &str) -> Value {
    let request = site.customer.request(reqwest::Method::POST, "/v1/rentals");
    let request = request.header("traceparent", traceparent).json(&order(&site.product, token));
    let answer = Answer::of(request).await;
    assert_eq!(answer.header("x-correlation-id"), TRACE);
    answer.body
}

#[tokio::test]
async fn calls_continue_the_rentals_trace_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let gateway = Gateway::start(directory.path(), &[]).await;
    let recorder = Recorder::before(&gateway);
    let mut site = recorder.shop().await;
    // The charge belongs to the caller's span, which is not sampled.
    let from = format!("00-{TRACE}-00f067aa0ba902b7-00");
    // No answer comes in time, nor to the job that looks it up: the next process does.
    gateway.behave(json!({"latencyMs": 1_000})).await;
    let rental = rent(&site, "tok_ok", &from).await;
    assert_eq!(rental["correlationId"], TRACE);
    assert_eq!(recorder.of("charge"), [from]);

    site.kill().await;
    gateway.behave(json!({"latencyMs": 0})).await;
    recorder.calls.lock().unwrap().clear();
    site.restart(&[]).await;
    site.customer.rental_becomes(&rental, "CONFIRMED").await;
    assert!(!recorder.of("find").is_empty());
    site.customer.cancel_until(&rental, "PaymentCanceled").await;
    assert_eq!(recorder.of("refund"), [ROOT]);
    assert!(recorder.of("find").iter().all(|trace| trace == ROOT), "{:?}", recorder.of("find"));
}

#[tokio::test]
async fn void_continues_the_rentals_trace() {
    let directory = tempfile::tempdir().unwrap();
    let gateway = Gateway::start(directory.path(), &[]).await;
    let recorder = Recorder::before(&gateway);
    let site = recorder.shop().await;
    let rental = rent(&site, "tok_error", &format!("00-{TRACE}-00f067aa0ba902b7-01")).await;
    site.customer.cancel(&rental).await.expect(200);
    until("the charge is voided", || async { !recorder.of("void").is_empty() }).await;
    assert_eq!(recorder.of("void")[0], ROOT);
}

/// The first bytes that a call sends; it gets no answer.
async fn first_bytes(call: impl Future, listener: tokio::net::TcpListener) -> String {
    let received = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut buffer = vec![0; 8_192];
        let len = stream.read(&mut buffer).await.unwrap();
        String::from_utf8_lossy(&buffer[..len]).into_owned()
    };
    let (_, text) = tokio::time::timeout(Duration::from_secs(10), futures_util::future::join(call, received))
        .await
        .expect("a connection that is closed ends a call");
    text
}

#[tokio::test]
async fn every_provider_sends_the_trace() {
    let context = TraceContext::root(Correlation::parse(TRACE).unwrap());
    for provider in ["http", "stripe", "toss"] {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = http::base_url(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        let (client, secret) = (http::client().unwrap(), "sk_test_x".to_owned());
        let mut method = card("tok_ok");
        let gateway: Box<dyn PaymentGateway> = match provider {
            "http" => Box::new(HttpGateway::new(client, base, Some(secret))),
            "stripe" => Box::new(StripeGateway::new(client, base, secret)),
            _ => {
                method = PaymentMethod::Toss { payment_key: "pk".to_owned(), checkout_id: CheckoutId(1) };
                Box::new(TossGateway::new(client, base, secret))
            }
        };
        let call = gateway.charge(key(1, 1), Money::won(1), &method);
        let text = first_bytes(context.within(call), listener).await;
        assert!(text.contains(&format!("traceparent: {ROOT}\r\n")), "{provider}: {text}");
    }
}
