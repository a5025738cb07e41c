//! Settings: defaults < file < environment < flags, and every error at once.
//!
//! Each setting is a key such as `http.listen`; its environment variable is `SAEM_HTTP__LISTEN`. An
//! unknown key is an error, wherever it stands: a typo must not silently mean the default.

#[macro_use]
mod described;
mod breaker;
mod error;
pub mod open;
mod payment;
pub mod reference;
mod values;

use std::{net::SocketAddr, path::PathBuf};

use config::{Config, Environment, File, FileFormat, Value, ValueKind};

pub use self::{
    breaker::BreakerSettings,
    described::Setting,
    error::{ConfigError, InvalidSetting},
    payment::{Payment, SimulatorSettings, StripeSettings, TossSettings},
    values::{List, Secret},
};
use self::{described::Described, values::duration_ms};
use crate::{
    actors::{
        payment::{Rules, admission::Bounds},
        supervision::restart::RestartLimits,
    },
    domain::notice::Locale,
    http::{
        clients::{self, TrustedProxies},
        cors,
        settings::ServerSettings,
    },
    shop::ShopSettings,
    store::StoreOptions,
};

sections! {
    /// Every setting.
    Settings {
        /// The language of text messages: `ko` or `en`.
        locale: String = "ko".to_owned(),
        /// The HTTP server.
        http: Http = Http::default(),
        /// Where data is kept.
        store: Store = Store::default(),
        /// The operator.
        operator: Operator = Operator::default(),
        /// Payments.
        payment: Payment = Payment::default(),
        /// Text messages.
        sms: Sms = Sms::default(),
        /// Actors.
        actors: Actors = Actors::default(),
        /// What clients may ask for.
        limits: Limits = Limits::default(),
        /// Faults on purpose.
        faults: Faults = Faults::default(),
    }

    /// The HTTP server.
    Http {
        /// Where it listens.
        listen: String = "127.0.0.1:8080".to_owned(),
        /// Where operations are served instead, with `/metrics`: `/healthz`, `/readyz` and the contract are
        /// served on both. Unless it is set, all is served on `http.listen`.
        operations_listen: Option<String> = None,
        /// The certificate chain of TLS, a PEM file; read again upon SIGHUP.
        tls_cert: Option<PathBuf> = None,
        /// The certificate's private key, a PEM file.
        tls_key: Option<PathBuf> = None,
        /// How many threads serve; 0 is one a core.
        workers: usize = 0,
        /// After SIGTERM, for so long, in ms, connections are still served, and told to end.
        drain_ms: u64 = 500,
        /// How many connections are served at once, over all threads; more have to wait.
        connections: usize = 16_384,
        /// How long a request's head may take to arrive, in ms.
        head_timeout_ms: u64 = 5_000,
        /// How long a request's body may take to arrive, in ms.
        body_timeout_ms: u64 = 10_000,
        /// How long a connection may stay open without a request, in ms.
        keep_alive_ms: u64 = 75_000,
        /// Addresses or networks of proxies whose `X-Forwarded-For` is believed.
        trusted_proxies: List = List::default(),
        /// Origins whose pages may call from a browser; `*` is any.
        cors_origins: List = List::default(),
    }

    /// Where data is kept.
    Store {
        /// `sled`, `redb`, or `memory`, which keeps nothing.
        backend: String = "sled".to_owned(),
        /// The data directory.
        path: PathBuf = PathBuf::from("./saem-data"),
        /// How much the backend may keep in memory, in MiB.
        cache_mb: u64 = 48,
        /// With less left on the disk, in MiB, commands are refused (503); reads go on. 0 never refuses.
        min_free_mb: u64 = 128,
    }

    /// The operator.
    Operator {
        /// The key, at least 32 characters; generated into `<store.path>/operator.key` unless set.
        key: Option<Secret> = None,
        /// The file that holds the key, instead.
        key_file: Option<PathBuf> = None,
    }

    /// Text messages.
    Sms {
        /// `log`.
        provider: String = "log".to_owned(),
    }

    /// Actors.
    Actors {
        /// How many threads entities live on; 0 is one a core.
        arbiters: usize = 0,
        /// An entity without work for so long, in ms, is let go.
        idle_ms: u64 = 10_000,
        /// With more than so many entities on a thread, idle ones are let go after a second.
        live_max: usize = 20_000,
        /// How many commands may wait for one entity.
        mailbox: usize = 1_024,
        /// How long a question to an entity may take, in ms.
        ask_timeout_ms: u64 = 5_000,
        /// How many failures within the window are answered by a restart; one more is too many.
        restarts_max: usize = 5,
        /// The window, in ms.
        restarts_window_ms: u64 = 10_000,
        /// Something that gets nothing done for so long, in ms, is stuck: `/healthz` says so. It is at least
        /// two seconds longer than `actors.ask_timeout_ms`.
        stuck_after_ms: u64 = 8_000,
    }

    /// What clients may ask for.
    Limits {
        /// Requests a second, a client; 0 is no bound.
        requests_per_second: u32 = 50,
    }

    /// Faults on purpose.
    Faults {
        /// Whether they may be injected, through operations.
        enabled: bool = false,
    }
}

impl Settings {
    /// Loads settings from a file, the environment (`SAEM_…`) and flags, each before the next, and
    /// checks them.
    ///
    /// ```
    /// use saem::config::Settings;
    ///
    /// let settings = Settings::load(None, &[("store.path", "/var/lib/saem".to_owned())]).unwrap();
    /// assert_eq!(settings.http.listen, "127.0.0.1:8080");
    /// let wrong = Settings::load(None, &[("locale", "fr".to_owned())]).unwrap_err();
    /// assert_eq!(wrong.to_string(), "bad setting: locale = fr: must be ko or en");
    /// ```
    ///
    /// # Errors
    /// [`ConfigError`]
    pub fn load(file: Option<&str>, flags: &[(&str, String)]) -> Result<Self, ConfigError> {
        let environment = std::env::vars().filter(|(name, _)| !NOT_SETTINGS.contains(&name.as_str()));
        Self::load_from(file, environment.collect(), flags)
    }

    fn load_from(
        file: Option<&str>,
        environment: std::collections::HashMap<String, String>,
        flags: &[(&str, String)],
    ) -> Result<Self, ConfigError> {
        let mut builder = Config::builder();
        if let Some(file) = file {
            builder = builder.add_source(File::new(file, FileFormat::Toml));
        }
        let source = Environment::with_prefix("SAEM").prefix_separator("_").separator("__");
        builder = builder.add_source(source.source(Some(environment)));
        for (key, value) in flags {
            builder = builder.set_override(*key, value.as_str())?;
        }
        let raw = builder.build()?;
        let (mut settings, mut invalid) = (Self::default(), Vec::new());
        Described::load(&mut settings, "", &raw, &mut invalid);
        unknown("", &raw.cache, &settings.settings(), &mut invalid);
        invalid.extend(settings.read_secrets());
        invalid.extend(settings.invalid());
        if invalid.is_empty() { Ok(settings) } else { Err(ConfigError::Invalid(invalid)) }
    }

    /// Every setting, with its value.
    #[must_use]
    pub fn settings(&self) -> Vec<Setting> {
        let mut settings = Vec::new();
        self.describe("", &[], &mut settings);
        settings
    }

    /// The least and the most that each number may be.
    pub(crate) fn bounds(&self) -> Vec<(&'static str, u64, u64)> {
        self.numbers().map(|(key, _, least, most)| (key, least, most)).collect()
    }

    /// Reads the secrets that are kept in files. Whatever keeps one from being read is said.
    fn read_secrets(&mut self) -> Vec<InvalidSetting> {
        let Self { operator, payment, .. } = self;
        let (stripe, toss) = (&mut payment.stripe, &mut payment.toss);
        let secrets = [
            ("operator.key_file", &mut operator.key, &operator.key_file),
            ("payment.key_file", &mut payment.key, &payment.key_file),
            ("payment.stripe.secret_key_file", &mut stripe.secret_key, &stripe.secret_key_file),
            ("payment.toss.secret_key_file", &mut toss.secret_key, &toss.secret_key_file),
        ];
        let read =
            secrets.into_iter().map(|(key, secret, file)| values::read_secret(key, secret, file.as_deref()));
        read.filter_map(Result::err).collect()
    }

    /// Every setting that breaks its rule.
    fn invalid(&self) -> Vec<InvalidSetting> {
        let mut checks = Checks(Vec::new());
        let Self { http, store, payment, .. } = self;
        let operations = http.operations_listen.as_ref().map(|listen| ("http.operations_listen", listen));
        for (key, listen) in std::iter::once(("http.listen", &http.listen)).chain(operations) {
            let rule = "must be an address and a port, such as 127.0.0.1:8080";
            checks.that(listen.parse::<SocketAddr>().is_ok(), key, listen, rule);
        }
        for (key, set, other) in [
            ("http.tls_cert", &http.tls_cert, &http.tls_key),
            ("http.tls_key", &http.tls_key, &http.tls_cert),
        ] {
            let rule = "must be set together: http.tls_cert and http.tls_key";
            checks.that(set.is_some() || other.is_none(), key, "", rule);
        }
        for proxy in &http.trusted_proxies.0 {
            checks.that(clients::network(proxy).is_some(), "http.trusted_proxies", proxy, clients::RULE);
        }
        for origin in &http.cors_origins.0 {
            let fits = cors::is_origin(origin) || http.cors_origins.0 == ["*"];
            checks.that(fits, "http.cors_origins", origin, cors::RULE);
        }
        checks.one_of("store.backend", &store.backend, &["sled", "redb", "memory"]);
        checks.that(!store.path.as_os_str().is_empty(), "store.path", "", "must not be empty");
        let key_len = self.operator.key.as_ref().map_or(usize::MAX, |key| key.0.chars().count());
        checks.that(key_len >= 32, "operator.key", "***", "must have at least 32 characters");
        checks.one_of("locale", &self.locale, &["ko", "en"]);
        payment.check(&mut checks);
        checks.one_of("sms.provider", &self.sms.provider, &["log"]);
        for (key, value, least, most) in self.numbers() {
            let rule = format!("must be {least} to {most}");
            checks.that((least..=most).contains(&value), key, value, &rule);
        }
        checks.0
    }

    /// Every number, with the least and the most it may be.
    fn numbers(&self) -> impl Iterator<Item = Number> + use<> {
        let Self { http, store, actors, limits, .. } = self;
        let numbers = [
            ("http.workers", http.workers as u64, 0, 256),
            ("http.drain_ms", http.drain_ms, 0, MINUTE_MS),
            ("http.connections", http.connections as u64, 1, 1_000_000),
            ("http.head_timeout_ms", http.head_timeout_ms, 1_000, 10 * MINUTE_MS),
            ("http.body_timeout_ms", http.body_timeout_ms, 1, 10 * MINUTE_MS),
            ("http.keep_alive_ms", http.keep_alive_ms, 1_000, 60 * MINUTE_MS),
            ("limits.requests_per_second", limits.requests_per_second.into(), 0, 1_000_000),
            ("store.cache_mb", store.cache_mb, 1, 1_000_000),
            ("store.min_free_mb", store.min_free_mb, 0, 1_000_000_000),
            ("actors.arbiters", actors.arbiters as u64, 0, 64),
            ("actors.idle_ms", actors.idle_ms, 1_000, 60 * MINUTE_MS),
            ("actors.live_max", actors.live_max as u64, 1, 10_000_000),
            ("actors.mailbox", actors.mailbox as u64, 1, 1_000_000),
            ("actors.ask_timeout_ms", actors.ask_timeout_ms, 1, 10 * MINUTE_MS),
            ("actors.restarts_max", actors.restarts_max as u64, 0, 1_000),
            ("actors.restarts_window_ms", actors.restarts_window_ms, 1, 60 * MINUTE_MS),
            ("actors.stuck_after_ms", actors.stuck_after_ms, 1_000, 60 * MINUTE_MS),
        ];
        numbers.into_iter().chain(self.payment.numbers())
    }

    /// How HTTP is to be served.
    #[must_use]
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

    /// How the shop is to be run, with the operator's key as it was found or made.
    #[must_use]
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
            payment: Rules {
                deadline_ms: payment.deadline_ms,
                timeout_ms: payment.timeout_ms,
                charge_min_ms: payment.charge_min_ms,
                defer: payment.fallback == "defer",
                deferral_ttl_ms: duration_ms(&payment.deferral_ttl).unwrap_or_default(),
            },
            admission: Bounds {
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
    /// How its backend is opened.
    #[must_use]
    pub const fn options(&self) -> StoreOptions {
        let mebibyte = 1_024 * 1_024;
        StoreOptions { cache_bytes: self.cache_mb * mebibyte, min_free_bytes: self.min_free_mb * mebibyte }
    }
}

/// Tells of every key below `at` that is no setting's.
fn unknown(at: &str, value: &Value, known: &[Setting], wrong: &mut Vec<InvalidSetting>) {
    let is_section = at.is_empty() || known.iter().any(|setting| setting.key.starts_with(&format!("{at}.")));
    let told =
        |rule: &str| InvalidSetting { key: at.to_owned(), value: String::new(), rule: rule.to_owned() };
    match &value.kind {
        ValueKind::Table(table) if is_section => {
            let keys: std::collections::BTreeMap<_, _> = table.iter().collect();
            keys.into_iter()
                .for_each(|(key, value)| unknown(&described::below(at, key), value, known, wrong));
        }
        _ if is_section => wrong.push(told("is a section: its settings are below it")),
        _ if known.iter().any(|setting| setting.key == at) => {}
        _ => wrong.push(told("there is no such setting; `saem config reference` lists them all")),
    }
}

/// A number's key, its value, and the least and the most it may be.
type Number = (&'static str, u64, u64, u64);

/// A minute, in ms.
const MINUTE_MS: u64 = 60_000;

/// Variables with our prefix that are not settings: `SAEM_LOG` filters the log, as `RUST_LOG` would.
const NOT_SETTINGS: [&str; 1] = ["SAEM_LOG"];

struct Checks(Vec<InvalidSetting>);

impl Checks {
    fn that(&mut self, holds: bool, key: &'static str, value: impl ToString, rule: &str) {
        if !holds {
            self.0.push(InvalidSetting {
                key: key.to_owned(),
                value: value.to_string(),
                rule: rule.to_owned(),
            });
        }
    }

    fn one_of(&mut self, key: &'static str, value: &str, known: &[&str]) {
        let rule = format!("must be {}", known.join(" or "));
        self.that(known.contains(&value), key, value, &rule);
    }
}

#[cfg(test)]
mod tests;
