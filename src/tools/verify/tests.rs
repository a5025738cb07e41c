//! Each kind of finding is reported for a store with just that defect.

use std::sync::Arc;

use super::*;
use crate::{
    actors::{
        progress::Progress as Progressed,
        projection::{
            self, Projection as _, catalogue, lists,
            mypage::{ALL, BY_CUSTOMER, ROWS, RentalRow},
            notification::{self, Outbox, RECORDS, Record},
        },
    },
    domain::{
        Causation, Correlation, EntityId, Event, Meta, NewEvent, RentalId, Timestamp,
        account::AccountEvent,
        delivery::DeliveryEvent,
        notice::Locale,
        product::{Fence, ProductEvent},
    },
    store::{Commit, CommitId, VaultWrite, codec, memory::MemoryJournal},
    tools::{import::loader::Loader, lines::Line},
};

/// Export of a shop with rentals in every state, an erased customer and a parked target.
const SHOP: &str = include_str!("../../../tests/fixtures/export-2026-11-26.jsonl");

async fn shop() -> Arc<dyn Journal> {
    let journal: Arc<dyn Journal> = MemoryJournal::new();
    let mut loader = Loader::new(Arc::clone(&journal));
    for line in SHOP.lines().skip(1) {
        match serde_json::from_str(line).unwrap() {
            Line::Commit(commit) => loader.commit(commit.into()).await.unwrap().unwrap(),
            Line::Vault(record) => loader.vault(record.key, record.value.0).await.unwrap(),
            Line::View(row) => loader.view(row.key.0, row.value.0).await.unwrap(),
            Line::File(_) | Line::Trailer(_) => {}
        }
    }
    loader.finish().await.unwrap();
    // The export has rows of My Page and messages in older formats.
    folded(&journal, MyPage::default()).await;
    folded(&journal, Messages::new(Locale::Ko, Outbox::default())).await;
    journal
}

/// Runs a projection up to the head of the journal.
async fn folded(journal: &Arc<dyn Journal>, projection: impl projection::Projection) {
    let (head, progress) = (*journal.head().borrow(), Arc::new(Progressed::default()));
    tokio::select! {
        ended = projection::run(projection, Arc::clone(journal), Arc::clone(&progress)) => {
            panic!("the projection ended: {ended:?}")
        }
        () = progress.at(head) => {}
    }
}

async fn verified(journal: &Arc<dyn Journal>, events_per_pass: u64) -> Verified {
    let mut report = |line| panic!("unexpected progress line: {line}");
    verify_by(journal, None, events_per_pass, &mut Progress::new(&mut report)).await.unwrap()
}

/// Findings, the same in one pass and in many; at least one, all with this subject.
async fn found(journal: &Arc<dyn Journal>, subject: &str) -> Vec<String> {
    let found = verified(journal, u64::MAX).await.findings.listed;
    let mut in_passes = verified(journal, 7).await.findings.listed;
    assert!(found.iter().all(|finding| finding.subject.starts_with(subject)), "{subject}: {found:?}");
    in_passes.retain(|finding| !found.contains(finding));
    assert!(in_passes.is_empty(), "found in several passes only: {in_passes:?}");
    assert!(!found.is_empty(), "nothing was found");
    found.into_iter().map(|finding| finding.problem).collect()
}

#[track_caller]
fn assert_finding(found: &[String], text: &str) {
    assert!(found.iter().any(|problem| problem.contains(text)), "{text}: {found:?}");
}

/// Commits events unchecked, with this snapshot or the previous one.
async fn commit(journal: &Arc<dyn Journal>, entity: EntityId, events: Vec<Event>, snapshot: Option<Vec<u8>>) {
    let expected = journal.load(entity).await.unwrap();
    let meta = Meta { at: Timestamp(1), correlation: Correlation(7), causation: Causation::Schedule };
    let commit = Commit {
        entity,
        expected: expected.version,
        commit_id: CommitId(u128::MAX - u128::from(expected.version.0)),
        events: events.into_iter().map(|event| NewEvent { meta, event }).collect(),
        snapshot: snapshot.map_or_else(|| expected.snapshot.unwrap_or_default(), Arc::from),
        vault: Vec::new(),
    };
    journal.commit(commit).await.unwrap();
}

/// View rows with this key prefix.
async fn rows(journal: &Arc<dyn Journal>, prefix: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let end = projection::after_prefix(prefix);
    journal.view_scan(prefix.to_vec(), end, usize::MAX).await.unwrap()
}

async fn write(journal: &Arc<dyn Journal>, key: &[u8], row: Option<Vec<u8>>) {
    journal.view_apply(vec![(key.to_vec(), row)]).await.unwrap();
}

/// Product with rented units.
async fn product(journal: &Arc<dyn Journal>) -> ProductId {
    let rows = rows(journal, b"k/").await;
    let mut products = rows.iter().map(|(key, row)| catalogue::read_row(key, row).unwrap());
    products.find(|product| product.offer.name.contains("패밀리")).unwrap().id
}

fn flipped(mut bytes: Vec<u8>) -> Vec<u8> {
    *bytes.last_mut().unwrap() ^= 1;
    bytes
}

#[tokio::test]
async fn a_consistent_shop_has_no_findings_in_any_number_of_passes() {
    let journal = shop().await;
    let head = journal.head().borrow().0;
    for events_per_pass in [1, 7, 40, u64::MAX] {
        let verified = verified(&journal, events_per_pass).await;
        assert!(verified.findings.is_empty(), "{:?}", verified.findings);
        assert!(verified.notes.is_empty(), "{:?}", verified.notes);
        let entities = journal.entities(None, usize::MAX).await.unwrap().len() as u64;
        assert_eq!((verified.events, verified.entities), (head, entities));
        assert_eq!(verified.rows, rows(&journal, ROWS).await.len() as u64);
        assert_eq!(verified.vault, journal.vault_scan(String::new()).await.unwrap().len() as u64);
    }
    let nothing: Arc<dyn Journal> = MemoryJournal::new();
    let verified = verified(&nothing, 1).await;
    assert!(verified.findings.is_empty() && verified.notes.is_empty() && verified.events == 0);
}

#[tokio::test]
async fn a_delivery_without_an_approval_is_found() {
    let journal = shop().await;
    let (rental, product_id) = (RentalId(99), product(&journal).await);
    let started = DeliveryEvent::DeliveryStarted { product_id };
    let state = crate::domain::Aggregate::evolve(
        crate::domain::delivery::Delivery::default(),
        &started,
        Timestamp(1),
    );
    let snapshot = codec::encode_snapshot(&state).unwrap();
    commit(&journal, rental.delivery().into(), vec![started.into()], Some(snapshot)).await;
    let found = found(&journal, &rental.to_string()).await;
    assert_finding(&found, "INV-4 is broken");
    assert_finding(&found, "INV-8 is broken");
}

#[tokio::test]
async fn invalid_transitions_and_foreign_events_are_found() {
    let journal = shop().await;
    let customer = crate::domain::CustomerId(99);
    commit(&journal, customer.into(), vec![AccountEvent::CustomerLeft.into()], None).await;
    assert_finding(&found(&journal, &customer.to_string()).await, "INV-14 is broken");
    let journal = shop().await;
    let stranger = EntityId::from(RentalId(99));
    commit(&journal, stranger, vec![AccountEvent::CustomerLeft.into()], None).await;
    assert_finding(&found(&journal, &stranger.to_string()).await, "CustomerLeft is an event of a rental");
}

#[tokio::test]
async fn stock_that_moves_wrongly_is_found() {
    let fence = |lane| Fence { lane, position: Position(1_000_000) };
    let rental_id = RentalId(99);
    for (event, words) in [
        (ProductEvent::ProductDecreased { rental_id, fence: fence(64) }, "there is no lane 64"),
        (ProductEvent::ProductIncreased { rental_id, fence: fence(1) }, "its snapshot differs"),
    ] {
        let journal = shop().await;
        let product = product(&journal).await;
        commit(&journal, product.into(), vec![event.into()], None).await;
        let listed = verified(&journal, u64::MAX).await.findings.listed;
        assert_finding(&listed.iter().map(ToString::to_string).collect::<Vec<_>>(), words);
        // The rental was never placed, and its unit was never taken.
        assert_finding(&listed.iter().map(ToString::to_string).collect::<Vec<_>>(), "INV-8 is broken");
    }
    // More units returned than rented.
    let journal = shop().await;
    let id = product(&journal).await;
    let increased = |n: u64| {
        let fence = Fence { lane: 1, position: Position(1_000_000 + n) };
        ProductEvent::ProductIncreased { rental_id, fence }.into()
    };
    let many = (0..20).map(increased).collect();
    commit(&journal, id.into(), many, None).await;
    let listed = verified(&journal, 7).await.findings.listed;
    assert_finding(&listed.iter().map(ToString::to_string).collect::<Vec<_>>(), "INV-5 is broken");
}

#[tokio::test]
async fn a_snapshot_that_is_not_the_fold_is_found() {
    let journal = shop().await;
    let id = product(&journal).await;
    let restocked = || vec![ProductEvent::ProductRestocked { quantity: 1 }.into()];
    commit(&journal, id.into(), restocked(), None).await;
    assert_finding(&found(&journal, &id.to_string()).await, "its snapshot differs from the fold");
    commit(&journal, id.into(), restocked(), Some(vec![0])).await;
    assert_finding(&found(&journal, &id.to_string()).await, "its snapshot is damaged");
}

#[tokio::test]
async fn a_row_of_my_page_that_is_not_the_fold_is_found() {
    let journal = shop().await;
    let all = rows(&journal, ROWS).await;
    let [(key, row), (other, _)] = [&all[0], &all[1]];
    let id = |key: &[u8]| RentalId(u128::from_be_bytes(*key.last_chunk().unwrap())).to_string();
    let mut changed: RentalRow = codec::decode(row).unwrap();
    changed.version -= 1;
    write(&journal, key, Some(codec::encode(&changed).unwrap())).await;
    assert_finding(&found(&journal, &id(key)).await, "differs from the fold of the journal");
    write(&journal, key, Some(row.clone())).await;
    write(&journal, other, None).await;
    assert_finding(&found(&journal, &id(other)).await, "it has no row of My Page");
    let (_, row) = &all[1];
    write(&journal, other, Some(row.clone())).await;
    let stranger = [ROWS, &99_u128.to_be_bytes()].concat();
    write(&journal, &stranger, Some(row.clone())).await;
    assert_finding(&found(&journal, &RentalId(99).to_string()).await, "but not in the journal");
    write(&journal, &stranger, None).await;
    let (listed, _) = rows(&journal, BY_CUSTOMER).await.remove(0);
    write(&journal, &listed, None).await;
    assert_finding(&found(&journal, &id(&listed)).await, "not in the list of its customer");
    write(&journal, &listed, Some(Vec::new())).await;
    let odd = [BY_CUSTOMER, b"?"].concat();
    write(&journal, &odd, Some(Vec::new())).await;
    assert_finding(&found(&journal, "My Page").await, "customers' lists have");
    write(&journal, &odd, None).await;
    let (key, list) = rows(&journal, ALL.0).await.remove(0);
    assert!(!lists::read::<RentalId>(&list).unwrap().is_empty());
    write(&journal, &key, None).await;
    assert_finding(&found(&journal, "rental_").await, "is not in the list of all");
    write(&journal, &key, Some(list.clone())).await;
    let twice = [ALL.0, &[0; 8]].concat();
    write(&journal, &twice, Some(list)).await;
    assert_finding(&found(&journal, "rental_").await, "is in the list of all twice");
    write(&journal, &twice, None).await;
    assert!(verified(&journal, 7).await.findings.is_empty(), "all rows are restored");
}

#[tokio::test]
async fn a_row_of_the_catalogue_that_is_not_the_fold_is_found() {
    let journal = shop().await;
    let all = rows(&journal, b"k/").await;
    let [(key, row), (other, other_row)] = [&all[0], &all[1]];
    let id = |key: &[u8]| ProductId(u128::from_be_bytes(*key.last_chunk().unwrap())).to_string();
    write(&journal, key, Some(other_row.clone())).await;
    assert_finding(&found(&journal, &id(key)).await, "differs from the fold");
    write(&journal, key, Some(row.clone())).await;
    write(&journal, other, None).await;
    assert_finding(&found(&journal, &id(other)).await, "no catalogue row");
}

#[tokio::test]
async fn missing_and_wrong_messages_are_found() {
    let journal = shop().await;
    let all = rows(&journal, RECORDS).await;
    let [(key, row), (_, other)] = [&all[0], &all[1]];
    let rental = codec::decode::<Record>(row).unwrap().rental_id.to_string();
    write(&journal, key, None).await;
    assert_finding(&found(&journal, &rental).await, "there is no message for event");
    write(&journal, key, Some(other.clone())).await;
    assert_finding(&found(&journal, &rental).await, "is another one");
    write(&journal, key, Some(row.clone())).await;
    let (listed, all) = rows(&journal, notification::ALL.0).await.remove(0);
    write(&journal, &listed, None).await;
    assert_finding(&found(&journal, "rental_").await, "is not in the list of all");
    write(&journal, &listed, Some(all.clone())).await;
    let twice = [notification::ALL.0, &[0; 8]].concat();
    write(&journal, &twice, Some(all)).await;
    assert_finding(&found(&journal, "messages").await, "are listed,");
    write(&journal, &twice, None).await;
    let stranger = [RECORDS, &[0; 24]].concat();
    write(&journal, &stranger, Some(row.clone())).await;
    assert_finding(&found(&journal, "messages").await, "records,");
}

#[tokio::test]
async fn rebuilding_the_message_list_keeps_the_records() {
    let journal = shop().await;
    let (records, listed) = (rows(&journal, RECORDS).await, rows(&journal, notification::ALL.0).await);
    write(&journal, b"stand/notification", None).await;
    write(&journal, &listed[0].0, None).await;
    folded(&journal, Messages::new(Locale::Ko, Outbox::default())).await;
    assert_eq!(rows(&journal, RECORDS).await, records);
    assert!(!rows(&journal, notification::ALL.0).await.is_empty());
    assert!(verified(&journal, 7).await.findings.is_empty());
}

#[tokio::test]
async fn damaged_rows_and_records_are_found_by_their_keys() {
    let journal = shop().await;
    for prefix in [&b"m/r"[..], RECORDS, b"k/", b"a/", b"stand/agenda", b"cursor/"] {
        let (key, row) = rows(&journal, prefix).await.remove(0);
        write(&journal, &key, Some(flipped(row.clone()))).await;
        let listed = verified(&journal, u64::MAX).await.findings.listed;
        let subject = key.escape_ascii().to_string();
        assert!(listed.iter().any(|f| f.subject == subject && f.problem.contains("checksum")), "{listed:?}");
        write(&journal, &key, Some(row)).await;
    }
    for (key, value) in journal.vault_scan(String::new()).await.unwrap() {
        let framed = !key.starts_with("secret/");
        let wrong = if framed { flipped(value.clone()) } else { value[1..].to_vec() };
        let put = |value: Vec<u8>| vec![VaultWrite { key: key.clone(), value: Some(value) }];
        journal.vault_write(put(wrong)).await.unwrap();
        assert_finding(&found(&journal, &key).await, if framed { "checksum" } else { "31 bytes" });
        journal.vault_write(put(value)).await.unwrap();
    }
}

#[tokio::test]
async fn damaged_records_are_not_exported() {
    let refused = async |journal: &Arc<dyn Journal>| {
        let mut report = |line| panic!("unexpected progress line: {line}");
        let (mut out, mut progress) = (Vec::new(), Progress::new(&mut report));
        let exported = crate::tools::export::export(journal, &[], &mut out, &mut progress).await;
        exported.map_or_else(|error| error.to_string(), |counts| format!("{counts:?}"))
    };
    let journal = shop().await;
    for (key, value) in journal.vault_scan(String::new()).await.unwrap() {
        let wrong = if key.starts_with("secret/") { value[1..].to_vec() } else { flipped(value.clone()) };
        let put = |value: Vec<u8>| vec![VaultWrite { key: key.clone(), value: Some(value) }];
        journal.vault_write(put(wrong)).await.unwrap();
        let error = refused(&journal).await;
        assert!(error.starts_with(&key) && error.contains("saem verify"), "{error}");
        journal.vault_write(put(value)).await.unwrap();
    }
    let (key, row) = rows(&journal, ROWS).await.remove(0);
    write(&journal, &key, Some(flipped(row))).await;
    assert!(refused(&journal).await.contains("the row is damaged: wrong checksum"));
}

#[tokio::test]
async fn a_cursor_beyond_the_journal_is_found() {
    let journal = shop().await;
    let beyond = Position(journal.head().borrow().0 + 1);
    let (key, row) = rows(&journal, b"cursor/").await.remove(0);
    write(&journal, &key, Some(codec::encode(&beyond).unwrap())).await;
    assert_finding(&found(&journal, "cursor/").await, "the journal ends at");
    write(&journal, &key, Some(row)).await;
    write(&journal, b"stand/mypage", Some(codec::encode(&(MyPage::FORMAT, beyond)).unwrap())).await;
    assert_finding(&found(&journal, "My Page").await, "the journal ends at");
}

#[tokio::test]
async fn a_view_to_be_rebuilt_is_noted_and_not_compared() {
    let journal = shop().await;
    write(&journal, b"stand/mypage", None).await;
    let (key, _) = rows(&journal, ROWS).await.remove(0);
    write(&journal, &key, None).await;
    let verified = verified(&journal, u64::MAX).await;
    assert!(verified.findings.is_empty(), "{:?}", verified.findings);
    assert!(verified.notes[0].contains("My Page is rebuilt"), "{:?}", verified.notes);
}

#[test]
fn findings_beyond_the_maximum_are_counted() {
    let mut findings = Findings::default();
    (0..FINDINGS_MAX + 5).for_each(|n| findings.add(n, "is wrong"));
    assert_eq!((findings.listed.len(), findings.omitted), (FINDINGS_MAX, 5));
    assert_eq!(findings.listed[1].to_string(), "1: is wrong");
}
