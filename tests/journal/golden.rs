//! Golden files: bytes that were written once must be read for ever (`tests/golden/*.hex`).
//!
//! Each file has the bytes that the current code writes. A change of these bytes changes the format: old data
//! would be read wrong, or not at all. `SAEM_BLESS=1` rewrites the files. That is right only when lines are
//! added, never when one changes.

use std::{collections::BTreeMap, fmt::Write as _, fs, path::PathBuf};

use proptest::prelude::*;
use saem::{
    Address, CancelReason, Causation, CommitId, Context, Correlation, CustomerId, Delivery, EntityId,
    EntityKind, Group, Meta, Money, NewEvent, Position, ProductId, RecordedCommit, Rental, RentalId,
    Timestamp,
    internal::{
        actors::{Checkout, Receipt, ReceiptOutcome},
        domain::{Account, Journaled, Maintenance, Payment, Product},
        store::codec,
        tools::Line,
    },
};
use serde::{Serialize, de::DeserializeOwned};

#[path = "golden_events.rs"]
pub(crate) mod events;

/// Named bytes.
pub(crate) type Golden = BTreeMap<String, Vec<u8>>;

/// Reads a golden file; with `SAEM_BLESS=1`, writes it first.
pub(crate) fn golden(file: &str, today: &Golden) -> Golden {
    let old = read(file);
    if std::env::var_os("SAEM_BLESS").is_none() || old == *today {
        return old;
    }
    fs::write(path(file), written(today)).unwrap();
    today.clone()
}

fn path(file: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(file)
}

fn written(golden: &Golden) -> String {
    let mut text = String::new();
    for (name, bytes) in golden {
        writeln!(text, "{name}:").unwrap();
        for line in bytes.chunks(48) {
            writeln!(text, "  {}", hex(line)).unwrap();
        }
    }
    text
}

/// Reads a golden file.
pub(crate) fn read(file: &str) -> Golden {
    let text = fs::read_to_string(path(file)).unwrap_or_default();
    let mut golden = Golden::new();
    for line in text.lines() {
        match line.strip_suffix(':') {
            Some(name) => drop(golden.insert(name.to_owned(), Vec::new())),
            None => golden.last_entry().unwrap().get_mut().extend(unhex(line.trim())),
        }
    }
    golden
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
}

pub(crate) fn unhex(hex: &str) -> Vec<u8> {
    let digits = |at| &hex[at..at + 2];
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(digits(at), 16).unwrap()).collect()
}

/// Compares values of one type with their golden bytes.
fn hold<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(
    file: &str,
    values: impl IntoIterator<Item = (String, T)>,
) {
    let values: BTreeMap<String, T> = values.into_iter().collect();
    let encoded = |(name, value): (&String, &T)| (name.clone(), codec::encode(value).unwrap());
    let today: Golden = values.iter().map(encoded).collect();
    let golden = golden(file, &today);
    assert_eq!(golden.keys().collect::<Vec<_>>(), values.keys().collect::<Vec<_>>(), "{file}");
    for (name, value) in &values {
        assert_eq!(codec::decode::<T>(&golden[name]).as_ref(), Ok(value), "{file}: {name} is read");
        assert_eq!(hex(&golden[name]), hex(&today[name]), "{file}: {name} is written");
    }
}

#[test]
fn event_bytes_are_unchanged() {
    let events = events::samples();
    let named = events.into_iter().enumerate().map(|(n, event)| {
        let name = event.name().to_owned();
        (name, NewEvent { meta: events::meta(n), event })
    });
    let named: Vec<_> = named.collect();
    hold("events.hex", named);
}

proptest! {
    /// An export has every field of an event.
    #[test]
    fn events_survive_json(
        at: i64, correlation: u128, span: u64, position: u64, name: u128, id: u128, first in 1..u64::MAX / 2,
    ) {
        let causes =
            [Causation::Request(span), Causation::Event(Position(position)), Causation::Schedule];
        for (event, kind) in events::samples().into_iter().zip(EntityKind::ALL.into_iter().cycle()) {
            for (correlation, causation) in [correlation, 0].into_iter().zip(causes).chain([(1, causes[2])]) {
                let correlation = Correlation(correlation);
                let meta = Meta { at: Timestamp(at), correlation, causation };
                let events = vec![NewEvent { meta, event: event.clone() }];
                let (entity, commit_id) = (EntityId { kind, id }, CommitId(name));
                let commit = RecordedCommit { entity, commit_id, first: Position(first), events };
                let line = serde_json::to_string(&Line::Commit(commit.clone().into())).unwrap();
                let read: Line = serde_json::from_str(&line).unwrap();
                let Line::Commit(read) = read else { panic!("{line}") };
                prop_assert_eq!(RecordedCommit::from(read), commit, "{}", line);
            }
        }
    }
}

#[test]
fn every_event_has_a_sample() {
    let samples = events::samples();
    let mut names: Vec<_> = samples.iter().map(|event| (event.kind(), event.name())).collect();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), samples.len(), "one sample each");
    assert_eq!(samples.iter().map(events::known).sum::<usize>(), events::KNOWN);
}

/// Values of an enum, in the order of their numbers.
fn numbered<T>(values: impl IntoIterator<Item = T>) -> impl Iterator<Item = (String, T)> {
    values.into_iter().enumerate().map(|(n, value)| (format!("{n:02}"), value))
}

#[test]
fn enums_in_events_keep_their_numbers() {
    use CancelReason as C;
    let reasons = [
        C::Customer,
        C::Operator,
        C::PaymentDeclined,
        C::PaymentExpired,
        C::PaymentUnavailable,
        C::OutOfStock,
    ];
    hold("cancel-reasons.hex", numbered(reasons));
    hold("groups.hex", numbered(Group::REACTORS.into_iter().chain([Group::Agenda])));
    hold("contexts.hex", numbered(Context::ALL));
    hold("entities.hex", numbered(EntityKind::ALL.map(|kind| EntityId { kind, id: 0x0189_0a5d_ac96 })));
    // Enums that are part of keys and ids.
    assert_eq!(EntityKind::ALL.map(|kind| kind as u8), [0, 1, 2, 3, 4, 5]);
    assert_eq!(Context::ALL.map(|context| EntityId::from(context).id), [0, 1, 2, 3, 4]);
}

#[test]
fn personal_data_bytes_are_unchanged() {
    let address = Address {
        recipient: "홍길동".to_owned(),
        postal_code: "04524".to_owned(),
        line1: "세종대로 110".to_owned(),
        line2: Some("101동 202호".to_owned()),
    };
    let short = Address { line2: None, ..address.clone() };
    let addresses = [("address", address), ("address-short", short)];
    // An address has no `Debug`, so that it does not get into a log.
    let today: Golden =
        addresses.iter().map(|(name, value)| (name.to_string(), codec::encode(value).unwrap())).collect();
    let golden = golden("addresses.hex", &today);
    assert_eq!(golden, today);
    for (name, value) in addresses {
        assert!(codec::decode::<Address>(&golden[name]) == Ok(value), "{name}");
    }
}

#[test]
fn receipt_bytes_are_unchanged() {
    let outcomes = [
        ReceiptOutcome::State {
            entity: EntityId { kind: EntityKind::Product, id: 1 << 70 },
            snapshot: vec![1, 2],
        },
        ReceiptOutcome::Attempt { rental: RentalId(1 << 70), attempt: 2 },
        ReceiptOutcome::Session { nonce: [7; 16] },
        ReceiptOutcome::Answer(b"{}".to_vec()),
    ];
    let receipt = |outcome| Receipt { fingerprint: [9; 16], at: Timestamp(1_700_000_000_000), outcome };
    hold("receipts.hex", numbered(outcomes.map(receipt)));
}

#[test]
fn checkout_bytes_are_unchanged() {
    let checkout = Checkout {
        customer: CustomerId(1 << 70),
        product: ProductId(1 << 71),
        fee: Money::won(29_900),
        rental: RentalId(1 << 72),
        attempt: 2,
        expires_at: Timestamp(1_700_000_000_000),
        used: true,
    };
    hold("checkouts.hex", vec![("checkout".to_owned(), checkout)]);
}

/// The states of an entity after each sample event of its kind.
fn states<A: Journaled>() -> Vec<(String, A)> {
    let mut state = A::default();
    let mut states = vec![("00 not there".to_owned(), state.clone())];
    for event in events::samples() {
        if let Some(own) = A::own(&event) {
            state = state.evolve(own, events::meta(states.len()).at);
            states.push((format!("{:02} after {}", states.len(), event.name()), state.clone()));
        }
    }
    states
}

#[test]
fn snapshot_bytes_are_unchanged() {
    hold("rentals.hex", states::<Rental>());
    hold("payments.hex", states::<Payment>());
    hold("deliveries.hex", states::<Delivery>());
    hold("products.hex", states::<Product>());
    hold("accounts.hex", states::<Account>());
    hold("maintenance.hex", states::<Maintenance>());
}
