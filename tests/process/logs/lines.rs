//! Every log line that names a part of a rental has the rental's correlation.

use std::collections::{BTreeSet, HashMap};

use serde_json::{Value, json};

use crate::kit::{SHORT_DEADLINES, Site, eventually, gateway::Gateway, id, text};

/// Prefixes of the ids of a rental's parts.
const PARTS: [&str; 4] = ["rental_", "payment_", "delivery_", "notification_"];

/// Ids of such parts in a text.
fn named(text: &str) -> Vec<String> {
    let id = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let at = |prefix: &'static str| text.match_indices(prefix).map(move |(at, _)| (at, prefix.len()));
    let ids = PARTS.into_iter().flat_map(at).map(|(at, prefix)| {
        let suffix: String = text[at + prefix..].chars().take_while(|c| id(*c)).collect();
        text[at..at + prefix].to_owned() + &suffix
    });
    ids.filter(|id| id.len() > 30).collect()
}

/// Correlations of a line: its own and those of its span.
fn correlations_of(line: &Value) -> Vec<&str> {
    let own = line.get("correlation");
    let span = ["correlation", "on_behalf_of"].map(|field| line.get("span").and_then(|span| span.get(field)));
    own.into_iter().chain(span.into_iter().flatten()).filter_map(Value::as_str).collect()
}

/// A refund is tried without success; then it is made, but its payment cannot record it.
async fn refund_cannot_be_recorded(site: &Site, gateway: &Gateway, rental: &Value) {
    gateway.behave(json!({"latencyMs": 1_000})).await;
    site.customer.cancel(rental).await.expect(200);
    site.logs("a job failed; it is retried later").await;
    site.operator().quarantine(text(rental, "paymentId")).await;
    gateway.behave(json!({"latencyMs": 0})).await;
    site.logs("a payment is held for the operator").await;
}

#[tokio::test]
async fn lines_about_a_rental_have_its_correlation() {
    let directory = tempfile::tempdir().unwrap();
    let gateway = Gateway::start(directory.path(), &[]).await;
    let settings = [
        ("SAEM_LOG", "info,saem=debug"),
        ("SAEM_FAULTS__ENABLED", "true"),
        ("SAEM_ACTORS__RESTARTS_MAX", "1"),
        ("SAEM_PAYMENT__PROVIDER", "http"),
        ("SAEM_PAYMENT__URL", &gateway.url),
    ];
    let site = Site::start(&[&SHORT_DEADLINES[..], &settings].concat()).await;
    let (customer, operator) = (&site.customer, site.operator());
    let short = operator.product(29_900, 9).await;

    let rented = customer.rented(&site.product).await;
    for part in ["id", "paymentId", "deliveryId"] {
        operator.fail_entity(text(&rented, part)).await;
    }
    site.logs("an entity failed").await;
    operator.quarantine(id(&rented)).await;
    customer.cancel(&rented).await.problem(503, "actor-quarantined");

    let lost = site.rent("tok_lost_response").await.expect(202);
    customer.rental_becomes(&lost, "CONFIRMED").await;
    operator.quarantine(&short).await;
    let held = customer.rent(&short, "tok_ok").await.expect(201);
    site.logs("a target is held for the operator").await;
    let of_held = &held["correlationId"];
    assert!(site.log_lines().iter().any(|line| line["held"].is_string() && line["correlation"] == *of_held));
    let canceled = customer.rented(&site.product).await;
    customer.cancel_until(&canceled, "ProductIncreased").await;
    refund_cannot_be_recorded(&site, &gateway, &lost).await;

    let rentals = [rented, lost, held, canceled];
    let parts = rentals.iter().flat_map(|rental| {
        let parts = ["id", "paymentId", "deliveryId"].into_iter().filter_map(|part| rental[part].as_str());
        parts.map(|part| (part.to_owned(), rental["correlationId"].clone()))
    });
    let mut correlations: HashMap<String, Value> = parts.collect();
    let messages = eventually("all messages are sent", || async {
        let messages = customer.items("/v1/notifications?limit=100").await;
        messages.iter().all(|message| message["status"] == "SENT").then_some(messages)
    });
    for message in messages.await {
        let correlation = correlations[text(&message, "rentalId")].clone();
        correlations.insert(id(&message).to_owned(), correlation);
    }
    let mut naming = BTreeSet::new();
    for line in site.log_lines() {
        for name in named(&line.to_string()) {
            let expected = correlations.get(&name).unwrap_or_else(|| panic!("{name}: {line}"));
            assert!(correlations_of(&line).contains(&expected.as_str().unwrap()), "{name}: {line}");
            naming.insert(text(&line, "message").to_owned());
        }
    }
    for message in [
        "a job failed; it is retried later",
        "a charge's outcome is unknown",
        "a payment is held for the operator",
        "a request was turned away",
        "a text message",
        "an entity failed too often and is in quarantine; revive it once the cause is gone",
        "an entity failed",
    ] {
        assert!(naming.contains(message), "{message}: {naming:?}");
    }
}
