//! Answers that a command may get, from the state when it is sent.
//!
//! Unless an actor that the command needs was made to fail, its answer is predicted exactly. This proves
//! INV-11 (a failing entity harms no other) and INV-12 (with products down, the rest goes on).

use saem::{
    AccountError, AskError, Context, ContextError, Delivery, DeliveryError, DeliveryStatus, EntityId, Offer,
    PayOutcome, PaymentPhase, ProductError, ProductView, Rejection, Rental, RentalError, RentalId,
    RentalStatus, RequestContext, ShopError,
    internal::{
        actors::reads,
        domain::{Payment, unit_is_out, uuid_v8},
        store::Failure,
    },
};

use super::{
    asking::{Answered, Ask, Asked, Done, Reply},
    commands::{Placing, Seen, Token},
    model::Model,
    people::{Person, rentals_of},
    world::World,
};

/// After more failures an entity may be in quarantine.
const FAILURES_MAX: u32 = 5;

/// The state that a command finds.
#[derive(Debug)]
pub struct Before {
    rental: Rental,
    payment: Payment,
    delivery: DeliveryStatus,
    unit_out: bool,
    product: Option<ProductView>,
    paused: Vec<Context>,
    pub people: Vec<Person>,
    /// Of the customer who wants to leave.
    pub open_rentals: u32,
}

/// Events at the same time.
#[derive(Debug)]
pub struct Circumstances {
    pub model: Model,
    /// A commit fails.
    pub failure: Option<Failure>,
    /// Another command runs at the same time.
    pub crossed: bool,
}

pub type Expected = Result<(), &'static str>;

pub fn expect(holds: bool, what: &'static str) -> Expected {
    if holds { Ok(()) } else { Err(what) }
}

pub fn refuses(answer: &Reply, error: &ShopError) -> bool {
    answer.as_ref().err() == Some(error)
}

fn rejected(answer: &Reply) -> Option<&Rejection> {
    match answer {
        Err(ShopError::Ask(AskError::Rejected(rejection))) => Some(rejection),
        _ => None,
    }
}

fn is_canceled(answer: &Reply) -> bool {
    rejected(answer) == Some(&Rejection::Rental(RentalError::Canceled))
}

impl World {
    pub async fn before(&self, asked: &Asked) -> Before {
        let journal = self.as_journal();
        let id = match (&asked.ask, asked.request.key) {
            (Ask::Place(..), Some(key)) => RentalId(uuid_v8(key.hash)),
            (Ask::Pay(id, _) | Ask::Cancel(id, _) | Ask::Dispatch(id) | Ask::Complete(id), _) => *id,
            _ => RentalId(0),
        };
        let product = match &asked.ask {
            Ask::Place(_, order) => self.shop.product(order.product_id),
            _ => None,
        };
        let mut open_rentals = 0;
        if let Ask::Leave { id, .. } = asked.ask {
            for rental in rentals_of(id, &self.history().await) {
                open_rentals += u32::from(!self.is_over(rental).await);
            }
        }
        Before {
            rental: reads::read::<Rental>(&journal, id).await.unwrap(),
            payment: reads::read::<Payment>(&journal, id.payment()).await.unwrap(),
            delivery: reads::read::<Delivery>(&journal, id.delivery()).await.unwrap().status,
            unit_out: unit_is_out(&self.shop.timeline(id).await.unwrap()),
            product,
            paused: self.paused().await,
            people: self.people.clone(),
            open_rentals,
        }
    }

    /// True if a rental and its payment change no more.
    pub async fn is_over(&self, id: RentalId) -> bool {
        let rental = reads::read::<Rental>(&self.as_journal(), id).await.unwrap().status;
        let payment = reads::read::<Payment>(&self.as_journal(), id.payment()).await.unwrap();
        let undone = matches!(payment.phase, PaymentPhase::Declined | PaymentPhase::Canceled);
        let over = rental == RentalStatus::Delivered || rental == RentalStatus::Canceled && undone;
        over && payment.strays.is_empty()
    }

    pub fn expected(
        &self,
        asked: &Asked,
        before: &Before,
        answer: &Reply,
        circumstances: &Circumstances,
    ) -> Expected {
        let Asked { ask, request } = asked;
        if self.excused(ask, answer, circumstances) {
            return Ok(());
        }
        let broken = matches!(
            answer,
            Err(ShopError::Ask(
                AskError::Shed
                    | AskError::Timeout
                    | AskError::Stopped
                    | AskError::Quarantined
                    | AskError::Store(_)
            ) | ShopError::Store(_)
                | ShopError::Commit(_)
                | ShopError::Internal(_))
        );
        expect(!broken, "nothing it needs was made to fail")?;
        if let Some(expected) = self.keys.expected(asked, answer, circumstances.crossed) {
            return expected;
        }
        if circumstances.crossed {
            return Ok(());
        }
        let model = &circumstances.model;
        let paused = |context| before.paused.contains(&context);
        let waits = |context| expect(refuses(answer, &ShopError::ContextPaused(context)), "it is paused");
        match ask {
            Ask::Place(placing, _) => self.placing(placing, *request, before, answer, model),
            Ask::Pay(_, token) => paying(*token, before, answer, model),
            Ask::Cancel(..) => canceling(before, answer),
            Ask::Dispatch(_) | Ask::Complete(_) if paused(Context::Delivery) => waits(Context::Delivery),
            Ask::Dispatch(_) => dispatching(before, answer),
            Ask::Complete(_) => completing(before, answer),
            Ask::Register { .. } | Ask::Edit { .. } | Ask::Restock { .. } | Ask::Withdraw(_)
                if paused(Context::Product) =>
            {
                waits(Context::Product)
            }
            Ask::Edit { offer, expected, .. } => editing(offer, expected, answer),
            Ask::Register { .. } | Ask::Restock { .. } | Ask::Withdraw(_) => {
                expect(answer.is_ok(), "products work")
            }
            Ask::Maintain { pause, .. } => {
                let done = Done::Context { paused: *pause };
                expect(answer.as_ref().is_ok_and(|answered| answered.done == done), "an operator decides")
            }
            // Parked targets and entities in quarantine may be released at any moment.
            Ask::Retry(_) | Ask::Dismiss(_) => {
                let not_held = rejected(answer) == Some(&Rejection::Context(ContextError::NotParked));
                expect(answer.is_ok() || not_held || refuses(answer, &ShopError::NotParked), "it was held")
            }
            Ask::Revive(_) => expect(answer.is_ok(), "it was in quarantine"),
            Ask::SignUp { .. }
            | Ask::Leave { .. }
            | Ask::Rename { .. }
            | Ask::LogIn { .. }
            | Ask::LogOut { .. } => self.expected_of_person(ask, before, answer),
        }
    }

    /// True if an actor that the command needs was made to fail, and the answer says so.
    fn excused(&self, asked: &Ask, answer: &Reply, circumstances: &Circumstances) -> bool {
        let Err(error) = answer else { return false };
        let unwritten = matches!(circumstances.failure, Some(Failure::Before | Failure::Torn));
        let failing = |id: EntityId| self.failures.get(&id).is_some_and(|&count| count > FAILURES_MAX);
        let quarantined = match asked {
            Ask::Place(..) => false,
            Ask::Pay(id, _) => failing((*id).into()) || failing(id.payment().into()),
            Ask::Cancel(id, _) => failing((*id).into()),
            Ask::Dispatch(id) | Ask::Complete(id) => failing((*id).into()) || failing(id.delivery().into()),
            Ask::Edit { product: id, .. } | Ask::Restock { product: id, .. } | Ask::Withdraw(id) => {
                failing((*id).into())
            }
            Ask::Leave { id, .. } | Ask::Rename { id, .. } => failing((*id).into()),
            _ => false,
        };
        let at_the_desk = matches!(asked, Ask::Place(..) | Ask::Pay(..));
        // The payment actor rests after too many failures.
        let resting = self.desk_failures > FAILURES_MAX;
        match error {
            ShopError::Ask(AskError::Store(_)) | ShopError::Store(_) | ShopError::Commit(_) => unwritten,
            ShopError::Ask(AskError::Quarantined) => quarantined,
            // Leaving waits for My Page.
            ShopError::Ask(AskError::Timeout) => {
                matches!(asked, Ask::Leave { .. }) && self.service_failures > 0
            }
            ShopError::Ask(AskError::Stopped) => at_the_desk && (resting || circumstances.model.desk_fails),
            _ => false,
        }
    }

    fn placing(
        &self,
        placing: &Placing,
        request: RequestContext,
        before: &Before,
        answer: &Reply,
        model: &Model,
    ) -> Expected {
        if let Some(terms) = &before.rental.terms {
            let same = terms.fingerprint == request.key.map(|key| key.fingerprint);
            if !same {
                return expect(refuses(answer, &ShopError::KeyReused), "the key was used for something else");
            }
            let Some(first) = before.rental.outcome else {
                let replayed = matches!(answer, Ok(Answered { replayed: true, .. }));
                return expect(replayed || refuses(answer, &ShopError::KeyInProgress), "it is under way");
            };
            let Ok(Answered { done: Done::Placed { status, .. }, replayed: true }) = answer else {
                return Err("it was placed before");
            };
            return expect(*status == first.status, "answered as it was then");
        }
        let product = before.product.as_ref().expect("every product is in the catalogue");
        if product.withdrawn {
            return expect(refuses(answer, &ShopError::ProductWithdrawn), "it is withdrawn");
        }
        if placing.seen == Seen::AnotherFee {
            let changed = ShopError::FeeChanged { fee: product.offer.fee };
            return expect(refuses(answer, &changed), "it is not what the customer saw");
        }
        if product.stock == 0 && !before.paused.contains(&Context::Product) {
            return expect(refuses(answer, &ShopError::OutOfStock), "it is known to be sold out");
        }
        if !before.people[placing.customer].here {
            let left = rejected(answer) == Some(&Rejection::Account(AccountError::Left));
            return expect(left, "a customer who left rents nothing");
        }
        if model.breaker_open && !model.defer {
            let overloaded = matches!(answer, Err(ShopError::PaymentOverloaded { .. }));
            return expect(overloaded, "payments are closed");
        }
        let Ok(Answered { done: Done::Placed { outcome, .. }, replayed }) = answer else {
            return Err("placing goes on whatever else is down");
        };
        expect(!replayed, "it is new")?;
        if model.breaker_open {
            return expect(matches!(outcome, PayOutcome::Deferred { .. }), "payments are closed");
        }
        expect(follows(placing.token, outcome, model.defer), "the card says otherwise")
    }
}

/// True if a charge with this card may end so.
fn follows(token: Token, outcome: &PayOutcome, defer: bool) -> bool {
    match token {
        Token::Ok => *outcome == PayOutcome::Confirmed,
        Token::Decline => matches!(outcome, PayOutcome::Declined { .. }),
        Token::LostResponse | Token::Timeout | Token::Error if defer => {
            matches!(outcome, PayOutcome::Deferred { .. })
        }
        Token::LostResponse | Token::Timeout | Token::Error => {
            matches!(outcome, PayOutcome::Unavailable { .. })
        }
    }
}

fn paying(token: Token, before: &Before, answer: &Reply, model: &Model) -> Expected {
    let refused = refuses(answer, &ShopError::RentalNotPayable);
    let in_progress = matches!(answer, Err(ShopError::PaymentInProgress { .. }));
    match before.rental.status {
        RentalStatus::Absent => Err("rentals are known from their placing on"),
        RentalStatus::Confirmed | RentalStatus::Delivered | RentalStatus::Canceled => {
            expect(refused, "it does not wait for a payment")
        }
        RentalStatus::Placed => expect(refused || in_progress, "its first payment is under way"),
        RentalStatus::PaymentDeferred => {
            let settled = before.payment.phase == PaymentPhase::Declined
                || before.payment.phase == PaymentPhase::New && before.rental.never_sent;
            match answer {
                Ok(Answered { done: Done::Placed { outcome, .. }, .. }) if model.breaker_open => {
                    expect(matches!(outcome, PayOutcome::Deferred { .. }), "payments are closed")
                }
                Ok(Answered { done: Done::Placed { outcome, .. }, .. }) => {
                    let captured_before = !settled && *outcome == PayOutcome::Confirmed;
                    let as_the_card_says = follows(token, outcome, true);
                    expect(as_the_card_says || captured_before, "the card says otherwise")
                }
                _ if settled => Err("nothing stands in the way of paying"),
                _ => expect(refused || in_progress, "it may be under way, or over"),
            }
        }
    }
}

fn canceling(before: &Before, answer: &Reply) -> Expected {
    if before.rental.status == RentalStatus::Delivered {
        let refused = rejected(answer) == Some(&Rejection::Rental(RentalError::NotCancelable));
        return expect(refused, "it is delivered");
    }
    let canceled = matches!(answer, Ok(Answered { done: Done::Rental(RentalStatus::Canceled, _), .. }));
    expect(canceled, "a cancel always commits")
}

fn dispatching(before: &Before, answer: &Reply) -> Expected {
    let (canceled, unit_out) = (before.rental.status == RentalStatus::Canceled, before.unit_out);
    let ok = is_now(answer, DeliveryStatus::InTransit);
    let refused = |error| rejected(answer) == Some(&Rejection::Delivery(error));
    let not_ready = refused(DeliveryError::NotReady);
    let called_off = refused(DeliveryError::OutOfOrder(DeliveryStatus::Canceled));
    let absent = refuses(answer, &ShopError::NotFound("delivery"));
    let rental_canceled = rejected(answer) == Some(&Rejection::Rental(RentalError::Canceled));
    match before.delivery {
        DeliveryStatus::Absent if canceled => expect(absent || rental_canceled, "it is canceled"),
        _ if canceled => expect(rental_canceled, "it is canceled"),
        // It may be out of stock, and be canceled, at any moment.
        DeliveryStatus::Absent => {
            expect(absent || not_ready || called_off || rental_canceled || ok, "it may have started")
        }
        DeliveryStatus::Started if unit_out => expect(ok, "it is ready"),
        DeliveryStatus::Started => {
            expect(ok || not_ready || called_off || rental_canceled, "its unit may be out")
        }
        DeliveryStatus::InTransit => expect(ok, "it is dispatched"),
        over => expect(refused(DeliveryError::OutOfOrder(over)), "it is over"),
    }
}

fn completing(before: &Before, answer: &Reply) -> Expected {
    let status = before.rental.status;
    let ok = is_now(answer, DeliveryStatus::Delivered);
    let early = refuses(answer, &ShopError::DeliveryOutOfOrder);
    let absent = refuses(answer, &ShopError::NotFound("delivery"));
    match before.delivery {
        DeliveryStatus::Absent => expect(absent || early || is_canceled(answer), "it is not dispatched"),
        DeliveryStatus::Started => expect(early || is_canceled(answer), "it is not dispatched"),
        DeliveryStatus::InTransit if status == RentalStatus::Canceled => {
            expect(is_canceled(answer), "it is canceled")
        }
        DeliveryStatus::InTransit | DeliveryStatus::Delivered => expect(ok, "it may be completed"),
        DeliveryStatus::Canceled => expect(is_canceled(answer), "it is canceled"),
    }
}

fn is_now(answer: &Reply, status: DeliveryStatus) -> bool {
    answer.as_ref().is_ok_and(|answered| answered.done == Done::Delivery(status))
}

fn editing(offer: &Offer, expected: &Offer, answer: &Reply) -> Expected {
    // An edit changes the fee: a stale one has another.
    if expected.fee == offer.fee {
        return expect(rejected(answer) == Some(&Rejection::Product(ProductError::Stale)), "it is stale");
    }
    let shown = matches!(answer, Ok(Answered { done: Done::Product(view), .. }) if view.offer == *offer);
    expect(shown, "products work")
}
