//! The load: a number of connections, each of which sends the next request as soon as the last one is
//! answered.
//!
//! An unexpected answer ends the run, as figures of failed requests mean nothing.

use std::{
    cell::Cell,
    error::Error,
    net::SocketAddr,
    time::{Duration, Instant},
};

use futures_util::future::try_join_all;
use http_body_util::{BodyExt as _, Full};
use hyper::{
    Request, StatusCode,
    body::Bytes,
    client::conn::http1::{self, SendRequest},
    header,
    http::response::Parts,
};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::clock::now;

pub struct Connection {
    send: SendRequest<Full<Bytes>>,
    address: String,
}

/// A request and its expected status.
#[derive(Clone)]
pub struct Call {
    pub method: &'static str,
    pub path: String,
    /// Bearer token of a customer or the operator.
    pub token: Option<String>,
    /// JSON body.
    pub body: Option<Bytes>,
    /// Any other status is a failure.
    pub expected: StatusCode,
}

impl Connection {
    pub async fn open(address: &str) -> Result<Self, Box<dyn Error>> {
        let stream = TcpStream::connect(address.parse::<SocketAddr>()?).await?;
        stream.set_nodelay(true)?;
        let (send, connection) = http1::handshake(TokioIo::new(stream)).await?;
        // This task ends with the server or with `send`. Requests sent after that return an error.
        tokio::spawn(connection);
        Ok(Self { send, address: address.to_owned() })
    }

    /// Sends a request and reads the whole answer. Fails unless the answer has the expected status.
    pub async fn ask(&mut self, call: &Call) -> Result<Bytes, Box<dyn Error>> {
        let (head, body) = self.send(call).await?;
        if head.status != call.expected {
            let Call { method, path, .. } = call;
            return Err(format!("{method} {path}: {} {}", head.status, String::from_utf8_lossy(&body)).into());
        }
        Ok(body)
    }

    /// Sends a request and reads the whole answer, whatever its status.
    pub async fn send(&mut self, call: &Call) -> Result<(Parts, Bytes), Box<dyn Error>> {
        let mut request =
            Request::builder().method(call.method).uri(&call.path).header(header::HOST, &self.address);
        if let Some(token) = &call.token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        if call.body.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let request = request.body(Full::new(call.body.clone().unwrap_or_default()))?;
        self.send.ready().await?;
        let (head, body) = self.send.send_request(request).await?.into_parts();
        Ok((head, body.collect().await?.to_bytes()))
    }
}

/// End of a round.
#[derive(Clone, Copy)]
pub enum Until {
    /// Ends after this time; requests in progress are finished.
    Elapsed(Duration),
    /// Ends after this number of requests.
    Answered(u64),
}

/// Results of a round.
pub struct Round {
    /// Time from the first request to the last answer.
    pub elapsed: Duration,
    /// Latency of each request in µs, ascending.
    latencies_us: Vec<u32>,
}

impl Round {
    /// Number of answers.
    pub fn answers(&self) -> usize {
        self.latencies_us.len()
    }

    /// Answers a second.
    pub fn per_second(&self) -> f64 {
        self.answers() as f64 / self.elapsed.as_secs_f64()
    }

    /// Latency that `per_mille` of 1,000 requests did not exceed, in ms.
    pub fn latency_ms(&self, per_mille: usize) -> f64 {
        let rank = (self.answers() * per_mille).div_ceil(1_000).saturating_sub(1);
        f64::from(self.latencies_us.get(rank).copied().unwrap_or_default()) / 1_000.0
    }
}

/// Runs one round over `connections` new connections. `call` makes the next call from the number of the
/// connection and the number of the request.
pub async fn round(
    address: &str,
    connections: usize,
    until: Until,
    call: impl Fn(usize, u64) -> Call,
) -> Result<Round, Box<dyn Error>> {
    let mut connections = try_join_all((0..connections).map(|_| Connection::open(address))).await?;
    let (began, asked) = (now(), &Cell::new(0_u64));
    let call = &call;
    let more = move || match until {
        Until::Elapsed(limit) => began.elapsed() < limit,
        Until::Answered(limit) => asked.get() < limit,
    };
    let work = connections.iter_mut().enumerate().map(|(number, connection)| async move {
        let mut latencies_us = Vec::new();
        while more() {
            let request = asked.replace(asked.get() + 1);
            let call = call(number, request);
            let sent: Instant = now();
            connection.ask(&call).await?;
            latencies_us.push(u32::try_from(sent.elapsed().as_micros()).unwrap_or(u32::MAX));
        }
        Ok::<_, Box<dyn Error>>(latencies_us)
    });
    let mut latencies_us = try_join_all(work).await?.concat();
    let elapsed = began.elapsed();
    latencies_us.sort_unstable();
    Ok(Round { elapsed, latencies_us })
}
