//! The supervisor of the entities on one arbiter.
//!
//! It owns which entity has an actor, and what becomes of one that fails: restarted at once, after a
//! pause, or (failing too often) put in quarantine, alone, until an operator revives it. The exchange
//! sends to it; its entities report to it. It runs no domain code, so that nothing in it can fail; if
//! it did, the exchange would start another, and every entity would reload from the journal.
//!
//! actix's own `Supervisor` restarts after a stop only, not after a panic, keeps the failed struct's
//! memory, and knows no intensity; hence this one (docs/adr/).

use std::{any::Any, cell::Cell, rc::Rc, time::Duration};

use actix::prelude::*;
use foldhash::{HashMap, HashMapExt as _};
use serde::Serialize;
use tracing::{error, field::display, warn};

use super::{
    actor::EntityActor,
    ask::{Ask, AskError},
    batch::Host,
    work::{EntityFailure, EntityReport, Report, Work},
};
use crate::{
    actors::supervision::restart::{FailureLog, RestartDecision, RestartLimits},
    domain::{Correlation, EntityId, EntityKind, Journaled, Timestamp},
    store::FaultMode,
};

/// How often idle entities are looked for.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// How entities are kept.
#[derive(Clone, Copy, Debug)]
pub struct EvictionPolicy {
    /// An entity without work for so long, in ms, is let go.
    pub idle_ms: u64,
    /// With more than so many entities on an arbiter, idle ones are let go after a second.
    pub live_max: usize,
    /// How many commands may wait for one entity.
    pub mailbox: usize,
    /// How often one may fail.
    pub limits: RestartLimits,
}

/// The supervisor of one arbiter's entities.
pub struct Supervisor {
    host: Rc<Host>,
    eviction: EvictionPolicy,
    children: HashMap<EntityId, Child>,
    failures: HashMap<EntityId, FailureLog>,
    /// How many actors there have been: tells an actor's last words from its successor's.
    incarnations: u64,
}

/// Where an entity stands.
enum Child {
    /// It has an actor: an `Addr<EntityActor<A>>`.
    Live { addr: Box<dyn Any>, incarnation: u64, last_used: Timestamp, working: Rc<Cell<bool>> },
    /// It failed, and is restarted after a pause; what is asked meanwhile waits: a `Vec<Work<A>>`.
    Pausing { waiting: Box<dyn Any> },
    /// It failed too often.
    Quarantined,
}

impl Supervisor {
    /// A supervisor without entities.
    #[must_use]
    pub fn new(host: Rc<Host>, eviction: EvictionPolicy) -> Self {
        Self { host, eviction, children: HashMap::new(), failures: HashMap::new(), incarnations: 0 }
    }

    fn dispatch<A: Journaled>(&mut self, id: EntityId, work: Work<A>, ctx: &mut Context<Self>) {
        let now = self.host.sources.now();
        match self.children.get_mut(&id) {
            Some(Child::Quarantined) => refuse(work, AskError::Quarantined),
            Some(Child::Pausing { waiting }) => {
                let waiting = waiting.downcast_mut::<Vec<Work<A>>>().expect("an id's kind is its aggregate");
                if waiting.len() < self.eviction.mailbox {
                    waiting.push(work);
                } else {
                    refuse(work, AskError::Shed);
                }
            }
            Some(Child::Live { addr, incarnation, last_used, .. }) => {
                let incarnation = *incarnation;
                let addr =
                    addr.downcast_ref::<Addr<EntityActor<A>>>().expect("an id's kind is its aggregate");
                *last_used = now;
                match addr.try_send(work) {
                    Ok(()) => {}
                    Err(SendError::Full(work)) => refuse(work, AskError::Shed),
                    // It ended without a word: a panic outside of its guarded work. Or its last words are
                    // behind this work in our mailbox.
                    Err(SendError::Closed(work)) => {
                        let (reason, correlation) = ("ended without a word".to_owned(), work.correlation());
                        self.entity_failed(
                            id,
                            EntityFailure { reason, correlation, unanswered: vec![work] },
                            ctx,
                        );
                        self.failures.entry(id).or_default().failed_silently(incarnation);
                    }
                }
            }
            None => self.start(id, vec![work], ctx),
        }
    }

    fn start<A: Journaled>(&mut self, id: EntityId, works: Vec<Work<A>>, ctx: &mut Context<Self>) {
        self.incarnations += 1;
        let incarnation = self.incarnations;
        let supervisor = ctx.address().downgrade().recipient();
        let (host, working) = (Rc::clone(&self.host), Rc::default());
        let actor = EntityActor::<A>::new(id, incarnation, host, supervisor, Rc::clone(&working));
        let mailbox = self.eviction.mailbox;
        let addr = EntityActor::create(|ctx| {
            ctx.set_mailbox_capacity(mailbox);
            actor
        });
        for work in works {
            if let Err(SendError::Full(work) | SendError::Closed(work)) = addr.try_send(work) {
                refuse(work, AskError::Shed);
            }
        }
        let last_used = self.host.sources.now();
        self.children.insert(id, Child::Live { addr: Box::new(addr), incarnation, last_used, working });
    }

    /// An entity failed: what is unanswered waits for its successor, if there is one.
    fn entity_failed<A: Journaled>(
        &mut self,
        id: EntityId,
        failure: EntityFailure<A>,
        ctx: &mut Context<Self>,
    ) {
        let EntityFailure { reason, correlation, unanswered } = failure;
        let (now, correlation) = (self.host.sources.now(), correlation.map(display));
        warn!(entity = %id, correlation, reason, "an entity failed");
        match self.failures.entry(id).or_default().failed(now, reason, self.eviction.limits) {
            RestartDecision::RestartAfter(0) => self.start(id, unanswered, ctx),
            RestartDecision::RestartAfter(pause_ms) => {
                self.children.insert(id, Child::Pausing { waiting: Box::new(unanswered) });
                ctx.run_later(Duration::from_millis(pause_ms), move |supervisor, ctx| {
                    supervisor.resume::<A>(id, ctx);
                });
            }
            RestartDecision::Quarantine => {
                const LEFT_ALONE: &str = "an entity fails too often and is left alone; revive it once mended";
                error!(entity = %id, correlation, "{LEFT_ALONE}");
                self.children.insert(id, Child::Quarantined);
                for work in unanswered {
                    refuse(work, AskError::Quarantined);
                }
            }
        }
    }

    fn resume<A: Journaled>(&mut self, id: EntityId, ctx: &mut Context<Self>) {
        if let Some(Child::Pausing { .. }) = self.children.get(&id)
            && let Some(Child::Pausing { waiting }) = self.children.remove(&id)
        {
            let waiting = waiting.downcast::<Vec<Work<A>>>().expect("an id's kind is its aggregate");
            self.start(id, *waiting, ctx);
        }
    }

    /// Lets idle entities go, and none that is at work: whoever came after it would load what its commit is
    /// about to change, and take what is asked for nothing to do.
    fn sweep(&mut self) {
        let now = self.host.sources.now();
        let crowded = self.children.len() > self.eviction.live_max;
        let idle_ms = if crowded { 1_000.min(self.eviction.idle_ms) } else { self.eviction.idle_ms };
        self.children.retain(|_, child| match child {
            Child::Live { last_used, working, .. } => working.get() || now.ms_since(*last_used) < idle_ms,
            Child::Pausing { .. } | Child::Quarantined => true,
        });
    }
}

fn refuse<A: Journaled>(work: Work<A>, error: AskError) {
    if let Work::Ask(ask) = work {
        ask.answer(Err(error));
    }
}

impl Actor for Supervisor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        ctx.run_interval(SWEEP_EVERY, |supervisor, _| supervisor.sweep());
    }
}

/// A command for an entity on this arbiter.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Deliver<A: Journaled> {
    /// For whom.
    pub id: EntityId,
    /// What.
    pub ask: Ask<A>,
}

impl<A: Journaled> Handler<Deliver<A>> for Supervisor {
    type Result = ();

    fn handle(&mut self, Deliver { id, ask }: Deliver<A>, ctx: &mut Context<Self>) {
        self.dispatch(id, Work::Ask(ask), ctx);
    }
}

impl<A: Journaled> Handler<EntityReport<A>> for Supervisor {
    type Result = ();

    fn handle(&mut self, report: EntityReport<A>, ctx: &mut Context<Self>) {
        let EntityReport { id, incarnation, report } = report;
        let failure = match report {
            Report::Failed(failure) => failure,
            Report::Late(ask) => return self.dispatch(id, Work::Ask(ask), ctx),
        };
        match self.children.get(&id) {
            Some(Child::Live { incarnation: current, .. }) if *current == incarnation => {
                self.entity_failed(id, failure, ctx);
            }
            // The actor was evicted, or its end was noticed before this report: the failure is already
            // counted, and the work that is left goes to the next actor.
            _ => {
                if let Some(log) = self.failures.get_mut(&id) {
                    log.explained(incarnation, &failure.reason);
                }
                failure.unanswered.into_iter().for_each(|work| self.dispatch(id, work, ctx));
            }
        }
    }
}

/// Makes an entity fail, to see what happens.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Sabotage<A: Journaled> {
    /// Whom.
    pub id: EntityId,
    /// How.
    pub mode: FaultMode,
    /// On behalf of what, if that is one thing.
    pub of: Option<Correlation>,
    /// Which aggregate it is.
    pub aggregate: std::marker::PhantomData<fn() -> A>,
}

impl<A: Journaled> Handler<Sabotage<A>> for Supervisor {
    type Result = ();

    fn handle(&mut self, Sabotage { id, mode, of, .. }: Sabotage<A>, ctx: &mut Context<Self>) {
        self.dispatch::<A>(id, Work::Sabotage(mode, of), ctx);
    }
}

/// Takes an entity out of quarantine; answers whether it was in it.
#[derive(Message)]
#[rtype(result = "bool")]
pub struct Revive {
    /// Whom.
    pub id: EntityId,
}

impl Handler<Revive> for Supervisor {
    type Result = bool;

    fn handle(&mut self, Revive { id }: Revive, _: &mut Context<Self>) -> bool {
        let quarantined = matches!(self.children.get(&id), Some(Child::Quarantined));
        if quarantined {
            self.children.remove(&id);
        }
        quarantined
    }
}

/// How one entity is.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EntityStatus {
    /// Which.
    pub id: String,
    /// `LIVE`, `RESTARTING`, `QUARANTINED` or `PASSIVE` (not in memory).
    pub status: &'static str,
    /// How often it was restarted since the server started.
    pub restarted: u64,
    /// What its last failure was.
    pub last_failure: Option<String>,
}

/// How the entities of one kind are.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct KindStatus {
    /// How many have an actor.
    pub live: usize,
    /// How often one was restarted since the server started.
    pub restarted: u64,
    /// How many are in quarantine.
    pub quarantined: usize,
    /// Which.
    pub quarantined_ids: Vec<String>,
    /// Commands that are not answered yet.
    #[serde(skip)]
    pub unanswered: usize,
}

/// Asks how the entities of one kind are.
#[derive(Message)]
#[rtype(result = "KindStatus")]
pub struct Census(pub EntityKind);

impl Handler<Census> for Supervisor {
    type Result = MessageResult<Census>;

    fn handle(&mut self, Census(kind): Census, _: &mut Context<Self>) -> Self::Result {
        let mut status = KindStatus::default();
        for (id, child) in self.children.iter().filter(|(id, _)| id.kind == kind) {
            match child {
                Child::Live { .. } | Child::Pausing { .. } => status.live += 1,
                Child::Quarantined => {
                    status.quarantined += 1;
                    status.quarantined_ids.push(id.to_string());
                }
            }
        }
        let failures = self.failures.iter().filter(|(id, _)| id.kind == kind);
        status.restarted = failures.map(|(_, log)| log.restarts()).sum();
        MessageResult(status)
    }
}

/// Asks how one entity is.
#[derive(Message)]
#[rtype(result = "EntityStatus")]
pub struct Inspect(pub EntityId);

impl Handler<Inspect> for Supervisor {
    type Result = MessageResult<Inspect>;

    fn handle(&mut self, Inspect(id): Inspect, _: &mut Context<Self>) -> Self::Result {
        let status = match self.children.get(&id) {
            Some(Child::Live { .. }) => "LIVE",
            Some(Child::Pausing { .. }) => "RESTARTING",
            Some(Child::Quarantined) => "QUARANTINED",
            None => "PASSIVE",
        };
        let log = self.failures.get(&id);
        MessageResult(EntityStatus {
            id: id.to_string(),
            status,
            restarted: log.map_or(0, FailureLog::restarts),
            last_failure: log.map(|log| log.last_reason.clone()),
        })
    }
}
