//! Listeners: TLS, and a separate one for operations.

use std::{fs, path::Path};

use reqwest::Certificate;

use crate::kit::{
    Client,
    binary::{Running, fails_with, saem, url},
    eventually, operator_key,
};

/// Writes a certificate for 127.0.0.1 and its key; returns the certificate.
fn certify(directory: &Path) -> Certificate {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    fs::write(directory.join("cert.pem"), made.cert.pem()).unwrap();
    fs::write(directory.join("key.pem"), made.signing_key.serialize_pem()).unwrap();
    Certificate::from_pem(made.cert.pem().as_bytes()).unwrap()
}

/// True if a client that trusts only `certificate` is served.
async fn is_served(url: &str, certificate: &Certificate) -> bool {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().tls_certs_only([certificate.clone()]).build().unwrap();
    client.get(format!("{url}/readyz")).send().await.is_ok_and(|answer| answer.status() == 200)
}

#[tokio::test]
async fn sighup_reloads_the_certificate() {
    let directory = tempfile::tempdir().unwrap();
    let first = certify(directory.path());
    let [certificate, key] = ["cert.pem", "key.pem"].map(|name| directory.path().join(name));
    let mut command = saem(&directory.path().join("data"));
    command.env("SAEM_HTTP__TLS_CERT", &certificate).env("SAEM_HTTP__TLS_KEY", &key).env("SAEM_LOG", "off");
    let (running, said) = Running::start(&mut command);
    let url = url(&said).to_owned();
    assert!(url.starts_with("https://"), "{url}");
    assert!(is_served(&url, &first).await);
    let plain = url.replace("https://", "http://");
    assert!(!is_served(&plain, &first).await, "nothing is said in the clear");
    let second = certify(directory.path());
    assert!(!is_served(&url, &second).await);
    running.signal("HUP");
    eventually("the new one is used", || async { is_served(&url, &second).await.then_some(()) }).await;
    assert!(!is_served(&url, &first).await);
    // An unreadable key changes nothing.
    fs::write(&key, "no key").unwrap();
    running.signal("HUP");
    for _ in 0..20 {
        assert!(is_served(&url, &second).await);
    }
    running.end();
    fails_with(command.output().unwrap(), &["http.tls_key", key.to_str().unwrap()]);
    command.env_remove("SAEM_HTTP__TLS_KEY");
    fails_with(command.output().unwrap(), &["http.tls_key", "must be set together"]);
}

#[tokio::test]
async fn operations_have_their_own_listener() {
    let directory = tempfile::tempdir().unwrap();
    let mut command = saem(directory.path());
    let (running, said) = Running::start(command.env("SAEM_HTTP__OPERATIONS_LISTEN", "127.0.0.1:0"));
    let operations = said.iter().find_map(|line| line.trim().strip_prefix("operations ")).unwrap().trim();
    let key = operator_key(directory.path());
    let [shop, operations] = [url(&said), operations].map(|url| Client::of(url, Some(key.clone())));
    for (path, of_shop, of_operations) in [
        ("/v1/products", 200, 404),
        ("/v1/rentals", 200, 404),
        ("/metrics", 404, 200),
        ("/v1/operations/actors", 404, 200),
        ("/v1/operations/held", 404, 200),
        ("/healthz", 200, 200),
        ("/readyz", 200, 200),
        ("/openapi.json", 200, 200),
        ("/problems/not-found", 200, 200),
    ] {
        let answers = [shop.get(path).await.status, operations.get(path).await.status];
        assert_eq!(answers, [of_shop, of_operations], "{path}");
    }
    running.end();
}
