//! One trace shows a rental across HTTP, actors, gateway and policies: at a double of a collector.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
};

use actix_web::{
    HttpResponse,
    web::{self, Bytes, Data},
};
use reqwest::Method;
use serde_json::Value;

use crate::kit::{
    Answer, SHORT_DEADLINES, Site,
    doubles::{Served, serve},
    eventually, order, text,
};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

#[derive(Clone, Debug, Default)]
struct Span {
    trace: String,
    id: String,
    parent: String,
    name: String,
    attributes: BTreeMap<String, String>,
}

/// Length-delimited fields of a protobuf message, by number.
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

/// Export requests that the collector received.
type Received = Arc<Mutex<Vec<Vec<u8>>>>;

struct Collector {
    received: Received,
    served: Served,
}

async fn keep(received: Data<Received>, body: Bytes) -> HttpResponse {
    received.lock().unwrap().push(body.to_vec());
    HttpResponse::Ok().content_type("application/x-protobuf").finish()
}

impl Collector {
    fn start() -> Self {
        let received = Received::default();
        let kept = Data::new(Arc::clone(&received));
        let served = serve(move |config| {
            config
                .app_data(kept.clone())
                .app_data(web::PayloadConfig::new(1 << 24))
                .route("/v1/traces", web::post().to(keep));
        });
        Self { received, served }
    }

    /// A shop that sends its spans here.
    async fn shop(&self, more: &[(&str, &str)]) -> Site {
        let ours =
            [("OTEL_EXPORTER_OTLP_ENDPOINT", self.served.url.as_str()), ("OTEL_BSP_SCHEDULE_DELAY", "100")];
        Site::start(&[&SHORT_DEADLINES[..], &ours, more].concat()).await
    }

    fn spans(&self) -> Vec<Span> {
        self.received.lock().unwrap().iter().flat_map(|request| spans(request)).collect()
    }

    /// Spans of a trace, once it has all of these: names, each with a value of some attribute.
    async fn trace(&self, trace: &str, expected: &[(&str, &str)]) -> Vec<Span> {
        let all = || async {
            let spans: Vec<Span> = self.spans().into_iter().filter(|span| span.trace == trace).collect();
            let is = |span: &Span, (name, about): (&str, &str)| {
                span.name == name
                    && (about.is_empty() || span.attributes.values().any(|value| value == about))
            };
            expected.iter().all(|wanted| spans.iter().any(|span| is(span, *wanted))).then_some(spans)
        };
        eventually(&format!("all of {expected:?}"), all).await
    }
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
async fn one_trace_shows_a_rental_across_all_parts() {
    let collector = Collector::start();
    let site = collector.shop(&[]).await;
    let rental = site.customer.rented(&site.product).await;
    let correlation = text(&rental, "correlationId");
    let spans = collector.trace(correlation, &SAGA).await;
    // The trace has one root.
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

    // A cancel has its own trace; what follows belongs to the rental's.
    site.customer.cancel(&rental).await.expect(200);
    collector.trace(correlation, &[("errand", ""), ("gateway call", "refund")]).await;
    let personal = ["홍길동", "010-1000-0001", "+821010000001", "tok_ok"];
    for request in collector.received.lock().unwrap().iter() {
        let request = String::from_utf8_lossy(request);
        assert!(personal.iter().all(|text| !request.contains(text)));
    }
}

/// Rents with a `traceparent` that is sampled.
async fn rent(site: &Site, token: &str) -> Value {
    let request = site.customer.request(Method::POST, "/v1/rentals");
    let request = request.header("traceparent", format!("00-{TRACE}-00f067aa0ba902b7-01"));
    Answer::of(request.json(&order(&site.product, token))).await.body
}

#[tokio::test]
async fn callers_trace_continues_after_a_restart() {
    let collector = Collector::start();
    // So rarely that spans are sent at the end.
    let mut site = collector.shop(&[("OTEL_BSP_SCHEDULE_DELAY", "600000")]).await;
    let rental = rent(&site, "tok_lost_response").await;
    site.end().await;
    let spans = collector.trace(TRACE, &[("payment conversation", "place")]).await;
    let request = spans.iter().find(|span| span.name == "/v1/rentals").unwrap();
    assert_eq!(request.parent, "00f067aa0ba902b7");

    site.restart(&[("OTEL_BSP_SCHEDULE_DELAY", "100")]).await;
    site.customer.rental_becomes(&rental, "CONFIRMED").await;
    // The first process had no refund to make: these spans are of the second.
    site.customer.cancel(&rental).await.expect(200);
    collector.trace(TRACE, &[("gateway call", "refund"), ("reaction", "RentalCanceled")]).await;
}

#[tokio::test]
async fn unsampled_spans_are_not_sent() {
    let collector = Collector::start();
    let none = [("OTEL_TRACES_SAMPLER", "parentbased_traceidratio"), ("OTEL_TRACES_SAMPLER_ARG", "0.0")];
    let site = collector.shop(&none).await;
    site.customer.rented(&site.product).await;
    // The caller's decision counts: this trace is sent.
    let sampled = rent(&site, "tok_ok").await;
    site.customer.timeline_holds(&sampled, "ProductDecreased").await;
    collector.trace(TRACE, &[("gateway call", "charge")]).await;
    let traces: BTreeSet<String> = collector.spans().into_iter().map(|span| span.trace).collect();
    assert_eq!(traces, BTreeSet::from([TRACE.to_owned()]));
}
