//! `/v1/mypage/stream`: what is told, from where on, and when it ends.

use std::{collections::BTreeSet, time::Duration};

use reqwest::{Method, Response};
use saem::{
    config::{Settings, open},
    domain::{CustomerId, Money, Position, ProductId, address::Address, phone::Phone, product::Offer},
    gateways::payment::PaymentMethod,
    shop::{Missed, Order, Shop},
};
use serde_json::Value;

use crate::kit::{Client, TestApp, eventually, id, process::Server};

/// How many streams one node is to keep.
const STREAMS: usize = 5_000;
/// Descriptors of this process that are no stream's.
const DESCRIPTORS_RESERVED: usize = 2_000;

/// A block of a stream.
#[derive(Debug, Default, PartialEq)]
struct Told {
    id: Option<u64>,
    event: Option<String>,
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

    /// The next block that is no comment alone; none at the end.
    async fn block(&mut self) -> Option<Told> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let told = read(block);
                self.text = rest.to_owned();
                if told != Told::default() {
                    return Some(told);
                }
                continue;
            }
            let piece = tokio::time::timeout(Duration::from_secs(60), self.response.chunk());
            // A connection that is cut ends a stream like its end does.
            let piece = piece.await.expect("a stream says that it lives").ok().flatten()?;
            self.text.push_str(std::str::from_utf8(&piece).unwrap());
        }
    }

    async fn event(&mut self) -> Option<Told> {
        loop {
            let told = self.block().await?;
            if told.event.is_some() {
                return Some(told);
            }
        }
    }

    /// The rows that are told, until one of them is of this version.
    async fn rows_until(&mut self, version: u64) -> Vec<Told> {
        let mut rows = Vec::new();
        while rows.last().is_none_or(|told: &Told| told.id != Some(version)) {
            let told = self.event().await.expect("it does not end before");
            assert_eq!(told.event.as_deref(), Some("row"), "{told:?}");
            assert_eq!(told.data["version"].as_u64(), told.id);
            rows.push(told);
        }
        rows
    }

    async fn ends(mut self) {
        while self.event().await.is_some() {}
    }
}

fn read(block: &str) -> Told {
    let mut told = Told::default();
    for line in block.lines() {
        match line.split_once(": ").expect("a line is a field") {
            ("", _) | ("retry", _) => {}
            ("id", id) => told.id = Some(id.parse().unwrap()),
            ("event", event) => told.event = Some(event.to_owned()),
            ("data", data) => told.data = serde_json::from_str(data).unwrap(),
            other => panic!("{other:?}"),
        }
    }
    told
}

/// The positions of a rental's events.
async fn sequences(customer: &Client, rental: &Value) -> Vec<u64> {
    let timeline = customer.get(&format!("/v1/rentals/{}/timeline?limit=100", id(rental))).await.expect(200);
    timeline["items"].as_array().unwrap().iter().map(|event| event["sequence"].as_u64().unwrap()).collect()
}

fn ids(rows: &[Told]) -> Vec<u64> {
    rows.iter().map(|told| told.id.unwrap()).collect()
}

#[tokio::test]
async fn each_change_of_a_row_is_one_event() {
    let app = TestApp::start();
    let (customer, product) = (app.customer(1).await, app.product(100, 5).await);
    let mut stream = Stream::open(&customer, None).await;
    let rental = customer.rented(&product).await;
    let happened = sequences(&customer, &rental).await;
    let told = stream.rows_until(*happened.last().unwrap()).await;
    assert_eq!(ids(&told), happened);
    let statuses = told.iter().map(|told| told.data["rentalStatus"].as_str().unwrap());
    assert_eq!(statuses.collect::<Vec<_>>(), ["PLACED", "PLACED", "CONFIRMED", "CONFIRMED", "CONFIRMED"]);
    // A row that was there before it was watched is followed on.
    customer.cancel(&rental).await.expect(200);
    customer.timeline_holds(&rental, "ProductIncreased").await;
    let happened = sequences(&customer, &rental).await;
    let told = stream.rows_until(*happened.last().unwrap()).await;
    assert_eq!(ids(&told), happened[5..]);
    let get = || async {
        let row = customer.get(&format!("/v1/mypage/{}", id(&rental))).await.expect(200);
        (row["version"].as_u64() == told.last()?.id).then_some(row)
    };
    assert_eq!(eventually("My Page is there, too", get).await, told.last().unwrap().data);
}

#[tokio::test]
async fn a_stream_goes_on_where_it_was_left_also_after_a_restart() {
    let mut app = TestApp::start();
    let (mut customer, product) = (app.customer(1).await, app.product(100, 5).await);
    let first = customer.rented(&product).await;
    let mut stream = Stream::open(&customer, None).await;
    let opened = stream.block().await.expect("it says where it begins");
    assert!(opened.id.is_some() && opened.event.is_none(), "{opened:?}");
    let second = customer.rented(&product).await;
    let happened = sequences(&customer, &second).await;
    let told = stream.rows_until(happened[2]).await;
    assert_eq!(ids(&told), happened[..3]);
    customer.cancel(&first).await.expect(200);
    customer.timeline_holds(&first, "ProductIncreased").await;
    app.restart();
    stream.ends().await;
    customer.move_to(&app.url());
    let canceled = sequences(&customer, &first).await;
    let mut missed = [&happened[3..], &canceled[5..]].concat();
    missed.sort_unstable();
    let mut stream = Stream::open(&customer, Some(happened[2])).await;
    assert_eq!(ids(&stream.rows_until(*missed.last().unwrap()).await), missed);
    // By the query, for a first connection; the header is newer.
    let path = format!("/v1/mypage/stream?lastEventId={}", happened[2]);
    let mut asked = Stream::of(customer.request(Method::GET, &path).send().await.unwrap());
    assert_eq!(ids(&asked.rows_until(*missed.last().unwrap()).await), missed);
    let third = customer.rented(&product).await;
    let happened = sequences(&customer, &third).await;
    for stream in [&mut stream, &mut asked] {
        assert_eq!(ids(&stream.rows_until(*happened.last().unwrap()).await), happened);
    }
}

#[tokio::test]
async fn an_id_of_nowhere_is_reset_and_told_from_where_on() {
    let app = TestApp::start();
    let (customer, product) = (app.customer(1).await, app.product(100, 5).await);
    for of_nowhere in ["999999999", "nonsense", "-1", ""] {
        let request = customer.request(Method::GET, "/v1/mypage/stream").header("last-event-id", of_nowhere);
        let mut stream = Stream::of(request.send().await.unwrap());
        let reset = stream.event().await.unwrap();
        assert_eq!(reset.event.as_deref(), Some("reset"), "{of_nowhere:?}");
        let rental = customer.rented(&product).await;
        let happened = sequences(&customer, &rental).await;
        assert!(reset.id.unwrap() < happened[0]);
        assert_eq!(ids(&stream.rows_until(*happened.last().unwrap()).await), happened);
    }
}

#[tokio::test]
async fn nobody_is_told_of_another_customers_rows() {
    let app = TestApp::start();
    let (mine, theirs, product) = (app.customer(1).await, app.customer(2).await, app.product(100, 9).await);
    let mut stream = Stream::open(&mine, Some(0)).await;
    theirs.rented(&product).await;
    let rental = mine.rented(&product).await;
    let happened = sequences(&mine, &rental).await;
    assert_eq!(ids(&stream.rows_until(*happened.last().unwrap()).await), happened);
    app.operator().get("/v1/mypage/stream").await.problem(403, "forbidden");
    app.anyone().get("/v1/mypage/stream").await.problem(401, "unauthorized");
}

#[tokio::test]
async fn a_stream_ends_when_the_server_stops() {
    let mut app = TestApp::start();
    let customer = app.customer(1).await;
    let streams = [Stream::open(&customer, None).await, Stream::open(&customer, Some(0)).await];
    // A stream that goes on would hold the server for its whole patience, and then be cut.
    app.stop();
    for stream in streams {
        stream.ends().await;
    }
}

#[tokio::test]
async fn a_stream_ends_with_its_session() {
    let app = TestApp::with(|settings| settings.http.keep_alive_ms = 1_000);
    let customer = app.customer(1).await;
    let stream = Stream::open(&customer, None).await;
    customer.call(Method::DELETE, "/v1/sessions/current").await.expect(204);
    stream.ends().await;
}

#[tokio::test]
async fn whoever_has_logged_out_is_told_of_nothing_more() {
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
async fn a_stream_is_kept_alive_by_comments() {
    let app = TestApp::with(|settings| settings.http.keep_alive_ms = 1_000);
    let customer = app.customer(1).await;
    let mut response = customer.request(Method::GET, "/v1/mypage/stream").send().await.unwrap();
    let mut text = String::new();
    while text.matches("\n: still here\n").count() < 3 {
        text.push_str(std::str::from_utf8(&response.chunk().await.unwrap().unwrap()).unwrap());
    }
}

/// A shop, without a server, and a customer and a product of it.
async fn shop() -> (std::sync::Arc<Shop>, CustomerId, ProductId) {
    let mut settings = Settings::default();
    "memory".clone_into(&mut settings.store.backend);
    settings.operator.key = Some(saem::config::Secret("x".repeat(32)));
    let shop = open::open_shop(&settings).await.unwrap();
    let phone = Phone::parse("010-1234-5678").unwrap();
    let signed_up = shop.sign_up("홍길동".to_owned(), phone, "password".to_owned(), shop.new_request());
    let customer = signed_up.await.unwrap().value.id;
    let offer = Offer {
        name: "맑은샘".to_owned(),
        model: "MS-100".to_owned(),
        description: String::new(),
        fee: Money::won(100),
    };
    let product = shop.register_product(offer, 1_000, shop.new_request()).await.unwrap().value.id;
    (shop, customer, product)
}

async fn rent(shop: &Shop, customer_id: CustomerId, product_id: ProductId) -> u64 {
    let address = Address {
        recipient: "홍길동".to_owned(),
        postal_code: "04524".to_owned(),
        line1: "서울 중구 세종대로 110".to_owned(),
        line2: None,
    };
    let method = PaymentMethod::Card { token: "tok_ok".to_owned() };
    let order = Order { customer_id, product_id, address, method, expected_fee: None };
    shop.place_rental(order, shop.new_request()).await.unwrap().position.0
}

#[test]
fn whoever_does_not_keep_up_is_dropped_and_others_are_told_on() {
    actix_web::rt::System::new().block_on(async {
        let (shop, customer, product) = shop().await;
        let mut slow = shop.watch_my_page(customer, None).await.unwrap();
        let mut quick = shop.watch_my_page(customer, None).await.unwrap();
        let mut told = BTreeSet::new();
        for _ in 0..40 {
            let confirmed = rent(&shop, customer, product).await;
            while !told.contains(&confirmed) {
                told.insert(quick.changes.recv().await.expect("it keeps up").version);
            }
        }
        let mut waited = Vec::new();
        while let Some(row) = slow.changes.recv().await {
            waited.push(row.version);
        }
        assert!((1..=64).contains(&waited.len()), "{}", waited.len());
        // It comes back with what it has, and misses nothing.
        let back = shop.watch_my_page(customer, waited.last().copied().map(Position)).await.unwrap();
        let Missed::Changes(changes) = back.missed else { panic!("it is not too much") };
        waited.extend(changes.iter().map(|row| row.version));
        assert!(waited.is_sorted() && told.iter().all(|version| waited.contains(version)));
        shop.close().await;
    });
}

#[test]
fn what_was_missed_is_told_up_to_a_hundred_rentals() {
    actix_web::rt::System::new().block_on(async {
        let (shop, customer, product) = shop().await;
        for _ in 0..100 {
            rent(&shop, customer, product).await;
        }
        let watching = shop.watch_my_page(customer, Some(Position(0))).await.unwrap();
        let Missed::Changes(changes) = watching.missed else { panic!("a hundred are told") };
        let rentals: BTreeSet<_> = changes.iter().map(|row| row.rental_id).collect();
        assert_eq!(rentals.len(), 100);
        let last = rent(&shop, customer, product).await;
        let watching = shop.watch_my_page(customer, Some(Position(0))).await.unwrap();
        assert!(matches!(watching.missed, Missed::TooMuch));
        let watching = shop.watch_my_page(customer, Some(Position(last - 1))).await.unwrap();
        assert!(matches!(watching.missed, Missed::Changes(changes) if !changes.is_empty()));
        shop.close().await;
    });
}

fn resident_kib(server: &Server) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.process.id().unwrap())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[tokio::test]
async fn five_thousand_streams_are_told_and_take_little() {
    let descriptors = rlimit::increase_nofile_limit(u64::MAX).unwrap() as usize;
    let count = STREAMS.min(descriptors.saturating_sub(DESCRIPTORS_RESERVED).max(descriptors / 2));
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path(), &[]).await;
    let operator = Client::of(&server.url, Some(crate::kit::operator_key(directory.path())));
    let product = operator.product(100, 5).await;
    let customers = [Client::sign_up(&server.url, 1).await, Client::sign_up(&server.url, 2).await];
    let before = resident_kib(&server);
    let mut streams = Vec::with_capacity(count);
    for n in 0..count {
        streams.push(Stream::open(&customers[n % 2], None).await);
    }
    let bytes_each = (resident_kib(&server).saturating_sub(before)) * 1_024 / count as u64;
    println!("{count} streams ({STREAMS} wanted, {descriptors} descriptors), {bytes_each} B each");
    assert!(bytes_each < 64 * 1_024, "{bytes_each}");
    for (at, customer) in customers.iter().enumerate() {
        let rental = customer.rented(&product).await;
        let happened = sequences(customer, &rental).await;
        for stream in streams.iter_mut().skip(at).step_by(2) {
            assert_eq!(ids(&stream.rows_until(*happened.last().unwrap()).await), happened);
        }
    }
    server.end().await;
}
