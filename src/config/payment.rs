//! Settings of payments.

use std::path::PathBuf;

use super::{BreakerSettings, Checks, MINUTE_MS, Secret, values::duration_ms};
use crate::gateways::payment::http;

sections! {
    /// Settings of payments.
    Payment {
        /// Payment provider: `simulator`, `http` (protocol of `docs/gateway.md`), `stripe` or `toss`.
        provider: String = "simulator".to_owned(),
        /// Base URL of the gateway of provider `http`.
        url: Option<String> = None,
        /// Bearer token for the gateway of provider `http`, sent as `Authorization: Bearer`.
        key: Option<Secret> = None,
        /// File that holds the bearer token.
        key_file: Option<PathBuf> = None,
        /// Deadline for calls to the gateway, in ms after the request's arrival, queueing included.
        deadline_ms: u64 = 900 => (1, 10 * MINUTE_MS),
        /// Timeout of one call to the gateway, in ms.
        timeout_ms: u64 = 800 => (1, 10 * MINUTE_MS),
        /// Minimum time before the deadline at which a charge may start, in ms; less than
        /// `payment.deadline_ms`.
        charge_min_ms: u64 = 300,
        /// Maximum concurrent conversations with the gateway.
        concurrency: usize = 64 => (1, 100_000),
        /// `true` lowers the concurrency while calls are slow (`payment.breaker.slow_call_ms`) or fail.
        adaptive: bool = true,
        /// Maximum requests that wait for a conversation.
        queue: usize = 256 => (0, 100_000),
        /// Outcome when the gateway gives no answer: `defer` lets the customer pay later, `refuse` does not.
        fallback: String = "defer".to_owned(),
        /// Time limit for a deferred payment, such as `24h`, `30m` or `90s`; `1s` to `366d`.
        deferral_ttl: String = "24h".to_owned(),
        breaker: BreakerSettings = BreakerSettings::default(),
        simulator: SimulatorSettings = SimulatorSettings::default(),
        stripe: StripeSettings = StripeSettings::default(),
        toss: TossSettings = TossSettings::default(),
    }

    /// Stripe (`docs/stripe.md`).
    StripeSettings {
        /// Secret key of the account, `sk_…` or `rk_…`. Unset: the provider is not available.
        secret_key: Option<Secret> = None,
        /// File that holds the secret key.
        secret_key_file: Option<PathBuf> = None,
        /// Base URL of the Stripe API.
        url: String = "https://api.stripe.com".to_owned(),
    }

    /// Toss Payments (`docs/toss.md`).
    TossSettings {
        /// Secret key. Unset: the provider is not available.
        secret_key: Option<Secret> = None,
        /// File that holds the secret key.
        secret_key_file: Option<PathBuf> = None,
        /// Base URL of the Toss Payments API.
        url: String = "https://api.tosspayments.com".to_owned(),
    }

    /// Payment simulator.
    SimulatorSettings {
        /// Latency of a call, in ms.
        latency_ms: u64 = 0 => (0, 10 * MINUTE_MS),
        /// Maximum random deviation from the latency, in ms.
        jitter_ms: u64 = 0 => (0, 10 * MINUTE_MS),
        /// Maximum concurrent calls; 0 is unlimited.
        capacity: usize = 0 => (0, 100_000),
    }
}

/// The secret becomes a header value: with a line break in its file, every call would fail.
fn check_secret(checks: &mut Checks, key: &str, secret: Option<&Secret>) {
    let plain = |Secret(text): &Secret| text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    checks.require(secret.is_none_or(plain), key, "***", "must be printable ASCII, on one line");
}

/// Checks the account of a provider. Its secret is required if the provider is `used`.
fn check_account(checks: &mut Checks, used: bool, provider: &str, secret: &Option<Secret>, url: &str) {
    let key = format!("payment.{provider}.secret_key");
    check_secret(checks, &key, secret.as_ref());
    let set = secret.as_ref().is_some_and(|Secret(text)| !text.is_empty());
    let rule = format!("must be set, or {key}_file, when payment.provider is {provider}");
    checks.require(set || !used, &key, "", &rule);
    check_url(checks, &format!("payment.{provider}.url"), url);
}

fn check_url(checks: &mut Checks, key: &str, url: &str) {
    let rule = http::base_url(url).err();
    // Credentials, query and fragment are refused, and may hold a secret.
    let shown = if url.contains(['@', '?', '#']) { "***" } else { url };
    checks.require(rule.is_none(), key, shown, rule.unwrap_or_default());
}

impl Payment {
    pub(super) fn check(&self, checks: &mut Checks) {
        check_secret(checks, "payment.key", self.key.as_ref());
        checks.one_of("payment.provider", &self.provider, &["simulator", "http", "stripe", "toss"]);
        match &self.url {
            Some(url) => check_url(checks, "payment.url", url),
            None => {
                let rule = "must be set when payment.provider is http";
                checks.require(self.provider != "http", "payment.url", "", rule);
            }
        }
        check_account(checks, self.provider == "stripe", "stripe", &self.stripe.secret_key, &self.stripe.url);
        check_account(checks, self.provider == "toss", "toss", &self.toss.secret_key, &self.toss.url);
        checks.one_of("payment.fallback", &self.fallback, &["defer", "refuse"]);
        let larger = self.deadline_ms > self.charge_min_ms;
        let rule = "must be larger than payment.charge_min_ms";
        checks.require(larger, "payment.deadline_ms", self.deadline_ms, rule);
        let ttl = duration_ms(&self.deferral_ttl).is_some();
        let rule = "must be a duration, such as 24h, 30m or 90s";
        checks.require(ttl, "payment.deferral_ttl", &self.deferral_ttl, rule);
        self.breaker.check(checks);
    }
}
