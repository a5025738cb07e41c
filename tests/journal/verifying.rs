//! `verify` of a store in sled: it names what is damaged, and still finds all else.

use saem::{
    EntityId, ProductId, RentalId, SledOptions,
    internal::tools::{Progress, verify},
};
use tempfile::TempDir;

use crate::{
    backend::{Backend as _, Keeper, Kept, SledJournal},
    directory::{Raw, entity_key},
    grouped::group_key,
    reading::two_rentals,
    samples::registered,
};

/// A closed store with three products and two rentals: everything is written behind, and each commit is a
/// chunk.
pub(crate) async fn closed<J: Keeper>() -> TempDir {
    let kept = Kept::<J>::begin();
    two_rentals(kept.journal()).await;
    registered(kept.journal(), 2, 1).await;
    registered(kept.journal(), 3, 2).await;
    kept.closed().await
}

/// Findings for the store in `directory`, which is closed afterwards.
pub(crate) async fn found_in<J: Keeper>(directory: TempDir, options: J::Options) -> Vec<String> {
    let kept = Kept::<J>::open(directory, options).await;
    let mut tell = |line| panic!("a quick one says nothing: {line}");
    let verified = verify(kept.journal(), None, &mut Progress::new(&mut tell)).await.unwrap();
    let found = verified.findings.listed.iter().map(ToString::to_string).collect();
    kept.closed().await;
    found
}

/// Findings for a store that was damaged by `harm`.
async fn found(harm: impl FnOnce(&Raw)) -> Vec<String> {
    let directory = closed::<SledJournal>().await;
    let raw = Raw::open(&directory).await;
    harm(&raw);
    drop(raw);
    found_in::<SledJournal>(directory, SledOptions { write_behind: false, ..SledOptions::default() }).await
}

#[track_caller]
pub(crate) fn is(found: &[String], subject: EntityId, words: &str) {
    let named = found.iter().any(|found| found.starts_with(&format!("{subject}:")) && found.contains(words));
    assert!(named, "{subject}: {words}: {found:#?}");
}

#[test]
fn verify_names_entities_with_a_wrong_index_record() {
    crate::run(async {
        let well = found(|_| {}).await;
        let (product, rental) = (EntityId::from(ProductId(2)), EntityId::from(RentalId(101)));
        let damaged = found(|raw| raw.flip(&entity_key(product), -1)).await;
        is(&damaged, product, "damaged");
        assert_eq!(damaged.len(), well.len() + 1, "{damaged:#?}");
        let missing = found(|raw| drop(raw.tree.remove(group_key(RentalId(101))).unwrap())).await;
        for missed in [rental, RentalId(101).payment().into(), RentalId(101).delivery().into()] {
            is(&missing, missed, "but not in the index");
        }
        let of_another = found(|raw| {
            let other = raw.tree.get(entity_key(product)).unwrap().unwrap();
            raw.tree.insert(entity_key(ProductId(3).into()), &other).unwrap();
            raw.tree.insert(entity_key(ProductId(4).into()), other).unwrap();
        })
        .await;
        is(&of_another, ProductId(3).into(), "its version is");
        is(&of_another, ProductId(3).into(), "its newest commit in the index differs");
        is(&of_another, ProductId(3).into(), "its snapshot differs from the fold");
        is(&of_another, ProductId(4).into(), "but not in the journal");
        let without_timeline = found(|raw| {
            let other = raw.tree.get(group_key(RentalId(100))).unwrap().unwrap();
            raw.tree.insert(group_key(RentalId(101)), other).unwrap();
        })
        .await;
        is(&without_timeline, rental, "its timeline in the index differs");
    });
}

#[test]
fn verify_names_positions_of_damage_and_gaps() {
    crate::run(async {
        let damaged = found(|raw| {
            raw.flip(&raw.keys(b'j')[3], -1);
            raw.flip(&entity_key(ProductId(2).into()), -1);
        })
        .await;
        assert!(damaged[0].starts_with("the journal after 3: damaged"), "{damaged:#?}");
        is(&damaged, ProductId(2).into(), "damaged");
        assert_eq!(damaged.len(), 2, "what follows from it says nothing more: {damaged:#?}");
        let gap = found(|raw| drop(raw.tree.remove(&raw.keys(b'j')[3]).unwrap())).await;
        assert!(
            gap.iter().any(|found| found == "the journal after 3: a gap: the next event is at 5"),
            "{gap:#?}"
        );
    });
}
