//! One trace shows a rental across HTTP, actors, gateway and policies: at a double of a collector.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::TcpListener,
    sync::{Arc, Mutex, mpsc},
};

use actix_web::{
    App, HttpResponse, HttpServer,
    web::{self, Bytes, Data},
};
use reqwest::Method;

use super::works::Works;
use crate::kit::{Answer, Client, eventually, order};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

/// A span, as a collector sees it.
#[derive(Clone, Debug, Default)]
struct Span {
    trace: String,
    id: String,
    parent: String,
    name: String,
    attributes: BTreeMap<String, String>,
}

/// The fields of a protobuf message, by number: those that hold bytes, messages or texts.
fn fields(mut message: &[u8]) -> Vec<(u64, &[u8])> {
    fn varint(message: &mut &[u8]) -> u64 {
        let mut value = 0;
        for (index, byte) in message.iter().enumerate() {
            value |= u64::from(byte & 0x7f) << (7 * index);
            if byte & 0x80 == 0 {
                *message = &message[index + 1..];
                return value;
            }
        }
        panic!("a number without end")
    }
    let mut fields = Vec::new();
    while !message.is_empty() {
        let tag = varint(&mut message);
        let len = match tag & 7 {
            0 => {
                varint(&mut message);
                continue;
            }
            1 => 8,
            2 => usize::try_from(varint(&mut message)).unwrap(),
            5 => 4,
            kind => panic!("a field of kind {kind}"),
        };
        let (field, rest) = message.split_at(len);
        message = rest;
        if tag & 7 == 2 {
            fields.push((tag >> 3, field));
        }
    }
    fields
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// `ExportTraceServiceRequest`: resources (1), their scopes (2), their spans (2).
fn spans(request: &[u8]) -> Vec<Span> {
    let inner = |message, number| {
        fields(message).into_iter().filter(move |(found, _)| *found == number).map(|(_, field)| field)
    };
    let scopes = inner(request, 1).flat_map(|resource| inner(resource, 2));
    let spans = scopes.flat_map(|scope| inner(scope, 2));
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let read = |message| {
        let mut span = Span::default();
        for (number, field) in fields(message) {
            match number {
                1 => span.trace = hex(field),
                2 => span.id = hex(field),
                4 => span.parent = hex(field),
                5 => span.name = text(field),
                9 => {
                    let value = inner(field, 2).next().and_then(|value| inner(value, 1).next());
                    let key = inner(field, 1).next().unwrap();
                    span.attributes.insert(text(key), value.map(text).unwrap_or_default());
                }
                _ => {}
            }
        }
        span
    };
    spans.map(read).collect()
}

/// A collector that keeps what it is sent.
struct Collector {
    url: String,
    received: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Collector {
    fn start() -> Self {
        let received: Arc<Mutex<Vec<Vec<u8>>>> = Arc::default();
        let kept = Data::new(Arc::clone(&received));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (started, ready) = mpsc::channel();
        std::thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let keep = async |kept: Data<Arc<Mutex<Vec<Vec<u8>>>>>, body: Bytes| {
                    kept.lock().unwrap().push(body.to_vec());
                    HttpResponse::Ok().content_type("application/x-protobuf").finish()
                };
                let app = move || {
                    App::new()
                        .app_data(kept.clone())
                        .app_data(web::PayloadConfig::new(1 << 24))
                        .route("/v1/traces", web::post().to(keep))
                };
                let server =
                    HttpServer::new(app).workers(1).disable_signals().listen(listener).unwrap().run();
                started.send(()).unwrap();
                server.await.unwrap();
            });
        });
        ready.recv().unwrap();
        Self { url, received }
    }

    fn spans(&self) -> Vec<Span> {
        self.received.lock().unwrap().iter().flat_map(|request| spans(request)).collect()
    }

    /// The spans of a trace, once there are all of these: each name with what it is about.
    async fn trace(&self, trace: &str, expected: &[(&str, &str)]) -> Vec<Span> {
        let all = || async {
            let spans: Vec<Span> = self.spans().into_iter().filter(|span| span.trace == trace).collect();
            let is = |span: &Span, (name, about): (&str, &str)| {
                span.name == name
                    && (about.is_empty() || span.attributes.values().any(|value| value == about))
            };
            expected.iter().all(|told| spans.iter().any(|span| is(span, *told))).then_some(spans)
        };
        eventually(&format!("all of {expected:?}"), all).await
    }
}

fn settings<'a>(collector: &'a Collector, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let ours = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url.as_str()),
        ("OTEL_BSP_SCHEDULE_DELAY", "100"),
        ("SAEM_PAYMENT__DEADLINE_MS", "600"),
        ("SAEM_PAYMENT__TIMEOUT_MS", "400"),
        ("SAEM_PAYMENT__CHARGE_MIN_MS", "50"),
    ];
    [&ours, more].concat()
}

const SAGA: [(&str, &str); 9] = [
    ("/v1/rentals", "POST"),
    ("payment conversation", "place"),
    ("gateway call", "charge"),
    ("ask", ""),
    ("reaction", "RentalConfirmed"),
    ("reaction", "DeliveryStarted"),
    ("message", "log"),
    ("reaction", "delivery"),
    ("reaction", "product"),
];

#[tokio::test]
async fn one_trace_shows_a_rental_across_http_actors_gateway_and_policies() {
    let collector = Collector::start();
    let works = Works::start(&settings(&collector, &[])).await;
    let customer = Client::sign_up(&works.server.url, 1).await;
    let product = works.operator().product(29_900, 9).await;
    let rental = customer.rented(&product).await;
    let correlation = Works::text(&rental, "correlationId");
    let spans = collector.trace(correlation, &SAGA).await;
    // The trace has one beginning, and all else is below it.
    let ids: BTreeSet<&str> = spans.iter().map(|span| span.id.as_str()).collect();
    let roots: Vec<&Span> = spans.iter().filter(|span| span.parent.is_empty()).collect();
    assert_eq!(roots.iter().map(|span| span.name.as_str()).collect::<Vec<_>>(), ["/v1/rentals"]);
    assert_eq!(roots[0].id, correlation[16..]);
    for span in &spans {
        assert!(span.parent.is_empty() || ids.contains(span.parent.as_str()), "{span:?}");
    }
    let named = |name: &str| spans.iter().find(|span| span.name == name).unwrap();
    assert_eq!(named("gateway call").parent, named("payment conversation").id);
    assert_eq!(named("gateway call").attributes["outcome"], "approved");
    assert_eq!(named("payment conversation").parent, roots[0].id);

    // A cancel has a trace of its own; what comes of it is the rental's.
    customer.cancel(&rental).await.expect(200);
    collector.trace(correlation, &[("errand", ""), ("gateway call", "refund")]).await;
    let personal = ["홍길동", "010-1000-0001", "+821010000001", "tok_ok"];
    for request in collector.received.lock().unwrap().iter() {
        let request = String::from_utf8_lossy(request);
        assert!(personal.iter().all(|text| !request.contains(text)));
    }
}

#[tokio::test]
async fn the_callers_trace_goes_on_after_a_restart_and_its_last_spans_are_sent_at_the_end() {
    let collector = Collector::start();
    // So rarely that what is sent is sent at the end.
    let rarely = settings(&collector, &[("OTEL_BSP_SCHEDULE_DELAY", "600000")]);
    let works = Works::start(&rarely).await;
    let mut customer = Client::sign_up(&works.server.url, 1).await;
    let product = works.operator().product(29_900, 9).await;
    let request = customer.request(Method::POST, "/v1/rentals");
    let request = request.header("traceparent", format!("00-{TRACE}-00f067aa0ba902b7-01"));
    let rental = Answer::of(request.json(&order(&product, "tok_lost_response"))).await.expect(202);
    let Works { directory, server } = works;
    server.end().await;
    let spans = collector.trace(TRACE, &[("payment conversation", "place")]).await;
    let request = spans.iter().find(|span| span.name == "/v1/rentals").unwrap();
    assert_eq!(request.parent, "00f067aa0ba902b7");

    let data = directory.path().join("data");
    let server = crate::kit::process::Server::start(&data, &settings(&collector, &[])).await;
    customer.move_to(&server.url);
    customer.rental_becomes(&rental, "CONFIRMED").await;
    // The process before had no refund to make: these spans are of this one.
    customer.cancel(&rental).await.expect(200);
    collector.trace(TRACE, &[("gateway call", "refund"), ("reaction", "RentalCanceled")]).await;
}

#[tokio::test]
async fn what_is_not_sampled_is_not_sent_however_late_it_comes() {
    let collector = Collector::start();
    let none = [("OTEL_TRACES_SAMPLER", "parentbased_traceidratio"), ("OTEL_TRACES_SAMPLER_ARG", "0.0")];
    let works = Works::start(&settings(&collector, &none)).await;
    let customer = Client::sign_up(&works.server.url, 1).await;
    let product = works.operator().product(29_900, 9).await;
    customer.rented(&product).await;
    // The caller's decision counts: this one is sent, up to where only the correlation is known.
    let request = customer.request(Method::POST, "/v1/rentals");
    let request = request.header("traceparent", format!("00-{TRACE}-00f067aa0ba902b7-01"));
    let sampled = Answer::of(request.json(&order(&product, "tok_ok"))).await.expect(201);
    customer.timeline_holds(&sampled, "ProductDecreased").await;
    collector.trace(TRACE, &[("gateway call", "charge")]).await;
    let traces: BTreeSet<String> = collector.spans().into_iter().map(|span| span.trace).collect();
    assert_eq!(traces, BTreeSet::from([TRACE.to_owned()]));
}
