//! The way to the payment actor: takes a ticket before anything else, and starts the actor anew when
//! it has failed.

use std::{
    sync::{Arc, Mutex, PoisonError, atomic::Ordering},
    time::Duration,
};

use actix::prelude::*;
use tokio::sync::oneshot;
use tracing::{error, warn};

use super::{
    ConversationError, Conversations, Converse, DeskParts, GRACE, PaymentActor, SabotageDesk, Ties,
    admission::{Admission, Ticket},
    breaker::{BreakerMode, BreakerView},
};
use crate::{
    actors::{
        entity::ask::{AskError, FaultMode},
        supervision::restart::{FailureLog, RestartLimits, Verdict},
    },
    shop::ShopError,
};

/// How the payment actor is doing.
#[derive(Clone, Debug)]
pub struct PaymentDeskView {
    /// The circuit breaker.
    pub breaker: BreakerView,
    /// Calls at the gateway now.
    pub permits_in_use: usize,
    /// How many may be, as the gateway copes now.
    pub permits: usize,
    /// How many may be at most.
    pub permits_max: usize,
    /// Requests that wait for a permit.
    pub queue_depth: usize,
    /// How many may wait.
    pub queue_capacity: usize,
    /// Requests turned away since the server started.
    pub shed: u64,
    /// Conversations under way.
    pub conversations: usize,
}

/// The way to the payment actor.
pub struct Payments {
    arbiter: ArbiterHandle,
    parts: DeskParts,
    mailbox: usize,
    limits: RestartLimits,
    actor: Mutex<Incarnation>,
}

/// The actor as it lives now, and how often it failed.
struct Incarnation {
    addr: Addr<PaymentActor>,
    ties: Ties,
    failures: FailureLog,
    /// After too many failures it is left alone until then.
    rests_until: Option<crate::domain::Timestamp>,
}

/// How long the payment actor may take to say how it is.
const SIGN_OF_LIFE_WITHIN: Duration = Duration::from_secs(1);
/// How long a payment actor that fails again and again is left alone, in ms.
const REST_MS: u64 = 5_000;

impl Payments {
    /// Starts the payment actor, with these bounds.
    #[must_use]
    pub fn start(
        arbiter: ArbiterHandle,
        parts: DeskParts,
        admission: Admission,
        limits: RestartLimits,
    ) -> Self {
        let mailbox = admission.bounds().concurrency + admission.bounds().queue;
        let ties = Ties { admission: Arc::new(admission), retired: Arc::default() };
        let addr = start(&arbiter, &parts, &ties, mailbox);
        let actor =
            Mutex::new(Incarnation { addr, ties, failures: FailureLog::default(), rests_until: None });
        Self { arbiter, parts, mailbox, limits, actor }
    }

    /// The right to wait and to pay, if there is room.
    ///
    /// # Errors
    /// [`ShopError::PaymentOverloaded`]; nothing was recorded.
    pub fn ticket(&self) -> Result<Ticket, ShopError> {
        self.admission().enter().ok_or_else(|| self.overloaded())
    }

    fn overloaded(&self) -> ShopError {
        ShopError::PaymentOverloaded { retry_after_ms: self.retry_after_ms() }
    }

    fn admission(&self) -> Arc<Admission> {
        let actor = self.actor.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&actor.ties.admission)
    }

    /// When it is worth trying again, in ms.
    #[must_use]
    pub fn retry_after_ms(&self) -> u64 {
        super::retry_after_ms(&self.parts.breaker, &self.admission())
    }

    /// Has a conversation, and waits for its end. It goes on even if the caller does not.
    ///
    /// # Errors
    /// [`ShopError`]
    pub async fn converse<Q, T>(&self, question: Q) -> Result<T, ShopError>
    where
        Q: Send + 'static,
        T: Send + 'static,
        PaymentActor: Handler<Converse<Q, T>>,
    {
        let (reply, answer) = oneshot::channel();
        match self.addr()?.try_send(Converse { question, reply }) {
            Ok(()) => {}
            Err(SendError::Full(_)) => return Err(self.overloaded()),
            Err(SendError::Closed(_)) => return Err(AskError::Stopped.into()),
        }
        let expected = Duration::from_millis(self.parts.rules.conversation_ms());
        let mut answer = answer;
        let answer = match tokio::time::timeout(expected, &mut answer).await {
            Ok(answer) => answer,
            // It may be busy, or it hangs: then another takes its place, and nothing will come of this.
            Err(_late) => {
                self.conversations().await;
                tokio::time::timeout(GRACE, answer).await.map_err(|_elapsed| AskError::Timeout)?
            }
        };
        match answer.map_err(|_dropped| AskError::Stopped)? {
            Ok(answer) => Ok(answer),
            Err(error) => Err(error.into()),
        }
    }

    /// The actor as it lives now; a new one if the last one ended.
    fn addr(&self) -> Result<Addr<PaymentActor>, AskError> {
        let mut actor = self.actor.lock().unwrap_or_else(PoisonError::into_inner);
        if actor.addr.connected() {
            return Ok(actor.addr.clone());
        }
        self.replace(&mut actor, "ended without a word")
    }

    /// How many conversations are under way. An actor that does not say so in time hangs, and another
    /// takes its place; what it was about is safe behind the settle horizon.
    async fn conversations(&self) -> usize {
        let Ok(addr) = self.addr() else { return 0 };
        if let Ok(answer) = tokio::time::timeout(SIGN_OF_LIFE_WITHIN, addr.send(Conversations)).await {
            return answer.unwrap_or_default();
        }
        let mut actor = self.actor.lock().unwrap_or_else(PoisonError::into_inner);
        if actor.addr == addr {
            // It may be left alone for a while, if it hangs again and again.
            let _ = self.replace(&mut actor, "hangs");
        }
        0
    }

    fn replace(&self, actor: &mut Incarnation, reason: &str) -> Result<Addr<PaymentActor>, AskError> {
        let now = self.parts.sources.now();
        if actor.rests_until.is_some_and(|until| now < until) {
            return Err(AskError::Stopped);
        }
        actor.ties.retired.store(true, Ordering::Release);
        warn!(reason, "the payment actor failed; another takes its place");
        if actor.failures.failed(now, reason.to_owned(), self.limits) == Verdict::Quarantine {
            error!("the payment actor fails again and again; it is left alone for a while");
            actor.rests_until = Some(now.plus_ms(REST_MS));
            return Err(AskError::Stopped);
        }
        actor.rests_until = None;
        actor.ties = Ties { admission: Arc::new(actor.ties.admission.anew()), retired: Arc::default() };
        actor.addr = start(&self.arbiter, &self.parts, &actor.ties, self.mailbox);
        Ok(actor.addr.clone())
    }

    /// Makes the payment actor fail.
    ///
    /// # Errors
    /// [`AskError`]
    pub fn sabotage(&self, mode: FaultMode) -> Result<(), AskError> {
        self.addr()?.try_send(SabotageDesk(mode)).map_err(|_| AskError::Shed)
    }

    /// How often it was restarted, and whether it lives.
    #[must_use]
    pub fn restarts(&self) -> (u64, bool) {
        let actor = self.actor.lock().unwrap_or_else(PoisonError::into_inner);
        (actor.failures.restarts(), actor.addr.connected())
    }

    /// Lets somebody else decide whether the breaker is open.
    pub fn set_breaker(&self, mode: BreakerMode) {
        self.parts.breaker.set_mode(mode);
    }

    /// How it is doing.
    pub async fn view(&self) -> PaymentDeskView {
        let conversations = self.conversations().await;
        let admission = self.admission();
        let (permits_in_use, permits) = admission.permits();
        let (queue_depth, queue_capacity) = admission.queue();
        PaymentDeskView {
            breaker: self.parts.breaker.view(),
            permits_in_use,
            permits,
            permits_max: admission.bounds().concurrency,
            queue_depth,
            queue_capacity,
            shed: admission.shed_count(),
            conversations,
        }
    }
}

fn start(arbiter: &ArbiterHandle, parts: &DeskParts, ties: &Ties, mailbox: usize) -> Addr<PaymentActor> {
    let (parts, ties) = (parts.clone(), ties.clone());
    PaymentActor::start_in_arbiter(arbiter, move |ctx| {
        ctx.set_mailbox_capacity(mailbox);
        PaymentActor::new(parts, ties)
    })
}

impl From<ConversationError> for ShopError {
    fn from(error: ConversationError) -> Self {
        match error {
            ConversationError::Overloaded { retry_after_ms } => Self::PaymentOverloaded { retry_after_ms },
            ConversationError::InProgress { retry_after_ms } => Self::PaymentInProgress { retry_after_ms },
            ConversationError::NotPayable => Self::RentalNotPayable,
            ConversationError::CheckoutExpired => Self::CheckoutExpired,
            ConversationError::Ask(error) => Self::Ask(error),
            ConversationError::Store(error) => Self::Store(error),
            ConversationError::Commit(error) => Self::Commit(error),
            ConversationError::Refused(reason) => Self::GatewayRefused(reason),
            ConversationError::Failed => Self::Ask(AskError::Stopped),
        }
    }
}
