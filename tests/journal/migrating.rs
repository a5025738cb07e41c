//! sled: a store of format 1, where a rental, its payment and its delivery had a key each, becomes one of
//! format 2, whatever interrupts that.

use std::{fs, path::Path, sync::Arc};

use saem::{
    domain::{
        EntityId, EntityKind, Money, ProductId, RentalId,
        delivery::{Delivery, DeliveryEvent},
        payment::{Payment, PaymentEvent},
        rental::{Rental, RentalEvent},
    },
    store::{self, Backend as Kind, Journal, OpenError, StoreError, StoreOptions, sled::SledOptions},
};
use tempfile::TempDir;

use crate::{
    backend::{Backend as _, Sled, SledJournal, copy},
    directory::{Raw, entity_key},
    grouped::frames,
    reading::{terms, two_rentals},
    samples::{Entity, Said, put, registered},
};

const BEHIND: SledOptions = SledOptions { cache_bytes: 16 << 20, write_behind: true, min_free_bytes: 0 };
const FOLDED: SledOptions = SledOptions { write_behind: false, ..BEHIND };
const OPTIONS: StoreOptions = StoreOptions { cache_bytes: 16 << 20, min_free_bytes: 0 };
const GROUPED: [EntityKind; 3] = [EntityKind::Rental, EntityKind::Payment, EntityKind::Delivery];

/// A row, and its key.
type Row = (Vec<u8>, Vec<u8>);

fn format_of(directory: &Path) -> String {
    fs::read_to_string(directory.join("FORMAT")).unwrap()
}

fn set_format(directory: &Path, number: u32) {
    fs::write(directory.join("FORMAT"), format!("saem {number}\n")).unwrap();
}

/// The rows of format 1 that a group stands for.
fn apart(key: &[u8], value: &[u8]) -> Vec<Row> {
    let id = u128::from_be_bytes(key[1..].try_into().unwrap());
    let rows = GROUPED.into_iter().zip(frames(value)).filter(|(_, frame)| !frame.is_empty());
    rows.map(|(kind, frame)| (entity_key(EntityId { kind, id }), frame)).collect()
}

/// The rows of a store, by key: those of rentals, payments and deliveries in format 1, and in format 2.
fn rows(raw: &Raw) -> [Vec<Row>; 2] {
    let rows = |part: &[u8]| -> Vec<Row> {
        raw.tree
            .scan_prefix(part)
            .map(|row| row.map(|(key, value)| (key.to_vec(), value.to_vec())).unwrap())
            .collect()
    };
    [GROUPED.into_iter().flat_map(|kind| rows(&[b'e', kind as u8])).collect(), rows(b"g")]
}

/// Makes a store that was closed what version 0.1.0 would have left of it. Answers the rows of both formats.
async fn made_old(directory: &TempDir) -> [Vec<Row>; 2] {
    let raw = Raw::open(directory).await;
    let [none, new] = rows(&raw);
    assert_eq!(none, []);
    let old: Vec<Row> = new.iter().flat_map(|(key, value)| apart(key, value)).collect();
    change(&raw, &old, &new);
    set_format(directory.path(), 1);
    let [old, none] = rows(&raw);
    assert_eq!(none, []);
    [old, new]
}

/// Puts rows, and removes others.
fn change(raw: &Raw, put: &[Row], removed: &[Row]) {
    for (key, _) in removed {
        raw.tree.remove(key).unwrap();
    }
    for (key, value) in put {
        raw.tree.insert(key.as_slice(), value.as_slice()).unwrap();
    }
}

/// Two rentals and more: one with a payment alone, and one that others' events name.
async fn told(journal: &Arc<dyn Journal>) {
    two_rentals(journal).await;
    let mut payment = Entity::<Payment>::new(RentalId(300).payment());
    payment.tell(journal, [requested()]).await;
    let mut delivery = Entity::<Delivery>::new(RentalId(301).delivery());
    delivery.tell(journal, [DeliveryEvent::DeliveryStarted { product_id: ProductId(1) }]).await;
    journal.vault_write(vec![put("customer/1", "홍길동")]).await.unwrap();
}

fn requested() -> PaymentEvent {
    PaymentEvent::PaymentRequested { attempt: 2, amount: Money::won(1), provider: "simulator".to_owned() }
}

/// A store of format 1, everything written behind, its rows in both formats, and what it says.
async fn old_store() -> (TempDir, [Vec<Row>; 2], Said) {
    let sled = Sled::begin();
    told(sled.journal()).await;
    let said = Said::by(sled.journal()).await;
    let directory = sled.closed().await;
    let rows = made_old(&directory).await;
    (directory, rows, said)
}

/// Opened, it is of format 2, and says what it said; and it goes on.
async fn becomes_new(directory: TempDir, said: &Said, new: &[Row], what: &str) {
    let sled = Sled::open(directory, BEHIND).await;
    assert_eq!(&Said::by(sled.journal()).await, said, "{what}");
    assert_eq!(format_of(sled.path()), "saem 2\n", "{what}");
    let directory = sled.closed().await;
    let raw = Raw::open(&directory).await;
    assert_eq!(rows(&raw), [Vec::new(), new.to_vec()], "{what}");
    drop(raw);
    let sled = Sled::open(directory, BEHIND).await;
    let mut rental = Entity::<Rental>::new(RentalId(300));
    rental.tell(sled.journal(), [RentalEvent::RentalPlaced(terms(0))]).await;
    let more = Said::by(sled.journal()).await;
    assert_eq!(Said::by(sled.crashed().await.journal()).await, more, "{what}");
}

fn copied(template: &TempDir) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    copy(template.path(), directory.path());
    directory
}

#[test]
fn a_store_of_format_1_says_afterwards_what_it_said() {
    crate::run(async {
        let (directory, [old, new], said) = old_store().await;
        assert!(old.len() > new.len());
        becomes_new(directory, &said, &new, "at once").await;
    });
}

/// Each state that a kill may leave: batches are whole or absent, whatever their size.
#[test]
fn what_a_killed_migration_leaves_is_finished_by_the_next_start() {
    crate::run(async {
        let (template, [old, new], said) = old_store().await;
        for count in 0..=new.len() {
            let directory = copied(&template);
            change(&Raw::open(&directory).await, &new[..count], &[]);
            fs::write(directory.path().join("FORMAT.new"), "sae").unwrap();
            becomes_new(directory, &said, &new, &format!("{count} copied")).await;
        }
        for count in 0..=old.len() {
            let directory = copied(&template);
            change(&Raw::open(&directory).await, &new, &old[..count]);
            set_format(directory.path(), 2);
            becomes_new(directory, &said, &new, &format!("{count} removed")).await;
        }
    });
}

#[test]
fn a_log_that_was_cut_off_before_the_copies_still_has_what_they_were_made_of() {
    crate::run(async {
        let (template, [_, new], said) = old_store().await;
        for count in 0..new.len() {
            let directory = copied(&template);
            change(&Raw::open(&directory).await, &new[..count], &[]);
            set_format(directory.path(), 2);
            // At rest, too: what it was is decided.
            let sled = Sled::open(directory, FOLDED).await;
            assert_eq!(Said::by(sled.journal()).await, said);
            becomes_new(sled.closed().await, &said, &new, &format!("{count} left")).await;
        }
    });
}

/// Nothing but the migration was written since the mark: it does not tell what of that is lost.
#[test]
fn wherever_the_log_is_cut_off_in_what_the_migration_wrote_nothing_is_missing() {
    const CUTS: usize = 60;
    crate::run(async {
        let (directory, _, said) = old_store().await;
        let before = used(directory.path());
        let template = Sled::open(directory, BEHIND).await.closed().await;
        assert_eq!(format_of(template.path()), "saem 2\n");
        let after = used(template.path());
        assert!(after > before);
        // In what the migration wrote: what stands before it is everybody's (see `damage`).
        for cut in (0..CUTS).map(|n| before + 1 + (after - before) * n / CUTS) {
            let directory = copied(&template);
            let log = fs::File::options().write(true).open(directory.path().join("journal/db")).unwrap();
            log.set_len(cut as u64).unwrap();
            let sled = Sled::open(directory, BEHIND).await;
            assert_eq!(Said::by(sled.journal()).await, said, "cut off at {cut}");
        }
    });
}

/// How much of sled's log is written.
fn used(directory: &Path) -> usize {
    fs::read(directory.join("journal/db")).unwrap().iter().rposition(|byte| *byte != 0).unwrap()
}

/// What an older version does after an interrupted migration is not undone by the copies of before.
#[test]
fn an_older_version_may_go_on_in_between() {
    crate::run(async {
        let (directory, [_, before], _) = old_store().await;
        set_format(directory.path(), 1);
        let sled = Sled::open(directory, BEHIND).await;
        let mut payment = Entity::<Payment>::new(RentalId(300).payment());
        payment.version = sled.journal().load(payment.id).await.unwrap().version;
        payment.tell(sled.journal(), [requested()]).await;
        let mut delivery = Entity::<Delivery>::new(RentalId(300).delivery());
        delivery.tell(sled.journal(), [DeliveryEvent::DeliveryStarted { product_id: ProductId(1) }]).await;
        let said = Said::by(sled.journal()).await;
        let directory = sled.closed().await;
        let [_, after] = made_old(&directory).await;
        assert_ne!(before, after);
        change(&Raw::open(&directory).await, &before, &[]);
        becomes_new(directory, &said, &after, "gone back and forth").await;
    });
}

/// Where the index is behind the journal, start-up folds what is missing, from rows of either format.
#[test]
fn a_store_of_format_1_with_an_unfolded_tail_comes_out_right() {
    crate::run(async {
        for (closed_with, opened_with) in [(BEHIND, FOLDED), (FOLDED, BEHIND), (FOLDED, FOLDED)] {
            let sled = Sled::begin();
            let mut rental = Entity::<Rental>::new(RentalId(100));
            let mut payment = Entity::<Payment>::new(RentalId(101).payment());
            rental.tell(sled.journal(), [RentalEvent::RentalPlaced(terms(0))]).await;
            payment.tell(sled.journal(), [requested()]).await;
            let directory = sled.closed().await;
            made_old(&directory).await;
            // At rest nothing is written behind: the checkpoint stays where it is.
            let sled = Sled::open(directory, FOLDED).await;
            let product_id = ProductId(1);
            registered(sled.journal(), 1, 1).await;
            rental.tell(sled.journal(), [RentalEvent::RentalConfirmed { product_id }]).await;
            payment.tell(sled.journal(), [requested()]).await;
            let mut delivery = Entity::<Delivery>::new(RentalId(100).delivery());
            delivery.tell(sled.journal(), [DeliveryEvent::DeliveryStarted { product_id }]).await;
            let said = Said::by(sled.journal()).await;
            let sled = sled.crashed_with(closed_with).await;
            assert_eq!(Said::by(sled.journal()).await, said);
            let sled = Sled::open(sled.closed().await, opened_with).await;
            assert_eq!(Said::by(sled.journal()).await, said);
            let new = closed_with.write_behind || opened_with.write_behind;
            assert_eq!(format_of(sled.path()), if new { "saem 2\n" } else { "saem 1\n" });
        }
    });
}

/// Whoever only reads changes no format: whoever wrote it may still go back.
#[test]
fn at_rest_a_store_of_format_1_stays_one_and_so_do_its_copies() {
    crate::run(async {
        let (directory, [old, new], said) = old_store().await;
        let sled = Sled::open(directory, FOLDED).await;
        assert_eq!(Said::by(sled.journal()).await, said);
        let all = sled.journal().entities(None, 1_000).await.unwrap();
        let mut one_by_one = Vec::new();
        while let Some(next) =
            sled.journal().entities(one_by_one.last().map(|(id, _)| *id), 1).await.unwrap().pop()
        {
            one_by_one.push(next);
        }
        assert_eq!(one_by_one, all);
        let elsewhere = tempfile::tempdir().unwrap();
        let [backup, restored] = ["backup", "restored"].map(|name| elsewhere.path().join(name));
        sled.journal().back_up(backup.clone(), Vec::new()).await.unwrap();
        store::restore(&backup, &restored).unwrap();
        let directory = sled.closed().await;
        SledJournal::compact(directory.path(), BEHIND).unwrap();
        for copy in [directory.path(), &backup, &restored] {
            assert_eq!(format_of(copy), "saem 1\n", "{}", copy.display());
        }
        assert_eq!(rows(&Raw::open(&directory).await), [old, Vec::new()]);
        let journal = Kind::Sled.open(&restored, OPTIONS).unwrap();
        assert_eq!(Said::by(&journal).await, said);
        assert_eq!(journal.entities(None, 1_000).await.unwrap(), all);
        journal.close().await;
        assert_eq!(format_of(&restored), "saem 2\n");
        becomes_new(directory, &said, &new, "compacted").await;
    });
}

#[test]
fn what_was_damaged_before_is_damaged_afterwards_and_nothing_else() {
    crate::run(async {
        let (directory, _, _) = old_store().await;
        let payment: EntityId = RentalId(101).payment().into();
        let emptied: EntityId = RentalId(100).delivery().into();
        let raw = Raw::open(&directory).await;
        raw.flip(&entity_key(payment), -1);
        raw.tree.insert(entity_key(emptied), &[][..]).unwrap();
        drop(raw);
        let sled = Sled::open(directory, FOLDED).await;
        let told = sled.journal().entities(None, 1_000).await.unwrap();
        let mut directory = sled.closed().await;
        for _ in 0..2 {
            let sled = Sled::open(directory, BEHIND).await;
            for damaged in [payment, emptied] {
                let loaded = sled.journal().load(damaged).await;
                assert!(matches!(loaded, Err(StoreError::Corrupt(_))), "{loaded:?}");
            }
            let is: Vec<_> = sled.journal().entities(None, 1_000).await.unwrap();
            assert_eq!(is.iter().filter(|(_, known)| known.is_err()).count(), 2);
            assert!(
                is.iter()
                    .map(|(id, known)| (id, known.as_ref().ok()))
                    .eq(told.iter().map(|(id, known)| (id, known.as_ref().ok())))
            );
            directory = sled.closed().await;
        }
    });
}

#[test]
fn a_store_that_has_lost_its_end_is_refused_as_it_is() {
    crate::run(async {
        let (directory, [old, _], _) = old_store().await;
        let raw = Raw::open(&directory).await;
        raw.tree.remove(b"mmark").unwrap();
        drop(raw);
        let refused = SledJournal::open(directory.path(), BEHIND).map(drop);
        assert!(matches!(refused, Err(OpenError::Lost { .. })), "{refused:?}");
        assert_eq!(format_of(directory.path()), "saem 1\n");
        assert_eq!(rows(&Raw::open(&directory).await), [old, Vec::new()]);
    });
}
