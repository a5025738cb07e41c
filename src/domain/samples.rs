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
pub const RENTAL: RentalId = RentalId(1);
pub const PRODUCT: ProductId = ProductId(7);
pub const CUSTOMER: CustomerId = CustomerId(3);
pub const FEE: Money = Money::won(29_900);
pub const LATER: Deferral = Deferral { retry_at: Timestamp(60), due_at: Timestamp(600) };
/// Fence of the stock moves.
pub const FENCE: Fence = Fence { lane: 2, position: Position(3) };
pub const REASONS: [CancelReason; 6] = [
    CancelReason::Customer,
    CancelReason::Operator,
    CancelReason::PaymentDeclined,
    CancelReason::PaymentExpired,
    CancelReason::PaymentUnavailable,
    CancelReason::OutOfStock,
];

pub fn provider() -> String {
    "simulator".to_owned()
}

pub fn terms() -> Terms {
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

pub fn placed() -> Event {
    RentalEvent::RentalPlaced(terms()).into()
}

pub fn deferred(sent: bool) -> Event {
    RentalEvent::PaymentDeferred { deferral: LATER, sent }.into()
}

pub fn canceled(reason: CancelReason) -> Event {
    RentalEvent::RentalCanceled { reason, amount: FEE, provider: provider() }.into()
}

pub fn approved(attempt: u32) -> Event {
    let (provider, reference) = (provider(), format!("ref-{attempt}"));
    PaymentEvent::PaymentApproved { attempt, amount: FEE, provider, reference }.into()
}

pub fn started() -> Event {
    DeliveryEvent::DeliveryStarted { product_id: PRODUCT }.into()
}

pub fn called_off() -> Event {
    DeliveryEvent::DeliveryCanceled { product_id: PRODUCT }.into()
}

pub fn decreased() -> Event {
    ProductEvent::ProductDecreased { rental_id: RENTAL, fence: FENCE }.into()
}

pub fn increased() -> Event {
    ProductEvent::ProductIncreased { rental_id: RENTAL, fence: FENCE }.into()
}

pub fn short() -> Event {
    ProductEvent::StockShort { rental_id: RENTAL, fence: FENCE }.into()
}

/// Returns `event` as the journal holds it, with its entity.
pub fn recorded(position: u64, event: Event) -> Recorded {
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
pub fn given<A: Aggregate>(events: &[A::Event]) -> A {
    events.iter().zip(1..).fold(A::default(), |state, (event, at)| state.evolve(event, Timestamp(at)))
}

/// Cell of a decision table: the decision and the next status (`None`: unchanged).
pub type Cell<E, X, S> = (Result<Vec<E>, X>, Option<S>);

pub fn none<E, X, S>() -> Cell<E, X, S> {
    (Ok(vec![]), None)
}

pub fn moves<E, X, S>(event: E, to: S) -> Cell<E, X, S> {
    (Ok(vec![event]), Some(to))
}

pub fn refused<E, X, S>(error: X) -> Cell<E, X, S> {
    (Err(error), None)
}
