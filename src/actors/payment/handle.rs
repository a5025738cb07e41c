//! The way to the payment actor: takes a ticket before anything else, and replaces the actor when it has
//! failed.

use std::{
    rc::Rc,
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::Ordering},
    time::Duration,
};

use actix::prelude::*;
use futures_util::{FutureExt as _, future::LocalBoxFuture};
use tokio::sync::oneshot;
use tracing::{error, warn};

use super::{
    ConversationError, Converse, CountConversations, GRACE, Incarnation, Paying, PaymentActor, PaymentParts,
    Resolution, Sabotage,
    admission::{Admission, Ticket},
    breaker::{BreakerMode, BreakerView},
    conversation::{self, Conversations, Result},
    outcome::PlacedRental,
};
use crate::{
    actors::{
        entity::ask::AskError,
        jobs::queue::Job,
        request::RequestContext,
        supervision::restart::{FailureLog, RestartDecision, RestartLimits},
    },
    domain::{RentalId, Timestamp, payment::Attempt, rental::Terms},
    store::FaultMode,
};

/// Gauges of the payment actor.
#[derive(Clone, Debug)]
pub struct PaymentActorView {
    /// Circuit breaker.
    pub breaker: BreakerView,
    /// Gateway calls in progress.
    pub permits_in_use: usize,
    /// Current limit of concurrent gateway calls; it adapts to how calls go.
    pub permits: usize,
    /// Configured limit of concurrent gateway calls.
    pub permits_max: usize,
    /// Requests that wait for a permit.
    pub queue_depth: usize,
    /// Limit of waiting requests.
    pub queue_capacity: usize,
    /// Requests refused as overload since the server started.
    pub shed: u64,
    /// Running conversations.
    pub conversations: usize,
}

pub(crate) struct Payments {
    arbiter: ArbiterHandle,
    parts: PaymentParts,
    mailbox: usize,
    limits: RestartLimits,
    actor: Mutex<CurrentActor>,
}

struct CurrentActor {
    addr: Addr<PaymentActor>,
    incarnation: Incarnation,
    failures: FailureLog,
    /// Set after too many failures: no actor is started before.
    rests_until: Option<Timestamp>,
}

/// Time limit for the payment actor to report its gauges; one that takes longer hangs.
const SIGN_OF_LIFE_WITHIN: Duration = Duration::from_secs(1);
/// Pause before another restart of an actor that failed too often, in ms.
const REST_MS: u64 = 5_000;

impl Payments {
    pub(crate) fn start(
        arbiter: ArbiterHandle,
        parts: PaymentParts,
        admission: Admission,
        limits: RestartLimits,
    ) -> Self {
        let mailbox = admission.bounds().concurrency + admission.bounds().queue;
        let incarnation = Incarnation { admission: Arc::new(admission), retired: Arc::default() };
        let addr = start(&arbiter, &parts, &incarnation, mailbox);
        let failures = FailureLog::default();
        let actor = Mutex::new(CurrentActor { addr, incarnation, failures, rests_until: None });
        Self { arbiter, parts, mailbox, limits, actor }
    }

    /// Takes a ticket: the right to wait and to pay. Never waits.
    pub(crate) fn ticket(&self) -> Result<Ticket> {
        self.admission().enter().ok_or_else(|| self.overloaded())
    }

    fn overloaded(&self) -> ConversationError {
        ConversationError::Overloaded { retry_after_ms: self.retry_after_ms() }
    }

    fn actor(&self) -> MutexGuard<'_, CurrentActor> {
        self.actor.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn admission(&self) -> Arc<Admission> {
        Arc::clone(&self.actor().incarnation.admission)
    }

    pub(crate) fn retry_after_ms(&self) -> u64 {
        conversation::retry_after_ms(&self.parts.breaker, &self.admission())
    }

    pub(crate) async fn place(&self, pay: Paying, terms: Terms) -> Result<PlacedRental> {
        let (rental, request) = (pay.rental, pay.request);
        let begin = move |all: Rc<Conversations>| all.place(pay, terms).boxed_local();
        self.converse("place", rental, request, begin).await
    }

    /// Pays a deferred rental. `attempt` is the only one that the method may pay, if it is bound to one.
    pub(crate) async fn pay_later(&self, pay: Paying, attempt: Option<Attempt>) -> Result<PlacedRental> {
        let (rental, request) = (pay.rental, pay.request);
        let begin = move |all: Rc<Conversations>| all.pay_later(pay, attempt).boxed_local();
        self.converse("pay later", rental, request, begin).await
    }

    pub(crate) async fn resolve(&self, job: Job, request: RequestContext) -> Result<Resolution> {
        let begin = move |all: Rc<Conversations>| all.resolve(job, request).boxed_local();
        self.converse("resolve", job.rental(), request, begin).await
    }

    /// Begins a conversation and waits for its end. The conversation goes on if the caller does not.
    async fn converse<T: Send + 'static>(
        &self,
        about: &'static str,
        rental: RentalId,
        request: RequestContext,
        begin: impl FnOnce(Rc<Conversations>) -> LocalBoxFuture<'static, Result<T>> + Send + 'static,
    ) -> Result<T> {
        let (reply, mut answer) = oneshot::channel();
        let payment = rental.payment();
        match self.addr()?.try_send(Converse { about, payment, request, begin, reply }) {
            Ok(()) => {}
            Err(SendError::Full(_)) => return Err(self.overloaded()),
            Err(SendError::Closed(_)) => return Err(AskError::Stopped.into()),
        }
        let expected = Duration::from_millis(self.parts.rules.conversation_ms());
        let answer = match tokio::time::timeout(expected, &mut answer).await {
            Ok(answer) => answer,
            // The actor is busy, or it hangs. Asking it for its gauges replaces one that hangs.
            Err(_late) => {
                self.conversations().await;
                tokio::time::timeout(GRACE, answer).await.map_err(|_elapsed| AskError::Timeout)?
            }
        };
        answer.map_err(|_dropped| AskError::Stopped)?
    }

    /// Returns the current actor, after replacing one that ended.
    fn addr(&self) -> Result<Addr<PaymentActor>, AskError> {
        let mut actor = self.actor();
        if actor.addr.connected() {
            return Ok(actor.addr.clone());
        }
        self.replace(&mut actor, "ended without a report")
    }

    /// Returns the number of running conversations. An actor that does not answer in time hangs and is
    /// replaced; the settle horizon makes that safe.
    async fn conversations(&self) -> usize {
        let Ok(addr) = self.addr() else { return 0 };
        if let Ok(answer) = tokio::time::timeout(SIGN_OF_LIFE_WITHIN, addr.send(CountConversations)).await {
            return answer.unwrap_or_default();
        }
        let mut actor = self.actor();
        if actor.addr == addr {
            // Fails while an actor that hung too often rests.
            let _ = self.replace(&mut actor, "hangs");
        }
        0
    }

    fn replace(&self, actor: &mut CurrentActor, reason: &str) -> Result<Addr<PaymentActor>, AskError> {
        let now = self.parts.sources.now();
        if actor.rests_until.is_some_and(|until| now < until) {
            return Err(AskError::Stopped);
        }
        actor.incarnation.retired.store(true, Ordering::Release);
        warn!(reason, "the payment actor failed; another takes its place");
        let decision = actor.failures.failed(now, reason.to_owned(), self.limits);
        if decision == RestartDecision::Quarantine {
            error!("the payment actor failed too often; waiting before the next start");
            actor.rests_until = Some(now.plus_ms(REST_MS));
            return Err(AskError::Stopped);
        }
        actor.rests_until = None;
        let admission = Arc::new(actor.incarnation.admission.anew());
        actor.incarnation = Incarnation { admission, retired: Arc::default() };
        actor.addr = start(&self.arbiter, &self.parts, &actor.incarnation, self.mailbox);
        Ok(actor.addr.clone())
    }

    pub(crate) fn sabotage(&self, mode: FaultMode) -> Result<(), AskError> {
        self.addr()?.try_send(Sabotage(mode)).map_err(|_| AskError::Shed)
    }

    /// Returns the number of restarts, and whether the actor runs.
    pub(crate) fn restarts(&self) -> (u64, bool) {
        let actor = self.actor();
        (actor.failures.restarts(), actor.addr.connected())
    }

    pub(crate) fn set_breaker(&self, mode: BreakerMode) {
        self.parts.breaker.set_mode(mode);
    }

    pub(crate) async fn view(&self) -> PaymentActorView {
        let conversations = self.conversations().await;
        let admission = self.admission();
        let (permits_in_use, permits) = admission.permits();
        let (queue_depth, queue_capacity) = admission.queue();
        PaymentActorView {
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

fn start(
    arbiter: &ArbiterHandle,
    parts: &PaymentParts,
    incarnation: &Incarnation,
    mailbox: usize,
) -> Addr<PaymentActor> {
    let (parts, incarnation) = (parts.clone(), incarnation.clone());
    PaymentActor::start_in_arbiter(arbiter, move |ctx| {
        ctx.set_mailbox_capacity(mailbox);
        PaymentActor { conversations: Rc::new(Conversations::new(parts, incarnation)) }
    })
}
