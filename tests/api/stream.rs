//! `/v1/mypage/stream`: its events, where it begins, and when it ends.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use reqwest::{Method, Response};
use saem::{CustomerId, MemoryJournal, Missed, Position, ProductId, Shop, internal::config::Settings};
use serde_json::Value;

use crate::kit::{
    Client, TestApp, eventually, id, operator_key,
    process::{Server, resident_kib},
    runtime::{self, OPERATOR_KEY, simulator},
};

/// Streams that one node must serve.
const STREAMS: usize = 5_000;
/// Descriptors of this process for other tests.
const DESCRIPTORS_RESERVED: usize = 2_000;

/// One event of the stream.
#[derive(Debug, Default, PartialEq)]
struct StreamEvent {
    id: Option<u64>,
    kind: Option<String>,
    data: Value,
}

struct Stream {
    response: Response,
    text: String,
}

impl Stream {
    async fn open(client: &Client, after: Option<u64>) -> Self {
        let request = client.request(Method::GET, "/v1/mypage/stream");
        let request = after.iter().fold(request, |r, after| r.header("last-event-id", after.to_string()));
        Self::of(request.send().await.unwrap())
    }

    #[track_caller]
    fn of(response: Response) -> Self {
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        assert_eq!(response.headers()["cache-control"], "no-store");
        Self { response, text: String::new() }
    }

    /// The next block with a field; none at the end.
    async fn block(&mut self) -> Option<StreamEvent> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let event = read(block);
                self.text = rest.to_owned();
                if event != StreamEvent::default() {
                    return Some(event);
                }
                continue;
            }
            let piece = tokio::time::timeout(Duration::from_secs(60), self.response.chunk());
            // A closed connection ends the stream, too.
            let piece = piece.await.expect("comments keep it alive").ok().flatten()?;
            self.text.push_str(std::str::from_utf8(&piece).unwrap());
        }
    }

    async fn event(&mut self) -> Option<StreamEvent> {
        loop {
            let event = self.block().await?;
            if event.kind.is_some() {
                return Some(event);
            }
        }
    }

    /// Row events up to the one of this version.
    async fn rows_until(&mut self, version: u64) -> Vec<StreamEvent> {
        let mut rows = Vec::new();
        while rows.last().is_none_or(|event: &StreamEvent| event.id != Some(version)) {
            let event = self.event().await.expect("it does not end before");
            assert_eq!(event.kind.as_deref(), Some("row"), "{event:?}");
            assert_eq!(event.data["version"].as_u64(), event.id);
            rows.push(event);
        }
        rows
    }

    /// Asserts that the next rows are the rental's events.
    async fn follows(&mut self, customer: &Client, rental: &Value) -> Vec<u64> {
        let happened = sequences(customer, rental).await;
        assert_eq!(ids(&self.rows_until(*happened.last().unwrap()).await), happened);
        happened
    }

    async fn ends(mut self) {
        while self.event().await.is_some() {}
    }
}

fn read(block: &str) -> StreamEvent {
    let mut event = StreamEvent::default();
    for line in block.lines() {
        match line.split_once(": ").expect("a line is a field") {
            ("", _) | ("retry", _) => {}
            ("id", id) => event.id = Some(id.parse().unwrap()),
            ("event", kind) => event.kind = Some(kind.to_owned()),
            ("data", data) => event.data = serde_json::from_str(data).unwrap(),
            other => panic!("{other:?}"),
        }
    }
    event
}

/// Positions of a rental's events.
async fn sequences(customer: &Client, rental: &Value) -> Vec<u64> {
    customer.timeline(rental).await.iter().map(|event| event["sequence"].as_u64().unwrap()).collect()
}

fn ids(rows: &[StreamEvent]) -> Vec<u64> {
    rows.iter().map(|event| event.id.unwrap()).collect()
}

#[tokio::test]
async fn each_change_of_a_row_is_one_event() {
    let app = TestApp::start();
    let (customer, product) = (app.customer(1).await, app.product(100, 5).await);
    let mut stream = Stream::open(&customer, None).await;
    let rental = customer.rented(&product).await;
    let happened = sequences(&customer, &rental).await;
    let events = stream.rows_until(*happened.last().unwrap()).await;
    assert_eq!(ids(&events), happened);
    let statuses = events.iter().map(|event| event.data["rentalStatus"].as_str().unwrap());
    assert_eq!(statuses.collect::<Vec<_>>(), ["PLACED", "PLACED", "CONFIRMED", "CONFIRMED", "CONFIRMED"]);
    // Further changes of a known row follow.
    customer.cancel_until(&rental, "ProductIncreased").await;
    let happened = sequences(&customer, &rental).await;
    let events = stream.rows_until(*happened.last().unwrap()).await;
    assert_eq!(ids(&events), happened[5..]);
    let row = eventually("My Page is there, too", || async {
        let row = customer.get(&format!("/v1/mypage/{}", id(&rental))).await.expect(200);
        (row["version"].as_u64() == events.last()?.id).then_some(row)
    });
    assert_eq!(row.await, events.last().unwrap().data);
}

#[tokio::test]
async fn stream_resumes_after_the_last_id_also_after_a_restart() {
    let mut app = TestApp::start();
    let (mut customer, product) = (app.customer(1).await, app.product(100, 5).await);
    let first = customer.rented(&product).await;
    let mut stream = Stream::open(&customer, None).await;
    let opened = stream.block().await.expect("the first block has its position");
    assert!(opened.id.is_some() && opened.kind.is_none(), "{opened:?}");
    let second = customer.rented(&product).await;
    let happened = sequences(&customer, &second).await;
    let events = stream.rows_until(happened[2]).await;
    assert_eq!(ids(&events), happened[..3]);
    customer.cancel_until(&first, "ProductIncreased").await;
    app.restart();
    stream.ends().await;
    customer.move_to(&app.url());
    let canceled = sequences(&customer, &first).await;
    let mut missed = [&happened[3..], &canceled[5..]].concat();
    missed.sort_unstable();
    let mut stream = Stream::open(&customer, Some(happened[2])).await;
    assert_eq!(ids(&stream.rows_until(*missed.last().unwrap()).await), missed);
    // The query is for a first connection; the header overrides it.
    let path = format!("/v1/mypage/stream?lastEventId={}", happened[2]);
    let mut asked = Stream::of(customer.request(Method::GET, &path).send().await.unwrap());
    assert_eq!(ids(&asked.rows_until(*missed.last().unwrap()).await), missed);
    let third = customer.rented(&product).await;
    for stream in [&mut stream, &mut asked] {
        stream.follows(&customer, &third).await;
    }
}

#[tokio::test]
async fn unknown_last_id_resets_the_stream() {
    let app = TestApp::start();
    let (customer, product) = (app.customer(1).await, app.product(100, 5).await);
    for unknown in ["999999999", "nonsense", "-1", ""] {
        let request = customer.request(Method::GET, "/v1/mypage/stream").header("last-event-id", unknown);
        let mut stream = Stream::of(request.send().await.unwrap());
        let reset = stream.event().await.unwrap();
        assert_eq!(reset.kind.as_deref(), Some("reset"), "{unknown:?}");
        let rental = customer.rented(&product).await;
        let happened = stream.follows(&customer, &rental).await;
        assert!(reset.id.unwrap() < happened[0]);
    }
}

#[tokio::test]
async fn stream_has_only_the_customers_own_rows() {
    let app = TestApp::start();
    let (mine, theirs, product) = (app.customer(1).await, app.customer(2).await, app.product(100, 9).await);
    let mut stream = Stream::open(&mine, Some(0)).await;
    theirs.rented(&product).await;
    let rental = mine.rented(&product).await;
    stream.follows(&mine, &rental).await;
    app.operator().get("/v1/mypage/stream").await.problem(403, "forbidden");
    app.anyone().get("/v1/mypage/stream").await.problem(401, "unauthorized");
}

#[tokio::test]
async fn stream_ends_when_the_server_stops() {
    let mut app = TestApp::start();
    let customer = app.customer(1).await;
    let streams = [Stream::open(&customer, None).await, Stream::open(&customer, Some(0)).await];
    // A stream that does not end would delay the stop, and then be cut.
    app.stop();
    for stream in streams {
        stream.ends().await;
    }
}

#[tokio::test]
async fn stream_ends_with_its_session() {
    let app = TestApp::with(|settings| settings.http.keep_alive_ms = 1_000);
    let customer = app.customer(1).await;
    let stream = Stream::open(&customer, None).await;
    customer.call(Method::DELETE, "/v1/sessions/current").await.expect(204);
    stream.ends().await;
}

#[tokio::test]
async fn stream_sends_nothing_after_log_out() {
    let app = TestApp::start();
    let (customer, product) = (app.customer(1).await, app.product(100, 5).await);
    let rental = customer.rented(&product).await;
    customer.timeline_holds(&rental, "ProductDecreased").await;
    let mut stream = Stream::open(&customer, None).await;
    customer.call(Method::DELETE, "/v1/sessions/current").await.expect(204);
    app.operator().cancel(&rental).await.expect(200);
    assert_eq!(stream.event().await, None);
}

#[tokio::test]
async fn comments_keep_a_stream_alive() {
    let app = TestApp::with(|settings| settings.http.keep_alive_ms = 1_000);
    let customer = app.customer(1).await;
    let mut response = customer.request(Method::GET, "/v1/mypage/stream").send().await.unwrap();
    let mut text = String::new();
    while text.matches("\n: still here\n").count() < 3 {
        text.push_str(std::str::from_utf8(&response.chunk().await.unwrap().unwrap()).unwrap());
    }
}

/// A shop without HTTP, with a customer and a product.
async fn shop() -> (Arc<Shop>, CustomerId, ProductId) {
    let settings = Settings::default().shop(OPERATOR_KEY.to_owned());
    let shop = runtime::open_on(MemoryJournal::new(), simulator(), settings).await;
    let (customer, product) = (runtime::customer(&shop).await, runtime::product(&shop, 1_000).await);
    (shop, customer, product)
}

/// Places a rental, and returns the position of its confirmation.
async fn rent(shop: &Shop, customer: CustomerId, product: ProductId) -> u64 {
    let order = runtime::order(customer, product, "tok_ok");
    shop.place_rental(order, shop.new_request()).await.unwrap().position.0
}

#[actix::test]
async fn slow_watcher_is_dropped_and_misses_nothing_later() {
    let (shop, customer, product) = shop().await;
    let mut slow = shop.watch_my_page(customer, None).await.unwrap();
    let mut quick = shop.watch_my_page(customer, None).await.unwrap();
    let mut received = BTreeSet::new();
    for _ in 0..40 {
        let confirmed = rent(&shop, customer, product).await;
        while !received.contains(&confirmed) {
            received.insert(quick.changes.recv().await.expect("it keeps up").version);
        }
    }
    let mut waited = Vec::new();
    while let Some(row) = slow.changes.recv().await {
        waited.push(row.version);
    }
    assert!((1..=64).contains(&waited.len()), "{}", waited.len());
    // It comes back with its last version.
    let back = shop.watch_my_page(customer, waited.last().copied().map(Position)).await.unwrap();
    let Missed::Changes(changes) = back.missed else { panic!("the changes are few enough") };
    waited.extend(changes.iter().map(|row| row.version));
    assert!(waited.is_sorted() && received.iter().all(|version| waited.contains(version)));
    shop.close().await;
}

#[actix::test]
async fn missed_changes_are_sent_for_up_to_a_hundred_rentals() {
    let (shop, customer, product) = shop().await;
    for _ in 0..100 {
        rent(&shop, customer, product).await;
    }
    let watching = shop.watch_my_page(customer, Some(Position(0))).await.unwrap();
    let Missed::Changes(changes) = watching.missed else { panic!("a hundred are sent") };
    let rentals: BTreeSet<_> = changes.iter().map(|row| row.rental_id).collect();
    assert_eq!(rentals.len(), 100);
    let last = rent(&shop, customer, product).await;
    let watching = shop.watch_my_page(customer, Some(Position(0))).await.unwrap();
    assert!(matches!(watching.missed, Missed::TooMuch));
    let watching = shop.watch_my_page(customer, Some(Position(last - 1))).await.unwrap();
    assert!(matches!(watching.missed, Missed::Changes(changes) if !changes.is_empty()));
    shop.close().await;
}

#[tokio::test]
async fn five_thousand_streams_take_little_memory() {
    let descriptors = rlimit::increase_nofile_limit(u64::MAX).unwrap() as usize;
    let count = STREAMS.min(descriptors.saturating_sub(DESCRIPTORS_RESERVED).max(descriptors / 2));
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path(), &[]).await;
    let operator = Client::of(&server.url, Some(operator_key(directory.path())));
    let product = operator.product(100, 5).await;
    let customers = [Client::sign_up(&server.url, 1).await, Client::sign_up(&server.url, 2).await];
    let before = resident_kib(&server.process);
    let mut streams = Vec::with_capacity(count);
    for n in 0..count {
        streams.push(Stream::open(&customers[n % 2], None).await);
    }
    let bytes_each = (resident_kib(&server.process).saturating_sub(before)) * 1_024 / count as u64;
    println!("{count} streams ({STREAMS} wanted, {descriptors} descriptors), {bytes_each} B each");
    assert!(bytes_each < 64 * 1_024, "{bytes_each}");
    for (at, customer) in customers.iter().enumerate() {
        let rental = customer.rented(&product).await;
        for stream in streams.iter_mut().skip(at).step_by(2) {
            stream.follows(customer, &rental).await;
        }
    }
    server.end().await;
}
