//! The conversations nobody waits for: finding out what became of a charge, voiding, refunding.

use std::rc::Rc;

use super::{
    Desk,
    conversation::{ConversationError, charge_of},
};
use crate::{
    actors::{checkouts::what_was_sent, entity::ask::RequestContext, jobs::queue::Errand},
    domain::{
        Causation, PaymentId, RentalId, Timestamp,
        payment::{Attempt, Payment, PaymentCommand, PaymentPhase},
        rental::{Rental, RentalCommand, RentalStatus},
    },
    gateways::payment::{ChargeKey, Found, GatewayError, PriorCharge, Voided},
    planted::{self, Bug},
};

/// Do an errand about a payment.
pub struct Resolve {
    /// Which.
    pub errand: Errand,
    /// Why.
    pub request: RequestContext,
}

/// How an errand went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// Nothing is left to do.
    Done,
    /// Not yet: try again at this moment.
    NotBefore(Timestamp),
}

/// What is known of an attempt.
pub(crate) enum Settling {
    /// It took nothing, and never will.
    Settled,
    /// It was declined, and the payment knows, as of this event.
    Declined { by: Causation },
    /// It captured the fee, and the payment knows.
    Captured,
    /// Nobody knows yet.
    Open { retry_at: Timestamp },
}

pub(crate) async fn resolve(desk: &Rc<Desk>, question: Resolve) -> Result<Resolution, ConversationError> {
    let Resolve { errand, request } = question;
    let rental = errand.rental();
    let payment = rental.payment();
    let _floor = desk.take_floor(payment)?;
    let _permit = desk.resolving.acquire().await.map_err(|_closed| ConversationError::Failed)?;
    match errand {
        Errand::Resolve(..) | Errand::Undo(_) => settle_and_refund(desk, rental, request).await,
        Errand::GiveBack(_, attempt) => give_back(desk, payment, attempt, request).await,
        Errand::Expire(_) => Err(ConversationError::Failed),
    }
}

async fn settle_and_refund(
    desk: &Rc<Desk>,
    rental: RentalId,
    request: RequestContext,
) -> Result<Resolution, ConversationError> {
    let state = desk.read_rental(rental).await?;
    let payment = desk.read_payment(rental.payment()).await?;
    match payment.phase {
        PaymentPhase::New | PaymentPhase::Requested | PaymentPhase::Canceling => {
            match settle(desk, rental, &state, &payment, request).await? {
                Settling::Open { retry_at } => return Ok(Resolution::NotBefore(retry_at)),
                Settling::Captured => {}
                // The rental's reactor tells it too; what matters is that it is not told to defer.
                Settling::Declined { by } => {
                    let request = RequestContext { causation: by, ..request };
                    desk.tell_rental(rental, RentalCommand::Declined, request).await?;
                }
                Settling::Settled if payment.phase == PaymentPhase::Canceling => {
                    let void = PaymentCommand::Void { attempt: payment.current() };
                    desk.tell_payment(rental.payment(), void, request).await?;
                }
                // It waits to be paid, or is told to wait for that.
                Settling::Settled if state.status == RentalStatus::Placed => {
                    desk.unknown(rental, request).await?;
                }
                Settling::Settled => {}
            }
        }
        PaymentPhase::Approved
        | PaymentPhase::Refunding
        | PaymentPhase::Declined
        | PaymentPhase::Canceled => {}
    }
    let payment = desk.read_payment(rental.payment()).await?;
    if payment.phase == PaymentPhase::Refunding {
        refund(desk, rental.payment(), &payment, payment.current(), request).await?;
        desk.tell_payment(rental.payment(), PaymentCommand::Refunded, request).await?;
    }
    Ok(Resolution::Done)
}

/// Asks the gateway what became of the current attempt, and makes sure of the answer.
pub(crate) async fn settle(
    desk: &Rc<Desk>,
    rental: RentalId,
    state: &Rental,
    payment: &Payment,
    request: RequestContext,
) -> Result<Settling, ConversationError> {
    let provider = if payment.provider.is_empty() { state.provider() } else { &payment.provider };
    let charge = charge_of(state, payment.current(), provider)?;
    let key = ChargeKey { payment: rental.payment(), attempt: charge.attempt };
    if let Some(retry_at) = desk.foreign_until(key) {
        return Ok(Settling::Open { retry_at });
    }
    let reference = what_was_sent(&desk.parts.journal, key).await?;
    let sought = PriorCharge { key, amount: charge.amount, reference };
    let later = desk.parts.sources.now().plus_ms(desk.parts.rules.timeout_ms);
    let timeout_ms = desk.parts.rules.timeout_ms;
    let reference =
        match desk.call(&charge.provider, timeout_ms, request, |gateway| gateway.find(&sought)).await {
            Ok(Found::Captured { reference, .. }) => reference,
            Ok(Found::Declined { code }) => {
                let command = PaymentCommand::Decline { charge, code };
                let declined = desk.tell_payment(rental.payment(), command, request).await?;
                return Ok(Settling::Declined { by: Causation::Event(declined.position) });
            }
            // "Not found" is no answer by itself: have the gateway refuse it for ever, or wait it out.
            Ok(Found::Nothing) if planted::is(Bug::FindTakenAsFinal) => return Ok(Settling::Settled),
            Ok(Found::Nothing) => {
                match desk.call(&charge.provider, timeout_ms, request, |gateway| gateway.void(&sought)).await
                {
                    Ok(Voided::Settled) => return Ok(Settling::Settled),
                    Ok(Voided::Captured { reference }) => reference,
                    Ok(Voided::Unsupported) => {
                        let open = |retry_at| Settling::Open { retry_at };
                        return Ok(desk.under_way_until(key).map_or(Settling::Settled, open));
                    }
                    Err(error) => return unanswered(error, later),
                }
            }
            Err(error) => return unanswered(error, later),
        };
    let approve = PaymentCommand::Approve { charge, reference };
    desk.tell_payment(rental.payment(), approve, request).await?;
    Ok(Settling::Captured)
}

fn unanswered(error: GatewayError, retry_at: Timestamp) -> Result<Settling, ConversationError> {
    match error {
        GatewayError::Unknown(_) => Ok(Settling::Open { retry_at }),
        GatewayError::Refused(reason) => Err(ConversationError::Refused(reason)),
    }
}

/// Gives back the capture of an attempt that does not count, and that one alone.
async fn give_back(
    desk: &Rc<Desk>,
    payment: PaymentId,
    attempt: Attempt,
    request: RequestContext,
) -> Result<Resolution, ConversationError> {
    let state = desk.read_payment(payment).await?;
    if state.strays.iter().any(|stray| stray.attempt == attempt) {
        refund(desk, payment, &state, attempt, request).await?;
        desk.tell_payment(payment, PaymentCommand::StrayRefunded { attempt }, request).await?;
    }
    Ok(Resolution::Done)
}

/// Refunds an attempt's capture in full, unless the gateway has done so already.
async fn refund(
    desk: &Rc<Desk>,
    payment: PaymentId,
    state: &Payment,
    attempt: Attempt,
    request: RequestContext,
) -> Result<(), ConversationError> {
    let key = ChargeKey { payment, attempt };
    let timeout_ms = desk.parts.rules.timeout_ms;
    let retry_after_ms = timeout_ms;
    let failed = |error| match error {
        GatewayError::Unknown(_) => ConversationError::InProgress { retry_after_ms },
        GatewayError::Refused(reason) => ConversationError::Refused(reason),
    };
    let stray = state.strays.iter().find(|stray| stray.attempt == attempt);
    let (amount, provider, reference) = match stray {
        Some(stray) => (stray.amount, &stray.provider, what_was_sent(&desk.parts.journal, key).await?),
        None => (state.amount, &state.provider, state.reference.clone()),
    };
    let sought = PriorCharge { key, amount, reference };
    let found =
        desk.call(provider, timeout_ms, request, |gateway| gateway.find(&sought)).await.map_err(failed)?;
    let sought = match found {
        Found::Captured { reference, .. } if planted::is(Bug::RefundTwice) => {
            let again = desk.parts.sources.bits();
            PriorCharge { reference: Some(format!("{reference}-{again}")), ..sought }
        }
        Found::Captured { refunded, .. } if refunded >= amount => return Ok(()),
        Found::Captured { reference, .. } => PriorCharge { reference: Some(reference), ..sought },
        Found::Declined { .. } | Found::Nothing => sought,
    };
    desk.call(provider, timeout_ms, request, |gateway| gateway.refund(&sought)).await.map_err(failed)
}
