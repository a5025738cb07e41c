//! The exchange: every command to an entity goes through it.
//!
//! It places entities on a fixed set of arbiters by a stable hash, so that one supervisor always serves an
//! entity, and limits the time of each command. A simulation delays or repeats messages here.

use std::{
    rc::Rc,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use actix::prelude::*;
use tokio::sync::oneshot;
use tracing::{Instrument as _, debug_span, error};

use super::{
    ask::{Ask, AskError, Decided},
    batch::Host,
    delay::{DelayHook, Delays},
    supervisor::{Deliver, EntityStatus, EvictionPolicy, KindStatus, Query, Supervisor},
    work::Work,
};
use crate::{
    actors::{receipts::PendingReceipt, request::RequestContext, sources::Sources},
    domain::{
        Correlation, EntityId, EntityKind, Journaled, account::Account, context::Maintenance,
        delivery::Delivery, payment::Payment, product::Product, rental::Rental,
    },
    store::{FaultMode, Journal, VaultWrite},
    telemetry::trace,
};

#[derive(Clone, Debug)]
pub struct ExchangeSettings {
    pub ask_timeout: Duration,
    /// Capacity of a supervisor's mailbox.
    pub mailbox: usize,
    pub eviction: EvictionPolicy,
    pub delay_hook: Option<Arc<dyn DelayHook>>,
}

/// Handle of all entities. Cheap to clone.
#[derive(Clone)]
pub struct Exchange {
    shards: Arc<[Shard]>,
    settings: ExchangeSettings,
    journal: Arc<dyn Journal>,
    sources: Sources,
    /// By kind of entity: each unanswered command has a clone.
    unanswered: Arc<[Arc<()>; EntityKind::ALL.len()]>,
}

struct Shard {
    arbiter: ArbiterHandle,
    supervisor: RwLock<Addr<Supervisor>>,
}

impl Exchange {
    /// Starts a supervisor on each of these arbiters, at least one.
    pub fn new(
        arbiters: Vec<ArbiterHandle>,
        settings: ExchangeSettings,
        journal: Arc<dyn Journal>,
        sources: Sources,
    ) -> Self {
        let shards = arbiters.into_iter().map(|arbiter| {
            let supervisor = RwLock::new(start(&arbiter, &settings, &journal, &sources));
            Shard { arbiter, supervisor }
        });
        let shards = shards.collect();
        Self { shards, settings, journal, sources, unanswered: Arc::default() }
    }

    /// Sends a command to an entity, and waits for its durable decision.
    pub async fn ask<A: Journaled>(
        &self,
        id: impl Into<EntityId>,
        command: A::Command,
        request: RequestContext,
    ) -> Result<Decided<A>, AskError> {
        self.ask_once(id, command, request, Vec::new(), None).await
    }

    /// Like [`Self::ask`], with personal data that belongs to the events, and with the receipt of a request
    /// that has a key. Both are written with the decision.
    pub async fn ask_once<A: Journaled>(
        &self,
        id: impl Into<EntityId>,
        command: A::Command,
        request: RequestContext,
        vault: Vec<VaultWrite>,
        receipt: Option<PendingReceipt>,
    ) -> Result<Decided<A>, AskError> {
        let id = id.into();
        debug_assert_eq!(id.kind, A::KIND, "a command goes to its own aggregate");
        let _unanswered = Arc::clone(&self.unanswered[id.kind as usize]);
        let correlation = request.correlation;
        let span = trace::join(debug_span!("ask", entity = %id, %correlation), request.trace());
        let (reply, answer) = oneshot::channel();
        let ask = Ask { command, request, vault, receipt, reply };
        let asked = async {
            if let Some(hook) = &self.settings.delay_hook {
                self.delay(hook.delays(id, &request), id, &ask).await;
            }
            self.deliver(id, Work::Ask(ask))?;
            Ok(answer.await)
        };
        match tokio::time::timeout(self.settings.ask_timeout, asked).instrument(span).await {
            Ok(Ok(Ok(answer))) => answer,
            Ok(Ok(Err(_dropped))) => Err(AskError::Stopped),
            Ok(Err(refused)) => Err(refused),
            Err(_elapsed) => Err(AskError::Timeout),
        }
    }

    /// Delays a command, and may send a copy whose answer is dropped.
    async fn delay<A: Journaled>(&self, delays: Delays, id: EntityId, ask: &Ask<A>) {
        if let Some(copy_ms) = delays.copy_ms {
            let Ask { command, request, vault, .. } = ask;
            let (command, request, vault) = (command.clone(), *request, vault.clone());
            let copy = Ask::<A> { command, request, vault, receipt: None, reply: oneshot::channel().0 };
            let exchange = self.clone();
            actix_rt::spawn(async move {
                tokio::time::sleep(Duration::from_millis(copy_ms)).await;
                // A copy may be lost.
                let _ = exchange.deliver(id, Work::Ask(copy));
            });
        }
        if delays.delay_ms > 0 {
            tokio::time::sleep(Duration::from_millis(delays.delay_ms)).await;
        }
    }

    fn deliver<A: Journaled>(&self, id: EntityId, work: Work<A>) -> Result<(), AskError> {
        self.supervisor(self.shard(id)).try_send(Deliver { id, work }).map_err(|error| match error {
            SendError::Full(_) => AskError::Shed,
            SendError::Closed(_) => AskError::Stopped,
        })
    }

    /// Returns the supervisor of a shard. One that ended, which is a bug, is replaced.
    fn supervisor(&self, shard: &Shard) -> Addr<Supervisor> {
        let supervisor = shard.supervisor.read().unwrap_or_else(PoisonError::into_inner).clone();
        if supervisor.connected() {
            return supervisor;
        }
        let mut supervisor = shard.supervisor.write().unwrap_or_else(PoisonError::into_inner);
        if !supervisor.connected() {
            error!("a supervisor ended; starting another, which reloads its entities");
            *supervisor = start(&shard.arbiter, &self.settings, &self.journal, &self.sources);
        }
        supervisor.clone()
    }

    fn shard(&self, id: EntityId) -> &Shard {
        let hash = id.id ^ id.id >> 64;
        let index = (hash as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        &self.shards[index as usize % self.shards.len()]
    }

    /// Makes an entity fail, for tests. The correlation `of` appears in the log.
    pub fn sabotage(&self, id: EntityId, mode: FaultMode, of: Option<Correlation>) -> Result<(), AskError> {
        match id.kind {
            EntityKind::Rental => self.sabotage_one::<Rental>(id, mode, of),
            EntityKind::Payment => self.sabotage_one::<Payment>(id, mode, of),
            EntityKind::Delivery => self.sabotage_one::<Delivery>(id, mode, of),
            EntityKind::Product => self.sabotage_one::<Product>(id, mode, of),
            EntityKind::Account => self.sabotage_one::<Account>(id, mode, of),
            EntityKind::Context => self.sabotage_one::<Maintenance>(id, mode, of),
        }
    }

    /// Like [`Self::sabotage`], for an aggregate that has no kind of its own.
    pub fn sabotage_one<A: Journaled>(
        &self,
        id: EntityId,
        mode: FaultMode,
        of: Option<Correlation>,
    ) -> Result<(), AskError> {
        self.deliver(id, Work::<A>::Sabotage(mode, of))
    }

    pub async fn revive(&self, id: EntityId) -> Result<bool, AskError> {
        self.query(self.shard(id), move |supervisor| supervisor.revive(id)).await
    }

    pub async fn inspect(&self, id: EntityId) -> Result<EntityStatus, AskError> {
        self.query(self.shard(id), move |supervisor| supervisor.inspect(id)).await
    }

    pub async fn census(&self, kind: EntityKind) -> Result<KindStatus, AskError> {
        let mut sum = KindStatus::default();
        for shard in self.shards.iter() {
            let part = self.query(shard, move |supervisor| supervisor.census(kind)).await?;
            sum.live += part.live;
            sum.restarted += part.restarted;
            sum.quarantined += part.quarantined;
            sum.quarantined_ids.extend(part.quarantined_ids);
        }
        sum.unanswered = Arc::strong_count(&self.unanswered[kind as usize]) - 1;
        Ok(sum)
    }

    /// Runs a query on a supervisor, for a limited time: its thread may hang.
    async fn query<T: Send + 'static>(
        &self,
        shard: &Shard,
        query: impl FnOnce(&mut Supervisor) -> T + Send + 'static,
    ) -> Result<T, AskError> {
        let answer = self.supervisor(shard).send(Query(Box::new(query)));
        match tokio::time::timeout(self.settings.ask_timeout, answer).await {
            Ok(answer) => answer.map_err(|_| AskError::Stopped),
            Err(_elapsed) => Err(AskError::Timeout),
        }
    }
}

fn start(
    arbiter: &ArbiterHandle,
    settings: &ExchangeSettings,
    journal: &Arc<dyn Journal>,
    sources: &Sources,
) -> Addr<Supervisor> {
    let (journal, sources) = (Arc::clone(journal), sources.clone());
    let ExchangeSettings { ask_timeout, mailbox, eviction, .. } = *settings;
    Supervisor::start_in_arbiter(arbiter, move |ctx| {
        ctx.set_mailbox_capacity(mailbox);
        let queue_max = eviction.mailbox;
        let host = Rc::new(Host { journal, sources, work_timeout: ask_timeout, queue_max });
        Supervisor::new(host, eviction)
    })
}
