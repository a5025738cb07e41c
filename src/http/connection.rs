//! A connection that does not wait for ever: what actix's own timers leave open is closed here.
//!
//! They bound the head of a connection's first request, and the silence after an answer, but neither the
//! head of a later request, nor what is left of a body that nobody reads, nor a client that reads nothing.
//! While a request is served, its own deadlines hold, and a connection waits for nothing else.

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

/// How long a connection waits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timeouts {
    /// From a later request's first byte to the end of its head.
    head: Duration,
    /// From an answer's last progress to the next request's head.
    silence: Duration,
}

impl Timeouts {
    /// As the settings say. Silence is left to actix first, which ends it politely.
    #[must_use]
    pub(crate) const fn of(settings: &ServerSettings) -> Self {
        let head = Duration::from_millis(settings.head_timeout_ms);
        Self { head, silence: Duration::from_millis(settings.keep_alive_ms + settings.head_timeout_ms) }
    }
}

/// Marks a connection's request as being served, for as long as it lives.
pub(crate) struct InProgress(Option<Rc<Cell<bool>>>);

impl InProgress {
    /// Begins to serve `request`.
    #[must_use]
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

/// What bytes come and go by.
pub(crate) enum Stream {
    /// As they are.
    Plain(TcpStream),
    /// By TLS.
    Tls(Box<TlsStream<TcpStream>>),
}

/// Does the same with either.
macro_rules! either {
    ($stream:expr, $inner:ident => $does:expr) => {
        match $stream {
            Stream::Plain($inner) => $does,
            Stream::Tls($inner) => $does,
        }
    };
}

/// A stream with a deadline, between requests. When that has passed, nothing more is read from it.
pub(crate) struct Connection {
    stream: Stream,
    timeouts: Timeouts,
    serving: Rc<Cell<bool>>,
    /// None until the first answer: until then, actix has a timer.
    deadline: Option<Instant>,
    /// Whether bytes came since the last answer.
    arriving: bool,
    /// Wakes the connection not before its deadline; set anew only when it fires, for that is rare.
    timer: Option<Pin<Box<Sleep>>>,
}

impl Connection {
    /// Takes a connection as it was accepted, to serve HTTP/1 on it; with TLS, once it has shaken hands, for
    /// which it has as long as for a request's head.
    ///
    /// # Errors
    /// When it does not get that far.
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

    /// Lets the requests of this connection tell that they are served.
    pub(crate) fn introduce(&self, requests: &mut Extensions) {
        requests.insert(Rc::clone(&self.serving));
    }

    /// Whether the deadline has passed. If not, the connection is woken some time after it.
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
            // The end of what is read: an answer under way may still be finished.
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
