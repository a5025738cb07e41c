//! Precedence of sources, values of each type, and errors of invalid settings.

use super::*;

fn load(environment: &[(&str, &str)], flags: &[(&str, String)]) -> Result<Settings, ConfigError> {
    let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Settings::load_from(None, environment.collect(), flags)
}

fn loaded(environment: &[(&str, &str)]) -> Settings {
    load(environment, &[]).unwrap()
}

/// Errors, one per line.
fn refused(environment: &[(&str, &str)]) -> Vec<String> {
    let error = load(environment, &[]).unwrap_err().to_string();
    error.lines().map(|line| line.trim_start_matches("bad setting: ").to_owned()).collect()
}

#[test]
fn flags_override_the_environment_which_overrides_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("saem.toml");
    std::fs::write(&file, "locale = \"en\"\n[http]\nlisten = \"127.0.0.1:1\"\nworkers = 3\n").unwrap();
    let environment = [("SAEM_HTTP__LISTEN".to_owned(), "127.0.0.1:2".to_owned())];
    let flags = [("http.listen", "127.0.0.1:3".to_owned())];
    let load = |flags| Settings::load_from(file.to_str(), environment.clone().into(), flags).unwrap();
    assert_eq!((load(&[]).http.listen.as_str(), load(&[]).http.workers), ("127.0.0.1:2", 3));
    assert_eq!((load(&flags).http.listen.as_str(), load(&flags).locale.as_str()), ("127.0.0.1:3", "en"));
}

#[test]
fn numbers_and_numeric_strings_are_read_from_the_environment() {
    let key = "1".repeat(32);
    let environment =
        [("SAEM_PAYMENT__CONCURRENCY", "7"), ("SAEM_FAULTS__ENABLED", "true"), ("SAEM_OPERATOR__KEY", &key)];
    let settings = load(&environment, &[]).unwrap();
    assert_eq!((settings.payment.concurrency, settings.faults.enabled), (7, true));
    assert_eq!(settings.operator.key.unwrap().0, key);
}

#[test]
fn an_unknown_key_is_refused_by_name() {
    for (name, key) in [("SAEM_HTTP__LISTENN", "http.listenn"), ("SAEM_HTTTP__LISTEN", "htttp")] {
        let wrong = refused(&[(name, "127.0.0.1:1")]);
        assert_eq!(wrong, [format!("{key}: no such setting; `saem config reference` lists all settings")]);
    }
    let section = refused(&[("SAEM_HTTP", "127.0.0.1:1")]);
    assert_eq!(section, ["http: is a section, not a setting"]);
}

#[test]
fn all_errors_of_a_file_are_reported_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("saem.toml");
    let text = "locale = \"fr\"\nlocal = 1\n[http]\nworkers = \"many\"\n[payment.breaker]\nwindow = 3\n\
                [operator]\nkey = [1]\n[faults]\nenabled = \"perhaps\"\n";
    std::fs::write(&file, text).unwrap();
    let error = Settings::load_from(file.to_str(), [].into(), &[]).unwrap_err().to_string();
    let lines: Vec<&str> = error.lines().collect();
    let unknown = "no such setting; `saem config reference` lists all settings";
    assert_eq!(
        lines,
        [
            "bad setting: http.workers = many: must be a whole number".to_owned(),
            "bad setting: operator.key = ***: must be a string".to_owned(),
            "bad setting: faults.enabled = perhaps: must be true or false".to_owned(),
            format!("bad setting: local: {unknown}"),
            format!("bad setting: payment.breaker.window: {unknown}"),
            "bad setting: locale = fr: must be ko or en".to_owned(),
        ]
    );
}

#[test]
fn the_documentation_is_the_generated_reference() {
    let written = include_str!("../../docs/configuration.md");
    assert!(written == reference::markdown(), "run: saem config reference > docs/configuration.md");
    for setting in Settings::default().settings() {
        assert!(!setting.description.is_empty(), "{}", setting.key);
    }
}

#[test]
fn shown_settings_load_again_and_hide_secrets() {
    let directory = tempfile::tempdir().unwrap();
    let environment = [
        ("SAEM_OPERATOR__KEY", "a secret of no fewer than 32 characters"),
        ("SAEM_HTTP__CORS_ORIGINS", "https://shop.example"),
        ("SAEM_PAYMENT__URL", "https://gateway.example/"),
    ];
    let shown = reference::toml(&loaded(&environment).settings(), false);
    for line in ["key = \"***\"", "cors_origins = [\"https://shop.example\"]", "[payment.breaker]"] {
        assert!(shown.contains(line), "{line}: {shown}");
    }
    assert!(!shown.contains("a secret"));
    // Without secrets the output is a file that loads into the same settings.
    let plain = reference::toml(&loaded(&environment[1..]).settings(), false);
    let file = directory.path().join("saem.toml");
    std::fs::write(&file, &plain).unwrap();
    let again = Settings::load_from(file.to_str(), [].into(), &[]).unwrap();
    assert_eq!(reference::toml(&again.settings(), false), plain);
}

#[test]
fn an_sms_prefix_too_long_for_one_sms_is_refused() {
    let rule = "must have 1 to 9 bytes in EUC-KR, so that messages fit into one SMS";
    for prefix in ["[맑은샘물]", " ", "[€]"] {
        let wrong = refused(&[("SAEM_SHOP__SMS_PREFIX", prefix)]);
        assert_eq!(wrong, [format!("shop.sms_prefix = {prefix}: {rule}")]);
    }
    let brand =
        loaded(&[("SAEM_SHOP__SMS_PREFIX", "[맑은샘]"), ("SAEM_SHOP__NAME", " 맑은샘 ")]).shop.brand();
    assert_eq!((brand.sms_prefix.as_deref(), brand.name.as_deref()), (Some("[맑은샘]"), Some("맑은샘")));
    let wrong = refused(&[("SAEM_SHOP__TAGLINE", "물\t물")]);
    assert_eq!(wrong, ["shop.tagline = 물\t물: must be one line of 1 to 100 characters"]);
}

#[test]
fn durations_are_parsed() {
    assert_eq!(
        ["90s", "30m", "24h", "7d"].map(duration_ms),
        [90, 1_800, 86_400, 604_800].map(|s| Some(s * 1_000))
    );
    assert_eq!(["", "h", "0s", "1.5h", "24", "-1h", "9999d", "1시"].map(duration_ms), [None; 8]);
}

#[test]
fn numbers_out_of_range_are_refused_and_defaults_are_valid() {
    assert_eq!(Settings::default().invalid(), []);
    let most = u64::MAX.to_string();
    for setting in Settings::default().settings() {
        if setting.bounds.is_some() {
            let error = load(&[(&setting.variable(), &most)], &[]).unwrap_err().to_string();
            assert!(error.contains(&setting.key), "{}: {error}", setting.key);
        }
    }
}

#[test]
fn lists_are_read_from_arrays_and_from_comma_separated_text() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("saem.toml");
    std::fs::write(&file, "[http]\ntrusted_proxies = [\"10.0.0.0/8\", \"::1\"]\n").unwrap();
    let environment = [("SAEM_HTTP__CORS_ORIGINS", "https://shop.example, http://localhost:3000,")];
    let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let http = Settings::load_from(file.to_str(), environment.into(), &[]).unwrap().http;
    assert_eq!(http.trusted_proxies.0, ["10.0.0.0/8", "::1"]);
    assert_eq!(http.cors_origins.0, ["https://shop.example", "http://localhost:3000"]);
    let empty = load(&[("SAEM_HTTP__CORS_ORIGINS", "")], &[]).unwrap();
    assert_eq!(empty.http.cors_origins, List::default());
    std::fs::write(&file, "[http]\ntrusted_proxies = 7.5\n").unwrap();
    let error = Settings::load_from(file.to_str(), [].into(), &[]).unwrap_err().to_string();
    assert!(error.contains("http.trusted_proxies"), "{error}");
}

#[test]
fn invalid_entries_of_a_list_are_named() {
    let environment = [
        ("SAEM_HTTP__TRUSTED_PROXIES", "10.0.0.1,10.0.0.0/33,proxy.example"),
        ("SAEM_HTTP__CORS_ORIGINS", "https://shop.example/,https://good.example,*"),
    ];
    let wrong = refused(&environment);
    let named = [
        "http.trusted_proxies = 10.0.0.0/33: ",
        "http.trusted_proxies = proxy.example: ",
        "http.cors_origins = https://shop.example/: ",
        "http.cors_origins = *: ",
    ];
    assert!(wrong.iter().zip(named).all(|(wrong, named)| wrong.starts_with(named)), "{wrong:?}");
    assert_eq!(wrong.len(), named.len());
    assert!(load(&[("SAEM_HTTP__CORS_ORIGINS", "*")], &[]).is_ok());
}

#[test]
fn provider_http_needs_a_url() {
    let missing = refused(&[("SAEM_PAYMENT__PROVIDER", "http")]);
    assert_eq!(missing, ["payment.url: must be set when payment.provider is http"]);
    for url in ["gateway.example", "ftp://gateway.example", "http://", "http://me:secret@gateway.example/"] {
        let wrong = refused(&[("SAEM_PAYMENT__PROVIDER", "http"), ("SAEM_PAYMENT__URL", url)]);
        assert!(wrong[0].starts_with("payment.url = ") && !wrong[0].contains("secret"), "{wrong:?}");
    }
    loaded(&[("SAEM_PAYMENT__PROVIDER", "http"), ("SAEM_PAYMENT__URL", "https://gateway.example/pay")]);
}

#[test]
fn provider_stripe_needs_a_key_and_hides_it() {
    let missing = refused(&[("SAEM_PAYMENT__PROVIDER", "stripe")]);
    assert!(missing[0].starts_with("payment.stripe.secret_key: must be set"), "{missing:?}");
    let with = |key| [("SAEM_PAYMENT__PROVIDER", "stripe"), ("SAEM_PAYMENT__STRIPE__SECRET_KEY", key)];
    let stripe = loaded(&with("sk_test_abc")).payment.stripe;
    assert_eq!(stripe.url, "https://api.stripe.com");
    assert!(!format!("{stripe:?}").contains("sk_test_abc"));
    assert_eq!(
        refused(&with("sk_test\na")),
        ["payment.stripe.secret_key = ***: must be printable ASCII, on one line"]
    );
    let wrong = refused(&[("SAEM_PAYMENT__STRIPE__URL", "http://me:sk_test_abc@stripe.example/")]);
    assert!(wrong[0].starts_with("payment.stripe.url = ***: must be a URL"), "{wrong:?}");
}

#[test]
fn a_breaker_that_could_never_open_is_refused() {
    let few = refused(&[("SAEM_PAYMENT__BREAKER__WINDOW_SIZE", "10")]);
    assert_eq!(
        few,
        ["payment.breaker.minimum_calls = 20: must not be larger than payment.breaker.window_size"]
    );
    let others = [
        ("SAEM_PAYMENT__BREAKER__OPEN_WAIT_MS", "70000"),
        ("SAEM_PAYMENT__BREAKER__WINDOW_TYPE", "SLIDING"),
        ("SAEM_PAYMENT__BREAKER__FAILURE_RATE_PERCENT", "101"),
    ];
    assert_eq!(refused(&others).len(), 3);
}

#[test]
fn secrets_are_read_from_files_and_refused_if_set_twice() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("key");
    let named = file.to_str().unwrap();
    let from_file = ("SAEM_OPERATOR__KEY_FILE", named);
    let missing = refused(&[from_file]);
    assert!(missing[0].starts_with(&format!("operator.key_file = {named}: cannot be read")), "{missing:?}");
    std::fs::write(&file, " \n").unwrap();
    assert_eq!(
        refused(&[from_file]),
        [format!("operator.key_file = {named}: must hold a secret; the file is empty")]
    );
    let secret = "a secret of no fewer than 32 characters";
    std::fs::write(&file, format!("{secret}\n")).unwrap();
    assert_eq!(loaded(&[from_file]).operator.key.unwrap().0, secret);
    let both = refused(&[from_file, ("SAEM_OPERATOR__KEY", secret)]);
    assert_eq!(both, [format!("operator.key_file = {named}: must not be set together with operator.key")]);
    std::fs::write(&file, "too short").unwrap();
    assert_eq!(refused(&[from_file]), ["operator.key = ***: must have at least 32 characters"]);
    std::fs::write(&file, "bearer").unwrap();
    let payment =
        loaded(&[("SAEM_PAYMENT__KEY_FILE", named), ("SAEM_PAYMENT__STRIPE__SECRET_KEY_FILE", named)])
            .payment;
    assert_eq!(payment.key.unwrap().0, "bearer");
    assert_eq!(payment.stripe.secret_key.unwrap().0, "bearer");
}

#[test]
fn provider_toss_needs_its_key_from_one_place() {
    let toss = ("SAEM_PAYMENT__PROVIDER", "toss");
    let file = "payment.toss.secret_key_file";
    let missing = [format!("payment.toss.secret_key: must be set, or {file}, when payment.provider is toss")];
    assert_eq!(refused(&[toss]), missing);
    assert_eq!(refused(&[toss, ("SAEM_PAYMENT__TOSS__SECRET_KEY", "")]), missing);
    let key = ("SAEM_PAYMENT__TOSS__SECRET_KEY", "test_sk_1");
    let settings = loaded(&[toss, key]);
    assert_eq!(settings.payment.toss.url, "https://api.tosspayments.com");
    assert!(!format!("{settings:?}").contains("test_sk_1"));
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("key");
    let from_file = ("SAEM_PAYMENT__TOSS__SECRET_KEY_FILE", file.to_str().unwrap());
    assert!(refused(&[toss, from_file])[0].starts_with("payment.toss.secret_key_file = "));
    std::fs::write(&file, "test_sk_2\n").unwrap();
    assert_eq!(loaded(&[toss, from_file]).payment.toss.secret_key.unwrap().0, "test_sk_2");
    assert!(refused(&[toss, key, from_file])[0].ends_with("together with payment.toss.secret_key"));
    let url = ("SAEM_PAYMENT__TOSS__URL", "http://me:secret@toss.example");
    let wrong = refused(&[toss, key, url]);
    assert!(wrong[0].starts_with("payment.toss.url = ***") && wrong.len() == 1, "{wrong:?}");
}

#[test]
fn default_shop_settings_equal_those_of_the_server() {
    let key = "1".repeat(32);
    let embedded = format!("{:?}", ShopSettings::new(key.clone()));
    assert_eq!(format!("{:?}", Settings::default().shop(key)), embedded);
}
