//! sled: the index records of a rental, its payment and its delivery have one key.

use futures_util::FutureExt as _;
use saem::{
    Commit, Delivery, DeliveryEvent, Money, PaymentEvent, ProductId, Rental, RentalEvent, RentalId,
    SledOptions, StoreError, Version, internal::domain::Payment,
};

use crate::{
    backend::{Backend, Sled},
    directory::Raw,
    reading::{terms, two_rentals},
    samples::{Entity, is_refused, registered},
};

/// Key of the records of a rental, its payment and its delivery.
pub(crate) fn group_key(rental: RentalId) -> Vec<u8> {
    [&b"g"[..], &rental.0.to_be_bytes()].concat()
}

/// The frames of a rental, its payment and its delivery.
pub(crate) fn frames(value: &[u8]) -> [Vec<u8>; 3] {
    let mut rest = value;
    let frames = [(); 3].map(|()| {
        let (length, behind) = rest.split_first_chunk().unwrap();
        let (frame, behind) = behind.split_at(u32::from_le_bytes(*length) as usize);
        rest = behind;
        frame.to_vec()
    });
    assert!(rest.is_empty());
    frames
}

#[test]
fn a_rental_its_payment_and_its_delivery_have_one_key() {
    crate::run(async {
        let sled = Sled::begin();
        two_rentals(sled.journal()).await;
        let raw = Raw::open(&sled.closed().await).await;
        assert_eq!(raw.keys(b'g'), [100, 101].map(|id| group_key(RentalId(id))));
        assert_eq!(raw.keys(b'e').len(), 3, "a product, an account, a context");
    });
}

#[test]
fn a_missing_payment_is_known_without_a_disk_read() {
    crate::run(async {
        let sled = Sled::begin();
        let journal = sled.journal();
        let mut rental = Entity::<Rental>::new(RentalId(100));
        rental.commit(journal, [RentalEvent::RentalPlaced(terms(0))]).await;
        for other in [RentalId(100).payment().into(), RentalId(100).delivery().into()] {
            let loaded = journal.load(other).now_or_never().expect("it needs no waiting").unwrap();
            assert!(loaded.version == Version(0) && loaded.snapshot.is_none());
        }
        let loaded = journal.load(rental.id).now_or_never().expect("it needs no waiting").unwrap();
        assert_eq!(loaded.version, rental.version);
        // A row that may be on disk is read by another thread, which may already have finished.
        let mut unknown = (101..1_101).map(|id| journal.load(payment_of(id)));
        assert!(unknown.any(|loaded| loaded.now_or_never().is_none()));
    });
}

/// Damage to one of the three is an error for that one only, and stays when the others are written.
#[test]
fn a_damaged_payment_does_not_affect_its_rental_or_delivery() {
    crate::run(async {
        let sled = Sled::begin();
        two_rentals(sled.journal()).await;
        let mut delivery = Entity::<Delivery>::new(RentalId(101).delivery());
        delivery.version = sled.journal().load(delivery.id).await.unwrap().version;
        let mut directory = sled.closed().await;
        let key = group_key(RentalId(101));
        let raw = Raw::open(&directory).await;
        let [rental, payment, _] = frames(&raw.tree.get(&key).unwrap().unwrap());
        raw.flip(&key, (4 + rental.len() + 4 + payment.len()) as isize - 1);
        drop(raw);
        for _ in 0..3 {
            let sled = Sled::open(directory, SledOptions::default()).await;
            let journal = sled.journal();
            let mut payment = Entity::<Payment>::new(RentalId(101).payment());
            let loaded = journal.load(payment.id).await;
            assert!(matches!(loaded, Err(StoreError::Corrupt(_))), "{loaded:?}");
            let refused = journal.commit(payment.draft([requested(2)])).await;
            assert!(is_refused(&refused), "{refused:?}");
            assert!(journal.load(RentalId(101).into()).await.unwrap().version > Version(0));
            let listed = journal.entities(None, 1_000).await.unwrap();
            let damaged: Vec<_> =
                listed.iter().filter(|(_, known)| known.is_err()).map(|(id, _)| *id).collect();
            assert_eq!(damaged, [payment.id]);
            // The row was read and written again.
            delivery.commit(journal, [DeliveryEvent::DeliveryCanceled { product_id: ProductId(1) }]).await;
            let loaded = journal.load(payment.id).await;
            assert!(matches!(loaded, Err(StoreError::Corrupt(_))), "{loaded:?}");
            directory = sled.closed().await;
        }
        // With a wrong length, the frames cannot be told apart.
        let raw = Raw::open(&directory).await;
        raw.flip(&key, 0);
        drop(raw);
        let sled = Sled::open(directory, SledOptions::default()).await;
        for id in [RentalId(101).into(), payment_of(101), delivery.id] {
            let loaded = sled.journal().load(id).await;
            assert!(matches!(loaded, Err(StoreError::Corrupt(_))), "{loaded:?}");
        }
        let listed = sled.journal().entities(None, 1_000).await.unwrap();
        assert_eq!(listed.iter().filter(|(_, known)| known.is_err()).count(), 3);
        assert!(sled.journal().load(payment_of(100)).await.is_ok());
        registered(sled.journal(), 52, 1).await;
    });
}

fn payment_of(rental: u128) -> saem::EntityId {
    RentalId(rental).payment().into()
}

fn requested(attempt: u32) -> PaymentEvent {
    PaymentEvent::PaymentRequested { attempt, amount: Money::won(1), provider: "simulator".to_owned() }
}

/// A commit with a snapshot of `bytes` bytes.
fn large(commit: Commit, bytes: usize) -> Commit {
    Commit { snapshot: vec![0xff; bytes].into(), ..commit }
}

/// The maximal record of each of the three: together they fit into one value.
pub(crate) async fn entities_that_share_a_row_are_limited_together<B: Backend>() {
    let backend = B::begin();
    let journal = backend.journal();
    for id in 0..40 {
        let id = RentalId(id);
        let (mut payment, mut delivery) =
            (Entity::<Payment>::new(id.payment()), Entity::<Delivery>::new(id.delivery()));
        let started = DeliveryEvent::DeliveryStarted { product_id: ProductId(1) };
        for (commit, max) in [(payment.draft([requested(2)]), 8), (delivery.draft([started]), 4)] {
            let max = max * 1_024 - 64;
            let refused = journal.commit(large(commit.clone(), max + 1)).await;
            assert!(is_refused(&refused), "{refused:?}");
            journal.commit(large(commit, max)).await.unwrap();
        }
        // The rental's record has the timeline of all three, and its own snapshot: 15 KiB.
        let mut rental = Entity::<Rental>::new(id);
        let placed = rental.draft([RentalEvent::RentalPlaced(terms(0))]);
        let max = 15 * 1_024 - 64 - 3 * 9;
        assert!(is_refused(&journal.commit(large(placed.clone(), max + 1)).await));
        journal.commit(large(placed, max)).await.unwrap();
        // It is full: its timeline has no room for events of the others, either.
        payment.version = journal.load(payment.id).await.unwrap().version;
        assert!(is_refused(&journal.commit(payment.draft([requested(3)])).await));
    }
    let backend = backend.reopened().await;
    for id in 0..40 {
        assert_eq!(backend.journal().timeline(RentalId(id)).await.unwrap().len(), 3);
        assert_eq!(
            backend.journal().load(payment_of(id)).await.unwrap().snapshot.unwrap().len(),
            8 * 1_024 - 64
        );
    }
}

#[test]
fn the_largest_rows_stay_in_sleds_tree() {
    crate::run(async {
        let sled = Sled::begin();
        let mut ids = (0..60u128).map(|n| RentalId(n * 7 % 60));
        for id in ids.by_ref() {
            let mut payment = Entity::<Payment>::new(id.payment());
            let mut delivery = Entity::<Delivery>::new(id.delivery());
            let mut rental = Entity::<Rental>::new(id);
            let started = DeliveryEvent::DeliveryStarted { product_id: ProductId(1) };
            let commits = [
                large(payment.draft([requested(2)]), 8 * 1_024 - 64),
                large(delivery.draft([started]), 4 * 1_024 - 64),
                large(rental.draft([RentalEvent::RentalPlaced(terms(0))]), 15 * 1_024 - 64 - 3 * 9),
            ];
            for commit in commits {
                sled.journal().commit(commit).await.unwrap();
            }
        }
        let directory = sled.closed().await;
        let blobs = directory.path().join("journal/blobs");
        assert_eq!(std::fs::read_dir(blobs).unwrap().count(), 0);
        let raw = Raw::open(&directory).await;
        let lengths: Vec<usize> =
            raw.keys(b'g').iter().map(|key| raw.tree.get(key).unwrap().unwrap().len()).collect();
        assert_eq!(lengths.len(), 60);
        assert!(lengths.iter().all(|length| (26 * 1_024..=27 * 1_024).contains(length)), "{lengths:?}");
    });
}
