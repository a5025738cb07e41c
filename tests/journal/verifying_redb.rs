//! `verify` of a store in redb: it finds damage, although redb checks no page of a file that was closed
//! cleanly.

use std::{fs, sync::Arc};

use redb::ReadableTable as _;
use saem::{
    CustomerId, EntityId, Journal, ProductId, RedbOptions, RentalId,
    internal::tools::{Progress, verify},
};

use crate::{
    backend::{self, Backend as _, Redb, RedbJournal},
    redb_file::{JOURNAL, ROWS, change, flip_commit, flipped, key},
    samples::Contents,
    verifying::{closed, found_in, is},
};

/// Findings for a store whose table of index records was changed by `harm`.
async fn found(harm: impl FnOnce(&mut redb::Table<'_, &[u8], &[u8]>)) -> Vec<String> {
    let directory = closed::<RedbJournal>().await;
    change(&directory, |written| harm(&mut written.open_table(ROWS[0]).unwrap()));
    found_in::<RedbJournal>(directory, RedbOptions::default()).await
}

#[test]
fn verify_names_redb_entities_with_a_wrong_index_record() {
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
fn verify_finds_an_entity_that_a_flipped_bit_hides() {
    crate::run(async {
        for hidden in [ProductId(1).into(), ProductId(3).into(), RentalId(100).into(), CustomerId(100).into()]
        {
            // One bit keeps the order of keys, one changes it, and one makes the key invalid.
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
fn verify_names_redb_positions_of_damage_and_gaps() {
    crate::run(async {
        let directory = closed::<RedbJournal>().await;
        flip_commit(&directory, 4, -1);
        let damaged = found_in::<RedbJournal>(directory, RedbOptions::default()).await;
        assert!(damaged[0].starts_with("the journal after 3: damaged"), "{damaged:#?}");
        assert_eq!(damaged.len(), 1, "what follows from it says nothing more: {damaged:#?}");
        let directory = closed::<RedbJournal>().await;
        change(&directory, |written| drop(written.open_table(JOURNAL).unwrap().remove(4).unwrap()));
        let gap = found_in::<RedbJournal>(directory, RedbOptions::default()).await;
        assert!(gap[0].starts_with("the journal after 3: damaged: there is no event at 4"), "{gap:#?}");
    });
}

/// Number of flipped bits, each in its own copy of the store.
const FLIPS: usize = 150;

#[test]
fn a_flipped_bit_is_found_or_changes_nothing() {
    crate::run(async {
        let directory = closed::<RedbJournal>().await;
        let whole = fs::read(directory.path().join("journal.redb")).unwrap();
        let redb = Redb::open(directory, RedbOptions::default()).await;
        let contents = Contents::of(redb.journal()).await;
        let well = found_in::<RedbJournal>(redb.closed().await, RedbOptions::default()).await;
        // Spread evenly over all bytes in use, so that every table has some.
        let used: Vec<usize> = (0..whole.len()).filter(|at| whole[*at] != 0).collect();
        let mut detected = 0;
        for flip in 0..FLIPS {
            let at = used[flip * used.len() / FLIPS];
            let mut bytes = whole.clone();
            bytes[at] ^= 1 << (flip % 8);
            let directory = tempfile::tempdir().unwrap();
            fs::write(directory.path().join("FORMAT"), "saem 2 redb\n").unwrap();
            fs::write(directory.path().join("journal.redb"), bytes).unwrap();
            let opened = backend::open::<RedbJournal>(directory.path(), RedbOptions::default()).await;
            let Ok(opened) = opened else {
                detected += 1;
                continue;
            };
            let journal: Arc<dyn Journal> = opened;
            let mut tell = |line| panic!("a quick one says nothing: {line}");
            let verified = verify(&journal, None, &mut Progress::new(&mut tell)).await;
            let found = verified.map(|verified| verified.findings.listed);
            if found.is_ok_and(|found| found.iter().map(ToString::to_string).eq(well.iter().cloned())) {
                assert!(
                    Contents::of(&journal).await == contents,
                    "bit {} of byte {at} hides something",
                    flip % 8
                );
            } else {
                detected += 1;
            }
            journal.close().await;
        }
        assert!(detected > 0);
    });
}
