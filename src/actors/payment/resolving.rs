//! Conversations that no customer waits for: finding out what became of a charge, voiding, refunding.

use std::rc::Rc;

use super::conversation::{ConversationError, Conversations, Result, charge_of};
use crate::{
    actors::{checkouts::sent_payment_key, jobs::queue::Job, request::RequestContext},
    domain::{
        Causation, PaymentId, RentalId, Timestamp,
        payment::{Attempt, Payment, PaymentCommand, PaymentPhase},
        rental::{Rental, RentalCommand, RentalStatus},
    },
    gateways::payment::{ChargeKey, Found, GatewayError, PriorCharge, Voided},
    planted::{self, Bug},
};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Resolution {
    Done,
    NotBefore(Timestamp),
}

pub(super) enum Settling {
    /// It took nothing, and never will.
    Settled,
    /// It was declined, and the payment has recorded that.
    Declined { by: Causation },
    /// It captured the fee, and the payment has recorded that.
    Captured,
    /// Its outcome is unknown.
    Open { retry_at: Timestamp },
}

impl Conversations {
    pub(super) async fn resolve(self: Rc<Self>, job: Job, request: RequestContext) -> Result<Resolution> {
        let rental = job.rental();
        let payment = rental.payment();
        let _guard = self.begin_conversation(payment)?;
        let _permit = self.resolving.acquire().await.map_err(|_closed| ConversationError::Failed)?;
        match job {
            Job::Resolve(..) | Job::Undo(_) => self.settle_and_refund(rental, request).await,
            Job::GiveBack(_, attempt) => self.give_back(payment, attempt, request).await,
            Job::Expire(_) => Err(ConversationError::Failed),
        }
    }

    async fn settle_and_refund(&self, rental: RentalId, request: RequestContext) -> Result<Resolution> {
        let state = self.read::<Rental>(rental).await?;
        let payment = self.read::<Payment>(rental.payment()).await?;
        match payment.phase {
            PaymentPhase::New | PaymentPhase::Requested | PaymentPhase::Canceling => {
                match self.settle(rental, &state, &payment, request).await? {
                    Settling::Open { retry_at } => return Ok(Resolution::NotBefore(retry_at)),
                    Settling::Captured => {}
                    // The rental's reactor sends the same command; here it comes in place of `Defer`.
                    Settling::Declined { by } => {
                        let request = RequestContext { causation: by, ..request };
                        self.command::<Rental>(rental, RentalCommand::Declined, request).await?;
                    }
                    Settling::Settled if payment.phase == PaymentPhase::Canceling => {
                        let void = PaymentCommand::Void { attempt: payment.current() };
                        self.command::<Payment>(rental.payment(), void, request).await?;
                    }
                    Settling::Settled if state.status == RentalStatus::Placed => {
                        self.unknown(rental, request).await?;
                    }
                    Settling::Settled => {}
                }
            }
            PaymentPhase::Approved
            | PaymentPhase::Refunding
            | PaymentPhase::Declined
            | PaymentPhase::Canceled => {}
        }
        let payment = self.read::<Payment>(rental.payment()).await?;
        if payment.phase == PaymentPhase::Refunding {
            self.refund(rental.payment(), &payment, payment.current(), request).await?;
            self.command::<Payment>(rental.payment(), PaymentCommand::Refunded, request).await?;
        }
        Ok(Resolution::Done)
    }

    /// Asks the gateway for the outcome of the current attempt, and makes it final.
    pub(super) async fn settle(
        &self,
        rental: RentalId,
        state: &Rental,
        payment: &Payment,
        request: RequestContext,
    ) -> Result<Settling> {
        let provider = if payment.provider.is_empty() { state.provider() } else { &payment.provider };
        let charge = charge_of(state, payment.current(), provider)?;
        let key = ChargeKey { payment: rental.payment(), attempt: charge.attempt };
        if let Some(retry_at) = self.foreign_until(key) {
            return Ok(Settling::Open { retry_at });
        }
        let reference = sent_payment_key(&self.parts.journal, key).await?;
        let sought = PriorCharge { key, amount: charge.amount, reference };
        let timeout_ms = self.parts.rules.timeout_ms;
        let later = self.parts.sources.now().plus_ms(timeout_ms);
        let found = self.call(&charge.provider, timeout_ms, request, |gateway| gateway.find(&sought)).await;
        let reference = match found {
            Ok(Found::Captured { reference, .. }) => reference,
            Ok(Found::Declined { code }) => {
                let command = PaymentCommand::Decline { charge, code };
                let declined = self.command::<Payment>(rental.payment(), command, request).await?;
                return Ok(Settling::Declined { by: Causation::Event(declined.position) });
            }
            Ok(Found::Nothing) if planted::is(Bug::FindTakenAsFinal) => return Ok(Settling::Settled),
            // "Not found" is not final: have the gateway void the attempt, or wait for the settle horizon.
            Ok(Found::Nothing) => {
                let void = self.call(&charge.provider, timeout_ms, request, |gateway| gateway.void(&sought));
                match void.await {
                    Ok(Voided::Settled) => return Ok(Settling::Settled),
                    Ok(Voided::Captured { reference }) => reference,
                    Ok(Voided::Unsupported) => {
                        let open = |retry_at| Settling::Open { retry_at };
                        return Ok(self.under_way_until(key).map_or(Settling::Settled, open));
                    }
                    Err(error) => return unanswered(error, later),
                }
            }
            Err(error) => return unanswered(error, later),
        };
        let approve = PaymentCommand::Approve { charge, reference };
        self.command::<Payment>(rental.payment(), approve, request).await?;
        Ok(Settling::Captured)
    }

    /// Refunds the capture of a stray attempt, and of no other.
    async fn give_back(
        &self,
        payment: PaymentId,
        attempt: Attempt,
        request: RequestContext,
    ) -> Result<Resolution> {
        let state = self.read::<Payment>(payment).await?;
        if state.strays.iter().any(|stray| stray.attempt == attempt) {
            self.refund(payment, &state, attempt, request).await?;
            self.command::<Payment>(payment, PaymentCommand::StrayRefunded { attempt }, request).await?;
        }
        Ok(Resolution::Done)
    }

    /// Refunds an attempt's capture in full, unless the gateway has refunded it already.
    async fn refund(
        &self,
        payment: PaymentId,
        state: &Payment,
        attempt: Attempt,
        request: RequestContext,
    ) -> Result<()> {
        let key = ChargeKey { payment, attempt };
        let timeout_ms = self.parts.rules.timeout_ms;
        let failed = |error| match error {
            GatewayError::Unknown(_) => ConversationError::InProgress { retry_after_ms: timeout_ms },
            GatewayError::Refused(reason) => ConversationError::Refused(reason),
        };
        let stray = state.strays.iter().find(|stray| stray.attempt == attempt);
        let (amount, provider, reference) = match stray {
            Some(stray) => (stray.amount, &stray.provider, sent_payment_key(&self.parts.journal, key).await?),
            None => (state.amount, &state.provider, state.reference.clone()),
        };
        let sought = PriorCharge { key, amount, reference };
        let found = self.call(provider, timeout_ms, request, |gateway| gateway.find(&sought)).await;
        let sought = match found.map_err(failed)? {
            Found::Captured { reference, .. } if planted::is(Bug::RefundTwice) => {
                let again = self.parts.sources.bits();
                PriorCharge { reference: Some(format!("{reference}-{again}")), ..sought }
            }
            Found::Captured { refunded, .. } if refunded >= amount => return Ok(()),
            Found::Captured { reference, .. } => PriorCharge { reference: Some(reference), ..sought },
            Found::Declined { .. } | Found::Nothing => sought,
        };
        self.call(provider, timeout_ms, request, |gateway| gateway.refund(&sought)).await.map_err(failed)
    }
}

fn unanswered(error: GatewayError, retry_at: Timestamp) -> Result<Settling> {
    match error {
        GatewayError::Unknown(_) => Ok(Settling::Open { retry_at }),
        GatewayError::Refused(reason) => Err(ConversationError::Refused(reason)),
    }
}
