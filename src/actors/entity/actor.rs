//! Actor of one entity: queues commands and decides them, batch by batch.
//!
//! It owns the entity's state in memory and a queue. Only its supervisor sends to it. One
//! [batch](super::batch) runs at a time, so that many commands to a popular product become one commit.
//!
//! **Restart:** the state is inside the running batch, and any failure destroys it. The actor returns its
//! queue to the supervisor and retires; the next actor reloads from the journal.

use std::{cell::Cell, collections::VecDeque, rc::Rc};

use actix::{WeakRecipient, prelude::*};

use super::{
    ask::AskError,
    batch::{Finished, Host, Memory, attempt},
    work::{EntityReport, Report, Work},
};
use crate::domain::{EntityId, Journaled};

/// Maximum number of commands in one commit.
const BATCH_MAX: usize = 32;

pub(crate) struct EntityActor<A: Journaled> {
    id: EntityId,
    incarnation: u64,
    host: Rc<Host>,
    supervisor: WeakRecipient<EntityReport<A>>,
    memory: Option<Memory<A>>,
    queue: VecDeque<Work<A>>,
    /// `true` while a batch runs; the supervisor evicts no such actor.
    working: Rc<Cell<bool>>,
    retired: bool,
}

impl<A: Journaled> EntityActor<A> {
    pub(crate) fn new(
        id: EntityId,
        incarnation: u64,
        host: Rc<Host>,
        supervisor: WeakRecipient<EntityReport<A>>,
        working: Rc<Cell<bool>>,
    ) -> Self {
        let (memory, queue) = (None, VecDeque::new());
        Self { id, incarnation, host, supervisor, memory, queue, working, retired: false }
    }

    fn report(&self, report: Report<A>) {
        if let Some(supervisor) = self.supervisor.upgrade() {
            let (id, incarnation) = (self.id, self.incarnation);
            let _ = supervisor.try_send(EntityReport { id, incarnation, report });
        }
    }

    fn begin_batch(&mut self, ctx: &mut Context<Self>) {
        if self.working.get() || self.retired || self.queue.is_empty() {
            return;
        }
        self.working.set(true);
        let batch = self.next_batch();
        // Boxed here, since every combinator around it would copy it.
        let work = Box::pin(attempt(Rc::clone(&self.host), self.id, self.memory.take(), batch));
        ctx.spawn(work.into_actor(self).map(|finished, actor, ctx| actor.finished(finished, ctx)));
    }

    /// Takes the next batch: sabotage and bulky commands are alone in theirs.
    fn next_batch(&mut self) -> Vec<Work<A>> {
        let mut batch: Vec<Work<A>> = Vec::new();
        while let Some(work) = self.queue.pop_front() {
            let alone = match &work {
                Work::Ask(ask) => A::is_bulky(&ask.command),
                Work::Sabotage(..) => true,
            };
            if alone && !batch.is_empty() {
                self.queue.push_front(work);
                break;
            }
            batch.push(work);
            if alone || batch.len() == BATCH_MAX {
                break;
            }
        }
        batch
    }

    fn finished(&mut self, finished: Finished<A>, ctx: &mut Context<Self>) {
        self.working.set(false);
        match finished {
            Finished::Done(memory) => {
                self.memory = memory;
                self.begin_batch(ctx);
            }
            Finished::Failed(mut failure) => {
                self.retired = true;
                failure.unanswered.extend(self.queue.drain(..));
                // If the supervisor's mailbox is full, the report is lost: the supervisor then finds this
                // actor stopped, and callers get `Stopped` as their replies are dropped.
                self.report(Report::Failed(failure));
                ctx.stop();
            }
        }
    }
}

impl<A: Journaled> Actor for EntityActor<A> {
    type Context = Context<Self>;
}

impl<A: Journaled> Handler<Work<A>> for EntityActor<A> {
    type Result = ();

    fn handle(&mut self, work: Work<A>, ctx: &mut Context<Self>) {
        if self.retired {
            // It raced with the failure: the supervisor keeps it for the next actor.
            if let Work::Ask(ask) = work {
                self.report(Report::Late(ask));
            }
            return;
        }
        match work {
            Work::Ask(ask) if self.queue.len() >= self.host.queue_max => {
                ask.answer(Err(AskError::Shed));
            }
            work => self.queue.push_back(work),
        }
        self.begin_batch(ctx);
    }
}
