//! State shared by all conversations of a payment actor: one conversation per payment, gateway calls with
//! a time limit, and commands to the payment and its rental.

use std::{
    cell::RefCell,
    collections::HashSet,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use thiserror::Error;
use tokio::sync::Semaphore;
use tracing::warn;

use super::{admission::Admission, breaker::Breaker, horizon::Horizon};
use crate::{
    actors::{
        entity::{
            ask::{AskError, Decided},
            exchange::Exchange,
            reads,
        },
        request::RequestContext,
        sources::Sources,
    },
    domain::{
        Causation, EntityId, Journaled, PaymentId, RentalId, Timestamp,
        payment::{Attempt, Charge, Payment, PaymentCommand},
        rental::{CancelReason, Deferral, Rental, RentalCommand},
    },
    gateways::payment::{Call, ChargeKey, Charged, GatewayError, Gateways, PaymentGateway, PaymentMethod},
    store::{CommitError, Journal, StoreError},
};

/// Number of payments that are resolved or refunded at the same time.
const RESOLVING_MAX: usize = 16;

/// Deadlines, time limits and deferral.
#[derive(Clone, Copy, Debug)]
pub struct PaymentRules {
    /// Time from a request's arrival until its charge must be sent, in ms; waiting for a permit included.
    pub deadline_ms: u64,
    /// Time limit of one gateway call, in ms.
    pub timeout_ms: u64,
    /// Minimum time left before the deadline for a charge to begin, in ms.
    pub charge_min_ms: u64,
    /// True if customers may pay later when the gateway gives no answer.
    pub defer: bool,
    /// Time to pay a deferred rental before it is canceled, in ms.
    pub deferral_ttl_ms: u64,
}

impl Default for PaymentRules {
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

impl PaymentRules {
    /// Maximum length of a conversation in ms: its wait and two gateway calls.
    pub const fn conversation_ms(&self) -> u64 {
        self.deadline_ms + 2 * self.timeout_ms
    }

    /// The settle horizon in ms: after it, no call of a conversation that failed can still arrive.
    pub const fn horizon_ms(&self) -> u64 {
        self.conversation_ms() + self.timeout_ms
    }
}

pub(crate) type Result<T, E = ConversationError> = std::result::Result<T, E>;

#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ConversationError {
    /// No room, or no time. Nothing was recorded.
    #[error("payments are overloaded")]
    Overloaded { retry_after_ms: u64 },
    /// Another conversation about this payment runs, or the outcome of the last attempt is unknown.
    #[error("the outcome of the last payment is not known yet")]
    InProgress { retry_after_ms: u64 },
    #[error("the rental is not waiting for a payment")]
    NotPayable,
    /// The payment method is for another attempt than the next one.
    #[error("the checkout was overtaken by another payment")]
    CheckoutExpired,
    /// A rental or a payment did not answer. A charge that was sent is resolved by the job runner.
    #[error(transparent)]
    Ask(#[from] AskError),
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A receipt could not be written. A charge that was sent is resolved by the job runner.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// The gateway refuses, and would refuse again.
    #[error("the gateway refuses: {0}")]
    Refused(String),
    /// The conversation panicked. A charge that was sent is resolved by the job runner.
    #[error("the conversation failed")]
    Failed,
}

/// Parts that every incarnation of the payment actor is made of.
#[derive(Clone)]
pub(crate) struct PaymentParts {
    pub journal: Arc<dyn Journal>,
    pub exchange: Exchange,
    pub gateways: Gateways,
    pub sources: Sources,
    pub rules: PaymentRules,
    pub breaker: Arc<Breaker>,
}

/// State that one incarnation of the payment actor shares with its handle.
#[derive(Clone)]
pub(crate) struct Incarnation {
    /// Tickets and permits. Each incarnation has its own: those of a hung actor are lost with it.
    pub admission: Arc<Admission>,
    /// `true` once another actor has replaced this one, which must not call the gateway any more.
    pub retired: Arc<AtomicBool>,
}

/// State shared by the conversations of one payment actor.
pub(crate) struct Conversations {
    pub(super) parts: PaymentParts,
    pub(super) incarnation: Incarnation,
    pub(super) resolving: Semaphore,
    horizon: RefCell<Horizon>,
    pub(super) running: RefCell<HashSet<PaymentId>>,
}

/// Marks a payment as in conversation until dropped.
pub(super) struct ConversationGuard {
    conversations: Rc<Conversations>,
    payment: PaymentId,
}

impl Drop for ConversationGuard {
    fn drop(&mut self) {
        self.conversations.running.borrow_mut().remove(&self.payment);
    }
}

impl Conversations {
    pub(super) fn new(parts: PaymentParts, incarnation: Incarnation) -> Self {
        let horizon = RefCell::new(Horizon::new(parts.rules.horizon_ms()));
        let (resolving, running) = (Semaphore::new(RESOLVING_MAX), RefCell::default());
        Self { parts, incarnation, resolving, horizon, running }
    }

    pub(super) fn begin_conversation(self: &Rc<Self>, payment: PaymentId) -> Result<ConversationGuard> {
        if !self.running.borrow_mut().insert(payment) {
            return Err(ConversationError::InProgress { retry_after_ms: self.parts.rules.timeout_ms });
        }
        Ok(ConversationGuard { conversations: Rc::clone(self), payment })
    }

    pub(super) fn retired(&self) -> bool {
        self.incarnation.retired.load(Ordering::Acquire)
    }

    /// Calls a provider's gateway, for at most `limit_ms`.
    pub(super) async fn call<T>(
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
        // The call carries the trace to the provider.
        let call = request.trace().within(async { call(gateway).await });
        let limit = Duration::from_millis(limit_ms);
        let answer = tokio::time::timeout(limit, call).await;
        answer.unwrap_or_else(|_elapsed| Err(GatewayError::Unknown("no answer in time".to_owned())))
    }

    /// Charges; `None` if the outcome is unknown.
    pub(super) async fn charge(
        &self,
        payment: PaymentId,
        charge: &Charge,
        method: &PaymentMethod,
        limit_ms: u64,
        request: RequestContext,
    ) -> Option<Charged> {
        let key = ChargeKey { payment, attempt: charge.attempt };
        let call = |gateway: &dyn PaymentGateway| gateway.charge(key, charge.amount, method);
        match self.call(&charge.provider, limit_ms, request, call).await {
            Ok(charged) => Some(charged),
            Err(GatewayError::Refused(code)) => Some(Charged::Declined { code }),
            Err(GatewayError::Unknown(reason)) => {
                let (attempt, correlation) = (charge.attempt, request.correlation);
                warn!(%payment, attempt, %correlation, reason, "a charge's outcome is unknown");
                None
            }
        }
    }

    pub(super) async fn command<A: Journaled>(
        &self,
        id: impl Into<EntityId>,
        command: A::Command,
        request: RequestContext,
    ) -> Result<Decided<A>, AskError> {
        self.parts.exchange.ask(id, command, request).await
    }

    /// Records a charge with the payment, then with the rental. Returns the code of a decline, too.
    pub(super) async fn charged(
        &self,
        rental: RentalId,
        charge: Charge,
        charged: Charged,
        request: RequestContext,
    ) -> Result<(Decided<Rental>, Option<String>), AskError> {
        let (command, next, code) = match charged {
            Charged::Approved { reference } => {
                (PaymentCommand::Approve { charge, reference }, RentalCommand::Confirm, None)
            }
            Charged::Declined { code } => {
                let command = PaymentCommand::Decline { charge, code: code.clone() };
                (command, RentalCommand::Declined, Some(code))
            }
        };
        let Decided { position, .. } = self.command::<Payment>(rental.payment(), command, request).await?;
        let request = RequestContext { causation: Causation::Event(position), ..request };
        Ok((self.command::<Rental>(rental, next, request).await?, code))
    }

    /// Defers a rental whose charge has an unknown outcome; cancels it where deferring is switched off.
    pub(super) async fn unknown(
        &self,
        rental: RentalId,
        request: RequestContext,
    ) -> Result<Decided<Rental>, AskError> {
        let command = if self.parts.rules.defer {
            RentalCommand::Defer(self.deferral())
        } else {
            RentalCommand::Cancel(CancelReason::PaymentUnavailable)
        };
        self.command(rental, command, request).await
    }

    pub(super) fn deferral(&self) -> Deferral {
        let now = self.parts.sources.now();
        Deferral {
            retry_at: now.plus_ms(self.parts.breaker.retry_after_ms()),
            due_at: now.plus_ms(self.parts.rules.deferral_ttl_ms),
        }
    }

    /// Enters an attempt of this actor into the settle horizon. Comes before the attempt is recorded.
    pub(super) fn begin_attempt(&self, rental: RentalId, attempt: Attempt) {
        self.horizon.borrow_mut().begin(ChargeKey { payment: rental.payment(), attempt });
    }

    /// Returns until when a conversation of another actor about this attempt may be running. Conversations of
    /// this actor hold a guard instead.
    pub(super) fn foreign_until(&self, attempt: ChargeKey) -> Option<Timestamp> {
        self.horizon.borrow().foreign(attempt).map(|left| self.after(left))
    }

    /// Returns until when a call about this attempt may still arrive at the gateway.
    pub(super) fn under_way_until(&self, attempt: ChargeKey) -> Option<Timestamp> {
        self.horizon.borrow().under_way(attempt).map(|left| self.after(left))
    }

    fn after(&self, left: Duration) -> Timestamp {
        let left_ms = u64::try_from(left.as_millis()).unwrap_or(u64::MAX);
        self.parts.sources.now().plus_ms(left_ms.saturating_add(1))
    }

    pub(super) async fn read<A: Journaled>(&self, id: impl Into<EntityId>) -> Result<A, StoreError> {
        reads::read(&self.parts.journal, id).await
    }
}

/// Returns the wait in ms until the breaker lets calls through, or else until the queue is worked off.
pub(super) fn retry_after_ms(breaker: &Breaker, admission: &Admission) -> u64 {
    breaker.shut().map_or_else(|| admission.wait_ms(), |shut| shut.retry_after_ms)
}

pub(super) fn charge_of(rental: &Rental, attempt: Attempt, provider: &str) -> Result<Charge> {
    let terms = rental.terms().map_err(|_| ConversationError::NotPayable)?;
    Ok(Charge { attempt, amount: terms.fee, provider: provider.to_owned() })
}
