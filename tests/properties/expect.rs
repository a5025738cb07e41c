//! Which answers a command may get, from what is known when it is asked.
//!
//! As long as nothing that a command *needs* was made to fail, its answer is predicted exactly: this is
//! how INV-11 (a failing entity harms no other) and INV-12 (with products down, the rest goes on) show.

use saem::{
    actors::{
        ask::AskError,
        reads,
        shop::{PayOutcome, Placed, ProductView, ShopError},
    },
    domain::{
        EntityId, Rejection, RentalId,
        context::Context,
        delivery::{Delivery, DeliveryError, DeliveryStatus},
        payment::{Payment, PaymentPhase},
        policies::unit_is_out,
        rental::{Rental, RentalError, RentalStatus},
    },
    store::memory::Failure,
};

use crate::{
    doing::{Answer, Ask, Done, keyed, request_key},
    model::{Model, Placing, Token},
    world::World,
};

/// More failures than this, and an entity may be in quarantine.
const FAILURES_MAX: u32 = 5;

/// What a command finds.
#[derive(Debug)]
pub struct Before {
    rental: Rental,
    payment: Payment,
    delivery: DeliveryStatus,
    unit_out: bool,
    product: Option<ProductView>,
}

/// What goes on at the same time.
#[derive(Debug)]
pub struct Circumstances {
    pub model: Model,
    /// A commit fails.
    pub failure: Option<Failure>,
    /// Another command comes across.
    pub crossed: bool,
}

type Expected = Result<(), &'static str>;

fn expect(holds: bool, what: &'static str) -> Expected {
    if holds { Ok(()) } else { Err(what) }
}

fn refuses(answer: &Answer, error: &ShopError) -> bool {
    answer.as_ref().err() == Some(error)
}

fn rejected(answer: &Answer) -> Option<&Rejection> {
    match answer {
        Err(ShopError::Ask(AskError::Rejected(rejection))) => Some(rejection),
        _ => None,
    }
}

fn is_canceled(answer: &Answer) -> bool {
    rejected(answer) == Some(&Rejection::Rental(RentalError::Canceled))
}

impl World {
    pub async fn before(&self, asked: &Ask) -> Before {
        let journal = self.as_journal();
        let id = match asked {
            Ask::Place(Placing { customer, key: Some(key), .. }, _) => keyed(*customer, *key).1,
            Ask::Place(..) | Ask::Restock { .. } | Ask::Withdraw(_) => RentalId(0),
            Ask::Pay(id, _) | Ask::Cancel(id, _) | Ask::Dispatch(id) | Ask::Complete(id) => *id,
        };
        let product = match asked {
            Ask::Place(_, order) => self.shop.product(order.product_id),
            _ => None,
        };
        Before {
            rental: reads::read::<Rental>(&journal, id).await.unwrap(),
            payment: reads::read::<Payment>(&journal, id.payment()).await.unwrap(),
            delivery: reads::read::<Delivery>(&journal, id.delivery()).await.unwrap().status,
            unit_out: unit_is_out(&self.shop.timeline(id).await.unwrap()),
            product,
        }
    }

    pub fn expected(
        &self,
        asked: &Ask,
        before: &Before,
        answer: &Answer,
        circumstances: &Circumstances,
    ) -> Expected {
        if self.excused(asked, answer, circumstances) {
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
        if circumstances.crossed {
            return Ok(());
        }
        let model = &circumstances.model;
        match asked {
            Ask::Place(placing, _) => self.placing(placing, before, answer, model),
            Ask::Pay(_, token) => paying(*token, before, answer, model),
            Ask::Cancel(..) => canceling(before, answer),
            Ask::Dispatch(_) if model.paused.contains(&Context::Delivery) => {
                expect(refuses(answer, &ShopError::ContextPaused(Context::Delivery)), "deliveries are paused")
            }
            Ask::Complete(_) if model.paused.contains(&Context::Delivery) => {
                expect(refuses(answer, &ShopError::ContextPaused(Context::Delivery)), "deliveries are paused")
            }
            Ask::Dispatch(_) => dispatching(before, answer),
            Ask::Complete(_) => completing(before, answer),
            Ask::Restock { .. } | Ask::Withdraw(_) if model.paused.contains(&Context::Product) => {
                expect(refuses(answer, &ShopError::ContextPaused(Context::Product)), "products are paused")
            }
            Ask::Restock { .. } | Ask::Withdraw(_) => expect(answer.is_ok(), "products work"),
        }
    }

    /// Whether something that the command needs was made to fail, and the answer says so.
    fn excused(&self, asked: &Ask, answer: &Answer, circumstances: &Circumstances) -> bool {
        let Err(error) = answer else { return false };
        let unwritten = matches!(circumstances.failure, Some(Failure::Before | Failure::Torn));
        let failing = |id: EntityId| self.failures.get(&id).is_some_and(|&count| count > FAILURES_MAX);
        let quarantined = match asked {
            Ask::Place(..) => false,
            Ask::Pay(id, _) => failing((*id).into()) || failing(id.payment().into()),
            Ask::Cancel(id, _) => failing((*id).into()),
            Ask::Dispatch(id) | Ask::Complete(id) => failing((*id).into()) || failing(id.delivery().into()),
            Ask::Restock { product: id, .. } | Ask::Withdraw(id) => failing((*id).into()),
        };
        let at_the_desk = matches!(asked, Ask::Place(..) | Ask::Pay(..));
        // The payment actor rests after too many failures.
        let resting = self.desk_failures > FAILURES_MAX;
        match error {
            ShopError::Ask(AskError::Store(_)) | ShopError::Store(_) | ShopError::Commit(_) => unwritten,
            ShopError::Ask(AskError::Quarantined) => quarantined,
            ShopError::Ask(AskError::Stopped) => at_the_desk && (resting || circumstances.model.desk_fails),
            _ => false,
        }
    }

    fn placing(&self, placing: &Placing, before: &Before, answer: &Answer, model: &Model) -> Expected {
        if let Some(terms) = &before.rental.terms {
            let same = terms.fingerprint == request_key(placing).map(|key| key.fingerprint);
            if !same {
                return expect(refuses(answer, &ShopError::KeyReused), "the key was used for something else");
            }
            let Some(first) = before.rental.outcome else {
                let replayed = matches!(answer, Ok(Done::Placed(Placed { replayed: true, .. })));
                return expect(replayed || refuses(answer, &ShopError::KeyInProgress), "it is under way");
            };
            let Ok(Done::Placed(placed)) = answer else { return Err("it was placed before") };
            expect(placed.replayed, "it is a replay")?;
            return expect(placed.rental.rental.status == first.status, "answered as it was then");
        }
        let product = before.product.as_ref().expect("every product is in the catalogue");
        if product.withdrawn {
            return expect(refuses(answer, &ShopError::ProductWithdrawn), "it is withdrawn");
        }
        if product.stock == 0 && !model.paused.contains(&Context::Product) {
            return expect(refuses(answer, &ShopError::OutOfStock), "it is known to be sold out");
        }
        if model.breaker_open && !model.defer {
            let overloaded = matches!(answer, Err(ShopError::PaymentOverloaded { .. }));
            return expect(overloaded, "payments are closed");
        }
        let Ok(Done::Placed(placed)) = answer else { return Err("placing goes on whatever else is down") };
        expect(!placed.replayed, "it is new")?;
        if model.breaker_open {
            return expect(matches!(placed.outcome, PayOutcome::Deferred { .. }), "payments are closed");
        }
        expect(follows(placing.token, &placed.outcome, model.defer), "the card says otherwise")
    }
}

/// Whether this is how a charge with this card ends.
fn follows(token: Token, outcome: &PayOutcome, defer: bool) -> bool {
    match token {
        Token::Ok => *outcome == PayOutcome::Confirmed,
        Token::Decline => *outcome == PayOutcome::Declined,
        Token::LostResponse | Token::Timeout | Token::Error if defer => {
            matches!(outcome, PayOutcome::Deferred { .. })
        }
        Token::LostResponse | Token::Timeout | Token::Error => {
            matches!(outcome, PayOutcome::Unavailable { .. })
        }
    }
}

fn paying(token: Token, before: &Before, answer: &Answer, model: &Model) -> Expected {
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
                Ok(Done::Placed(placed)) if model.breaker_open => {
                    expect(matches!(placed.outcome, PayOutcome::Deferred { .. }), "payments are closed")
                }
                Ok(Done::Placed(placed)) => {
                    let captured_before = !settled && placed.outcome == PayOutcome::Confirmed;
                    let as_the_card_says = follows(token, &placed.outcome, true);
                    expect(as_the_card_says || captured_before, "the card says otherwise")
                }
                _ if settled => Err("nothing stands in the way of paying"),
                _ => expect(refused || in_progress, "it may be under way, or over"),
            }
        }
    }
}

fn canceling(before: &Before, answer: &Answer) -> Expected {
    if before.rental.status == RentalStatus::Delivered {
        let refused = rejected(answer) == Some(&Rejection::Rental(RentalError::NotCancelable));
        return expect(refused, "it is delivered");
    }
    expect(matches!(answer, Ok(Done::Rental(RentalStatus::Canceled))), "a cancel always commits")
}

fn dispatching(before: &Before, answer: &Answer) -> Expected {
    let (canceled, unit_out) = (before.rental.status == RentalStatus::Canceled, before.unit_out);
    let ok = matches!(answer, Ok(Done::Delivery(DeliveryStatus::InTransit)));
    let refused = |error| rejected(answer) == Some(&Rejection::Delivery(error));
    let not_ready = refused(DeliveryError::NotReady);
    let called_off = refused(DeliveryError::OutOfOrder(DeliveryStatus::Canceled));
    let absent = refuses(answer, &ShopError::NotFound("delivery"));
    match before.delivery {
        // Canceled or not: a delivery learns of it when its payment is undone.
        DeliveryStatus::Absent => expect(absent || not_ready || called_off || ok, "it may have started"),
        DeliveryStatus::Started if canceled => expect(ok || not_ready || called_off, "it is canceled"),
        DeliveryStatus::Started if unit_out => expect(ok, "it is ready"),
        DeliveryStatus::Started => expect(ok || not_ready || called_off, "its unit may be out"),
        DeliveryStatus::InTransit => expect(ok || canceled && called_off, "it is dispatched"),
        over => expect(refused(DeliveryError::OutOfOrder(over)), "it is over"),
    }
}

fn completing(before: &Before, answer: &Answer) -> Expected {
    let status = before.rental.status;
    let ok = matches!(answer, Ok(Done::Delivery(DeliveryStatus::Delivered)));
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
