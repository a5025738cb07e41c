//! The payment actor: it alone speaks to the payment gateway, in one conversation per payment.
//!
//! It owns which payments have a conversation under way, the breaker, and which attempts it began. The shop
//! sends it rentals to place and to pay, the agenda sends payments to resolve.
//!
//! | fence | bounds |
//! | --- | --- |
//! | [`admission`] | how many customers wait or pay, before anything is written |
//! | its mailbox | how many messages wait to be looked at, should its thread be busy |
//! | [`Resolving`] | how many payments are resolved or refunded, apart, so that load cannot starve them |
//!
//! **What a restart does:** conversations end with the actor, wherever they were. Their payments are
//! resolved by the agenda, but not before the *settle horizon* has passed: until then a call that was
//! under way may still arrive at the gateway.

pub mod admission;
pub mod breaker;
mod conversation;
pub mod handle;
mod horizon;
pub mod limit;
mod placing;
mod resolving;

use std::{
    cell::RefCell,
    collections::HashSet,
    rc::Rc,
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use actix::prelude::*;
use tokio::sync::{Semaphore, oneshot};
use tracing::{Instrument as _, debug_span, error};

pub(crate) use self::conversation::{outcome_of, retry_after_ms};
use self::{admission::Admission, breaker::Breaker, horizon::Horizon};
pub use self::{
    conversation::{ConversationError, Rules},
    placing::{PayLater, Place},
    resolving::{Resolution, Resolve},
};
use super::{
    entity::{ask::RequestContext, exchange::Exchange},
    sources::Sources,
    supervision::guard::guarded,
};
use crate::{
    domain::PaymentId, gateways::payment::Gateways, shop::views::Placed, store::Journal, telemetry::trace,
};

/// How many payments are resolved or refunded at once.
const RESOLVING_MAX: usize = 16;

/// What every conversation works with.
pub struct Desk {
    parts: DeskParts,
    ties: Ties,
    horizon: RefCell<Horizon>,
    resolving: Semaphore,
    live: RefCell<HashSet<PaymentId>>,
}

/// What a payment actor is made of, again and again.
#[derive(Clone)]
pub struct DeskParts {
    /// Where rentals and payments are read.
    pub journal: Arc<dyn Journal>,
    /// Through which they are told.
    pub exchange: Exchange,
    /// Who takes the money.
    pub gateways: Gateways,
    /// Time.
    pub sources: Sources,
    /// Deadlines, time-outs and what to do without an answer.
    pub rules: Rules,
    /// Whether the gateway may be tried.
    pub breaker: Arc<Breaker>,
}

/// What a payment actor shares with whoever looks after it.
#[derive(Clone)]
pub struct Ties {
    /// Who may wait and pay. Each actor has its own: what a hung one holds is lost with it.
    pub admission: Arc<Admission>,
    /// Another has taken its place: it must not speak to the gateway any more.
    pub retired: Arc<AtomicBool>,
}

/// The payment actor.
pub struct PaymentActor {
    desk: Rc<Desk>,
}

impl PaymentActor {
    /// A payment actor that lives from now on.
    #[must_use]
    pub fn new(parts: DeskParts, ties: Ties) -> Self {
        let horizon = RefCell::new(Horizon::new(parts.rules.horizon_ms()));
        let resolving = Semaphore::new(RESOLVING_MAX);
        Self { desk: Rc::new(Desk { parts, ties, horizon, resolving, live: RefCell::default() }) }
    }

    /// Runs one conversation next to the others. A panic in it ends it alone.
    fn converse<T: 'static>(
        &self,
        ctx: &mut Context<Self>,
        (about, payment, request): (&'static str, PaymentId, RequestContext),
        reply: oneshot::Sender<Result<T, ConversationError>>,
        conversation: impl Future<Output = Result<T, ConversationError>> + 'static,
    ) {
        if self.desk.retired() {
            // Dropping the reply tells the caller to ask again.
            return;
        }
        // In a box from the start: each step to its place would copy it.
        let conversation = Box::pin(conversation);
        let correlation = request.correlation;
        let span = debug_span!("payment conversation", about, %payment, %correlation);
        let run = async move {
            let answer = guarded(conversation).await.unwrap_or_else(|panic| {
                error!(%payment, %correlation, panic, "a payment conversation failed; it is resolved later");
                Err(ConversationError::Failed)
            });
            // A caller that went away changes nothing: the conversation had its effects.
            let _ = reply.send(answer);
        };
        let run = run.instrument(trace::join(span, request.trace()));
        ctx.spawn(run.into_actor(self));
    }
}

impl Actor for PaymentActor {
    type Context = Context<Self>;
}

/// A message that opens a conversation: what is asked, and where the answer goes.
pub struct Converse<Q, T> {
    /// What is asked.
    pub question: Q,
    /// Where the answer goes.
    pub reply: oneshot::Sender<Result<T, ConversationError>>,
}

impl<Q, T> Message for Converse<Q, T> {
    type Result = ();
}

impl Handler<Converse<Place, Placed>> for PaymentActor {
    type Result = ();

    fn handle(&mut self, Converse { question, reply }: Converse<Place, Placed>, ctx: &mut Context<Self>) {
        let desk = Rc::clone(&self.desk);
        let about = ("place", question.rental.payment(), question.request);
        self.converse(ctx, about, reply, async move { placing::place(&desk, question).await });
    }
}

impl Handler<Converse<PayLater, Placed>> for PaymentActor {
    type Result = ();

    fn handle(&mut self, Converse { question, reply }: Converse<PayLater, Placed>, ctx: &mut Context<Self>) {
        let desk = Rc::clone(&self.desk);
        let about = ("pay later", question.rental.payment(), question.request);
        self.converse(ctx, about, reply, async move { placing::pay_later(&desk, question).await });
    }
}

impl Handler<Converse<Resolve, Resolution>> for PaymentActor {
    type Result = ();

    fn handle(
        &mut self,
        Converse { question, reply }: Converse<Resolve, Resolution>,
        ctx: &mut Context<Self>,
    ) {
        let desk = Rc::clone(&self.desk);
        let about = ("resolve", question.errand.rental().payment(), question.request);
        self.converse(ctx, about, reply, async move { resolving::resolve(&desk, question).await });
    }
}

/// Makes the payment actor fail, to see what happens.
#[derive(Message)]
#[rtype(result = "()")]
pub struct SabotageDesk(pub super::entity::ask::FaultMode);

impl Handler<SabotageDesk> for PaymentActor {
    type Result = ();

    fn handle(&mut self, SabotageDesk(mode): SabotageDesk, ctx: &mut Context<Self>) {
        match mode {
            super::entity::ask::FaultMode::Panic => panic!("injected fault"),
            super::entity::ask::FaultMode::Stop => ctx.stop(),
            super::entity::ask::FaultMode::Hang => ctx.wait(std::future::pending::<()>().into_actor(self)),
        }
    }
}

/// Asks how many conversations are under way.
#[derive(Message)]
#[rtype(result = "usize")]
pub struct Conversations;

impl Handler<Conversations> for PaymentActor {
    type Result = usize;

    fn handle(&mut self, _: Conversations, _: &mut Context<Self>) -> usize {
        self.desk.live.borrow().len()
    }
}

/// How long a caller waits for the end of a conversation, beyond its deadline: the commits around it.
pub const GRACE: Duration = Duration::from_secs(10);
