//! Seals of redb's rows: reading a row with a flipped bit is an error, and never returns nothing or another
//! row. redb itself would not detect it.

use std::{fs, path::Path, sync::Arc};

use redb::ReadableTable as _;
use saem::{Journal, Position, ProductId, RedbOptions, StoreError};
use tempfile::TempDir;

use crate::{
    backend::{self, Backend as _, Redb, RedbJournal},
    redb_file::{JOURNAL, ROWS, change, key},
    samples::{put, registered},
    verifying::{closed, found_in},
};

const KEY: &str = "secret/request";
const SECRET: &str = "a secret of a length of 32 bytes";
/// Neighboring rows, on both sides.
const OTHERS: [&str; 4] = ["person/1", "receipt/1", "secret/phone", "session/1"];
/// Length of a seal, in bytes.
const SEAL: usize = 8;

/// Offsets of these bytes: redb keeps older pages in its file.
fn places(bytes: &[u8], wanted: &[u8]) -> Vec<usize> {
    let places: Vec<usize> = (0..=bytes.len() - wanted.len())
        .filter(|at| bytes[*at] == wanted[0] && bytes[*at..].starts_with(wanted))
        .collect();
    assert!(!places.is_empty());
    places
}

async fn opened(directory: &Path) -> Arc<dyn Journal> {
    backend::open::<RedbJournal>(directory, RedbOptions::default()).await.unwrap()
}

/// A closed store with a secret and its neighbors.
async fn with_a_secret() -> TempDir {
    let redb = Redb::begin();
    let others = OTHERS.iter().map(|key| put(key, key));
    redb.journal().vault_write(others.chain([put(KEY, SECRET)]).collect()).await.unwrap();
    redb.closed().await
}

/// Checks a store with a damaged secret: reading it is an error, and its neighbors are read, or errors, too.
async fn is_damaged(directory: &Path, what: &str) {
    let journal = opened(directory).await;
    let get = journal.vault_get(KEY.to_owned()).await;
    let Err(StoreError::Corrupt(message)) = &get else { panic!("{what}: {get:?}") };
    assert!(!message.contains("request") && !message.contains(SECRET), "{what}: {message}");
    let scan = journal.vault_scan("secret/".to_owned()).await;
    assert!(matches!(scan, Err(StoreError::Corrupt(_))), "{what}: {scan:?}");
    let all = journal.vault_after(None, 100).await;
    assert!(matches!(all, Err(StoreError::Corrupt(_))), "{what}: {all:?}");
    for key in OTHERS {
        let other = journal.vault_get(key.to_owned()).await;
        let right = other.as_ref().is_ok_and(|value| value.as_deref() == Some(key.as_bytes()));
        assert!(right || matches!(other, Err(StoreError::Corrupt(_))), "{what}: {key}: {other:?}");
    }
    journal.close().await;
}

#[test]
fn flipped_bits_of_a_secret_are_damage() {
    crate::run(async {
        let directory = with_a_secret().await;
        let file = directory.path().join("journal.redb");
        let whole = fs::read(&file).unwrap();
        let keys = places(&whole, KEY.as_bytes());
        let values = places(&whole, SECRET.as_bytes());
        let of_key = (0..KEY.len()).map(|byte| ("key", &keys, byte));
        let sealed = SEAL + SECRET.len();
        let starts: Vec<usize> = values.iter().map(|at| at - SEAL).collect();
        let of_value = (0..sealed).map(|byte| ("value", &starts, byte));
        for (part, places, byte) in of_key.chain(of_value) {
            for bit in 0..8 {
                let mut bytes = whole.clone();
                places.iter().for_each(|at| bytes[at + byte] ^= 1 << bit);
                fs::write(&file, bytes).unwrap();
                is_damaged(directory.path(), &format!("bit {bit} of byte {byte} of the {part}")).await;
            }
        }
    });
}

#[test]
fn damage_to_a_value_does_not_affect_its_neighbors() {
    crate::run(async {
        let directory = with_a_secret().await;
        let file = directory.path().join("journal.redb");
        let mut bytes = fs::read(&file).unwrap();
        places(&bytes, SECRET.as_bytes()).into_iter().for_each(|at| bytes[at] ^= 1);
        fs::write(&file, bytes).unwrap();
        let journal = opened(directory.path()).await;
        for key in OTHERS {
            assert_eq!(journal.vault_get(key.to_owned()).await, Ok(Some(key.as_bytes().to_vec())));
        }
        for absent in ["secret/p", "secret/requesx", "secret/requestx", "", "a", "z"] {
            assert_eq!(journal.vault_get(absent.to_owned()).await, Ok(None), "{absent}");
        }
        assert_eq!(journal.vault_scan("session/".to_owned()).await.unwrap().len(), 1);
        assert_eq!(journal.vault_scan("receipt/".to_owned()).await.unwrap().len(), 1);
        // It can be overwritten.
        journal.vault_write(vec![put(KEY, SECRET)]).await.unwrap();
        assert_eq!(journal.vault_get(KEY.to_owned()).await, Ok(Some(SECRET.as_bytes().to_vec())));
        journal.close().await;
    });
}

#[test]
fn a_flipped_bit_in_a_key_is_found_among_many() {
    crate::run(async {
        // Many rows, so that there are index pages, and a misdirected search ends far away.
        let keys: Vec<String> = (0..400).map(|n| format!("receipt/{n:03}/{}", "x".repeat(200))).collect();
        let redb = Redb::begin();
        redb.journal().vault_write(keys.iter().map(|key| put(key, key)).collect()).await.unwrap();
        let directory = redb.closed().await;
        let file = directory.path().join("journal.redb");
        let whole = fs::read(&file).unwrap();
        for damaged in keys.iter().step_by(23) {
            // Each place by itself: in the row, and in an index page.
            for at in places(&whole, &damaged.as_bytes()[..12]) {
                for (byte, bit) in [(0, 0x40), (8, 0x01), (10, 0x02), (9, 0x80)] {
                    let mut bytes = whole.clone();
                    bytes[at + byte] ^= bit;
                    fs::write(&file, bytes).unwrap();
                    let journal = opened(directory.path()).await;
                    for key in &keys {
                        let value = journal.vault_get(key.clone()).await;
                        let right =
                            value.as_ref().is_ok_and(|value| value.as_deref() == Some(key.as_bytes()));
                        let reported = matches!(value, Err(StoreError::Corrupt(_)));
                        assert!(right || reported, "{damaged} at {at}, byte {byte}: {key} is {value:?}");
                    }
                    let scan = journal.vault_scan("receipt/".to_owned()).await;
                    let all = scan.as_ref().is_ok_and(|rows| rows.len() == keys.len());
                    assert!(all || matches!(scan, Err(StoreError::Corrupt(_))), "{damaged} at {at}: {byte}");
                    journal.close().await;
                }
            }
        }
    });
}

#[test]
fn a_record_under_another_key_is_detected() {
    crate::run(async {
        let redb = Redb::begin();
        for n in 1..=5 {
            registered(redb.journal(), n, 1).await;
        }
        let directory = redb.closed().await;
        let key = |id: u128| key(ProductId(id).into());
        change(&directory, |written| {
            let mut journal = written.open_table(JOURNAL).unwrap();
            let commit = journal.get(3).unwrap().unwrap().value().to_vec();
            journal.insert(2, &commit[..]).unwrap();
            let mut entities = written.open_table(ROWS[0]).unwrap();
            let entity = entities.get(&key(4)[..]).unwrap().unwrap().value().to_vec();
            entities.insert(&key(2)[..], &entity[..]).unwrap();
        });
        let journal = opened(directory.path()).await;
        let read = journal.read(Position(1), 1).await;
        assert!(matches!(read, Err(StoreError::Corrupt(_))), "{read:?}");
        let loaded = journal.load(ProductId(2).into()).await;
        assert!(matches!(loaded, Err(StoreError::Corrupt(_))), "{loaded:?}");
        assert!(journal.load(ProductId(4).into()).await.is_ok());
        journal.close().await;
    });
}

#[test]
fn verify_finds_damaged_rows_of_vault_and_views() {
    crate::run(async {
        for (row, table) in [(KEY, "vault"), ("shown/row", "views")] {
            let redb = Redb::open(closed::<RedbJournal>().await, RedbOptions::default()).await;
            redb.journal().vault_write(vec![put(KEY, SECRET)]).await.unwrap();
            let shown = (b"shown/row".to_vec(), Some(SECRET.as_bytes().to_vec()));
            redb.journal().view_apply(vec![shown]).await.unwrap();
            let directory = redb.closed().await;
            let file = directory.path().join("journal.redb");
            let mut bytes = fs::read(&file).unwrap();
            places(&bytes, row.as_bytes()).into_iter().for_each(|at| bytes[at + 8] ^= 1);
            fs::write(&file, bytes).unwrap();
            let found = found_in::<RedbJournal>(directory, RedbOptions::default()).await;
            let reported = found.iter().filter(|found| found.contains(&format!("table {table}")));
            assert_eq!(reported.count(), 1, "{found:#?}");
        }
    });
}
