//! Connections with timeouts that actix lacks.
//!
//! actix limits the head of a connection's first request and the idle time after a response. It does not
//! limit the head of a later request, the rest of a body that no handler reads, or a client that reads
//! nothing. While a request is served, its own timeouts hold, and the connection has none.

use std::{
    cell::Cell,
    future::Future as _,
    io,
    net::SocketAddr,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
    time::Duration,
};

use actix_http::Protocol;
use actix_web::dev::{Extensions, ServiceRequest};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Instant, Sleep, sleep_until, timeout},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use super::settings::ServerSettings;

#[expect(clippy::disallowed_methods, reason = "how long a connection waits is no part of what is decided")]
fn now() -> Instant {
    Instant::now()
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Timeouts {
    /// From the first byte of a later request to the end of its head.
    head: Duration,
    /// From the last progress of a response to the head of the next request.
    silence: Duration,
}

impl Timeouts {
    /// The idle timeout is longer than actix's own, which closes the connection in order.
    pub(crate) const fn of(settings: &ServerSettings) -> Self {
        let head = Duration::from_millis(settings.head_timeout_ms);
        Self { head, silence: Duration::from_millis(settings.keep_alive_ms + settings.head_timeout_ms) }
    }
}

/// Suspends the timeouts of a connection while a request is served.
pub(crate) struct InProgress(Option<Rc<Cell<bool>>>);

impl InProgress {
    pub(crate) fn begin(request: &ServiceRequest) -> Self {
        let serving = request.conn_data::<Rc<Cell<bool>>>().cloned();
        serving.iter().for_each(|serving| serving.set(true));
        Self(serving)
    }
}

impl Drop for InProgress {
    fn drop(&mut self) {
        self.0.iter().for_each(|serving| serving.set(false));
    }
}

pub(crate) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

macro_rules! either {
    ($stream:expr, $inner:ident => $does:expr) => {
        match $stream {
            Stream::Plain($inner) => $does,
            Stream::Tls($inner) => $does,
        }
    };
}

/// A stream with a deadline between requests. Once it has passed, reads return the end of the stream.
pub(crate) struct Connection {
    stream: Stream,
    timeouts: Timeouts,
    serving: Rc<Cell<bool>>,
    /// `None` until the first response; until then, actix has a timer.
    deadline: Option<Instant>,
    /// True if bytes arrived since the last response.
    arriving: bool,
    /// Wakes the task at or after the deadline. It is reset only when it fires, which is rare.
    timer: Option<Pin<Box<Sleep>>>,
}

impl Connection {
    /// Accepts a connection for HTTP/1. The TLS handshake must end within the timeout of a head.
    pub(crate) async fn accept(
        stream: TcpStream,
        timeouts: Timeouts,
        tls: Option<TlsAcceptor>,
    ) -> io::Result<(Self, Protocol, Option<SocketAddr>)> {
        let peer = stream.peer_addr().ok();
        let stream = match tls {
            None => Stream::Plain(stream),
            Some(tls) => Stream::Tls(Box::new(timeout(timeouts.head, tls.accept(stream)).await??)),
        };
        let serving = Rc::default();
        let connection = Self { stream, timeouts, serving, deadline: None, arriving: false, timer: None };
        Ok((connection, Protocol::Http1, peer))
    }

    /// Gives the requests of this connection the flag that they set while they are served.
    pub(crate) fn introduce(&self, requests: &mut Extensions) {
        requests.insert(Rc::clone(&self.serving));
    }

    /// Returns true if the deadline has passed; otherwise wakes the task some time after it.
    fn is_late(&mut self, context: &mut Context<'_>) -> bool {
        let Some(deadline) = self.deadline.filter(|_| !self.serving.get()) else { return false };
        if now() >= deadline {
            return true;
        }
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        while timer.as_mut().poll(context).is_ready() {
            timer.as_mut().reset(deadline);
        }
        false
    }

    fn wrote(&mut self, context: &mut Context<'_>) {
        if !self.serving.get() {
            (self.deadline, self.arriving) = (Some(now() + self.timeouts.silence), false);
            self.is_late(context);
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.is_late(context) {
            // End of stream: a response in progress may still be completed.
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        let read = either!(&mut this.stream, stream => Pin::new(stream).poll_read(context, buffer));
        if buffer.filled().len() > before && !this.serving.get() && !this.arriving {
            this.arriving = true;
            this.deadline = this.deadline.map(|deadline| deadline.min(now() + this.timeouts.head));
        }
        read
    }
}

impl AsyncWrite for Connection {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = either!(&mut this.stream, stream => Pin::new(stream).poll_write(context, bytes));
        match &written {
            Poll::Ready(_) => this.wrote(context),
            Poll::Pending if this.is_late(context) => {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            Poll::Pending => {}
        }
        written
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(&mut self.get_mut().stream, stream => Pin::new(stream).poll_flush(context))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(&mut self.get_mut().stream, stream => Pin::new(stream).poll_shutdown(context))
    }
}
