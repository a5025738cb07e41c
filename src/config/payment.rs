//! Settings of payments.

use std::path::PathBuf;

use super::{BreakerSettings, Checks, MINUTE_MS, Number, Secret, values::duration_ms};
use crate::gateways;

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
        deadline_ms: u64 = 900,
        /// Timeout of one call to the gateway, in ms.
        timeout_ms: u64 = 800,
        /// Minimum time before the deadline at which a charge may start, in ms; less than
        /// `payment.deadline_ms`.
        charge_min_ms: u64 = 300,
        /// Maximum concurrent conversations with the gateway.
        concurrency: usize = 64,
        /// `true` lowers the concurrency while calls are slow (`payment.breaker.slow_call_ms`) or fail.
        adaptive: bool = true,
        /// Maximum requests that wait for a conversation.
        queue: usize = 256,
        /// Outcome when the gateway gives no answer: `defer` lets the customer pay later, `refuse` does not.
        fallback: String = "defer".to_owned(),
        /// Time limit for a deferred payment, such as `24h`, `30m` or `90s`; `1s` to `366d`.
        deferral_ttl: String = "24h".to_owned(),
        /// Circuit breaker.
        breaker: BreakerSettings = BreakerSettings::default(),
        /// Payment simulator.
        simulator: SimulatorSettings = SimulatorSettings::default(),
        /// Settings of Stripe.
        stripe: StripeSettings = StripeSettings::default(),
        /// Toss Payments.
        toss: TossSettings = TossSettings::default(),
    }

    /// Stripe (`docs/stripe.md`).
    StripeSettings {
        /// Secret key of the account, `sk_…` or `rk_…`. Unset: the provider is not available.
        secret_key: Option<Secret> = None,
        /// File that holds the secret key.
        secret_key_file: Option<PathBuf> = None,
        /// Base URL of the Stripe API.
        url: String = gateways::payment::stripe::URL.to_owned(),
    }

    /// Toss Payments (`docs/toss.md`).
    TossSettings {
        /// Secret key. Unset: the provider is not available.
        secret_key: Option<Secret> = None,
        /// File that holds the secret key.
        secret_key_file: Option<PathBuf> = None,
        /// Base URL of the Toss Payments API.
        url: String = gateways::payment::toss::URL.to_owned(),
    }

    /// Payment simulator.
    SimulatorSettings {
        /// Latency of a call, in ms.
        latency_ms: u64 = 0,
        /// Maximum random deviation from the latency, in ms.
        jitter_ms: u64 = 0,
        /// Maximum concurrent calls; 0 is unlimited.
        capacity: usize = 0,
    }
}

/// The secret becomes a header value: with a line break in its file, every call would fail.
fn check_secret(checks: &mut Checks, key: &'static str, secret: Option<&Secret>) {
    let plain = |Secret(text): &Secret| text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    checks.require(secret.is_none_or(plain), key, "***", "must be printable ASCII, on one line");
}

fn check_required_secret(
    checks: &mut Checks,
    key: &'static str,
    secret: Option<&Secret>,
    required: bool,
    rule: &str,
) {
    check_secret(checks, key, secret);
    let set = secret.is_some_and(|Secret(text)| !text.is_empty());
    checks.require(set || !required, key, "", rule);
}

fn check_url(checks: &mut Checks, key: &'static str, url: &str) {
    let rule = gateways::payment::http::base_url(url).err();
    // Credentials, query and fragment are refused, and may hold a secret.
    let shown = if url.contains(['@', '?', '#']) { "***" } else { url };
    checks.require(rule.is_none(), key, shown, rule.unwrap_or_default());
}

impl StripeSettings {
    fn check(&self, checks: &mut Checks, used: bool) {
        check_url(checks, "payment.stripe.url", &self.url);
        let rule = "must be set, or payment.stripe.secret_key_file, when payment.provider is stripe";
        check_required_secret(checks, "payment.stripe.secret_key", self.secret_key.as_ref(), used, rule);
    }
}

impl TossSettings {
    fn check(&self, checks: &mut Checks, used: bool) {
        let rule = "must be set, or payment.toss.secret_key_file, when payment.provider is toss";
        check_required_secret(checks, "payment.toss.secret_key", self.secret_key.as_ref(), used, rule);
        check_url(checks, "payment.toss.url", &self.url);
    }
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
        self.stripe.check(checks, self.provider == "stripe");
        self.toss.check(checks, self.provider == "toss");
        checks.one_of("payment.fallback", &self.fallback, &["defer", "refuse"]);
        let larger = self.deadline_ms > self.charge_min_ms;
        let rule = "must be larger than payment.charge_min_ms";
        checks.require(larger, "payment.deadline_ms", self.deadline_ms, rule);
        let ttl = duration_ms(&self.deferral_ttl).is_some();
        let rule = "must be a duration, such as 24h, 30m or 90s";
        checks.require(ttl, "payment.deferral_ttl", &self.deferral_ttl, rule);
        self.breaker.check(checks);
    }

    pub(super) fn numbers(&self) -> impl Iterator<Item = Number> + use<> {
        let simulator = &self.simulator;
        let numbers = [
            ("payment.deadline_ms", self.deadline_ms, 1, 10 * MINUTE_MS),
            ("payment.timeout_ms", self.timeout_ms, 1, 10 * MINUTE_MS),
            ("payment.concurrency", self.concurrency as u64, 1, 100_000),
            ("payment.queue", self.queue as u64, 0, 100_000),
            ("payment.simulator.latency_ms", simulator.latency_ms, 0, 10 * MINUTE_MS),
            ("payment.simulator.jitter_ms", simulator.jitter_ms, 0, 10 * MINUTE_MS),
            ("payment.simulator.capacity", simulator.capacity as u64, 0, 100_000),
        ];
        numbers.into_iter().chain(self.breaker.numbers())
    }
}
