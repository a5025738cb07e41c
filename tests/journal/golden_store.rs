//! A whole store, key by key: the bytes that are written, and reading them.

use std::{fs, sync::Arc};

use saem::{Journal, MemoryJournal, SledOptions, internal::store::codec};
use tempfile::TempDir;

use crate::{
    backend::{Backend as _, Sled},
    directory::Raw,
    golden::{Golden, golden, hex, read, unhex},
    reading::two_rentals,
    samples::{Contents, put},
};

/// Writes what is in the golden store.
async fn fill(journal: &Arc<dyn Journal>) {
    two_rentals(journal).await;
    journal.vault_write(vec![put("customer/1", "홍길동")]).await.unwrap();
    journal.view_apply(vec![(b"row".to_vec(), Some(b"shown".to_vec()))]).await.unwrap();
}

/// All keys of the store's tree, with their values.
async fn written_today() -> Golden {
    let sled = Sled::begin_with(SledOptions { write_behind: false, ..SledOptions::default() });
    fill(sled.journal()).await;
    // The index is written at once when the store closes: otherwise the bytes would depend on timing.
    let directory = sled.reopened().await.closed().await;
    assert_eq!(fs::read_to_string(directory.path().join("FORMAT")).unwrap(), "saem 3\n");
    let raw = Raw::open(&directory).await;
    let rows = raw.tree.iter().map(|row| row.map(|(key, value)| (hex(&key), value.to_vec())).unwrap());
    let mut rows: Golden = rows.collect();
    // The mark counts its writes, which depends on timing.
    let mark = rows.get_mut(&hex(b"mmark")).expect("closing marks the store");
    assert!(codec::decode::<u64>(mark).unwrap() >= 1);
    *mark = codec::encode(&1u64).unwrap();
    rows
}

/// Reads everything from a store with exactly these rows.
async fn contents_of(rows: &Golden) -> Contents {
    let directory: TempDir = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("FORMAT"), "saem 3\n").unwrap();
    let raw = Raw::open(&directory).await;
    for (key, value) in rows {
        raw.tree.insert(unhex(key), value.as_slice()).unwrap();
    }
    drop(raw);
    Contents::of(Sled::open(directory, SledOptions::default()).await.journal()).await
}

async fn expected() -> Contents {
    let memory: Arc<dyn Journal> = MemoryJournal::new();
    fill(&memory).await;
    Contents::of(&memory).await
}

/// True for keys with this prefix.
fn is(part: u8) -> impl Fn(&String) -> bool {
    move |key| unhex(key)[0] == part
}

#[test]
fn store_bytes_are_unchanged() {
    crate::run(async {
        let today = written_today().await;
        assert_eq!(golden("store.hex", &today), today);
    });
}

#[test]
fn a_golden_store_is_opened_with_and_without_its_index() {
    crate::run(async {
        let (expected, rows) = (expected().await, read("store.hex"));
        assert_eq!(contents_of(&rows).await, expected);
        let mut journal_and_vault = rows.clone();
        journal_and_vault.retain(|key, _| is(b'j')(key) || is(b'v')(key));
        assert!(journal_and_vault.len() < rows.len());
        assert_eq!(contents_of(&journal_and_vault).await, expected);
    });
}

#[test]
fn a_chunk_of_many_commits_is_read() {
    crate::run(async {
        // The writer packs queued commits into one chunk.
        let mut rows = golden("store.hex", &written_today().await);
        let expected = expected().await;
        let chunks: Vec<String> = rows.keys().filter(|key| is(b'j')(key)).cloned().collect();
        let (first, others) = chunks.split_first().unwrap();
        for other in others {
            let chunk = rows.remove(other).unwrap();
            rows.get_mut(first).unwrap().extend(chunk);
        }
        assert_eq!(contents_of(&rows).await, expected);
        rows.retain(|key, _| is(b'j')(key) || is(b'v')(key));
        assert_eq!(contents_of(&rows).await, expected);
    });
}
