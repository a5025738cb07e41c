//! Each thing that may be wrong with a store is found in one where just that is wrong.

use std::sync::Arc;

use super::*;
use crate::{
    actors::projection::{
        self, Projection as _, catalogue, lists,
        mypage::{ALL, BY_CUSTOMER, ROWS},
        notification::{self, Outbox, RECORDS, Record},
        progress::Progress as Progressed,
    },
    domain::{
        Causation, Correlation, EntityId, Event, Meta, NewEvent, RentalId, Timestamp,
        account::AccountEvent,
        delivery::DeliveryEvent,
        notice::Locale,
        product::{Fence, ProductEvent},
    },
    store::{Commit, CommitId, VaultWrite, codec, memory::MemoryJournal},
    tools::{import::filling::Filling, lines::Line},
};

/// A shop of everything: rentals in each state, somebody who left, a target that is held.
const SHOP: &str = include_str!("../../../tests/fixtures/export-2026-11-26.jsonl");

async fn shop() -> Arc<dyn Journal> {
    let journal: Arc<dyn Journal> = MemoryJournal::new();
    let mut filling = Filling::new(Arc::clone(&journal));
    for line in SHOP.lines().skip(1) {
        match serde_json::from_str(line).unwrap() {
            Line::Commit(commit) => filling.commit(commit.into()).await.unwrap().unwrap(),
            Line::Vault(record) => filling.vault(record.key, record.value.0).await.unwrap(),
            Line::View(row) => filling.view(row.key.0, row.value.0).await.unwrap(),
            Line::File(_) | Line::Trailer(_) => {}
        }
    }
    filling.finish().await.unwrap();
    // Its rows of My Page and its messages are of older formats.
    folded(&journal, MyPage::default()).await;
    folded(&journal, Messages::new(Locale::Ko, Outbox::default())).await;
    journal
}

/// Has a projection fold all there is.
async fn folded(journal: &Arc<dyn Journal>, projection: impl projection::Projection) {
    let (head, progress) = (*journal.head().borrow(), Arc::new(Progressed::default()));
    tokio::select! {
        ended = projection::run(projection, Arc::clone(journal), Arc::clone(&progress)) => {
            panic!("it goes on for as long as the journal is open: {ended:?}")
        }
        () = progress.at(head) => {}
    }
}

async fn verified(journal: &Arc<dyn Journal>, events_a_reading: u64) -> Verified {
    let mut tell = |line| panic!("a quick one says nothing: {line}");
    verify_by(journal, None, events_a_reading, &mut Progress::new(&mut tell)).await.unwrap()
}

/// What is found, however often the journal is read; at least one finding, all about `subject`.
async fn found(journal: &Arc<dyn Journal>, subject: &str) -> Vec<String> {
    let found = verified(journal, u64::MAX).await.findings.told;
    let mut in_parts = verified(journal, 7).await.findings.told;
    assert!(found.iter().all(|finding| finding.subject.starts_with(subject)), "{subject}: {found:?}");
    in_parts.retain(|finding| !found.contains(finding));
    assert!(in_parts.is_empty(), "found in parts only: {in_parts:?}");
    assert!(!found.is_empty(), "nothing was found");
    found.into_iter().map(|finding| finding.what).collect()
}

#[track_caller]
fn says(found: &[String], words: &str) {
    assert!(found.iter().any(|what| what.contains(words)), "{words}: {found:?}");
}

/// Commits these events, whatever they do, with the snapshot that they come to, or with another one.
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

/// The rows of views whose keys begin with `prefix`.
async fn rows(journal: &Arc<dyn Journal>, prefix: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let end = projection::after_prefix(prefix);
    journal.view_scan(prefix.to_vec(), end, usize::MAX).await.unwrap()
}

async fn write(journal: &Arc<dyn Journal>, key: &[u8], row: Option<Vec<u8>>) {
    journal.view_apply(vec![(key.to_vec(), row)]).await.unwrap();
}

/// A product that some units are out of.
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
async fn a_shop_that_is_well_is_found_so_however_often_it_is_read() {
    let journal = shop().await;
    let head = journal.head().borrow().0;
    for events_a_reading in [1, 7, 40, u64::MAX] {
        let verified = verified(&journal, events_a_reading).await;
        assert!(verified.findings.none(), "{:?}", verified.findings);
        assert!(verified.notes.is_empty(), "{:?}", verified.notes);
        let entities = journal.entities(None, usize::MAX).await.unwrap().len() as u64;
        assert_eq!((verified.events, verified.entities), (head, entities));
        assert_eq!(verified.rows, rows(&journal, ROWS).await.len() as u64);
        assert_eq!(verified.vault, journal.vault_scan(String::new()).await.unwrap().len() as u64);
    }
    let nothing: Arc<dyn Journal> = MemoryJournal::new();
    let verified = verified(&nothing, 1).await;
    assert!(verified.findings.none() && verified.notes.is_empty() && verified.events == 0);
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
    says(&found, "INV-4 is broken");
    says(&found, "INV-8 is broken");
}

#[tokio::test]
async fn a_move_that_is_not_declared_and_an_event_of_another_kind_are_found() {
    let journal = shop().await;
    let customer = crate::domain::CustomerId(99);
    commit(&journal, customer.into(), vec![AccountEvent::CustomerLeft.into()], None).await;
    says(&found(&journal, &customer.to_string()).await, "INV-14 is broken");
    let journal = shop().await;
    let stranger = EntityId::from(RentalId(99));
    commit(&journal, stranger, vec![AccountEvent::CustomerLeft.into()], None).await;
    says(&found(&journal, &stranger.to_string()).await, "CustomerLeft happened to a rental");
}

#[tokio::test]
async fn stock_that_moves_wrongly_is_found() {
    let fence = |lane| Fence { lane, position: Position(1_000_000) };
    let rental_id = RentalId(99);
    for (event, words) in [
        (ProductEvent::ProductDecreased { rental_id, fence: fence(64) }, "there is no lane 64"),
        (ProductEvent::ProductIncreased { rental_id, fence: fence(1) }, "its snapshot is not what"),
    ] {
        let journal = shop().await;
        let product = product(&journal).await;
        commit(&journal, product.into(), vec![event.into()], None).await;
        let told = verified(&journal, u64::MAX).await.findings.told;
        says(&told.iter().map(ToString::to_string).collect::<Vec<_>>(), words);
        // Nobody placed that rental, and its unit was never taken.
        says(&told.iter().map(ToString::to_string).collect::<Vec<_>>(), "INV-8 is broken");
    }
    // A unit that no rental has.
    let journal = shop().await;
    let id = product(&journal).await;
    let increased = |n: u64| {
        let fence = Fence { lane: 1, position: Position(1_000_000 + n) };
        ProductEvent::ProductIncreased { rental_id, fence }.into()
    };
    let many = (0..20).map(increased).collect();
    commit(&journal, id.into(), many, None).await;
    let told = verified(&journal, 7).await.findings.told;
    says(&told.iter().map(ToString::to_string).collect::<Vec<_>>(), "INV-5 is broken");
}

#[tokio::test]
async fn a_snapshot_that_is_not_the_fold_is_found() {
    let journal = shop().await;
    let id = product(&journal).await;
    let restocked = || vec![ProductEvent::ProductRestocked { quantity: 1 }.into()];
    commit(&journal, id.into(), restocked(), None).await;
    says(&found(&journal, &id.to_string()).await, "its snapshot is not what its events come to");
    commit(&journal, id.into(), restocked(), Some(vec![0])).await;
    says(&found(&journal, &id.to_string()).await, "its snapshot is damaged");
}

#[tokio::test]
async fn a_row_of_my_page_that_is_not_the_fold_is_found() {
    let journal = shop().await;
    let all = rows(&journal, ROWS).await;
    let [(key, row), (other, _)] = [&all[0], &all[1]];
    let id = |key: &[u8]| RentalId(u128::from_be_bytes(*key.last_chunk().unwrap())).to_string();
    let mut changed: crate::shop::views::Row = codec::decode(row).unwrap();
    changed.version -= 1;
    write(&journal, key, Some(codec::encode(&changed).unwrap())).await;
    says(&found(&journal, &id(key)).await, "is not the fold of the journal");
    write(&journal, key, Some(row.clone())).await;
    write(&journal, other, None).await;
    says(&found(&journal, &id(other)).await, "it has no row of My Page");
    let (_, row) = &all[1];
    write(&journal, other, Some(row.clone())).await;
    let stranger = [ROWS, &99_u128.to_be_bytes()].concat();
    write(&journal, &stranger, Some(row.clone())).await;
    says(&found(&journal, &RentalId(99).to_string()).await, "the journal does not know it");
    write(&journal, &stranger, None).await;
    let (listed, _) = rows(&journal, BY_CUSTOMER).await.remove(0);
    write(&journal, &listed, None).await;
    says(&found(&journal, &id(&listed)).await, "does not list it for its customer");
    write(&journal, &listed, Some(Vec::new())).await;
    let odd = [BY_CUSTOMER, b"?"].concat();
    write(&journal, &odd, Some(Vec::new())).await;
    says(&found(&journal, "My Page").await, "customers' lists have");
    write(&journal, &odd, None).await;
    let (key, list) = rows(&journal, ALL.0).await.remove(0);
    assert!(!lists::read::<RentalId>(&list).unwrap().is_empty());
    write(&journal, &key, None).await;
    says(&found(&journal, "rental_").await, "is not in the list of all");
    write(&journal, &key, Some(list.clone())).await;
    let twice = [ALL.0, &[0; 8]].concat();
    write(&journal, &twice, Some(list)).await;
    says(&found(&journal, "rental_").await, "is in the list of all, and should not be");
    write(&journal, &twice, None).await;
    assert!(verified(&journal, 7).await.findings.none(), "all was put back");
}

#[tokio::test]
async fn a_row_of_the_catalogue_that_is_not_the_fold_is_found() {
    let journal = shop().await;
    let all = rows(&journal, b"k/").await;
    let [(key, row), (other, other_row)] = [&all[0], &all[1]];
    let id = |key: &[u8]| ProductId(u128::from_be_bytes(*key.last_chunk().unwrap())).to_string();
    write(&journal, key, Some(other_row.clone())).await;
    says(&found(&journal, &id(key)).await, "is not the fold");
    write(&journal, key, Some(row.clone())).await;
    write(&journal, other, None).await;
    says(&found(&journal, &id(other)).await, "no row of the catalogue");
}

#[tokio::test]
async fn a_message_that_is_missing_or_of_something_else_is_found() {
    let journal = shop().await;
    let all = rows(&journal, RECORDS).await;
    let [(key, row), (_, other)] = [&all[0], &all[1]];
    let rental = codec::decode::<Record>(row).unwrap().rental_id.to_string();
    write(&journal, key, None).await;
    says(&found(&journal, &rental).await, "no message tells of what stands at");
    write(&journal, key, Some(other.clone())).await;
    says(&found(&journal, &rental).await, "another message stands at");
    write(&journal, key, Some(row.clone())).await;
    let (listed, all) = rows(&journal, notification::ALL.0).await.remove(0);
    write(&journal, &listed, None).await;
    says(&found(&journal, "rental_").await, "is not in the list of all");
    write(&journal, &listed, Some(all.clone())).await;
    let twice = [notification::ALL.0, &[0; 8]].concat();
    write(&journal, &twice, Some(all)).await;
    says(&found(&journal, "messages").await, "of them are listed, for");
    write(&journal, &twice, None).await;
    let stranger = [RECORDS, &[0; 24]].concat();
    write(&journal, &stranger, Some(row.clone())).await;
    says(&found(&journal, "messages").await, "of them, for");
}

#[tokio::test]
async fn messages_that_are_listed_anew_stay_as_they_are() {
    let journal = shop().await;
    let (records, listed) = (rows(&journal, RECORDS).await, rows(&journal, notification::ALL.0).await);
    write(&journal, b"stand/notification", None).await;
    write(&journal, &listed[0].0, None).await;
    folded(&journal, Messages::new(Locale::Ko, Outbox::default())).await;
    assert_eq!(rows(&journal, RECORDS).await, records);
    assert!(!rows(&journal, notification::ALL.0).await.is_empty());
    assert!(verified(&journal, 7).await.findings.none());
}

#[tokio::test]
async fn damaged_rows_and_records_are_found_by_their_keys() {
    let journal = shop().await;
    for prefix in [&b"m/r"[..], RECORDS, b"k/", b"a/", b"stand/agenda", b"cursor/"] {
        let (key, row) = rows(&journal, prefix).await.remove(0);
        write(&journal, &key, Some(flipped(row.clone()))).await;
        let told = verified(&journal, u64::MAX).await.findings.told;
        let subject = key.escape_ascii().to_string();
        assert!(told.iter().any(|f| f.subject == subject && f.what.contains("checksum")), "{told:?}");
        write(&journal, &key, Some(row)).await;
    }
    for (key, value) in journal.vault_scan(String::new()).await.unwrap() {
        let framed = !key.starts_with("secret/");
        let wrong = if framed { flipped(value.clone()) } else { value[1..].to_vec() };
        let put = |value: Vec<u8>| vec![VaultWrite { key: key.clone(), value: Some(value) }];
        journal.vault_write(put(wrong)).await.unwrap();
        says(&found(&journal, &key).await, if framed { "checksum" } else { "31 bytes" });
        journal.vault_write(put(value)).await.unwrap();
    }
}

#[tokio::test]
async fn what_is_damaged_is_not_exported() {
    let refused = async |journal: &Arc<dyn Journal>| {
        let mut tell = |line| panic!("a quick one says nothing: {line}");
        let (mut out, mut progress) = (Vec::new(), Progress::new(&mut tell));
        let exported = crate::tools::export::export(journal, &[], &mut out, &mut progress).await;
        exported.map_or_else(|error| error.to_string(), |counts| format!("{counts:?}"))
    };
    let journal = shop().await;
    for (key, value) in journal.vault_scan(String::new()).await.unwrap() {
        let wrong = if key.starts_with("secret/") { value[1..].to_vec() } else { flipped(value.clone()) };
        let put = |value: Vec<u8>| vec![VaultWrite { key: key.clone(), value: Some(value) }];
        journal.vault_write(put(wrong)).await.unwrap();
        let told = refused(&journal).await;
        assert!(told.starts_with(&key) && told.contains("saem verify"), "{told}");
        journal.vault_write(put(value)).await.unwrap();
    }
    let (key, row) = rows(&journal, ROWS).await.remove(0);
    write(&journal, &key, Some(flipped(row))).await;
    assert!(refused(&journal).await.contains("the row is damaged: its checksum is wrong"));
}

#[tokio::test]
async fn a_consumer_beyond_the_end_of_the_journal_is_found() {
    let journal = shop().await;
    let beyond = Position(journal.head().borrow().0 + 1);
    let (key, row) = rows(&journal, b"cursor/").await.remove(0);
    write(&journal, &key, Some(codec::encode(&beyond).unwrap())).await;
    says(&found(&journal, "cursor/").await, "the journal ends at");
    write(&journal, &key, Some(row)).await;
    write(&journal, b"stand/mypage", Some(codec::encode(&(MyPage::FORMAT, beyond)).unwrap())).await;
    says(&found(&journal, "My Page").await, "the journal ends at");
}

#[tokio::test]
async fn rows_that_are_made_anew_are_not_compared_and_that_is_said() {
    let journal = shop().await;
    write(&journal, b"stand/mypage", None).await;
    let (key, _) = rows(&journal, ROWS).await.remove(0);
    write(&journal, &key, None).await;
    let verified = verified(&journal, u64::MAX).await;
    assert!(verified.findings.none(), "{:?}", verified.findings);
    assert!(verified.notes[0].contains("My Page is made anew"), "{:?}", verified.notes);
}

#[test]
fn of_very_many_findings_the_first_are_told_and_the_others_counted() {
    let mut findings = Findings::default();
    (0..FINDINGS_MAX + 5).for_each(|n| findings.add(n, "is wrong"));
    assert_eq!((findings.told.len(), findings.more), (FINDINGS_MAX, 5));
    assert_eq!(findings.told[1].to_string(), "1: is wrong");
}
