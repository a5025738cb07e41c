//! Many slow or idle clients: others are still answered.
//!
//! A canary opens a new connection for each of its requests. Deadlines only detect hangs.

use std::{future::Future, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::JoinSet,
    time::MissedTickBehavior,
};

use crate::kit::{
    TestApp,
    process::{Server, resident_kib},
};

const ATTACKERS: usize = 100;
const IDLE: usize = 10_000;
/// Descriptors of this process for tests that run beside this one.
const DESCRIPTORS_RESERVED: usize = 2_000;

async fn in_time<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), future).await.unwrap_or_else(|_| panic!("hangs: {what}"))
}

fn impatient() -> TestApp {
    TestApp::with(|settings| {
        settings.http.head_timeout_ms = 1_500;
        settings.http.body_timeout_ms = 300;
    })
}

fn address(app: &TestApp) -> String {
    app.url().strip_prefix("http://").unwrap().to_owned()
}

async fn canary(address: &str) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET /v1/products HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    in_time("the canary's answer", stream.read_to_string(&mut answer)).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

/// Sends the beginning, then a byte every 100 ms, until the server ends the connection; returns what it sent.
async fn drip(address: String, beginning: String) -> String {
    let stream = TcpStream::connect(&address).await.unwrap();
    let (mut reader, mut writer) = stream.into_split();
    writer.write_all(beginning.as_bytes()).await.unwrap();
    let dripping = async {
        let mut ticks = tokio::time::interval(Duration::from_millis(100));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            if writer.write_all(b"x").await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    };
    let mut received = Vec::new();
    tokio::select! {
        // By a close or by a reset.
        _ = reader.read_to_end(&mut received) => {}
        () = dripping => unreachable!("the client never stops"),
    }
    String::from_utf8(received).unwrap()
}

/// Opens many dripping connections; a canary is answered until all are ended. Returns what they received.
async fn outlasts(what: &str, beginning: &str) -> Vec<String> {
    let app = impatient();
    let address = address(&app);
    let mut attackers = JoinSet::new();
    for _ in 0..ATTACKERS {
        attackers.spawn(drip(address.clone(), beginning.to_owned()));
    }
    let mut received = Vec::new();
    in_time(what, async {
        while received.len() < ATTACKERS {
            canary(&address).await;
            while let Some(ended) = attackers.try_join_next() {
                received.push(ended.unwrap());
            }
        }
    })
    .await;
    received
}

#[track_caller]
fn all_received(received: &[String], status: &str) {
    for text in received {
        assert!(text.contains(status), "{status}: {text}");
    }
}

#[tokio::test]
async fn dripping_head_is_ended() {
    all_received(&outlasts("heads", "GET /v1/products HTTP/1.1\r\nX-A: ").await, "HTTP/1.1 408 ");
}

#[tokio::test]
async fn dripping_head_of_a_second_request_is_ended() {
    let first = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nGET /v1/products HTTP/1.1\r\nX-A: ";
    all_received(&outlasts("later heads", first).await, "HTTP/1.1 200 ");
}

#[tokio::test]
async fn dripping_body_is_ended() {
    let head = "Host: x\r\nContent-Type: application/json\r\nContent-Length: 60000\r\n\r\n{";
    let received = outlasts("bodies", &format!("POST /v1/customers HTTP/1.1\r\n{head}")).await;
    all_received(&received, "HTTP/1.1 408 ");
    all_received(&received, "/problems/request-timeout");
}

#[tokio::test]
async fn dripping_body_that_is_not_read_is_ended() {
    for (request, status) in [("GET /v1/products", "200"), ("POST /v1/rentals", "401"), ("POST /x", "404")] {
        let head = "Host: x\r\nContent-Type: application/json\r\nContent-Length: 60000\r\n\r\n{";
        let received = outlasts(request, &format!("{request} HTTP/1.1\r\n{head}")).await;
        all_received(&received, &format!("HTTP/1.1 {status} "));
    }
}

#[tokio::test]
async fn dripping_chunk_is_ended() {
    let head = "Host: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n{";
    for request in ["POST /v1/customers", "GET /v1/products"] {
        outlasts(request, &format!("{request} HTTP/1.1\r\n{head}")).await;
    }
}

/// Opens a connection; it stays idle from the beginning, or after a request.
async fn idle(address: &str, after_a_request: bool) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    if after_a_request {
        stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"HTTP/1.1 200");
    }
    stream
}

#[tokio::test]
async fn ten_thousand_idle_connections_block_nobody() {
    let descriptors = rlimit::increase_nofile_limit(u64::MAX).unwrap() as usize;
    let count = IDLE.min(descriptors.saturating_sub(DESCRIPTORS_RESERVED).max(descriptors / 2));
    let directory = tempfile::tempdir().unwrap();
    // Another process has its own descriptors.
    let patient = [("SAEM_HTTP__HEAD_TIMEOUT_MS", "120000")];
    let Server { process, url } = Server::start(directory.path(), &patient).await;
    let address = url.strip_prefix("http://").unwrap();
    canary(address).await;
    let before = resident_kib(&process);
    let mut connections = Vec::with_capacity(count);
    for n in 0..count {
        connections.push(in_time("connecting", idle(address, n % 2 == 0)).await);
        if n % 100 == 0 {
            canary(address).await;
        }
    }
    for _ in 0..100 {
        canary(address).await;
    }
    let bytes_each = (resident_kib(&process) - before) * 1_024 / count as u64;
    println!("{count} idle connections ({IDLE} wanted, {descriptors} descriptors), {bytes_each} B each");
    for connection in &connections {
        let mut byte = [0];
        let read = connection.try_read(&mut byte);
        assert!(!matches!(read, Ok(0)), "the server keeps idle connections");
    }
}
