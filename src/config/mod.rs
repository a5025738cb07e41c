//! Settings, merged from defaults, file, environment and flags, in ascending precedence.
//!
//! Each setting has a key such as `http.listen` and an environment variable such as `SAEM_HTTP__LISTEN`. An
//! unknown key is an error, so that a typo does not silently select the default. All errors are reported at
//! once.

#[macro_use]
mod sections;
mod brand;
mod breaker;
mod error;
pub mod open;
mod payment;
pub mod reference;
mod values;

use std::{collections::HashMap, net::SocketAddr, path::PathBuf};

use config::{Config, Environment, File, FileFormat};

pub use self::values::{List, Secret};
pub(crate) use self::{
    brand::BrandSettings,
    breaker::BreakerSettings,
    error::{ConfigError, InvalidSetting},
    payment::{Payment, SimulatorSettings},
    sections::Setting,
};
use self::{sections::Describe, values::duration_ms};
use crate::{
    actors::{
        payment::{PaymentRules, admission::AdmissionBounds},
        supervision::restart::RestartLimits,
    },
    domain::notice::Locale,
    http::{
        ServerSettings,
        clients::{self, TrustedProxies},
        cors,
    },
    shop::ShopSettings,
    store::StoreOptions,
};

sections! {
    /// All settings.
    Settings {
        /// Language of text messages: `ko` or `en`.
        locale: String = "ko".to_owned(),
        shop: BrandSettings = BrandSettings::default(),
        http: Http = Http::default(),
        store: Store = Store::default(),
        operator: Operator = Operator::default(),
        payment: Payment = Payment::default(),
        sms: Sms = Sms::default(),
        actors: Actors = Actors::default(),
        limits: Limits = Limits::default(),
        faults: Faults = Faults::default(),
    }

    /// HTTP server.
    Http {
        /// Address and port of the shop and the API.
        listen: String = "127.0.0.1:8080".to_owned(),
        /// Separate address and port for operations and `/metrics`; both listeners then serve `/healthz`,
        /// `/readyz` and the API contract. Unset: `http.listen` serves everything.
        operations_listen: Option<String> = None,
        /// TLS certificate chain, a PEM file, reloaded on SIGHUP.
        tls_cert: Option<PathBuf> = None,
        /// Private key of the TLS certificate, a PEM file, reloaded on SIGHUP.
        tls_key: Option<PathBuf> = None,
        /// Worker threads; 0 is one per core.
        workers: usize = 0 => (0, 256),
        /// Time after SIGTERM in which connections are still served and asked to close, in ms.
        drain_ms: u64 = 500 => (0, MINUTE_MS),
        /// Maximum connections over all threads; further ones wait to be accepted.
        connections: usize = 16_384 => (1, 1_000_000),
        /// Timeout for receiving a request's head, in ms.
        head_timeout_ms: u64 = 5_000 => (1_000, 10 * MINUTE_MS),
        /// Timeout for receiving a request's body, in ms.
        body_timeout_ms: u64 = 10_000 => (1, 10 * MINUTE_MS),
        /// Timeout of an idle connection, in ms.
        keep_alive_ms: u64 = 75_000 => (1_000, 60 * MINUTE_MS),
        /// Addresses or networks of the proxies whose `X-Forwarded-For` is trusted.
        trusted_proxies: List = List::default(),
        /// Origins allowed for cross-origin requests; `*` allows any.
        cors_origins: List = List::default(),
    }

    /// Settings of the store.
    Store {
        /// Backend: `sled`, `redb`, or `memory`, which loses all data when the process ends.
        backend: String = "sled".to_owned(),
        /// Data directory.
        path: PathBuf = PathBuf::from("./saem-data"),
        /// Memory for the backend's cache, in MiB.
        cache_mb: u64 = 48 => (1, 1_000_000),
        /// Minimum free disk space, in MiB. Below it, commands are refused with 503 and reads continue; 0
        /// disables the check.
        min_free_mb: u64 = 128 => (0, 1_000_000_000),
    }

    /// Settings of the operator.
    Operator {
        /// Operator key, at least 32 characters. Unset: generated into `<store.path>/operator.key`.
        key: Option<Secret> = None,
        /// File that holds the operator key.
        key_file: Option<PathBuf> = None,
    }

    /// Text messages.
    Sms {
        /// SMS provider: `log`, which writes messages to the log.
        provider: String = "log".to_owned(),
    }

    /// Settings of the actors.
    Actors {
        /// Threads for entities; 0 is one per core, at most 8.
        arbiters: usize = 0 => (0, 64),
        /// Idle time after which an entity is evicted from memory, in ms.
        idle_ms: u64 = 10_000 => (1_000, 60 * MINUTE_MS),
        /// Entities per thread above which the idle time is at most 1000 ms.
        live_max: usize = 20_000 => (1, 10_000_000),
        /// Maximum commands that wait for one entity.
        mailbox: usize = 1_024 => (1, 1_000_000),
        /// Timeout of a request to an entity, in ms.
        ask_timeout_ms: u64 = 5_000 => (1, 10 * MINUTE_MS),
        /// Maximum restarts of an actor within the window; one more failure quarantines it.
        restarts_max: usize = 5 => (0, 1_000),
        /// Window for counting failures, in ms.
        restarts_window_ms: u64 = 10_000 => (1, 60 * MINUTE_MS),
        /// Time without progress after which `/healthz` reports a component as stuck, in ms; at least
        /// `actors.ask_timeout_ms` + 2000 is used.
        stuck_after_ms: u64 = 8_000 => (1_000, 60 * MINUTE_MS),
    }

    /// Rate limits.
    Limits {
        /// Maximum requests per second and client; 0 is unlimited.
        requests_per_second: u32 = 50 => (0, 1_000_000),
    }

    /// Fault injection.
    Faults {
        /// `true` allows fault injection through the operations API.
        enabled: bool = false,
    }
}

impl Settings {
    /// Loads settings from a file, the environment (`SAEM_…`) and flags, in ascending precedence, and
    /// validates them.
    ///
    /// ```
    /// use saem::internal::config::Settings;
    ///
    /// let settings = Settings::load(None, &[("store.path", "/var/lib/saem".to_owned())]).unwrap();
    /// assert_eq!(settings.http.listen, "127.0.0.1:8080");
    /// let wrong = Settings::load(None, &[("locale", "fr".to_owned())]).unwrap_err();
    /// assert_eq!(wrong.to_string(), "bad setting: locale = fr: must be ko or en");
    /// ```
    ///
    /// # Errors
    /// `ConfigError::Unreadable`, or `ConfigError::Invalid`, which lists every setting that is unknown,
    /// malformed or out of bounds.
    pub fn load(file: Option<&str>, flags: &[(&str, String)]) -> Result<Self, ConfigError> {
        let environment = std::env::vars().filter(|(name, _)| !NOT_SETTINGS.contains(&name.as_str()));
        Self::load_from(file, environment.collect(), flags)
    }

    fn load_from(
        file: Option<&str>,
        environment: HashMap<String, String>,
        flags: &[(&str, String)],
    ) -> Result<Self, ConfigError> {
        let file = file.map(|file| File::new(file, FileFormat::Toml));
        let source = Environment::with_prefix("SAEM").prefix_separator("_").separator("__");
        let environment = source.source(Some(environment));
        let mut builder = Config::builder().add_source(Vec::from_iter(file)).add_source(environment);
        for (key, value) in flags {
            builder = builder.set_override(*key, value.as_str())?;
        }
        let raw = builder.build()?;
        let (mut settings, mut invalid) = (Self::default(), Vec::new());
        Describe::load(&mut settings, "", &raw, &mut invalid);
        sections::report_unknown("", &raw.cache, &settings.settings(), &mut invalid);
        invalid.extend(settings.read_secrets());
        invalid.extend(settings.invalid());
        if invalid.is_empty() { Ok(settings) } else { Err(ConfigError::Invalid(invalid)) }
    }

    pub fn settings(&self) -> Vec<Setting> {
        let mut settings = Vec::new();
        self.describe("", (&[], None), &mut settings);
        settings
    }

    /// Reads secrets from their files, and returns the failures.
    fn read_secrets(&mut self) -> Vec<InvalidSetting> {
        let Self { operator, payment, .. } = self;
        let (stripe, toss) = (&mut payment.stripe, &mut payment.toss);
        let secrets = [
            ("operator.key_file", &mut operator.key, &operator.key_file),
            ("payment.key_file", &mut payment.key, &payment.key_file),
            ("payment.stripe.secret_key_file", &mut stripe.secret_key, &stripe.secret_key_file),
            ("payment.toss.secret_key_file", &mut toss.secret_key, &toss.secret_key_file),
        ];
        let read = secrets.map(|(key, secret, file)| values::read_secret(key, secret, file.as_deref()));
        read.into_iter().filter_map(Result::err).collect()
    }

    fn invalid(&self) -> Vec<InvalidSetting> {
        let mut checks = Checks(Vec::new());
        let Self { http, store, payment, .. } = self;
        let operations = http.operations_listen.as_ref().map(|listen| ("http.operations_listen", listen));
        for (key, listen) in std::iter::once(("http.listen", &http.listen)).chain(operations) {
            let rule = "must be an address and a port, such as 127.0.0.1:8080";
            checks.require(listen.parse::<SocketAddr>().is_ok(), key, listen, rule);
        }
        let rule = "must be set together: http.tls_cert and http.tls_key";
        let (certificate, key) = (http.tls_cert.is_some(), http.tls_key.is_some());
        checks.require(certificate || !key, "http.tls_cert", "", rule);
        checks.require(key || !certificate, "http.tls_key", "", rule);
        for proxy in &http.trusted_proxies.0 {
            checks.require(clients::network(proxy).is_some(), "http.trusted_proxies", proxy, clients::RULE);
        }
        for origin in &http.cors_origins.0 {
            let fits = cors::is_origin(origin) || http.cors_origins.0 == ["*"];
            checks.require(fits, "http.cors_origins", origin, cors::RULE);
        }
        checks.one_of("store.backend", &store.backend, &["sled", "redb", "memory"]);
        checks.require(!store.path.as_os_str().is_empty(), "store.path", "", "must not be empty");
        let long = self.operator.key.as_ref().is_none_or(|key| key.0.chars().count() >= 32);
        checks.require(long, "operator.key", "***", "must have at least 32 characters");
        checks.one_of("locale", &self.locale, &["ko", "en"]);
        self.shop.check(&mut checks);
        payment.check(&mut checks);
        checks.one_of("sms.provider", &self.sms.provider, &["log"]);
        for Setting { key, bounds, value, .. } in self.settings() {
            let (Some((least, most)), Some(value)) = (bounds, value) else { continue };
            let fits = value.parse::<u64>().is_ok_and(|number| (least..=most).contains(&number));
            checks.require(fits, &key, value, &format!("must be {least} to {most}"));
        }
        checks.0
    }

    /// Settings of the HTTP server, without TLS.
    pub fn server(&self) -> ServerSettings {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let Self { http, limits, .. } = self;
        ServerSettings {
            workers: if http.workers == 0 { cores } else { http.workers },
            connections: http.connections,
            head_timeout_ms: http.head_timeout_ms,
            body_timeout_ms: http.body_timeout_ms,
            keep_alive_ms: http.keep_alive_ms,
            requests_per_second: limits.requests_per_second,
            trusted_proxies: TrustedProxies::of(&http.trusted_proxies.0),
            cors_origins: http.cors_origins.0.clone(),
            tls: None,
        }
    }

    /// Settings of the shop, with this operator key.
    pub fn shop(&self, operator_key: String) -> ShopSettings {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let Self { payment, actors, .. } = self;
        ShopSettings {
            arbiters: if actors.arbiters == 0 { cores.min(8) } else { actors.arbiters },
            ask_timeout_ms: actors.ask_timeout_ms,
            entity_mailbox: actors.mailbox,
            entity_idle_ms: actors.idle_ms,
            entities_max: actors.live_max,
            restart_limits: RestartLimits {
                restarts_max: actors.restarts_max,
                window_ms: actors.restarts_window_ms,
            },
            operator_key,
            locale: Locale::parse(&self.locale).unwrap_or_default(),
            brand: self.shop.brand(),
            payment: PaymentRules {
                deadline_ms: payment.deadline_ms,
                timeout_ms: payment.timeout_ms,
                charge_min_ms: payment.charge_min_ms,
                defer: payment.fallback == "defer",
                deferral_ttl_ms: duration_ms(&payment.deferral_ttl).unwrap_or_default(),
            },
            admission: AdmissionBounds {
                concurrency: payment.concurrency,
                queue: payment.queue,
                slow_call_ms: payment.adaptive.then_some(payment.breaker.slow_call_ms),
            },
            breaker: payment.breaker.rules(),
            stuck_after_ms: actors.stuck_after_ms,
            faults_enabled: self.faults.enabled,
            ..ShopSettings::new(String::new())
        }
    }
}

impl Store {
    pub const fn options(&self) -> StoreOptions {
        let mebibyte = 1_024 * 1_024;
        StoreOptions { cache_bytes: self.cache_mb * mebibyte, min_free_bytes: self.min_free_mb * mebibyte }
    }
}

const MINUTE_MS: u64 = 60_000;

/// Variables with the prefix that are no settings: `SAEM_LOG` is the log filter.
const NOT_SETTINGS: [&str; 1] = ["SAEM_LOG"];

struct Checks(Vec<InvalidSetting>);

impl Checks {
    fn require(&mut self, holds: bool, key: &str, value: impl ToString, rule: &str) {
        if !holds {
            let (key, value, rule) = (key.to_owned(), value.to_string(), rule.to_owned());
            self.0.push(InvalidSetting { key, value, rule });
        }
    }

    fn one_of(&mut self, key: &str, value: &str, known: &[&str]) {
        let rule = format!("must be {}", known.join(" or "));
        self.require(known.contains(&value), key, value, &rule);
    }
}

#[cfg(test)]
mod tests;
