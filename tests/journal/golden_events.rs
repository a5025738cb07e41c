//! Sample events of every type, with every field set, for the golden files.

use saem::{
    AccountEvent as A, CancelReason, Causation, ContextEvent as C, Correlation, Deferral, DeliveryEvent as D,
    Event, Fence, Group, Image, ImageFormat, Meta, Money, Parked, ParkedKey, PaymentEvent as P, Position,
    ProductEvent as S, ProductId, RentalEvent as R, RentalId, Timestamp,
};

use crate::{reading::terms, samples::offer};

const ID: u128 = 0x0189_0a5d_ac96_774b_bcce_b302_099a_8057;
const MOMENT: Timestamp = Timestamp(1_767_225_600_000);
const FEE: Money = Money::won(29_900);

/// Causation of the n-th sample: each kind in turn.
pub(crate) fn meta(n: usize) -> Meta {
    let causes =
        [Causation::Request(0x00f0_67aa_0ba9_02b7), Causation::Event(Position(70_000)), Causation::Schedule];
    Meta { at: MOMENT.plus_ms(n as u64), correlation: Correlation(ID.swap_bytes()), causation: causes[n % 3] }
}

/// One event of every type, in an order in which they may happen.
pub(crate) fn samples() -> Vec<Event> {
    let image = Image { digest: [0xa5; 32], format: ImageFormat::WebP };
    let events: [Vec<Event>; 7] = [
        rental().map(Event::from).into(),
        payment().map(Event::from).into(),
        delivery().map(Event::from).into(),
        product().map(Event::from).into(),
        [A::CustomerSignedUp, A::CustomerChanged, A::CustomerLeft].map(Event::from).into(),
        context().map(Event::from).into(),
        // Newer types come last, so that the numbers of the others do not change.
        vec![S::ProductImageChanged { image }.into()],
    ];
    events.concat()
}

fn rental() -> [R; 5] {
    let deferral = Deferral { retry_at: MOMENT.plus_ms(60_000), due_at: MOMENT.plus_ms(86_400_000) };
    let (amount, provider) = (FEE, "simulator".to_owned());
    [
        R::RentalPlaced(terms(0)),
        R::PaymentDeferred { deferral, sent: false },
        R::RentalConfirmed { product_id: ProductId(ID) },
        R::RentalDelivered,
        R::RentalCanceled { reason: CancelReason::PaymentExpired, amount, provider },
    ]
}

fn payment() -> [P; 7] {
    let (amount, provider, reference) = (FEE, "simulator".to_owned(), "sim-0042".to_owned());
    let same = || provider.clone();
    let late_capture = Some("sim-0043".to_owned());
    [
        P::PaymentRequested { attempt: 2, amount, provider: same() },
        P::PaymentDeclined { attempt: 2, amount, provider: same(), code: "insufficient-funds".to_owned() },
        P::PaymentApproved { attempt: 3, amount, provider: same(), reference: reference.clone() },
        P::StrayCaptureFound { attempt: 1, amount, provider: same(), reference },
        P::PaymentCancelRequested { attempt: 3, amount, provider: same(), late_capture },
        P::PaymentCanceled { amount },
        P::StrayCaptureRefunded { attempt: 1 },
    ]
}

fn delivery() -> [D; 4] {
    let product_id = ProductId(ID);
    let (carrier, tracking_number) = (Some("우체국".to_owned()), Some("6012-3456".to_owned()));
    [
        D::DeliveryStarted { product_id },
        D::DeliveryDispatched { carrier, tracking_number },
        D::DeliveryCompleted,
        D::DeliveryCanceled { product_id },
    ]
}

fn product() -> [S; 7] {
    let rental_id = RentalId(ID);
    let fence = |position| Fence { lane: 63, position: Position(position) };
    let mut changed = offer();
    changed.description = "네 식구를 위한 냉·온·정수기".to_owned();
    [
        S::ProductRegistered { offer: offer(), stock: 1_000_000 },
        S::ProductChanged { offer: changed },
        S::ProductDecreased { rental_id, fence: fence(250) },
        S::StockShort { rental_id, fence: fence(251) },
        S::ProductIncreased { rental_id, fence: fence(70_000) },
        S::ProductRestocked { quantity: 300 },
        S::ProductWithdrawn,
    ]
}

fn context() -> [C; 5] {
    let key = ParkedKey { group: Group::Agenda, lane: 17, target: RentalId(ID).payment().into() };
    let (event, reason) = ("RentalCanceled".to_owned(), "the refund was refused".to_owned());
    let parked = Parked { position: Position(70_000), event, reason: reason.clone(), attempts: 5 };
    let other = ParkedKey { lane: 0, group: Group::Product, target: ProductId(ID).into() };
    [
        C::ContextPaused,
        C::TargetHeld { key, parked },
        C::TargetReleased { key: other },
        C::ContextResumed,
        C::TargetDismissed { key, reason },
    ]
}

/// Number of types of event.
pub(crate) const KNOWN: usize = 32;

/// Returns 1. Does not compile for a new type of event: add it to the samples, and here.
pub(crate) fn known(event: &Event) -> usize {
    match event {
        Event::Rental(
            R::RentalPlaced(_)
            | R::PaymentDeferred { .. }
            | R::RentalConfirmed { .. }
            | R::RentalDelivered
            | R::RentalCanceled { .. },
        )
        | Event::Payment(
            P::PaymentRequested { .. }
            | P::PaymentApproved { .. }
            | P::PaymentDeclined { .. }
            | P::PaymentCancelRequested { .. }
            | P::PaymentCanceled { .. }
            | P::StrayCaptureFound { .. }
            | P::StrayCaptureRefunded { .. },
        )
        | Event::Delivery(
            D::DeliveryStarted { .. }
            | D::DeliveryDispatched { .. }
            | D::DeliveryCompleted
            | D::DeliveryCanceled { .. },
        )
        | Event::Product(
            S::ProductRegistered { .. }
            | S::ProductChanged { .. }
            | S::ProductRestocked { .. }
            | S::ProductWithdrawn
            | S::ProductDecreased { .. }
            | S::StockShort { .. }
            | S::ProductIncreased { .. }
            | S::ProductImageChanged { .. },
        )
        | Event::Account(A::CustomerSignedUp | A::CustomerChanged | A::CustomerLeft)
        | Event::Context(
            C::ContextPaused
            | C::ContextResumed
            | C::TargetHeld { .. }
            | C::TargetReleased { .. }
            | C::TargetDismissed { .. },
        ) => 1,
    }
}
