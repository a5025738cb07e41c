//! The settings of payments.

use std::path::PathBuf;

use super::{BreakerSettings, Checks, MINUTE_MS, Number, Secret, values::duration_ms};
use crate::gateways;

sections! {
    /// Payments.
    Payment {
        /// `simulator`; `http`, a gateway that speaks the protocol of `docs/gateway.md`; `stripe`; or `toss`.
        provider: String = "simulator".to_owned(),
        /// Where the gateway of provider `http` is.
        url: Option<String> = None,
        /// What that gateway wants to see as `Authorization: Bearer`, if anything.
        key: Option<Secret> = None,
        /// The file that holds that key, instead.
        key_file: Option<PathBuf> = None,
        /// From a request's arrival to its last chance at the gateway, in ms; waiting included.
        deadline_ms: u64 = 900,
        /// One call to the gateway, in ms.
        timeout_ms: u64 = 800,
        /// Less time than this left before the deadline, in ms, and a charge is not begun any more.
        charge_min_ms: u64 = 300,
        /// Conversations with the gateway at once, at most.
        concurrency: usize = 64,
        /// Whether fewer are begun while calls are slow (`payment.breaker.slow_call_ms`) or fail.
        adaptive: bool = true,
        /// Customers who may wait for one.
        queue: usize = 256,
        /// Without an answer: `defer` (the customer may pay later) or `refuse`.
        fallback: String = "defer".to_owned(),
        /// How long a deferred payment may take, such as `24h`, `30m` or `90s`.
        deferral_ttl: String = "24h".to_owned(),
        /// The circuit breaker.
        breaker: BreakerSettings = BreakerSettings::default(),
        /// The simulator.
        simulator: SimulatorSettings = SimulatorSettings::default(),
        /// Stripe.
        stripe: StripeSettings = StripeSettings::default(),
        /// Toss Payments.
        toss: TossSettings = TossSettings::default(),
    }

    /// Stripe (`docs/stripe.md`).
    StripeSettings {
        /// The account's secret key, `sk_…` or `rk_…`.
        secret_key: Option<Secret> = None,
        /// The file that holds that key, instead.
        secret_key_file: Option<PathBuf> = None,
        /// Where Stripe is.
        url: String = gateways::payment::stripe::URL.to_owned(),
    }

    /// Toss Payments (`docs/toss.md`).
    TossSettings {
        /// The secret key; without one the provider is not set up.
        secret_key: Option<Secret> = None,
        /// The file that holds it, instead.
        secret_key_file: Option<PathBuf> = None,
        /// Where it is.
        url: String = gateways::payment::toss::URL.to_owned(),
    }

    /// The payment simulator.
    SimulatorSettings {
        /// How long a call takes, in ms.
        latency_ms: u64 = 0,
        /// By how much that varies, in ms.
        jitter_ms: u64 = 0,
        /// How many calls it serves at once; 0 is no bound.
        capacity: usize = 0,
    }
}

/// It becomes part of a header: a line break in a file would have every call fail.
fn check_secret(checks: &mut Checks, key: &'static str, secret: Option<&Secret>) {
    let plain = |Secret(text): &Secret| text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    checks.that(secret.is_none_or(plain), key, "***", "must be printable ASCII, on one line");
}

/// The same, of one without which its provider cannot be used.
fn check_needed(checks: &mut Checks, key: &'static str, secret: Option<&Secret>, needed: bool, rule: &str) {
    check_secret(checks, key, secret);
    let set = secret.is_some_and(|Secret(text)| !text.is_empty());
    checks.that(set || !needed, key, "", rule);
}

fn check_url(checks: &mut Checks, key: &'static str, url: &str) {
    let rule = gateways::payment::http::base_url(url).err();
    // What does not belong into it may be a secret.
    let shown = if url.contains(['@', '?', '#']) { "***" } else { url };
    checks.that(rule.is_none(), key, shown, rule.unwrap_or_default());
}

impl StripeSettings {
    fn check(&self, checks: &mut Checks, used: bool) {
        check_url(checks, "payment.stripe.url", &self.url);
        let rule = "must be set, or payment.stripe.secret_key_file, when payment.provider is stripe";
        check_needed(checks, "payment.stripe.secret_key", self.secret_key.as_ref(), used, rule);
    }
}

impl TossSettings {
    fn check(&self, checks: &mut Checks, used: bool) {
        let rule = "must be set, or its file, when payment.provider is toss";
        check_needed(checks, "payment.toss.secret_key", self.secret_key.as_ref(), used, rule);
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
                checks.that(self.provider != "http", "payment.url", "", rule);
            }
        }
        self.stripe.check(checks, self.provider == "stripe");
        self.toss.check(checks, self.provider == "toss");
        checks.one_of("payment.fallback", &self.fallback, &["defer", "refuse"]);
        let larger = self.deadline_ms > self.charge_min_ms;
        let rule = "must be larger than payment.charge_min_ms";
        checks.that(larger, "payment.deadline_ms", self.deadline_ms, rule);
        let ttl = duration_ms(&self.deferral_ttl).is_some();
        let rule = "must be a duration, such as 24h, 30m or 90s";
        checks.that(ttl, "payment.deferral_ttl", &self.deferral_ttl, rule);
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
