//! Limits of clients: request rate, body time, and log lines of refusals.
//!
//! The rate is checked before anything of a request is parsed. A client is forgotten once its quota is full
//! again, after about a second.

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

/// Paths without a rate limit, for monitoring.
const EXEMPT: [&str; 3] = ["/healthz", "/readyz", "/metrics"];
/// Path of the pages that explain problems, the rate limit's own included.
const EXPLAINING: &str = "/problems/";
/// Longest silence of a stream, in ms: proxies close a connection that is silent for a minute.
const HEARTBEAT_MS: u64 = 15_000;
const LINES_PER_SECOND: NonZeroU32 = NonZeroU32::new(20).expect("20 is not 0");
/// Remembered clients below which no sweep runs.
const REMEMBERED_MIN: usize = 1_024;

pub(crate) struct Limits {
    body_timeout: Duration,
    /// Interval of heartbeats on a stream.
    pub(crate) heartbeat: Duration,
    pub(crate) tls: bool,
    trusted_proxies: TrustedProxies,
    rate: Option<Rate>,
    pub(crate) refusals: LogLimit,
}

impl Limits {
    pub(crate) fn of(settings: &ServerSettings) -> Self {
        Self {
            body_timeout: Duration::from_millis(settings.body_timeout_ms),
            // Shorter than the idle timeout of this server's own connections.
            heartbeat: Duration::from_millis(HEARTBEAT_MS.min(settings.keep_alive_ms / 3).max(1)),
            tls: settings.tls.is_some(),
            trusted_proxies: settings.trusted_proxies.clone(),
            rate: NonZeroU32::new(settings.requests_per_second).map(Rate::new),
            refusals: LogLimit::default(),
        }
    }

    /// Returns the time that the body of `request` may take to arrive.
    pub(crate) fn body_timeout(request: &HttpRequest) -> Duration {
        let limits = request.app_data::<web::Data<Self>>();
        limits.expect("the server is configured with its limits").body_timeout
    }

    fn refusal(&self, request: &ServiceRequest) -> Option<Problem> {
        let path = request.path();
        let rate = self.rate.as_ref().filter(|_| !EXEMPT.contains(&path) && !path.starts_with(EXPLAINING))?;
        let peer = request.peer_addr().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.ip());
        let client = self.trusted_proxies.client(peer, request.headers());
        let wait = rate.refusal(client)?;
        let wait_ms = wait.as_micros().div_ceil(1_000) as u64;
        let detail = format!("a client may send {} requests per second", rate.per_second);
        Some(Problem::new(ProblemKind::TooManyRequests, detail).retry_after(wait_ms))
    }
}

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
    /// Returns the number of lines dropped since the last one if another line may be written.
    pub(crate) fn admit(&self) -> Option<usize> {
        if self.rate.check().is_ok() {
            return Some(self.unlogged.swap(0, Ordering::Relaxed));
        }
        self.unlogged.fetch_add(1, Ordering::Relaxed);
        None
    }
}

/// Requests per second and client; bursts of the same size are allowed.
struct Rate {
    per_second: NonZeroU32,
    clients: DefaultKeyedRateLimiter<IpAddr>,
    until_sweep: AtomicUsize,
}

impl Rate {
    fn new(per_second: NonZeroU32) -> Self {
        let clients = DefaultKeyedRateLimiter::hashmap(Quota::per_second(per_second));
        Self { per_second, clients, until_sweep: AtomicUsize::new(REMEMBERED_MIN) }
    }

    /// Returns the time to wait if this client is over its limit.
    fn refusal(&self, client: IpAddr) -> Option<Duration> {
        // As many requests between sweeps as clients are left: this bounds the cost of sweeping per request,
        // and memory by twice the clients of the last second.
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
    fn dropped_log_lines_are_counted() {
        let lines = LogLimit::default();
        let written = (0..10_000).filter(|_| lines.admit().is_some()).count();
        assert!((20..10_000).contains(&written), "{written}");
        assert!(lines.unlogged.load(Ordering::Relaxed) > 0);
    }

    #[test]
    fn refilled_clients_are_evicted() {
        let rate = Rate::new(NonZeroU32::new(1_000_000).unwrap());
        for client in 0..100_000 {
            assert_eq!(rate.refusal(IpAddr::V4(Ipv4Addr::from_bits(client))), None);
        }
        let remembered = rate.clients.len();
        assert!(remembered < 50_000, "{remembered}");
    }
}
