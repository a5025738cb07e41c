//! The conversations a customer waits for: placing a rental and paying it, or paying it later.
//!
//! Durable intent comes before each charge, and a charge before its approval: whatever fails in
//! between, the agenda finds the intent and resolves it.

use std::{rc::Rc, time::Duration};

use tokio::time::Instant;

use super::{
    Desk,
    admission::{Permit, Ticket},
    breaker::Leave,
    conversation::{Answer, ConversationError, Rules, Told, charge_of},
    resolving::{Settling, settle},
};
use crate::{
    actors::{
        entity::ask::{Decided, RequestContext},
        receipts::{Outcome, Turn},
    },
    domain::{
        RentalId,
        payment::{Attempt, Charge, Payment, PaymentCommand, PaymentPhase},
        rental::{Rental, RentalCommand, RentalStatus, Terms},
    },
    gateways::payment::PaymentMethod,
    planted::{self, Bug},
    shop::{
        Presence,
        views::{PayOutcome, Placed},
    },
    store::{VaultWrite, codec},
};

/// Place a rental and pay its fee.
pub struct Place {
    /// Under which id.
    pub rental: RentalId,
    /// What is agreed.
    pub terms: Terms,
    /// Where it goes to, for the vault.
    pub vault: Vec<VaultWrite>,
    /// What it is paid with.
    pub method: PaymentMethod,
    /// Why.
    pub request: RequestContext,
    /// The right to be here.
    pub ticket: Ticket,
    /// The customer does not leave meanwhile.
    pub presence: Presence,
    /// That it began is remembered; nothing to remember where the id of the rental follows from the key.
    pub turn: Turn,
    /// When the request arrived: its deadline counts from here.
    pub arrived: Instant,
}

/// Pay a rental that was deferred.
pub struct PayLater {
    /// Which.
    pub rental: RentalId,
    /// What it is paid with.
    pub method: PaymentMethod,
    /// The one attempt that the method is good for, if it is good for one alone.
    pub attempt: Option<Attempt>,
    /// For the vault, with the commit that begins the attempt.
    pub vault: Vec<VaultWrite>,
    /// Why.
    pub request: RequestContext,
    /// The right to be here.
    pub ticket: Ticket,
    /// The customer does not leave meanwhile.
    pub presence: Presence,
    /// What came of it is remembered.
    pub turn: Turn,
    /// When the request arrived.
    pub arrived: Instant,
}

pub(crate) async fn place(desk: &Rc<Desk>, place: Place) -> Result<Placed, ConversationError> {
    let Place { rental, terms, vault, method, request, turn, arrived, ticket: _ticket, presence: _present } =
        place;
    let _floor = desk.take_floor(rental.payment())?;
    let fee = Charge { attempt: 1, amount: terms.fee, provider: terms.provider.clone() };
    let (terms, memo) = (Box::new(terms), turn.of_attempt(rental, fee.attempt));
    let ask = |command| desk.parts.exchange.ask_once::<Rental>(rental, command, request, vault, memo);
    // Another call of this key may have placed it: that is answered from the state, never by charging.
    let as_it_was = |decided: Decided<Rental>| {
        let replayed = !decided.changed;
        Placed { replayed, ..Told::of(decided).when_placed().placed(rental, desk) }
    };
    let Some(mut go) = may_charge(desk, arrived).await? else {
        if !desk.parts.rules.defer {
            desk.ties.admission.shed();
            return Err(overloaded(desk));
        }
        let command = RentalCommand::Place { terms, deferral: Some(desk.deferral()) };
        return Ok(as_it_was(ask(command).await?));
    };
    desk.begin(rental, fee.attempt);
    if planted::is(Bug::ChargeBeforeIntent) {
        desk.charge(rental.payment(), &fee, &method, desk.parts.rules.timeout_ms, request).await;
    }
    let command = RentalCommand::Place { terms, deferral: None };
    let decided = ask(command).await?;
    if !decided.changed {
        return Ok(as_it_was(decided));
    }
    let told = match charge_in_time(desk, &mut go, (rental, &fee, request), &method, arrived).await {
        Answer::Approved { reference } => desk.approved(rental, fee, reference, request).await?,
        Answer::Declined { code } => {
            let declined = desk.declined(rental, fee, code.clone(), request).await?.when_placed();
            return Ok(declined.placed(rental, desk).because_of(code));
        }
        Answer::Unknown => desk.unknown(rental, request).await?,
    };
    Ok(told.when_placed().placed(rental, desk))
}

pub(crate) async fn pay_later(desk: &Rc<Desk>, pay: PayLater) -> Result<Placed, ConversationError> {
    let PayLater {
        rental,
        method,
        attempt,
        vault,
        request,
        turn,
        arrived,
        ticket: _ticket,
        presence: _present,
    } = pay;
    let _floor = desk.take_floor(rental.payment())?;
    let state = desk.read_rental(rental).await?;
    if state.status != RentalStatus::PaymentDeferred {
        return Err(ConversationError::NotPayable);
    }
    let Some(mut go) = may_charge(desk, arrived).await? else {
        return still_deferred(desk, rental, &turn).await;
    };
    let payment = desk.read_payment(rental.payment()).await?;
    let settled = match settle_last(desk, rental, &state, &payment, request).await? {
        Settling::Settled | Settling::Declined { .. } => payment.current(),
        Settling::Captured => return confirmed_before(desk, rental, request, &turn).await,
        Settling::Open { retry_at } => {
            let retry_after_ms = retry_at.ms_since(desk.parts.sources.now()).max(1);
            return Err(ConversationError::InProgress { retry_after_ms });
        }
    };
    let charge = charge_of(&state, settled + 1, desk.parts.gateways.current().provider())?;
    if attempt.is_some_and(|attempt| attempt != charge.attempt) {
        return Err(ConversationError::CheckoutExpired);
    }
    desk.begin(rental, charge.attempt);
    let command = PaymentCommand::Request { charge: charge.clone(), settled };
    // From here on, what came of this request is what came of this attempt.
    let memo = turn.of_attempt(rental, charge.attempt);
    let exchange = &desk.parts.exchange;
    exchange.ask_once::<Payment>(rental.payment(), command, request, vault, memo).await?;
    let told = match charge_in_time(desk, &mut go, (rental, &charge, request), &method, arrived).await {
        Answer::Approved { reference } => desk.approved(rental, charge, reference, request).await?,
        Answer::Declined { code } => {
            let declined = desk.declined(rental, charge, code.clone(), request).await?;
            let outcome = PayOutcome::Declined { code: Some(code) };
            return Ok(Placed { outcome, ..declined.placed(rental, desk) });
        }
        // It waits to be paid, as before: the agenda finds out what became of this try.
        Answer::Unknown => return still_deferred(desk, rental, &turn).await,
    };
    Ok(told.placed(rental, desk))
}

/// Makes sure that what was tried before this payment took nothing, or finds that it did.
async fn settle_last(
    desk: &Rc<Desk>,
    rental: RentalId,
    state: &Rental,
    payment: &Payment,
    request: RequestContext,
) -> Result<Settling, ConversationError> {
    match payment.phase {
        PaymentPhase::New | PaymentPhase::Requested if planted::is(Bug::NewKeyWithoutSettling) => {
            Ok(Settling::Settled)
        }
        PaymentPhase::Declined => Ok(Settling::Settled),
        PaymentPhase::New if state.never_sent => Ok(Settling::Settled),
        PaymentPhase::New | PaymentPhase::Requested => settle(desk, rental, state, payment, request).await,
        PaymentPhase::Approved => Ok(Settling::Captured),
        PaymentPhase::Canceling | PaymentPhase::Refunding | PaymentPhase::Canceled => {
            Err(ConversationError::NotPayable)
        }
    }
}

/// The last try had captured the fee after all: that is this payment; nothing is charged anew.
async fn confirmed_before(
    desk: &Rc<Desk>,
    rental: RentalId,
    request: RequestContext,
    turn: &Turn,
) -> Result<Placed, ConversationError> {
    let (command, memo) = (RentalCommand::Confirm, turn.of_state());
    let decided = desk.parts.exchange.ask_once::<Rental>(rental, command, request, Vec::new(), memo).await?;
    Ok(Told::of(decided).placed(rental, desk))
}

/// It waits to be paid, as before. That is no commit, so it is remembered by itself.
async fn still_deferred(desk: &Rc<Desk>, rental: RentalId, turn: &Turn) -> Result<Placed, ConversationError> {
    let loaded = desk.parts.journal.load(rental.into()).await?;
    let state = crate::actors::entity::reads::restore::<Rental>(&loaded)?;
    let snapshot = codec::encode_snapshot(&state)?;
    turn.remember(Outcome::State { entity: rental.into(), snapshot }).await?;
    let told = Told { rental: state.into(), position: crate::domain::Position(loaded.version.0) };
    Ok(told.placed(rental, desk))
}

/// What it takes to call the gateway. Held until the conversation has ended.
struct Go {
    permit: Permit,
    /// The breaker's leave, for one call.
    leave: Option<Leave>,
}

/// A permit for the gateway and the breaker's leave to use it; `None` when the breaker is open, also if it
/// opened while the permit was waited for.
async fn may_charge(desk: &Rc<Desk>, arrived: Instant) -> Result<Option<Go>, ConversationError> {
    let breaker = &desk.parts.breaker;
    if breaker.refuses() {
        return Ok(None);
    }
    let permit = permit(desk, arrived).await?;
    Ok(breaker.ask().ok().map(|leave| Go { permit, leave: Some(leave) }))
}

/// A permit for the gateway, while there is enough time left to use it: a call that would most likely be
/// cut short is better not begun. What calls take may have become known while the permit was waited for.
async fn permit(desk: &Rc<Desk>, arrived: Instant) -> Result<Permit, ConversationError> {
    let give_up = || arrived + Duration::from_millis(patience_ms(desk));
    let permit = tokio::time::timeout_at(give_up(), desk.ties.admission.permit()).await;
    permit.ok().filter(|_| arrived.elapsed() <= Duration::from_millis(patience_ms(desk))).ok_or_else(|| {
        desk.ties.admission.shed();
        overloaded(desk)
    })
}

/// How long a permit may be waited for, in ms, counted from a request's arrival.
fn patience_ms(desk: &Desk) -> u64 {
    let Rules { deadline_ms, timeout_ms, charge_min_ms, .. } = desk.parts.rules;
    let call_ms = desk.ties.admission.expected_ms().min(timeout_ms).max(charge_min_ms);
    deadline_ms.saturating_sub(call_ms)
}

fn overloaded(desk: &Desk) -> ConversationError {
    ConversationError::Overloaded { retry_after_ms: desk.retry_after_ms() }
}

/// Charges, if there is any time left: the settle horizon counts on no charge being sent later. The
/// breaker hears of every call: no definite answer is a failure, a decline is none.
async fn charge_in_time(
    desk: &Rc<Desk>,
    go: &mut Go,
    (rental, charge, request): (RentalId, &Charge, RequestContext),
    method: &PaymentMethod,
    arrived: Instant,
) -> Answer {
    let spent_ms = ms(arrived.elapsed());
    let left_ms = desk.parts.rules.deadline_ms.saturating_sub(spent_ms);
    if left_ms == 0 {
        return Answer::Unknown;
    }
    let limit_ms = left_ms.min(desk.parts.rules.timeout_ms);
    let answer = desk.charge(rental.payment(), charge, method, limit_ms, request).await;
    let took_ms = ms(arrived.elapsed()).saturating_sub(spent_ms);
    let failed = matches!(answer, Answer::Unknown);
    go.permit.called(took_ms, failed);
    if let Some(leave) = go.leave.take() {
        leave.answered(failed, took_ms);
    }
    answer
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
