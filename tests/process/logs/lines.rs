//! Every log line that names a part of a rental tells the rental's correlation, too.

use std::collections::{BTreeSet, HashMap};

use serde_json::{Value, json};

use super::works::Works;
use crate::kit::{Client, eventually, id, peer::Gateway};

/// What a line may name that is part of a rental.
const PARTS: [&str; 4] = ["rental_", "payment_", "delivery_", "notification_"];

/// The names of such parts in a text.
fn named(text: &str) -> Vec<String> {
    let id = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let at = |prefix: &'static str| text.match_indices(prefix).map(move |(at, _)| (at, prefix.len()));
    let ids = PARTS.into_iter().flat_map(at).map(|(at, prefix)| {
        let suffix: String = text[at + prefix..].chars().take_while(|c| id(*c)).collect();
        text[at..at + prefix].to_owned() + &suffix
    });
    ids.filter(|id| id.len() > 30).collect()
}

/// The correlations that a line tells: its own, or that of its span.
fn told(line: &Value) -> Vec<&str> {
    let own = line.get("correlation");
    let span = ["correlation", "on_behalf_of"].map(|field| line.get("span").and_then(|span| span.get(field)));
    own.into_iter().chain(span.into_iter().flatten()).filter_map(Value::as_str).collect()
}

async fn sent_messages(customer: &Client) -> Vec<Value> {
    let sent = || async {
        let messages = customer.get("/v1/notifications?limit=100").await.expect(200);
        let messages = messages["items"].as_array().unwrap().clone();
        messages.iter().all(|message| message["status"] == "SENT").then_some(messages)
    };
    eventually("all messages are sent", sent).await
}

/// A refund is tried in vain for a while; then it is made, but its payment cannot be told.
async fn refund_cannot_be_noted(works: &Works, gateway: &Gateway, customer: &Client, rental: &Value) {
    gateway.behave(json!({"latencyMs": 1_000})).await;
    customer.cancel(rental).await.expect(200);
    works.says("an errand is tried again later").await;
    works.quarantine(Works::text(rental, "paymentId")).await;
    gateway.behave(json!({"latencyMs": 0})).await;
    works.says("a payment is held for the operator").await;
}

#[tokio::test]
async fn every_line_that_names_a_part_of_a_rental_tells_the_rentals_correlation() {
    let directory = tempfile::tempdir().unwrap();
    let gateway = Gateway::start(directory.path(), &[]).await;
    let works = Works::start(&[
        ("SAEM_LOG", "info,saem=debug"),
        ("SAEM_FAULTS__ENABLED", "true"),
        ("SAEM_ACTORS__RESTARTS_MAX", "1"),
        ("SAEM_PAYMENT__PROVIDER", "http"),
        ("SAEM_PAYMENT__URL", &gateway.url),
        ("SAEM_PAYMENT__DEADLINE_MS", "600"),
        ("SAEM_PAYMENT__TIMEOUT_MS", "400"),
        ("SAEM_PAYMENT__CHARGE_MIN_MS", "50"),
    ])
    .await;
    let customer = Client::sign_up(&works.server.url, 1).await;
    let (product, short) =
        (works.operator().product(29_900, 9).await, works.operator().product(29_900, 9).await);

    let rented = customer.rented(&product).await;
    for part in ["id", "paymentId", "deliveryId"] {
        works.fault(Works::text(&rented, part)).await.expect(202);
    }
    works.says("an entity failed").await;
    works.quarantine(id(&rented)).await;
    customer.cancel(&rented).await.problem(503, "actor-quarantined");

    let lost = customer.rent(&product, "tok_lost_response").await.expect(202);
    customer.rental_becomes(&lost, "CONFIRMED").await;
    works.quarantine(&short).await;
    let held = customer.rent(&short, "tok_ok").await.expect(201);
    works.says("a target is held for the operator").await;
    let of_held = &held["correlationId"];
    assert!(works.lines().iter().any(|line| line["held"].is_string() && line["correlation"] == *of_held));
    let canceled = customer.rented(&product).await;
    customer.cancel(&canceled).await.expect(200);
    customer.timeline_holds(&canceled, "ProductIncreased").await;
    refund_cannot_be_noted(&works, &gateway, &customer, &lost).await;

    let rentals = [rented, lost, held, canceled];
    let parts = rentals.iter().flat_map(|rental| {
        let parts = ["id", "paymentId", "deliveryId"].into_iter().filter_map(|part| rental[part].as_str());
        parts.map(|part| (part.to_owned(), rental["correlationId"].clone()))
    });
    let mut correlations: HashMap<String, Value> = parts.collect();
    for message in sent_messages(&customer).await {
        let correlation = correlations[message["rentalId"].as_str().unwrap()].clone();
        correlations.insert(id(&message).to_owned(), correlation);
    }
    let mut naming = BTreeSet::new();
    for line in works.lines() {
        for name in named(&line.to_string()) {
            let expected = correlations.get(&name).unwrap_or_else(|| panic!("{name}: {line}"));
            assert!(told(&line).contains(&expected.as_str().unwrap()), "{name}: {line}");
            naming.insert(line["message"].as_str().unwrap().to_owned());
        }
    }
    for message in [
        "an errand is tried again later",
        "a charge's outcome is unknown",
        "a payment is held for the operator",
        "a request was turned away",
        "a text message",
        "an entity fails too often and is left alone; revive it once mended",
        "an entity failed",
    ] {
        assert!(naming.contains(message), "{message}: {naming:?}");
    }
}
