//! Samples that the tests of the domain share: one rental's events, and cells of decision tables.

use super::{
    Aggregate, Correlation, CustomerId, DeliveryId, Event, Meta, Money, PaymentId, Position, ProductId,
    Recorded, RentalId, Timestamp,
    delivery::DeliveryEvent,
    meta::Causation,
    payment::PaymentEvent,
    product::{Fence, ProductEvent},
    rental::{CancelReason, Deferral, RentalEvent, Terms},
};

/// Rental of all tests; its payment and delivery have the same bits.
pub(super) const RENTAL: RentalId = RentalId(1);
pub(super) const PRODUCT: ProductId = ProductId(7);
pub(super) const CUSTOMER: CustomerId = CustomerId(3);
pub(super) const FEE: Money = Money::won(29_900);
pub(super) const LATER: Deferral = Deferral { retry_at: Timestamp(60), due_at: Timestamp(600) };
/// Fence of the stock moves.
pub(super) const FENCE: Fence = Fence { lane: 2, position: Position(3) };
pub(super) const REASONS: [CancelReason; 6] = [
    CancelReason::Customer,
    CancelReason::Operator,
    CancelReason::PaymentDeclined,
    CancelReason::PaymentExpired,
    CancelReason::PaymentUnavailable,
    CancelReason::OutOfStock,
];

pub(super) fn provider() -> String {
    "simulator".to_owned()
}

pub(super) fn terms() -> Terms {
    Terms {
        customer_id: CUSTOMER,
        product_id: PRODUCT,
        product_name: "Ice".to_owned(),
        fee: FEE,
        provider: provider(),
        fingerprint: None,
        correlation: Correlation(1),
    }
}

pub(super) fn placed() -> Event {
    RentalEvent::RentalPlaced(terms()).into()
}

pub(super) fn deferred(sent: bool) -> Event {
    RentalEvent::PaymentDeferred { deferral: LATER, sent }.into()
}

pub(super) fn canceled(reason: CancelReason) -> Event {
    RentalEvent::RentalCanceled { reason, amount: FEE, provider: provider() }.into()
}

pub(super) fn approved(attempt: u32) -> Event {
    let (provider, reference) = (provider(), format!("ref-{attempt}"));
    PaymentEvent::PaymentApproved { attempt, amount: FEE, provider, reference }.into()
}

pub(super) fn started() -> Event {
    DeliveryEvent::DeliveryStarted { product_id: PRODUCT }.into()
}

pub(super) fn called_off() -> Event {
    DeliveryEvent::DeliveryCanceled { product_id: PRODUCT }.into()
}

pub(super) fn decreased() -> Event {
    ProductEvent::ProductDecreased { rental_id: RENTAL, fence: FENCE }.into()
}

pub(super) fn increased() -> Event {
    ProductEvent::ProductIncreased { rental_id: RENTAL, fence: FENCE }.into()
}

pub(super) fn short() -> Event {
    ProductEvent::StockShort { rental_id: RENTAL, fence: FENCE }.into()
}

/// Returns `event` as the journal holds it, with its entity.
pub(super) fn recorded(position: u64, event: Event) -> Recorded {
    let entity = match &event {
        Event::Rental(_) => RENTAL.into(),
        Event::Payment(_) => PaymentId(RENTAL.0).into(),
        Event::Delivery(_) => DeliveryId(RENTAL.0).into(),
        Event::Product(_) => PRODUCT.into(),
        Event::Account(_) => CUSTOMER.into(),
        Event::Context(_) => super::context::Context::Product.into(),
    };
    let meta = Meta { at: Timestamp(9), correlation: Correlation(1), causation: Causation::Schedule };
    Recorded { position: Position(position), entity, meta, event }
}

/// Folds events at times 1, 2, 3 …
pub(super) fn given<A: Aggregate>(events: &[A::Event]) -> A {
    events.iter().zip(1..).fold(A::default(), |state, (event, at)| state.evolve(event, Timestamp(at)))
}

/// Cell of a decision table: the decision and the next status (`None`: unchanged).
pub(super) type Cell<E, X, S> = (Result<Vec<E>, X>, Option<S>);

pub(super) fn none<E, X, S>() -> Cell<E, X, S> {
    (Ok(vec![]), None)
}

pub(super) fn moves<E, X, S>(event: E, to: S) -> Cell<E, X, S> {
    (Ok(vec![event]), Some(to))
}

pub(super) fn refused<E, X, S>(error: X) -> Cell<E, X, S> {
    (Err(error), None)
}
