//! Verifying a store in redb, which checks no page of a file that was closed in order: what is damaged there
//! is found all the same.

use std::fs;

use redb::ReadableTable as _;
use saem::{
    domain::{CustomerId, EntityId, ProductId, RentalId},
    store::redb::RedbOptions,
};

use crate::{
    backend::RedbJournal,
    redb_file::{JOURNAL, ROWS, flip_commit, flipped, raw},
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
        is(&missing, rental, "the index does not know it");
        assert_eq!(missing.len(), well.len() + 1, "{missing:#?}");
        let of_another = found(|entities| {
            let other = entities.get(&key(product)[..]).unwrap().unwrap().value().to_vec();
            entities.insert(&key(ProductId(4).into())[..], &other[..]).unwrap();
        })
        .await;
        is(&of_another, ProductId(4).into(), "the journal tells nothing of it");
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
                is(&found, hidden, "the index does not know it");
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
