//! Settings of the HTTP server.

use std::sync::Arc;

use super::{clients::TrustedProxies, tls::Tls};

/// File descriptors kept for everything that is no connection: store, log, sockets.
const DESCRIPTORS_RESERVED: usize = 256;

/// Settings of the HTTP server.
#[derive(Clone)]
pub struct ServerSettings {
    /// Worker threads.
    pub workers: usize,
    /// Connections served at once over all threads; more wait to be accepted.
    pub connections: usize,
    /// Time for the head of a request to arrive, in ms.
    pub head_timeout_ms: u64,
    /// Time for the body of a request to arrive, in ms.
    pub body_timeout_ms: u64,
    /// Time that a connection may stay open without a request, in ms.
    pub keep_alive_ms: u64,
    /// Requests per second and client; 0 is unlimited.
    pub requests_per_second: u32,
    /// Proxies whose `X-Forwarded-For` is trusted.
    pub trusted_proxies: TrustedProxies,
    /// Other origins whose pages may call from a browser.
    pub cors_origins: Vec<String>,
    /// Certificate and key; `None` serves plain HTTP.
    pub tls: Option<Arc<Tls>>,
}

impl ServerSettings {
    /// Raises the process's limit of file descriptors as far as allowed. If the limit is still too low,
    /// lowers `connections` to what it allows and returns it.
    ///
    /// # Errors
    /// [`std::io::Error`] if the limit can be neither read nor set.
    pub fn fit_descriptors(&mut self) -> std::io::Result<Option<u64>> {
        let descriptors = rlimit::increase_nofile_limit(u64::MAX)?;
        let most = usize::try_from(descriptors).unwrap_or(usize::MAX);
        let most = most.saturating_sub(DESCRIPTORS_RESERVED).max(most / 2).max(1);
        if self.connections <= most {
            return Ok(None);
        }
        self.connections = most;
        Ok(Some(descriptors))
    }
}
