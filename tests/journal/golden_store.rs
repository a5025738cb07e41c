//! A whole store of old, key by key: today's code writes it, opens it, and says the same of it.

use std::{fs, sync::Arc};

use saem::store::{Journal, codec, memory::MemoryJournal, sled::SledOptions};
use tempfile::TempDir;

use crate::{
    backend::{Backend as _, Sled},
    directory::Raw,
    golden::{Golden, golden, hex, read, unhex},
    reading::two_rentals,
    samples::{Said, put},
};

/// What the golden store was told.
async fn told(journal: &Arc<dyn Journal>) {
    two_rentals(journal).await;
    journal.vault_write(vec![put("customer/1", "홍길동")]).await.unwrap();
    journal.view_apply(vec![(b"row".to_vec(), Some(b"shown".to_vec()))]).await.unwrap();
}

/// Every key of the store's tree, and its value.
async fn written_today() -> Golden {
    let sled = Sled::begin_with(SledOptions { write_behind: false, ..SledOptions::default() });
    told(sled.journal()).await;
    // Written behind all at once: else it would depend on how long the commits took.
    let directory = sled.reopened().await.closed().await;
    assert_eq!(fs::read_to_string(directory.path().join("FORMAT")).unwrap(), "saem 3\n");
    let raw = Raw::open(&directory).await;
    let rows = raw.tree.iter().map(|row| row.map(|(key, value)| (hex(&key), value.to_vec())).unwrap());
    let mut rows: Golden = rows.collect();
    // It counts how often it was written, which depends on how long the commits took.
    let mark = rows.get_mut(&hex(b"mmark")).expect("closing marks the store");
    assert!(codec::decode::<u64>(mark).unwrap() >= 1);
    *mark = codec::encode(&1u64).unwrap();
    rows
}

/// What the journal says of a store that holds exactly these rows.
async fn said_of(rows: &Golden) -> Said {
    let directory: TempDir = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("FORMAT"), "saem 3\n").unwrap();
    let raw = Raw::open(&directory).await;
    for (key, value) in rows {
        raw.tree.insert(unhex(key), value.as_slice()).unwrap();
    }
    drop(raw);
    Said::by(Sled::open(directory, SledOptions::default()).await.journal()).await
}

async fn expected() -> Said {
    let memory: Arc<dyn Journal> = MemoryJournal::new();
    told(&memory).await;
    Said::by(&memory).await
}

/// Whether a row belongs to the part of the store whose keys start so.
fn is(part: u8) -> impl Fn(&String) -> bool {
    move |key| unhex(key)[0] == part
}

#[test]
fn a_store_is_written_as_ever() {
    crate::run(async {
        let today = written_today().await;
        assert_eq!(golden("store.hex", &today), today);
    });
}

#[test]
fn a_golden_store_is_opened_with_and_without_its_index() {
    crate::run(async {
        let (expected, rows) = (expected().await, read("store.hex"));
        assert_eq!(said_of(&rows).await, expected);
        let mut journal_and_vault = rows.clone();
        journal_and_vault.retain(|key, _| is(b'j')(key) || is(b'v')(key));
        assert!(journal_and_vault.len() < rows.len());
        assert_eq!(said_of(&journal_and_vault).await, expected);
    });
}

#[test]
fn a_chunk_of_many_commits_is_each_of_them() {
    crate::run(async {
        // Packed one behind the other: what the writer makes of commits that queue.
        let mut rows = golden("store.hex", &written_today().await);
        let expected = expected().await;
        let chunks: Vec<String> = rows.keys().filter(|key| is(b'j')(key)).cloned().collect();
        let (first, others) = chunks.split_first().unwrap();
        for other in others {
            let chunk = rows.remove(other).unwrap();
            rows.get_mut(first).unwrap().extend(chunk);
        }
        assert_eq!(said_of(&rows).await, expected);
        rows.retain(|key, _| is(b'j')(key) || is(b'v')(key));
        assert_eq!(said_of(&rows).await, expected);
    });
}
