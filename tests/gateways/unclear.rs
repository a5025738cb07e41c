//! Answers without a clear outcome are never read as one.

use saem::PaymentGateway as _;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

use crate::kit::gateway::{FEE, card, client, is_unknown, key, sought};

/// A server that gives every request this answer; returns its address.
pub async fn parrot(answer: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 4_096];
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    url
}

async fn every_outcome_is_unknown_at(url: &str) {
    let gateway = client(url, None);
    assert!(is_unknown(&gateway.charge(key(1, 1), FEE, &card("tok_ok")).await), "charge at {url}");
    assert!(is_unknown(&gateway.find(&sought(1, 1)).await), "find at {url}");
    assert!(is_unknown(&gateway.refund(&sought(1, 1)).await), "refund at {url}");
    assert!(is_unknown(&gateway.void(&sought(1, 1)).await), "void at {url}");
}

#[tokio::test]
async fn unclear_answers_are_unknown() {
    for answer in [
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\ncontent-length: 90\r\n\r\n{\"status\":\"CAPT",
        "HTTP/1.1 404 Not Found\r\ncontent-length: 9\r\n\r\nnot found",
        "HTTP/1.1 404 Not Found\r\ncontent-length: 16\r\n\r\n{\"code\":\"proxy\"}",
        "HTTP/1.1 500 Oh\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 429 Slow\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 422 What\r\ncontent-length: 0\r\n\r\n",
        "SMTP ready\r\n",
        "",
    ] {
        every_outcome_is_unknown_at(&parrot(answer).await).await;
    }
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let body = r#"{"status":"CAPTURED","reference":"x","refunded":29900}"#;
    let captured = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    let there = parrot(captured.leak()).await;
    assert!(client(&there, None).find(&sought(1, 1)).await.is_ok(), "it would be an answer");
    let moved = format!("HTTP/1.1 307 Moved\r\nlocation: {there}/\r\ncontent-length: 0\r\n\r\n");
    every_outcome_is_unknown_at(&parrot(moved.leak()).await).await;
}

#[tokio::test]
async fn unreachable_gateway_is_unknown() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    every_outcome_is_unknown_at(&url).await;
}
