//! redb's file: its bytes, damage in it, and a disk that fails at any operation.

use std::{fs, path::Path, sync::Arc};

use redb::{ReadableDatabase as _, ReadableTable as _, TableDefinition};
use saem::{EntityId, Journal, OpenError, ProductId, RedbOptions, internal::domain::Product};
use tempfile::TempDir;

use crate::{
    backend::{self, Backend as _, Redb, RedbJournal},
    golden::{Golden, golden, hex},
    reading::two_rentals,
    samples::{
        Contents, Entity, first_commit_is_damaged, first_product_is_damaged, put, registered, restocks,
    },
};

pub(crate) const JOURNAL: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("journal");
pub(crate) const ROWS: [TableDefinition<'_, &[u8], &[u8]>; 3] =
    [TableDefinition::new("entities"), TableDefinition::new("vault"), TableDefinition::new("views")];

/// Opens the file of a closed store with redb itself.
fn raw(directory: &TempDir) -> redb::Database {
    redb::Database::open(directory.path().join("journal.redb")).unwrap()
}

/// Changes tables of a closed store.
pub(crate) fn change(directory: &TempDir, harm: impl FnOnce(&redb::WriteTransaction)) {
    let db = raw(directory);
    let written = db.begin_write().unwrap();
    harm(&written);
    written.commit().unwrap();
}

/// Key of an index record.
pub(crate) fn key(entity: EntityId) -> Vec<u8> {
    [&[entity.kind as u8][..], &entity.id.to_be_bytes()].concat()
}

/// Flips a bit of a value; a negative `byte` counts from the end.
pub(crate) fn flipped(value: &[u8], byte: isize) -> Vec<u8> {
    let mut value = value.to_vec();
    let index = if byte < 0 { value.len() - byte.unsigned_abs() } else { byte.unsigned_abs() };
    value[index] ^= 0x10;
    value
}

/// Flips a bit of the commit whose first event is at `first`.
pub(crate) fn flip_commit(directory: &TempDir, first: u64, byte: isize) {
    change(directory, |written| {
        let mut journal = written.open_table(JOURNAL).unwrap();
        let value = flipped(journal.get(first).unwrap().unwrap().value(), byte);
        journal.insert(first, value.as_slice()).unwrap();
    });
}

/// A closed store with two products and a rental.
async fn closed() -> (TempDir, Contents) {
    let redb = Redb::begin();
    two_rentals(redb.journal()).await;
    registered(redb.journal(), 2, 1).await;
    let contents = Contents::of(redb.journal()).await;
    (redb.closed().await, contents)
}

async fn refused(directory: &Path) -> OpenError {
    backend::open::<RedbJournal>(directory, RedbOptions::default()).await.map(drop).unwrap_err()
}

#[test]
fn reading_a_damaged_commit_is_an_error() {
    // In its checksum, its version, its first and its last byte.
    for byte in [0, 3, 4, 5, -1] {
        crate::run(async move {
            let (directory, _) = closed().await;
            flip_commit(&directory, 1, byte);
            let redb = Redb::open(directory, RedbOptions::default()).await;
            first_commit_is_damaged(redb.journal(), byte).await;
        });
    }
}

#[test]
fn a_store_whose_newest_commit_is_damaged_is_not_opened() {
    for byte in [0, -1] {
        crate::run(async move {
            let (directory, contents) = closed().await;
            flip_commit(&directory, contents.head.0, byte);
            let refused = refused(directory.path()).await;
            assert!(matches!(refused, OpenError::Damaged { .. }), "{byte}: {refused}");
        });
    }
}

#[test]
fn a_damaged_entity_does_not_affect_others() {
    crate::run(async {
        let (directory, _) = closed().await;
        let key = key(ProductId(1).into());
        change(&directory, |written| {
            let mut entities = written.open_table(ROWS[0]).unwrap();
            let value = flipped(entities.get(&key[..]).unwrap().unwrap().value(), -1);
            entities.insert(&key[..], value.as_slice()).unwrap();
        });
        first_product_is_damaged(Redb::open(directory, RedbOptions::default()).await.journal()).await;
    });
}

#[test]
fn an_unreadable_file_is_damaged_and_untouched() {
    type Damage = fn(&mut Vec<u8>);
    let damages: [(&str, Damage); 4] = [
        ("somebody else's", |bytes| *bytes = b"SQLite format 3".repeat(1_000)),
        ("cut off", |bytes| bytes.truncate(5_000)),
        ("cut off in its header", |bytes| bytes.truncate(100)),
        ("garbled", |bytes| bytes[..512].fill(0x55)),
    ];
    for (name, damage) in damages {
        crate::run(async move {
            let (directory, _) = closed().await;
            let file = directory.path().join("journal.redb");
            let mut bytes = fs::read(&file).unwrap();
            damage(&mut bytes);
            fs::write(&file, &bytes).unwrap();
            let refused = refused(directory.path()).await;
            assert!(matches!(refused, OpenError::Damaged { .. }), "{name}: {refused}");
            assert!(fs::read(&file).unwrap() == bytes, "{name}");
        });
    }
}

#[test]
fn creating_a_file_is_repeated_after_a_crash() {
    crate::run(async {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("FORMAT.new"), "saem 1").unwrap();
        // redb cannot open a file without its first bytes.
        fs::write(directory.path().join("journal.redb.new"), [0; 4_096]).unwrap();
        let redb = Redb::open(directory, RedbOptions::default()).await;
        registered(redb.journal(), 1, 1).await;
        assert!(!redb.path().join("journal.redb.new").exists());
    });
}

/// Commits, with rows of views in between, until one fails. Returns the number of acknowledged commits.
async fn commits_until_it_fails(journal: &Arc<dyn Journal>, product: &mut Entity<Product>) -> u64 {
    for n in 1.. {
        let mut commit = product.draft(restocks(2));
        commit.vault = vec![put("newest", &n.to_string())];
        let Ok(committed) = journal.commit(commit.clone()).await else { return n - 1 };
        product.committed(&commit, committed);
        let row = (b"newest".to_vec(), Some(n.to_string().into_bytes()));
        if journal.view_apply(vec![row]).await.is_err() {
            return n;
        }
    }
    unreachable!("the disk fails at last")
}

#[test]
fn a_failing_disk_loses_nothing_acknowledged() {
    for nth in 1..=64 {
        crate::run(async move {
            let redb = Redb::begin();
            let mut product = registered(redb.journal(), 1, 1).await;
            redb.own().fail_operation(nth);
            let acknowledged = commits_until_it_fails(redb.journal(), &mut product).await;
            assert!(redb.journal().is_poisoned());
            let redb = redb.reopened().await;
            let contents = Contents::of(redb.journal()).await;
            let there = (contents.head.0 - 1) / 2;
            assert!(there == acknowledged || there == acknowledged + 1, "{nth}: {there} of {acknowledged}");
            assert_eq!(contents.head.0, 1 + 2 * there, "{nth}: whole or absent");
            let newest = (there > 0).then(|| ("newest".to_owned(), there.to_string().into_bytes()));
            assert_eq!(contents.vault, newest.into_iter().collect::<Vec<_>>(), "{nth}");
            let loaded = redb.journal().load(product.id).await.unwrap();
            assert_eq!(loaded.version.0, contents.head.0, "{nth}");
            // A row is never ahead of the journal.
            let row = redb.journal().view_get(b"newest".to_vec()).await.unwrap().unwrap_or(b"0".to_vec());
            let row: u64 = String::from_utf8(row).unwrap().parse().unwrap();
            assert!(row <= there, "{nth}: a row of {row} with {there}");
            registered(redb.journal(), 2, 1).await;
        });
    }
}

#[test]
fn redb_bytes_are_unchanged() {
    crate::run(async {
        let redb = Redb::begin();
        let journal = redb.journal();
        two_rentals(journal).await;
        journal.vault_write(vec![put("customer/1", "홍길동")]).await.unwrap();
        journal.view_apply(vec![(b"row".to_vec(), Some(b"shown".to_vec()))]).await.unwrap();
        let directory = redb.closed().await;
        assert_eq!(fs::read_to_string(directory.path().join("FORMAT")).unwrap(), "saem 2 redb\n");
        let db = raw(&directory);
        let store = db.begin_read().unwrap();
        let mut today = Golden::new();
        for row in store.open_table(JOURNAL).unwrap().iter().unwrap() {
            let (first, frame) = row.unwrap();
            today.insert(format!("journal {:016x}", first.value()), frame.value().to_vec());
        }
        for (table, name) in ROWS.into_iter().zip(["entities", "vault", "views"]) {
            for row in store.open_table(table).unwrap().iter().unwrap() {
                let (key, value) = row.unwrap();
                today.insert(format!("{name} {}", hex(key.value())), value.value().to_vec());
            }
        }
        assert_eq!(golden("redb.hex", &today), today);
    });
}
