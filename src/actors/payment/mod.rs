//! The payment actor: the only one that calls the payment gateways, in one conversation per payment.
//!
//! The shop sends it rentals to place and to pay; the job runner sends it payments to resolve. The
//! [circuit breaker](breaker) outlives it.
//!
//! | bound | on |
//! | --- | --- |
//! | [`admission`] | customers that wait or pay, before anything is written |
//! | its mailbox | messages that wait while its thread is busy |
//! | `RESOLVING_MAX` | payments resolved or refunded; apart, so that orders cannot starve them |
//!
//! **Restart:** the actor's conversations end with it, at any point. The job runner resolves their payments,
//! but not before the *settle horizon* has passed: until then, a call that was under way may still reach the
//! gateway.

pub mod admission;
pub mod breaker;
mod conversation;
pub(crate) mod handle;
mod horizon;
pub(crate) mod limit;
pub(crate) mod outcome;
mod placing;
mod resolving;

use std::{rc::Rc, time::Duration};

use actix::prelude::*;
use tokio::sync::oneshot;
use tracing::{Instrument as _, debug_span, error};

use self::{conversation::Conversations, outcome::PlacedRental};
pub use self::{
    conversation::{ConversationError, Incarnation, PaymentParts, Rules},
    placing::{PayLater, PlaceRental},
    resolving::{Resolution, Resolve},
};
use super::{request::RequestContext, supervision::guard::guarded};
use crate::{domain::PaymentId, store::FaultMode, telemetry::trace};

/// Time that a caller waits for a conversation beyond its maximum length: for the commits around it.
const GRACE: Duration = Duration::from_secs(10);

/// The payment actor.
pub struct PaymentActor {
    conversations: Rc<Conversations>,
}

impl PaymentActor {
    fn new(parts: PaymentParts, incarnation: Incarnation) -> Self {
        Self { conversations: Rc::new(Conversations::new(parts, incarnation)) }
    }

    /// Runs one conversation beside the others. A panic ends that conversation alone.
    fn converse<T: 'static>(
        &self,
        ctx: &mut Context<Self>,
        (about, payment, request): (&'static str, PaymentId, RequestContext),
        reply: oneshot::Sender<Result<T, ConversationError>>,
        conversation: impl Future<Output = Result<T, ConversationError>> + 'static,
    ) {
        if self.conversations.retired() {
            // Dropping the reply answers `AskError::Stopped`: the caller may ask again.
            return;
        }
        // Boxed here, since every combinator around it would copy it.
        let conversation = Box::pin(conversation);
        let correlation = request.correlation;
        let span = debug_span!("payment conversation", about, %payment, %correlation);
        let run = async move {
            let answer = guarded(conversation).await.unwrap_or_else(|panic| {
                error!(%payment, %correlation, panic, "a payment conversation failed; it is resolved later");
                Err(ConversationError::Failed)
            });
            // The effects stay, even if the caller is gone.
            let _ = reply.send(answer);
        };
        let run = run.instrument(trace::join(span, request.trace()));
        ctx.spawn(run.into_actor(self));
    }
}

impl Actor for PaymentActor {
    type Context = Context<Self>;
}

/// Message that begins a conversation.
pub struct Converse<Q, T> {
    /// The command.
    pub question: Q,
    /// Receiver of the result.
    pub reply: oneshot::Sender<Result<T, ConversationError>>,
}

impl<Q, T> Message for Converse<Q, T> {
    type Result = ();
}

impl Handler<Converse<PlaceRental, PlacedRental>> for PaymentActor {
    type Result = ();

    fn handle(
        &mut self,
        Converse { question, reply }: Converse<PlaceRental, PlacedRental>,
        ctx: &mut Context<Self>,
    ) {
        let conversations = Rc::clone(&self.conversations);
        let about = ("place", question.rental.payment(), question.request);
        self.converse(ctx, about, reply, async move { conversations.place(question).await });
    }
}

impl Handler<Converse<PayLater, PlacedRental>> for PaymentActor {
    type Result = ();

    fn handle(
        &mut self,
        Converse { question, reply }: Converse<PayLater, PlacedRental>,
        ctx: &mut Context<Self>,
    ) {
        let conversations = Rc::clone(&self.conversations);
        let about = ("pay later", question.rental.payment(), question.request);
        self.converse(ctx, about, reply, async move { conversations.pay_later(question).await });
    }
}

impl Handler<Converse<Resolve, Resolution>> for PaymentActor {
    type Result = ();

    fn handle(
        &mut self,
        Converse { question, reply }: Converse<Resolve, Resolution>,
        ctx: &mut Context<Self>,
    ) {
        let conversations = Rc::clone(&self.conversations);
        let about = ("resolve", question.job.rental().payment(), question.request);
        self.converse(ctx, about, reply, async move { conversations.resolve(question).await });
    }
}

/// Message: fail in this mode, for tests.
#[derive(Message)]
#[rtype(result = "()")]
struct Sabotage(FaultMode);

impl Handler<Sabotage> for PaymentActor {
    type Result = ();

    fn handle(&mut self, Sabotage(mode): Sabotage, ctx: &mut Context<Self>) {
        match mode {
            FaultMode::Panic => panic!("injected fault"),
            FaultMode::Stop => ctx.stop(),
            FaultMode::Hang => ctx.wait(std::future::pending::<()>().into_actor(self)),
        }
    }
}

/// Message: return the number of running conversations.
#[derive(Message)]
#[rtype(result = "usize")]
struct CountConversations;

impl Handler<CountConversations> for PaymentActor {
    type Result = usize;

    fn handle(&mut self, _: CountConversations, _: &mut Context<Self>) -> usize {
        self.conversations.len()
    }
}
