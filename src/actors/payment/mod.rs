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

pub(crate) mod admission;
pub(crate) mod breaker;
mod conversation;
pub(crate) mod handle;
mod horizon;
pub(crate) mod limit;
pub(crate) mod outcome;
mod placing;
mod resolving;

use std::{rc::Rc, time::Duration};

use actix::prelude::*;
use futures_util::future::LocalBoxFuture;
use tokio::sync::oneshot;
use tracing::{Instrument as _, debug_span, error};

pub use self::conversation::PaymentRules;
use self::conversation::{Conversations, Result};
pub(crate) use self::{
    conversation::{ConversationError, Incarnation, PaymentParts},
    placing::Paying,
    resolving::Resolution,
};
use super::{request::RequestContext, supervision::guard::guarded};
use crate::{domain::PaymentId, store::FaultMode, telemetry::trace};

/// Time that a caller waits for a conversation beyond its maximum length: for the commits around it.
const GRACE: Duration = Duration::from_secs(10);

pub(crate) struct PaymentActor {
    conversations: Rc<Conversations>,
}

impl Actor for PaymentActor {
    type Context = Context<Self>;
}

/// Message: begin a conversation.
#[derive(Message)]
#[rtype(result = "()")]
struct Converse<T, F>
where
    T: Send + 'static,
    F: FnOnce(Rc<Conversations>) -> LocalBoxFuture<'static, Result<T>> + Send + 'static,
{
    /// Name of the conversation in traces.
    about: &'static str,
    payment: PaymentId,
    request: RequestContext,
    /// Boxes the conversation, since every combinator around it would copy it.
    begin: F,
    reply: oneshot::Sender<Result<T>>,
}

impl<T, F> Handler<Converse<T, F>> for PaymentActor
where
    T: Send + 'static,
    F: FnOnce(Rc<Conversations>) -> LocalBoxFuture<'static, Result<T>> + Send + 'static,
{
    type Result = ();

    /// Runs a conversation beside the others. A panic ends that conversation alone.
    fn handle(&mut self, converse: Converse<T, F>, ctx: &mut Context<Self>) {
        if self.conversations.retired() {
            // Dropping the reply answers `AskError::Stopped`: the caller may ask again.
            return;
        }
        let Converse { about, payment, request, begin, reply } = converse;
        let (conversation, correlation) = (begin(Rc::clone(&self.conversations)), request.correlation);
        let span = debug_span!("payment conversation", about, %payment, %correlation);
        let run = async move {
            let answer = guarded(conversation).await.unwrap_or_else(|panic| {
                error!(%payment, %correlation, panic, "a payment conversation failed; it is resolved later");
                Err(ConversationError::Failed)
            });
            // The effects stay, even if the caller is gone.
            let _ = reply.send(answer);
        };
        ctx.spawn(run.instrument(trace::join(span, request.trace())).into_actor(self));
    }
}

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

#[derive(Message)]
#[rtype(result = "usize")]
struct CountConversations;

impl Handler<CountConversations> for PaymentActor {
    type Result = usize;

    fn handle(&mut self, _: CountConversations, _: &mut Context<Self>) -> usize {
        self.conversations.running.borrow().len()
    }
}
