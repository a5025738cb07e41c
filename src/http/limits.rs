//! What a client may ask for: how often, how slowly, over how many connections.
//!
//! The rate is limited before anything of a request is read or believed. Clients are remembered only as
//! long as they differ from new ones, about a second.

use std::{
    net::{IpAddr, Ipv4Addr},
    num::NonZeroU32,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use actix_web::{
    Error, HttpRequest,
    body::{EitherBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    middleware::Next,
    web,
};
use governor::{DefaultDirectRateLimiter, DefaultKeyedRateLimiter, Quota, clock::Clock as _};

use super::{
    clients::{TrustedProxies, subscriber},
    connection,
    problem::{Problem, ProblemKind},
    settings::ServerSettings,
};

/// Paths that whoever watches the server may ask at any rate.
const EXEMPT: [&str; 3] = ["/healthz", "/readyz", "/metrics"];
/// What explains a refusal must not be refused for the same reason.
const EXPLAINING: &str = "/problems/";
/// A stream says at least so often that it lives: proxies end what is silent for a minute.
const HEARTBEAT_MS: u64 = 15_000;
/// How many lines of one kind are logged a second.
const LINES_PER_SECOND: NonZeroU32 = NonZeroU32::new(20).expect("20 is not 0");
/// How many clients may be remembered before it is asked who can be forgotten.
const REMEMBERED_MIN: usize = 1_024;

/// What the server holds each request to.
pub(crate) struct Limits {
    body_timeout: Duration,
    heartbeat: Duration,
    tls: bool,
    trusted_proxies: TrustedProxies,
    rate: Option<Rate>,
    pub(crate) turned_away: LogLimit,
}

impl Limits {
    /// The limits of these settings.
    #[must_use]
    pub(crate) fn of(settings: &ServerSettings) -> Self {
        Self {
            body_timeout: Duration::from_millis(settings.body_timeout_ms),
            // Our own connections end, too, when they are silent for too long.
            heartbeat: Duration::from_millis(HEARTBEAT_MS.min(settings.keep_alive_ms / 3).max(1)),
            tls: settings.tls.is_some(),
            trusted_proxies: settings.trusted_proxies.clone(),
            rate: NonZeroU32::new(settings.requests_per_second).map(Rate::new),
            turned_away: LogLimit::default(),
        }
    }

    /// How long the body of `request` may take to arrive.
    #[must_use]
    pub(crate) fn body_timeout(request: &HttpRequest) -> Duration {
        let limits = request.app_data::<web::Data<Self>>();
        limits.expect("the server is configured with its limits").body_timeout
    }

    /// How often a stream says that it lives.
    #[must_use]
    pub(crate) const fn heartbeat(&self) -> Duration {
        self.heartbeat
    }

    /// Whether clients come by TLS.
    #[must_use]
    pub(crate) const fn tls(&self) -> bool {
        self.tls
    }

    fn refusal(&self, request: &ServiceRequest) -> Option<Problem> {
        let path = request.path();
        let rate = self.rate.as_ref().filter(|_| !EXEMPT.contains(&path) && !path.starts_with(EXPLAINING))?;
        let peer = request.peer_addr().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.ip());
        let client = self.trusted_proxies.client(peer, request.headers());
        let wait = rate.refusal(client)?;
        let told = format!("a client may send {} requests a second", rate.per_second);
        Some(
            Problem::new(ProblemKind::TooManyRequests, told)
                .retry_after(wait.as_micros().div_ceil(1_000) as u64),
        )
    }
}

/// The middleware.
///
/// # Errors
/// None of its own.
pub(crate) async fn limit<B: MessageBody + 'static>(
    limits: web::Data<Limits>,
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    let _in_progress = connection::InProgress::begin(&request);
    match limits.refusal(&request) {
        Some(problem) => Ok(request.error_response(problem).map_into_right_body()),
        None => Ok(next.call(request).await?.map_into_left_body()),
    }
}

/// Limits log lines that every request of an overload would write, so that they cannot fill the disk.
/// `/metrics` counts all of them.
pub(crate) struct LogLimit {
    rate: DefaultDirectRateLimiter,
    unlogged: AtomicUsize,
}

impl Default for LogLimit {
    fn default() -> Self {
        let rate = DefaultDirectRateLimiter::direct(Quota::per_second(LINES_PER_SECOND));
        Self { rate, unlogged: AtomicUsize::new(0) }
    }
}

impl LogLimit {
    /// Whether one more may be written; then, how many were not since the last one.
    pub(crate) fn one_more(&self) -> Option<usize> {
        if self.rate.check().is_ok() {
            return Some(self.unlogged.swap(0, Ordering::Relaxed));
        }
        self.unlogged.fetch_add(1, Ordering::Relaxed);
        None
    }
}

/// So many requests a second, a client; as many at once.
struct Rate {
    per_second: NonZeroU32,
    clients: DefaultKeyedRateLimiter<IpAddr>,
    /// Requests until it is asked again who can be forgotten.
    until_sweep: AtomicUsize,
}

impl Rate {
    fn new(per_second: NonZeroU32) -> Self {
        let clients = DefaultKeyedRateLimiter::hashmap(Quota::per_second(per_second));
        Self { per_second, clients, until_sweep: AtomicUsize::new(REMEMBERED_MIN) }
    }

    /// How long this client has to wait, if it does.
    fn refusal(&self, client: IpAddr) -> Option<Duration> {
        // As many requests between sweeps as clients were left: the cost of sweeping is bounded a
        // request, and memory by twice the clients of the last second.
        if self.until_sweep.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.clients.retain_recent();
            self.clients.shrink_to_fit();
            self.until_sweep.store(self.clients.len().max(REMEMBERED_MIN), Ordering::Relaxed);
        }
        let refused = self.clients.check_key(&subscriber(client)).err()?;
        Some(refused.wait_time_from(self.clients.clock().now()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_logged_is_counted() {
        let lines = LogLimit::default();
        let written = (0..10_000).filter(|_| lines.one_more().is_some()).count();
        assert!((20..10_000).contains(&written), "{written}");
        assert!(lines.unlogged.load(Ordering::Relaxed) > 0);
    }

    #[test]
    fn whoever_is_back_to_full_credit_is_forgotten() {
        let rate = Rate::new(NonZeroU32::new(1_000_000).unwrap());
        for client in 0..100_000 {
            assert_eq!(rate.refusal(IpAddr::V4(Ipv4Addr::from_bits(client))), None);
        }
        let remembered = rate.clients.len();
        assert!(remembered < 50_000, "{remembered}");
    }
}
