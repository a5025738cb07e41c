//! Conversations that a customer waits for: placing a rental and paying its fee, or paying it later.
//!
//! The order is fixed: durable intent, then the charge, then its approval. If anything fails in between, the
//! job runner finds the intent and resolves it.

use std::{rc::Rc, time::Duration};

use tokio::time::Instant;

use super::{
    admission::{Permit, Ticket},
    breaker::BreakerPermit,
    conversation::{ConversationError, Conversations, PaymentRules, Result, charge_of, retry_after_ms},
    outcome::{PayOutcome, PlacedRental},
    resolving::Settling,
};
use crate::{
    actors::{
        customer_locks::CustomerLock,
        entity::{ask::Decided, reads},
        receipts::{KeyGuard, ReceiptOutcome},
        request::RequestContext,
    },
    domain::{
        Position, RentalId,
        payment::{Attempt, Charge, Payment, PaymentCommand, PaymentPhase},
        rental::{Rental, RentalCommand, RentalStatus, Terms},
    },
    gateways::payment::{Charged, PaymentMethod},
    planted::{self, Bug},
    store::{VaultWrite, codec},
};

/// A payment that a customer waits for.
pub(crate) struct Paying {
    pub rental: RentalId,
    pub method: PaymentMethod,
    /// Writes to the vault with the commit that begins the attempt.
    pub vault: Vec<VaultWrite>,
    pub request: RequestContext,
    pub ticket: Ticket,
    /// Keeps the customer from leaving meanwhile.
    pub lock: CustomerLock,
    /// Key of the request, whose receipt names the attempt; unkeyed if the rental's id follows from the key.
    pub key_guard: KeyGuard,
    /// Arrival of the request: its deadline counts from here.
    pub arrived: Instant,
}

/// Permits to charge. The gateway's is held until the conversation has ended.
struct ChargePermits {
    gateway: Permit,
    breaker: Option<BreakerPermit>,
}

impl Conversations {
    pub(super) async fn place(self: Rc<Self>, pay: Paying, terms: Terms) -> Result<PlacedRental> {
        let Paying { rental, vault, method, request, key_guard, arrived, .. } = pay;
        let (_ticket, _lock) = (pay.ticket, pay.lock);
        let _guard = self.begin_conversation(rental.payment())?;
        let fee = Charge { attempt: 1, amount: terms.fee, provider: terms.provider.clone() };
        let (terms, receipt) = (Box::new(terms), key_guard.of_attempt(rental, fee.attempt));
        let exchange = &self.parts.exchange;
        let ask = |command| exchange.ask_once::<Rental>(rental, command, request, vault, receipt);
        // An earlier call with this key may have placed it: the answer comes from its state, without a
        // charge.
        let unless_placed_before = |decided: Decided<Rental>| {
            let replayed = !decided.changed;
            PlacedRental { replayed, ..self.placed(rental, decided) }
        };
        let Some(mut permits) = self.charge_permits(arrived).await? else {
            if !self.parts.rules.defer {
                self.incarnation.admission.shed();
                return Err(self.overloaded());
            }
            let command = RentalCommand::Place { terms, deferral: Some(self.deferral()) };
            return Ok(unless_placed_before(ask(command).await?));
        };
        self.begin_attempt(rental, fee.attempt);
        if planted::is(Bug::ChargeBeforeIntent) {
            self.charge(rental.payment(), &fee, &method, self.parts.rules.timeout_ms, request).await;
        }
        let decided = ask(RentalCommand::Place { terms, deferral: None }).await?;
        if !decided.changed {
            return Ok(unless_placed_before(decided));
        }
        let charged = self.charge_in_time(&mut permits, (rental, &fee, request), &method, arrived).await;
        let Some(charged) = charged else {
            return Ok(self.placed(rental, self.unknown(rental, request).await?));
        };
        let (decided, code) = self.charged(rental, fee, charged, request).await?;
        Ok(self.placed(rental, decided).with_decline_code(code))
    }

    pub(super) async fn pay_later(
        self: Rc<Self>,
        pay: Paying,
        attempt: Option<Attempt>,
    ) -> Result<PlacedRental> {
        let Paying { rental, method, vault, request, key_guard, arrived, .. } = pay;
        let (_ticket, _lock) = (pay.ticket, pay.lock);
        let _guard = self.begin_conversation(rental.payment())?;
        let state = self.read::<Rental>(rental).await?;
        if state.status != RentalStatus::PaymentDeferred {
            return Err(ConversationError::NotPayable);
        }
        let Some(mut permits) = self.charge_permits(arrived).await? else {
            return self.still_deferred(rental, &key_guard).await;
        };
        let payment = self.read::<Payment>(rental.payment()).await?;
        let settled = match self.settle_last(rental, &state, &payment, request).await? {
            Settling::Settled | Settling::Declined { .. } => payment.current(),
            Settling::Captured => return self.confirmed_before(rental, request, &key_guard).await,
            Settling::Open { retry_at } => {
                let retry_after_ms = retry_at.ms_since(self.parts.sources.now()).max(1);
                return Err(ConversationError::InProgress { retry_after_ms });
            }
        };
        let charge = charge_of(&state, settled + 1, self.parts.gateways.current().provider())?;
        if attempt.is_some_and(|attempt| attempt != charge.attempt) {
            return Err(ConversationError::CheckoutExpired);
        }
        self.begin_attempt(rental, charge.attempt);
        let command = PaymentCommand::Request { charge: charge.clone(), settled };
        // From this commit on, the request's receipt names the attempt.
        let receipt = key_guard.of_attempt(rental, charge.attempt);
        let exchange = &self.parts.exchange;
        exchange.ask_once::<Payment>(rental.payment(), command, request, vault, receipt).await?;
        let charged = self.charge_in_time(&mut permits, (rental, &charge, request), &method, arrived).await;
        // Without an answer the rental stays deferred; the job runner finds out what became of the attempt.
        let Some(charged) = charged else { return self.still_deferred(rental, &key_guard).await };
        let (decided, code) = self.charged(rental, charge, charged, request).await?;
        let paid = self.paid(rental, decided);
        let outcome = if code.is_some() { PayOutcome::Declined { code } } else { paid.outcome };
        Ok(PlacedRental { outcome, ..paid })
    }

    fn placed(&self, rental: RentalId, decided: Decided<Rental>) -> PlacedRental {
        PlacedRental::when_placed(rental, decided, self.parts.breaker.retry_after_ms())
    }

    fn paid(&self, rental: RentalId, decided: Decided<Rental>) -> PlacedRental {
        PlacedRental::of(rental, decided.state, decided.position, self.parts.breaker.retry_after_ms())
    }

    /// Makes sure that earlier attempts took nothing, or finds that one did.
    async fn settle_last(
        &self,
        rental: RentalId,
        state: &Rental,
        payment: &Payment,
        request: RequestContext,
    ) -> Result<Settling> {
        match payment.phase {
            PaymentPhase::New | PaymentPhase::Requested if planted::is(Bug::NewKeyWithoutSettling) => {
                Ok(Settling::Settled)
            }
            PaymentPhase::Declined => Ok(Settling::Settled),
            PaymentPhase::New if state.never_sent => Ok(Settling::Settled),
            PaymentPhase::New | PaymentPhase::Requested => self.settle(rental, state, payment, request).await,
            PaymentPhase::Approved => Ok(Settling::Captured),
            PaymentPhase::Canceling | PaymentPhase::Refunding | PaymentPhase::Canceled => {
                Err(ConversationError::NotPayable)
            }
        }
    }

    /// Confirms a rental whose last attempt had captured the fee after all: nothing is charged again.
    async fn confirmed_before(
        &self,
        rental: RentalId,
        request: RequestContext,
        key_guard: &KeyGuard,
    ) -> Result<PlacedRental> {
        let (command, receipt) = (RentalCommand::Confirm, key_guard.of_state());
        let exchange = &self.parts.exchange;
        let decided = exchange.ask_once::<Rental>(rental, command, request, Vec::new(), receipt).await?;
        Ok(self.paid(rental, decided))
    }

    /// Answers that the rental still waits to be paid. No commit follows, so the receipt is written by
    /// itself.
    async fn still_deferred(&self, rental: RentalId, key_guard: &KeyGuard) -> Result<PlacedRental> {
        let loaded = self.parts.journal.load(rental.into()).await?;
        let state = reads::restore::<Rental>(&loaded)?;
        let snapshot = codec::encode_snapshot(&state)?;
        key_guard.remember(ReceiptOutcome::State { entity: rental.into(), snapshot }).await?;
        let retry_after_ms = self.parts.breaker.retry_after_ms();
        Ok(PlacedRental::of(rental, state.into(), Position(loaded.version.0), retry_after_ms))
    }

    /// Waits for a permit of the gateway, and takes one of the breaker; `None` if the breaker is open, even
    /// if it opened during the wait.
    async fn charge_permits(&self, arrived: Instant) -> Result<Option<ChargePermits>> {
        let breaker = &self.parts.breaker;
        if breaker.refuses() {
            return Ok(None);
        }
        let gateway = self.permit(arrived).await?;
        Ok(breaker.ask().ok().map(|permit| ChargePermits { gateway, breaker: Some(permit) }))
    }

    /// Waits for a permit while enough time is left for a typical call. The typical call may have become
    /// longer during the wait, so the time is checked again.
    async fn permit(&self, arrived: Instant) -> Result<Permit> {
        let admission = &self.incarnation.admission;
        let give_up = arrived + Duration::from_millis(self.patience_ms());
        let permit = tokio::time::timeout_at(give_up, admission.permit()).await;
        let in_time = |_: &Permit| arrived.elapsed() <= Duration::from_millis(self.patience_ms());
        permit.ok().filter(in_time).ok_or_else(|| {
            admission.shed();
            self.overloaded()
        })
    }

    /// Returns how long a permit may be waited for, in ms from the request's arrival.
    fn patience_ms(&self) -> u64 {
        let PaymentRules { deadline_ms, timeout_ms, charge_min_ms, .. } = self.parts.rules;
        let call_ms = self.incarnation.admission.expected_ms().min(timeout_ms).max(charge_min_ms);
        deadline_ms.saturating_sub(call_ms)
    }

    fn overloaded(&self) -> ConversationError {
        let retry_after_ms = retry_after_ms(&self.parts.breaker, &self.incarnation.admission);
        ConversationError::Overloaded { retry_after_ms }
    }

    /// Charges before the deadline, which the settle horizon relies on. Breaker and admission get the
    /// duration and whether the call failed: a decline is no failure, no definite answer is one.
    async fn charge_in_time(
        &self,
        permits: &mut ChargePermits,
        (rental, charge, request): (RentalId, &Charge, RequestContext),
        method: &PaymentMethod,
        arrived: Instant,
    ) -> Option<Charged> {
        let spent_ms = ms(arrived.elapsed());
        let left_ms = self.parts.rules.deadline_ms.saturating_sub(spent_ms);
        if left_ms == 0 {
            return None;
        }
        let limit_ms = left_ms.min(self.parts.rules.timeout_ms);
        let answer = self.charge(rental.payment(), charge, method, limit_ms, request).await;
        let took_ms = ms(arrived.elapsed()).saturating_sub(spent_ms);
        let failed = answer.is_none();
        permits.gateway.called(took_ms, failed);
        if let Some(permit) = permits.breaker.take() {
            permit.answered(failed, took_ms);
        }
        answer
    }
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
