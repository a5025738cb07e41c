//! Reads: followers, timelines, loaded entities.

use std::sync::Arc;

use saem::{
    AccountEvent, CancelReason, CommitId, Context, ContextEvent, CustomerId, Delivery, DeliveryEvent,
    EntityId, EntityKind, Fence, Follower, Journal, Money, PaymentEvent, Position, ProductEvent, ProductId,
    Rental, RentalEvent, RentalId, Terms, Version,
    internal::domain::{Account, Journaled, Maintenance, Payment, Product},
};
use tokio::task::JoinSet;

use crate::{
    backend::Backend,
    samples::{Entity, folded, read_all, registered, restocks},
};

/// Events of the commits that [`followers_see_every_event_once_and_in_order`] makes: 1, 2, … 5, 1, …
const FOLLOWED: u64 = 100 * (1 + 2 + 3 + 4 + 5);

pub(crate) async fn followers_see_every_event_once_and_in_order<B: Backend>() {
    let backend = B::begin();
    let journal = backend.journal();
    let mut following = JoinSet::new();
    for (after, max) in [(0, 1), (0, 64), (1, 3), (29, 7), (30, 1_000), (699, 2), (FOLLOWED - 1, 1)] {
        let mut follower = Follower::new(Arc::clone(journal), Position(after));
        following.spawn(async move {
            let mut seen = Vec::new();
            while follower.position() < Position(FOLLOWED) {
                seen.extend(follower.next(max).await.unwrap());
            }
            (after, seen)
        });
    }
    let mut product = Entity::<Product>::new(ProductId(1));
    for turn in 0..500 {
        product.commit(journal, restocks(1 + turn % 5)).await;
    }
    let all = read_all(journal, Position(0)).await;
    assert_eq!(all.last().unwrap().position, Position(FOLLOWED));
    for (after, seen) in following.join_all().await {
        assert_eq!(seen, all[after as usize..], "after {after}");
    }
}

pub(crate) async fn a_long_journal_is_read_from_its_beginning<B: Backend>() {
    // More than a store keeps in memory.
    let backend = B::begin();
    let mut product = registered(backend.journal(), 1, 0).await;
    for _ in 0..72 {
        product.commit(backend.journal(), restocks(250)).await;
    }
    let count = 72 * 250 + 1;
    let positions: Vec<u64> = (1..=count).collect();
    for after in [0, 1, 250, 17_900] {
        let read = read_all(backend.journal(), Position(after)).await;
        assert_eq!(
            read.iter().map(|event| event.position.0).collect::<Vec<_>>(),
            positions[after as usize..]
        );
    }
    let backend = backend.reopened().await;
    let mut follower = Follower::new(Arc::clone(backend.journal()), Position(0));
    let mut seen = Vec::new();
    while follower.position().0 < count {
        let events = follower.next(333).await.unwrap();
        assert!(events.len() <= 333);
        seen.extend(events.iter().map(|event| event.position.0));
    }
    assert_eq!(seen, positions);
}

pub(crate) async fn reading_beyond_the_head_is_empty<B: Backend>() {
    let backend = B::begin();
    assert_eq!(*backend.journal().head().borrow(), Position(0));
    assert!(read_all(backend.journal(), Position(0)).await.is_empty());
    registered(backend.journal(), 1, 0).await;
    let backend = backend.reopened().await;
    for after in [1, 2, 1_000, u64::MAX - 1] {
        assert!(read_all(backend.journal(), Position(after)).await.is_empty(), "after {after}");
    }
    assert!(backend.journal().read(Position(0), 0).await.unwrap().is_empty());
}

/// Commits two interleaved rentals of one product, and events of no rental. Returns the names of the events.
pub(crate) async fn two_rentals(journal: &Arc<dyn Journal>) -> [(RentalId, Vec<&'static str>); 2] {
    let mut product = registered(journal, 1, 5).await;
    let ids = [RentalId(100), RentalId(101)];
    let mut rentals = ids.map(Entity::<Rental>::new);
    let mut payments = ids.map(|id| Entity::<Payment>::new(id.payment()));
    let mut deliveries = ids.map(|id| Entity::<Delivery>::new(id.delivery()));
    let mut customer = Entity::<Account>::new(CustomerId(100));
    customer.commit(journal, [AccountEvent::CustomerSignedUp]).await;
    let product_id = ProductId(1);
    for (n, rental) in rentals.iter_mut().enumerate() {
        rental.commit(journal, [RentalEvent::RentalPlaced(terms(n as u64))]).await;
    }
    for n in [1, 0] {
        payments[n].commit(journal, [approved()]).await;
        rentals[n].commit(journal, [RentalEvent::RentalConfirmed { product_id }]).await;
        deliveries[n].commit(journal, [DeliveryEvent::DeliveryStarted { product_id }]).await;
    }
    // A hot product moves for several rentals in one commit.
    let moved = ids.map(|rental_id| ProductEvent::ProductDecreased { rental_id, fence: fence(9) });
    product.commit(journal, moved.into_iter().chain(restocks(2))).await;
    let canceled = RentalEvent::RentalCanceled {
        reason: CancelReason::Customer,
        amount: Money::won(29_900),
        provider: "simulator".to_owned(),
    };
    rentals[0].commit(journal, [canceled]).await;
    payments[0].commit(journal, [PaymentEvent::PaymentCanceled { amount: Money::won(29_900) }]).await;
    deliveries[0].commit(journal, [DeliveryEvent::DeliveryCanceled { product_id }]).await;
    let back = ProductEvent::ProductIncreased { rental_id: ids[0], fence: fence(20) };
    product.commit(journal, restocks(1).into_iter().chain([back])).await;
    let mut context = Entity::<Maintenance>::new(Context::Payment);
    context.commit(journal, [ContextEvent::ContextPaused, ContextEvent::ContextResumed]).await;
    let common =
        ["RentalPlaced", "PaymentApproved", "RentalConfirmed", "DeliveryStarted", "ProductDecreased"];
    let undone = ["RentalCanceled", "PaymentCanceled", "DeliveryCanceled", "ProductIncreased"];
    [(ids[0], [&common[..], &undone].concat()), (ids[1], common.to_vec())]
}

pub(crate) fn terms(n: u64) -> Terms {
    Terms {
        customer_id: CustomerId(100),
        product_id: ProductId(1),
        product_name: "맑은샘 정수기".to_owned(),
        fee: Money::won(29_900 + n),
        provider: "simulator".to_owned(),
        fingerprint: Some([7; 16]),
        correlation: saem::Correlation(100),
    }
}

fn approved() -> PaymentEvent {
    PaymentEvent::PaymentApproved {
        attempt: 1,
        amount: Money::won(29_900),
        provider: "simulator".to_owned(),
        reference: "sim-1".to_owned(),
    }
}

const fn fence(position: u64) -> Fence {
    Fence { lane: 5, position: Position(position) }
}

pub(crate) async fn a_timeline_has_the_events_of_all_contexts<B: Backend>() {
    let mut backend = B::begin();
    let expected = two_rentals(backend.journal()).await;
    for reopened in [false, true] {
        if reopened {
            backend = backend.reopened().await;
        }
        let journal = backend.journal();
        let all = read_all(journal, Position(0)).await;
        for (rental, names) in &expected {
            let timeline = journal.timeline(*rental).await.unwrap();
            let own: Vec<_> = all.iter().filter(|event| event.rental() == Some(*rental)).cloned().collect();
            assert_eq!(timeline, own);
            assert_eq!(timeline.iter().map(|event| event.event.name()).collect::<Vec<_>>(), *names);
        }
        assert!(journal.timeline(RentalId(102)).await.unwrap().is_empty());
        assert!(journal.timeline(RentalId(1)).await.unwrap().is_empty(), "a product's id is no rental's");
    }
}

/// Commits events one by one, and compares the loaded state each time.
async fn follow<A: Journaled + PartialEq>(
    journal: &Arc<dyn Journal>,
    id: impl Into<EntityId>,
    steps: impl IntoIterator<Item = A::Event>,
) -> Entity<A> {
    let mut entity = Entity::<A>::new(id);
    for step in steps {
        let before = entity.version;
        let committed = entity.commit(journal, [step]).await;
        assert!(committed.version > before);
        is_loaded(journal, &entity).await;
    }
    entity
}

async fn is_loaded<A: Journaled + PartialEq>(journal: &Arc<dyn Journal>, entity: &Entity<A>) {
    let loaded = journal.load(entity.id).await.unwrap();
    assert_eq!((loaded.version, folded::<A>(&loaded)), (entity.version, entity.state.clone()));
}

pub(crate) async fn loading_gives_the_folded_state<B: Backend>() {
    let backend = B::begin();
    let journal = backend.journal();
    let product_id = ProductId(1);
    let confirmed = RentalEvent::RentalConfirmed { product_id };
    let placed = RentalEvent::RentalPlaced(terms(0));
    let rental =
        follow::<Rental>(journal, RentalId(1), [placed, confirmed, RentalEvent::RentalDelivered]).await;
    let canceled = PaymentEvent::PaymentCanceled { amount: Money::won(29_900) };
    let payment = follow::<Payment>(journal, RentalId(1).payment(), [approved(), canceled]).await;
    let dispatched = DeliveryEvent::DeliveryDispatched {
        carrier: Some("우체국".to_owned()),
        tracking_number: Some("6-12".to_owned()),
    };
    let steps = [DeliveryEvent::DeliveryStarted { product_id }, dispatched, DeliveryEvent::DeliveryCompleted];
    let delivery = follow::<Delivery>(journal, RentalId(1).delivery(), steps).await;
    let product = follow::<Product>(journal, product_id, restocks(4)).await;
    let steps = [AccountEvent::CustomerSignedUp, AccountEvent::CustomerChanged, AccountEvent::CustomerLeft];
    let account = follow::<Account>(journal, CustomerId(1), steps).await;
    let context = follow::<Maintenance>(journal, Context::Rental, [ContextEvent::ContextPaused]).await;
    let backend = backend.crashed().await;
    let journal = backend.journal();
    is_loaded(journal, &rental).await;
    is_loaded(journal, &payment).await;
    is_loaded(journal, &delivery).await;
    is_loaded(journal, &product).await;
    is_loaded(journal, &account).await;
    is_loaded(journal, &context).await;
}

pub(crate) async fn an_unknown_entity_is_its_default<B: Backend>() {
    let backend = B::begin();
    two_rentals(backend.journal()).await;
    let backend = backend.reopened().await;
    // Ids of another kind do not count, and a rental that only events of a product name does not exist.
    let mut product = Entity::<Product>::new(ProductId(2));
    let of_a_stranger = ProductEvent::StockShort { rental_id: RentalId(200), fence: fence(1) };
    product.commit(backend.journal(), [of_a_stranger]).await;
    for (kind, id) in EntityKind::ALL.map(|kind| (kind, 999)).into_iter().chain([
        (EntityKind::Product, 100),
        (EntityKind::Context, 100),
        (EntityKind::Rental, 200),
    ]) {
        let loaded = backend.journal().load(EntityId { kind, id }).await.unwrap();
        assert_eq!((loaded.version, loaded.last_commit_id), (Version(0), CommitId(0)), "{kind:?} {id}");
        assert!(loaded.snapshot.is_none() && loaded.tail.is_empty(), "{kind:?} {id}");
    }
    assert_eq!(backend.journal().timeline(RentalId(200)).await.unwrap().len(), 1);
}
