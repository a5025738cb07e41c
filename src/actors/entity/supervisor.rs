//! Supervisor of the entities on one arbiter.
//!
//! It starts an actor for each entity in use. An entity that fails is restarted at once, after a pause, or,
//! if it fails too often, put in quarantine until an operator revives it. The supervisor runs no domain code
//! that could fail; if it ended, the exchange would start another, and every entity would reload from the
//! journal.
//!
//! actix's own `Supervisor` restarts after a stop only, not after a panic, keeps the failed struct's memory,
//! and has no limit (docs/adr/).

use std::{any::Any, cell::Cell, rc::Rc, time::Duration};

use actix::prelude::*;
use foldhash::{HashMap, HashMapExt as _};
use serde::Serialize;
use tracing::{error, field::display, warn};

use super::{
    actor::EntityActor,
    ask::AskError,
    batch::Host,
    work::{EntityFailure, EntityReport, Report, Work},
};
use crate::{
    actors::supervision::restart::{FailureLog, RestartDecision, RestartLimits},
    domain::{EntityId, EntityKind, Journaled, Timestamp},
};

const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// When idle entities are evicted from memory, and how often one may fail.
#[derive(Clone, Copy, Debug)]
pub struct EvictionPolicy {
    /// Idle time after which an entity is evicted, in ms.
    pub idle_ms: u64,
    /// Number of entities on an arbiter above which idle ones are evicted after a second.
    pub live_max: usize,
    /// Maximum number of commands that wait for one entity.
    pub mailbox: usize,
    pub limits: RestartLimits,
}

pub(crate) struct Supervisor {
    host: Rc<Host>,
    eviction: EvictionPolicy,
    children: HashMap<EntityId, Child>,
    failures: HashMap<EntityId, FailureLog>,
    /// Number of actors started; it tells the reports of an entity's actors apart.
    incarnations: u64,
}

/// State of an entity that is in memory.
enum Child {
    /// Has an actor. `addr` is an `Addr<EntityActor<A>>`.
    Live {
        addr: Box<dyn Any>,
        incarnation: u64,
        last_used: Timestamp,
        working: Rc<Cell<bool>>,
    },
    /// Waits for its restart. `waiting` is a `Vec<Work<A>>`.
    Pausing {
        waiting: Box<dyn Any>,
    },
    Quarantined,
}

impl Supervisor {
    pub(crate) fn new(host: Rc<Host>, eviction: EvictionPolicy) -> Self {
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
                    // It ended without a report: a panic outside of its guarded work. Or its report is
                    // behind this work in the mailbox.
                    Err(SendError::Closed(work)) => {
                        let (reason, correlation) = ("ended without a report".to_owned(), work.correlation());
                        let failure = EntityFailure { reason, correlation, unanswered: vec![work] };
                        self.entity_failed(id, failure, ctx);
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

    /// Restarts a failed entity, or puts it in quarantine. Unanswered work goes to the next actor.
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
                const QUARANTINED: &str =
                    "an entity failed too often and is in quarantine; revive it once the cause is gone";
                error!(entity = %id, correlation, "{QUARANTINED}");
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

    /// Evicts idle entities. One with a running batch stays: the next actor would load a state that the batch
    /// is about to change.
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

#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Deliver<A: Journaled> {
    pub id: EntityId,
    pub work: Work<A>,
}

impl<A: Journaled> Handler<Deliver<A>> for Supervisor {
    type Result = ();

    fn handle(&mut self, Deliver { id, work }: Deliver<A>, ctx: &mut Context<Self>) {
        self.dispatch(id, work, ctx);
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

/// Message: run a closure on the supervisor, on its thread.
#[derive(Message)]
#[rtype(result = "T")]
pub(crate) struct Query<T: Send + 'static>(pub Box<dyn FnOnce(&mut Supervisor) -> T + Send>);

impl<T: Send + 'static> Handler<Query<T>> for Supervisor {
    type Result = MessageResult<Query<T>>;

    fn handle(&mut self, Query(query): Query<T>, _: &mut Context<Self>) -> Self::Result {
        MessageResult(query(self))
    }
}

impl Supervisor {
    /// Takes an entity out of quarantine; returns whether it was in quarantine.
    pub(crate) fn revive(&mut self, id: EntityId) -> bool {
        let quarantined = matches!(self.children.get(&id), Some(Child::Quarantined));
        if quarantined {
            self.children.remove(&id);
        }
        quarantined
    }

    pub(crate) fn inspect(&self, id: EntityId) -> EntityStatus {
        let status = match self.children.get(&id) {
            Some(Child::Live { .. }) => "LIVE",
            Some(Child::Pausing { .. }) => "RESTARTING",
            Some(Child::Quarantined) => "QUARANTINED",
            None => "PASSIVE",
        };
        let log = self.failures.get(&id);
        let (restarted, last_failure) =
            (log.map_or(0, FailureLog::restarts), log.map(|log| log.last_reason.clone()));
        EntityStatus { id: id.to_string(), status, restarted, last_failure }
    }

    pub(crate) fn census(&self, kind: EntityKind) -> KindStatus {
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
        status
    }
}

/// State of an entity's actor, whether or not it is in memory.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EntityStatus {
    /// Kind and id.
    pub id: String,
    /// `LIVE`, `RESTARTING`, `QUARANTINED` or `PASSIVE` (not in memory).
    pub status: &'static str,
    /// Restarts since the server started.
    pub restarted: u64,
    /// Reason of the last failure.
    pub last_failure: Option<String>,
}

/// Status of the entities of one kind.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct KindStatus {
    /// Entities in memory.
    pub live: usize,
    /// Restarts since the server started.
    pub restarted: u64,
    pub quarantined: usize,
    pub quarantined_ids: Vec<String>,
    #[serde(skip)]
    pub unanswered: usize,
}
