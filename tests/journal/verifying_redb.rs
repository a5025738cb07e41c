//! Verifying a store in redb, which checks no page of a file that was closed in order: what is damaged there
//! is found all the same.

use std::{fs, sync::Arc};

use redb::ReadableTable as _;
use saem::{
    domain::{CustomerId, EntityId, ProductId, RentalId},
    store::{Journal, redb::RedbOptions},
    tools::{Progress, verify::verify},
};

use crate::{
    backend::{self, Backend as _, Redb, RedbJournal},
    redb_file::{JOURNAL, ROWS, flip_commit, flipped, raw},
    samples::Said,
    verifying::{closed, found_in, is},
};

const ENTITIES: usize = 0;

/// The key of what is known of an entity.
fn key(entity: EntityId) -> Vec<u8> {
    [&[entity.kind as u8][..], &entity.id.to_be_bytes()].concat()
}

/// What is found in a store where this was done to what is known of entities.
async fn found(harm: impl FnOnce(&mut redb::Table<'_, &[u8], &[u8]>)) -> Vec<String> {
    let directory = closed::<RedbJournal>().await;
    {
        let db = raw(&directory);
        let written = db.begin_write().unwrap();
        harm(&mut written.open_table(ROWS[ENTITIES]).unwrap());
        written.commit().unwrap();
    }
    found_in::<RedbJournal>(directory, RedbOptions::default()).await
}

#[test]
fn what_is_damaged_or_missing_in_redb_s_index_is_found_by_its_entity() {
    crate::run(async {
        let (product, rental) = (EntityId::from(ProductId(2)), EntityId::from(RentalId(101)));
        let well = found(|_| {}).await;
        let damaged = found(|entities| {
            let value = flipped(entities.get(&key(product)[..]).unwrap().unwrap().value(), -1);
            entities.insert(&key(product)[..], &value[..]).unwrap();
        })
        .await;
        is(&damaged, product, "damaged");
        assert_eq!(damaged.len(), well.len() + 1, "{damaged:#?}");
        let missing = found(|entities| drop(entities.remove(&key(rental)[..]).unwrap())).await;
        is(&missing, rental, "but not in the index");
        assert_eq!(missing.len(), well.len() + 1, "{missing:#?}");
        let of_another = found(|entities| {
            let other = entities.get(&key(product)[..]).unwrap().unwrap().value().to_vec();
            entities.insert(&key(ProductId(4).into())[..], &other[..]).unwrap();
        })
        .await;
        is(&of_another, ProductId(4).into(), "its index record is damaged");
    });
}

#[test]
fn an_entity_that_a_flipped_bit_hides_is_found() {
    crate::run(async {
        for hidden in [ProductId(1).into(), ProductId(3).into(), RentalId(100).into(), CustomerId(100).into()]
        {
            // A bit that leaves the order of keys as it is or not, and one that makes it a key of nobody's.
            for (byte, bit) in [(16, 0x01), (16, 0x80), (9, 0x01), (1, 0x80), (0, 0x40)] {
                let directory = closed::<RedbJournal>().await;
                let file = directory.path().join("journal.redb");
                let (mut bytes, key) = (fs::read(&file).unwrap(), key(hidden));
                let places: Vec<usize> =
                    (0..bytes.len() - key.len()).filter(|at| bytes[*at..].starts_with(&key)).collect();
                assert!(!places.is_empty());
                places.into_iter().for_each(|at| bytes[at + byte] ^= bit);
                fs::write(&file, bytes).unwrap();
                let found = found_in::<RedbJournal>(directory, RedbOptions::default()).await;
                is(&found, hidden, "but not in the index");
            }
        }
    });
}

#[test]
fn a_damaged_commit_and_a_gap_in_redb_are_found_by_their_positions() {
    crate::run(async {
        let directory = closed::<RedbJournal>().await;
        flip_commit(&directory, 4, -1);
        let damaged = found_in::<RedbJournal>(directory, RedbOptions::default()).await;
        assert!(damaged[0].starts_with("the journal after 3: damaged"), "{damaged:#?}");
        assert_eq!(damaged.len(), 1, "what follows from it says nothing more: {damaged:#?}");
        let directory = closed::<RedbJournal>().await;
        {
            let db = raw(&directory);
            let written = db.begin_write().unwrap();
            written.open_table(JOURNAL).unwrap().remove(4).unwrap();
            written.commit().unwrap();
        }
        let gap = found_in::<RedbJournal>(directory, RedbOptions::default()).await;
        assert!(gap[0].starts_with("the journal after 3: damaged: there is no event at 4"), "{gap:#?}");
    });
}

/// How many bits are flipped, each in a store of its own.
const FLIPS: usize = 150;

#[test]
fn whatever_bit_is_flipped_a_store_is_refused_or_told_of_or_says_the_same() {
    crate::run(async {
        let directory = closed::<RedbJournal>().await;
        let whole = fs::read(directory.path().join("journal.redb")).unwrap();
        let redb = Redb::open(directory, RedbOptions::default()).await;
        let said = Said::by(redb.journal()).await;
        let well = found_in::<RedbJournal>(redb.closed().await, RedbOptions::default()).await;
        // Where there is something; evenly over all of it, so that each table has its share.
        let used: Vec<usize> = (0..whole.len()).filter(|at| whole[*at] != 0).collect();
        let mut told = 0;
        for flip in 0..FLIPS {
            let at = used[flip * used.len() / FLIPS];
            let mut bytes = whole.clone();
            bytes[at] ^= 1 << (flip % 8);
            let directory = tempfile::tempdir().unwrap();
            fs::write(directory.path().join("FORMAT"), "saem 2 redb\n").unwrap();
            fs::write(directory.path().join("journal.redb"), bytes).unwrap();
            let opened = backend::open::<RedbJournal>(directory.path(), RedbOptions::default()).await;
            let Ok(opened) = opened else {
                told += 1;
                continue;
            };
            let journal: Arc<dyn Journal> = opened;
            let mut tell = |line| panic!("a quick one says nothing: {line}");
            let verified = verify(&journal, &mut Progress::new(&mut tell)).await;
            let found = verified.map(|verified| verified.findings.listed);
            if found.is_ok_and(|found| found.iter().map(ToString::to_string).eq(well.iter().cloned())) {
                assert!(Said::by(&journal).await == said, "bit {} of byte {at} hides something", flip % 8);
            } else {
                told += 1;
            }
            journal.close().await;
        }
        assert!(told > 0);
    });
}
