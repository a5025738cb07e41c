//! Calls to the payment gateway continue the trace of the rental, however much later they are made.

use std::{
    net::TcpListener,
    sync::{Arc, Mutex, mpsc},
    time::Duration,
};

use actix_web::{
    App, HttpRequest, HttpResponse, HttpServer,
    dev::ServerHandle,
    http::StatusCode,
    web::{self, Bytes, Data},
};
use saem::{
    domain::{CheckoutId, Correlation, Money},
    gateways::payment::{
        PaymentGateway, PaymentMethod,
        http::{self, HttpGateway},
        stripe::StripeGateway,
        toss::TossGateway,
    },
    telemetry::trace::TraceContext,
};
use serde_json::{Value, json};
use tokio::io::AsyncReadExt as _;

use super::works::Works;
use crate::kit::{
    Answer, Client, eventually, order,
    peer::{self, Gateway, card},
    process::Server,
};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
/// Whoever knows the correlation alone calls from the beginning of its trace.
const ROOT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-a3ce929d0e0e4736-01";

/// What stands before a gateway, and writes down who calls it on behalf of what.
struct Doorman {
    url: String,
    calls: Calls,
    handle: ServerHandle,
}

/// Operation and `traceparent` of each call.
type Calls = Arc<Mutex<Vec<(String, String)>>>;

struct Behind {
    gateway: String,
    calls: Calls,
}

async fn let_through(behind: Data<Behind>, request: HttpRequest, body: Bytes) -> HttpResponse {
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

impl Doorman {
    fn before(gateway: &Gateway) -> Self {
        let calls = Calls::default();
        let behind = Data::new(Behind { gateway: gateway.url.clone(), calls: Arc::clone(&calls) });
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (started, ready) = mpsc::channel();
        std::thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let app = move || App::new().app_data(behind.clone()).default_service(web::to(let_through));
                let server =
                    HttpServer::new(app).workers(1).disable_signals().listen(listener).unwrap().run();
                started.send(server.handle()).unwrap();
                server.await.unwrap();
            });
        });
        Self { url, calls, handle: ready.recv().unwrap() }
    }

    /// Of a server whose gateway this is, with deadlines that a test can sit out.
    fn settings(&self) -> [(&str, &str); 5] {
        [
            ("SAEM_PAYMENT__PROVIDER", "http"),
            ("SAEM_PAYMENT__URL", &self.url),
            ("SAEM_PAYMENT__DEADLINE_MS", "600"),
            ("SAEM_PAYMENT__TIMEOUT_MS", "400"),
            ("SAEM_PAYMENT__CHARGE_MIN_MS", "50"),
        ]
    }

    /// The `traceparent` of all calls so far that did this.
    fn of(&self, operation: &str) -> Vec<String> {
        let calls = self.calls.lock().unwrap();
        calls.iter().filter(|(called, _)| called == operation).map(|(_, trace)| trace.clone()).collect()
    }

    async fn called(&self, operation: &str) {
        let called = || async { (!self.of(operation).is_empty()).then_some(()) };
        eventually(operation, called).await;
    }
}

impl Drop for Doorman {
    fn drop(&mut self) {
        drop(self.handle.stop(false));
    }
}

async fn rent(customer: &Client, product: &str, token: &str, traceparent: &str) -> Value {
    let request = customer.request(reqwest::Method::POST, "/v1/rentals").header("traceparent", traceparent);
    let answer = Answer::of(request.json(&order(product, token))).await;
    assert_eq!(answer.header("x-correlation-id"), TRACE);
    answer.body
}

#[tokio::test]
async fn charge_find_and_refund_are_calls_of_the_rentals_trace_after_a_restart_too() {
    let directory = tempfile::tempdir().unwrap();
    let gateway = Gateway::start(directory.path(), &[]).await;
    let doorman = Doorman::before(&gateway);
    let settings = doorman.settings();
    let Works { directory, server } = Works::start(&settings).await;
    let mut customer = Client::sign_up(&server.url, 1).await;
    let works = Works { directory, server };
    let product = works.operator().product(29_900, 9).await;
    // The caller's span is where the charge belongs, and it does not record.
    let from = format!("00-{TRACE}-00f067aa0ba902b7-00");
    // No answer comes in time, to the errand that asks at once neither: it is left to the next process.
    gateway.behave(json!({"latencyMs": 1_000})).await;
    let rental = rent(&customer, &product, "tok_ok", &from).await;
    assert_eq!(rental["correlationId"], TRACE);
    assert_eq!(doorman.of("charge"), [from]);

    let Works { directory, server } = works;
    server.kill().await;
    gateway.behave(json!({"latencyMs": 0})).await;
    doorman.calls.lock().unwrap().clear();
    let server = Server::start(&directory.path().join("data"), &settings).await;
    customer.move_to(&server.url);
    customer.rental_becomes(&rental, "CONFIRMED").await;
    assert!(!doorman.of("find").is_empty());
    customer.cancel(&rental).await.expect(200);
    customer.timeline_holds(&rental, "PaymentCanceled").await;
    assert_eq!(doorman.of("refund"), [ROOT]);
    assert!(doorman.of("find").iter().all(|trace| trace == ROOT), "{:?}", doorman.of("find"));
}

#[tokio::test]
async fn a_void_is_a_call_of_the_rentals_trace() {
    let directory = tempfile::tempdir().unwrap();
    let gateway = Gateway::start(directory.path(), &[]).await;
    let doorman = Doorman::before(&gateway);
    let settings = doorman.settings();
    let works = Works::start(&settings).await;
    let customer = Client::sign_up(&works.server.url, 1).await;
    let product = works.operator().product(29_900, 9).await;
    let from = format!("00-{TRACE}-00f067aa0ba902b7-01");
    let rental = rent(&customer, &product, "tok_error", &from).await;
    customer.cancel(&rental).await.expect(200);
    doorman.called("void").await;
    assert_eq!(doorman.of("void")[0], ROOT);
}

/// What a call sends, as far as it gets: nobody answers.
async fn first_words(call: impl Future, listener: tokio::net::TcpListener) -> String {
    let heard = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut heard = vec![0; 8_192];
        let len = stream.read(&mut heard).await.unwrap();
        String::from_utf8_lossy(&heard[..len]).into_owned()
    };
    let (_, heard) = tokio::time::timeout(Duration::from_secs(10), futures_util::future::join(call, heard))
        .await
        .expect("a connection that is closed ends a call");
    heard
}

#[tokio::test]
async fn every_provider_is_told_the_trace() {
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
        let call = gateway.charge(peer::key(1, 1), Money::won(1), &method);
        let words = first_words(context.within(call), listener).await;
        assert!(words.contains(&format!("traceparent: {ROOT}\r\n")), "{provider}: {words}");
    }
}
