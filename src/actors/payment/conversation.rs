//! What all conversations share: exclusiveness, time-outs, and telling payments and rentals.

use std::{
    rc::Rc,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use thiserror::Error;
use tracing::warn;

use super::{Desk, admission::Admission, breaker::Breaker};
use crate::{
    actors::entity::{
        ask::{AskError, Decided, RequestContext},
        reads,
    },
    domain::{
        Causation, PaymentId, Position, RentalId, Timestamp,
        payment::{Attempt, Charge, Payment, PaymentCommand},
        rental::{CancelReason, Deferral, Rental, RentalCommand, RentalStatus},
    },
    gateways::payment::{Call, ChargeKey, Charged, GatewayError, PaymentGateway, PaymentMethod},
    shop::views::{PayOutcome, Placed, RentalView},
    store::{CommitError, StoreError},
};

/// Deadlines, time-outs and what to do without an answer.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// From a request's arrival to its last chance at the gateway, in ms; waiting included.
    pub deadline_ms: u64,
    /// One call to the gateway, in ms.
    pub timeout_ms: u64,
    /// Less time than this left before the deadline, in ms, and a charge is not begun any more.
    pub charge_min_ms: u64,
    /// Whether customers may pay later when the gateway gives no answer.
    pub defer: bool,
    /// How long they may take, in ms.
    pub deferral_ttl_ms: u64,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            deadline_ms: 900,
            timeout_ms: 800,
            charge_min_ms: 300,
            defer: true,
            deferral_ttl_ms: 24 * 60 * 60 * 1_000,
        }
    }
}

impl Rules {
    /// After so long, a conversation sends nothing more and has had its answers: its wait and its calls.
    #[must_use]
    pub const fn conversation_ms(&self) -> u64 {
        self.deadline_ms + 2 * self.timeout_ms
    }

    /// The settle horizon: after it, no call of a conversation that failed can still arrive.
    #[must_use]
    pub const fn horizon_ms(&self) -> u64 {
        self.conversation_ms() + self.timeout_ms
    }
}

/// Why a conversation came to nothing.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ConversationError {
    /// No room, or no time. Nothing was recorded.
    #[error("payments are overloaded")]
    Overloaded {
        /// When it is worth trying again, in ms.
        retry_after_ms: u64,
    },
    /// Another conversation about this payment is under way, or its outcome is still open.
    #[error("the outcome of the last payment is not known yet")]
    InProgress {
        /// When it is worth trying again, in ms.
        retry_after_ms: u64,
    },
    /// The rental does not wait for a payment.
    #[error("the rental is not waiting for a payment")]
    NotPayable,
    /// The payment method is good for another attempt than the one that is due.
    #[error("the checkout was overtaken by another payment")]
    CheckoutExpired,
    /// A rental or a payment did not answer. What was sent to the gateway is resolved by the agenda.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// Something could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A receipt could not be written. What was sent to the gateway is resolved by the agenda.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// The gateway refuses for good.
    #[error("the gateway refuses: {0}")]
    Refused(String),
    /// A bug ended it. What was sent to the gateway is resolved by the agenda.
    #[error("the conversation failed")]
    Failed,
}

/// The one conversation about a payment; ends when dropped.
pub(crate) struct Floor {
    desk: Rc<Desk>,
    payment: PaymentId,
}

impl Drop for Floor {
    fn drop(&mut self) {
        self.desk.live.borrow_mut().remove(&self.payment);
    }
}

/// A charge's answer, or none.
pub(crate) enum Answer {
    Approved { reference: String },
    Declined { code: String },
    Unknown,
}

impl Desk {
    /// Takes the floor for a payment, unless somebody has it.
    pub(crate) fn take_floor(self: &Rc<Self>, payment: PaymentId) -> Result<Floor, ConversationError> {
        if !self.live.borrow_mut().insert(payment) {
            return Err(ConversationError::InProgress { retry_after_ms: self.parts.rules.timeout_ms });
        }
        Ok(Floor { desk: Rc::clone(self), payment })
    }

    /// Whether another actor has taken this one's place.
    pub(crate) fn retired(&self) -> bool {
        self.ties.retired.load(Ordering::Acquire)
    }

    /// Calls a provider's gateway, for so long.
    pub(crate) async fn call<T>(
        &self,
        provider: &str,
        limit_ms: u64,
        request: RequestContext,
        call: impl FnOnce(&dyn PaymentGateway) -> Call<T>,
    ) -> Result<T, GatewayError> {
        if self.retired() {
            return Err(GatewayError::Unknown("another payment actor has taken over".to_owned()));
        }
        let gateway = self.parts.gateways.of(provider)?;
        // What it sends says to which trace it belongs.
        let call = request.trace().within(async { call(gateway).await });
        let limit = Duration::from_millis(limit_ms);
        let answer = tokio::time::timeout(limit, call).await;
        answer.unwrap_or_else(|_elapsed| Err(GatewayError::Unknown("no answer in time".to_owned())))
    }

    /// Charges, and says what is known.
    pub(crate) async fn charge(
        &self,
        payment: PaymentId,
        charge: &Charge,
        method: &PaymentMethod,
        limit_ms: u64,
        request: RequestContext,
    ) -> Answer {
        let key = ChargeKey { payment, attempt: charge.attempt };
        let call = |gateway: &dyn PaymentGateway| gateway.charge(key, charge.amount, method);
        match self.call(&charge.provider, limit_ms, request, call).await {
            Ok(Charged::Approved { reference }) => Answer::Approved { reference },
            Ok(Charged::Declined { code }) | Err(GatewayError::Refused(code)) => Answer::Declined { code },
            Err(GatewayError::Unknown(reason)) => {
                let (attempt, correlation) = (charge.attempt, request.correlation);
                warn!(%payment, attempt, %correlation, reason, "a charge's outcome is unknown");
                Answer::Unknown
            }
        }
    }

    pub(crate) async fn tell_payment(
        &self,
        payment: PaymentId,
        command: PaymentCommand,
        request: RequestContext,
    ) -> Result<Decided<Payment>, AskError> {
        self.parts.exchange.ask::<Payment>(payment, command, request).await
    }

    pub(crate) async fn tell_rental(
        &self,
        rental: RentalId,
        command: RentalCommand,
        request: RequestContext,
    ) -> Result<Decided<Rental>, AskError> {
        self.parts.exchange.ask::<Rental>(rental, command, request).await
    }

    /// The payment is captured: tell it, tell the rental, and say how that leaves the rental.
    pub(crate) async fn approved(
        &self,
        rental: RentalId,
        charge: Charge,
        reference: String,
        request: RequestContext,
    ) -> Result<Told, ConversationError> {
        let command = PaymentCommand::Approve { charge, reference };
        let approved = self.tell_payment(rental.payment(), command, request).await?;
        let decided = self.tell_rental(rental, RentalCommand::Confirm, following(request, &approved)).await?;
        Ok(Told::of(decided))
    }

    /// The payment is declined: tell it, tell the rental, and say how that leaves the rental.
    pub(crate) async fn declined(
        &self,
        rental: RentalId,
        charge: Charge,
        code: String,
        request: RequestContext,
    ) -> Result<Told, ConversationError> {
        let command = PaymentCommand::Decline { charge, code };
        let declined = self.tell_payment(rental.payment(), command, request).await?;
        let decided =
            self.tell_rental(rental, RentalCommand::Declined, following(request, &declined)).await?;
        Ok(Told::of(decided))
    }

    /// Nobody knows whether the charge was made: let the customer pay later, or cancel.
    pub(crate) async fn unknown(
        &self,
        rental: RentalId,
        request: RequestContext,
    ) -> Result<Told, ConversationError> {
        let command = if self.parts.rules.defer {
            RentalCommand::Defer(self.deferral())
        } else {
            RentalCommand::Cancel(CancelReason::PaymentUnavailable)
        };
        Ok(Told::of(self.tell_rental(rental, command, request).await?))
    }

    /// When it is worth trying again, in ms: once the breaker lets calls through, or the queue is worked off.
    pub(crate) fn retry_after_ms(&self) -> u64 {
        retry_after_ms(&self.parts.breaker, &self.ties.admission)
    }

    /// From now: when to try again, and until when.
    pub(crate) fn deferral(&self) -> Deferral {
        let now = self.parts.sources.now();
        Deferral {
            retry_at: now.plus_ms(self.parts.breaker.retry_after_ms()),
            due_at: now.plus_ms(self.parts.rules.deferral_ttl_ms),
        }
    }

    /// This actor is about to begin an attempt.
    pub(crate) fn begin(&self, rental: RentalId, attempt: Attempt) {
        self.horizon.borrow_mut().begin(ChargeKey { payment: rental.payment(), attempt });
    }

    /// Until when a conversation of another actor about this attempt may be under way. Those of this one
    /// are known, and each has the floor until it is over.
    pub(crate) fn foreign_until(&self, attempt: ChargeKey) -> Option<Timestamp> {
        self.horizon.borrow().foreign(attempt).map(|left| self.after(left))
    }

    /// Until when a call about this attempt may still arrive at the gateway.
    pub(crate) fn under_way_until(&self, attempt: ChargeKey) -> Option<Timestamp> {
        self.horizon.borrow().under_way(attempt).map(|left| self.after(left))
    }

    fn after(&self, left: Duration) -> Timestamp {
        self.parts
            .sources
            .now()
            .plus_ms(u64::try_from(left.as_millis()).unwrap_or(u64::MAX).saturating_add(1))
    }

    pub(crate) async fn read_rental(&self, rental: RentalId) -> Result<Rental, StoreError> {
        reads::read::<Rental>(&self.parts.journal, rental).await
    }

    pub(crate) async fn read_payment(&self, payment: PaymentId) -> Result<Payment, StoreError> {
        reads::read::<Payment>(&self.parts.journal, payment).await
    }
}

/// See [`Desk::retry_after_ms`].
pub(crate) fn retry_after_ms(breaker: &Breaker, admission: &Admission) -> u64 {
    breaker.shut().map_or_else(|| admission.wait_ms(), |shut| shut.retry_after_ms)
}

/// What follows from what a payment has just decided.
const fn following(request: RequestContext, decided: &Decided<Payment>) -> RequestContext {
    RequestContext { causation: Causation::Event(decided.position), ..request }
}

/// A rental that was told something, and where that stands.
pub(crate) struct Told {
    pub rental: Arc<Rental>,
    pub position: Position,
}

impl Told {
    pub(crate) fn of(decided: Decided<Rental>) -> Self {
        Self { rental: decided.state, position: decided.position }
    }

    /// The same, as it was when placing it came to its end: that may have been a step or two earlier.
    pub(crate) fn when_placed(self) -> Self {
        if self.rental.outcome.is_none_or(|outcome| outcome.status == self.rental.status) {
            return self;
        }
        let rental = Rental::clone(&self.rental).when_placed().map_or(self.rental, Arc::new);
        Self { rental, ..self }
    }

    /// How the call that led here ended.
    pub(crate) fn placed(self, id: RentalId, desk: &Desk) -> Placed {
        let outcome = outcome_of(&self.rental, desk.parts.breaker.retry_after_ms());
        let rental = RentalView { id, rental: self.rental, address: None };
        Placed { rental, outcome, replayed: false, position: self.position }
    }
}

/// What a rental's status says about the call that led to it.
pub(crate) fn outcome_of(rental: &Rental, retry_after_ms: u64) -> PayOutcome {
    match (rental.status, rental.cancel_reason) {
        (RentalStatus::Confirmed | RentalStatus::Delivered, _) => PayOutcome::Confirmed,
        // Why, a rental does not know: its payment's events do.
        (RentalStatus::Canceled, Some(CancelReason::PaymentDeclined)) => PayOutcome::Declined { code: None },
        (RentalStatus::Canceled, Some(CancelReason::PaymentUnavailable)) => {
            PayOutcome::Unavailable { retry_after_ms }
        }
        (RentalStatus::Canceled, _) => PayOutcome::Canceled,
        (RentalStatus::PaymentDeferred | RentalStatus::Placed | RentalStatus::Absent, _) => {
            PayOutcome::Deferred { retry_after_ms }
        }
    }
}

/// The charge of an attempt at a rental's fee.
pub(crate) fn charge_of(
    rental: &Rental,
    attempt: Attempt,
    provider: &str,
) -> Result<Charge, ConversationError> {
    let terms = rental.terms().map_err(|_| ConversationError::NotPayable)?;
    Ok(Charge { attempt, amount: terms.fee, provider: provider.to_owned() })
}
