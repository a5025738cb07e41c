//! Operations: supervision tree, paused contexts, parked targets, breaker, backups, messages, and injected
//! faults.

use std::path::PathBuf;

use serde::Serialize;
use tracing::info;

use super::{
    BreakerMode, Done, NotificationView, Page, PageRequest, PaymentActorView, RequestContext, Result, Shop,
    ShopError,
};
use crate::{
    actors::{
        entity::{
            ask::Decided,
            reads,
            supervisor::{EntityStatus, KindStatus},
        },
        projection::notification::{self, Record},
    },
    domain::{
        Correlation, CustomerId, EntityId, EntityKind, RentalId,
        context::{Context, ContextCommand, Group, Maintenance, Parked, ParkedKey},
        hex::{bytes_of_hex, to_hex},
        rental::Rental,
    },
    gateways::payment::ledger,
    store::{BackedUp, FaultMode},
};

/// Supervision tree.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ActorTree {
    /// Kinds of entities, the payment actor, and all services.
    pub items: Vec<ActorKind>,
}

/// A kind of entity, or one service.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ActorKind {
    /// `rental`, `payment`, `delivery`, `product`, `customer` (entities), `payment-actor`, `reactor`,
    /// `projection`, `errands`, `courier`.
    pub kind: String,
    /// Name of a service, such as a reactor's group; `None` for entities.
    pub name: Option<String>,
    /// Name of the supervisor.
    pub supervisor: &'static str,
    /// Counts of actors and restarts.
    #[serde(flatten)]
    pub status: KindStatus,
    /// Commands that wait, as far as known.
    pub mailbox_depth: usize,
    /// Maximum number of waiting commands per actor; `None` for services, which read the journal.
    pub mailbox_capacity: Option<usize>,
}

/// State of a context.
#[derive(Clone, Debug)]
pub struct ContextView {
    pub context: Context,
    /// True if its reactions are paused.
    pub paused: bool,
    /// Events that its reactor or projection has not handled yet.
    pub backlog: u64,
    /// Number of parked targets.
    pub parked: usize,
}

/// A parked target: events for it wait for the operator.
#[derive(Clone, Debug)]
pub struct ParkedView {
    /// Group, lane and target.
    pub key: ParkedKey,
    /// Event and reason.
    pub parked: Parked,
}

impl Shop {
    /// Returns the supervision tree.
    ///
    /// # Errors
    /// [`ShopError::Ask`]
    pub async fn actors(&self) -> Result<ActorTree> {
        let mut items = Vec::new();
        for kind in EntityKind::ALL.into_iter().filter(|kind| *kind != EntityKind::Context) {
            let status = self.exchange.census(kind).await?;
            items.push(ActorKind {
                kind: kind.as_str().to_owned(),
                name: None,
                supervisor: "entities",
                mailbox_depth: status.unanswered,
                status,
                mailbox_capacity: Some(self.settings.entity_mailbox),
            });
        }
        let status =
            |live, restarted| KindStatus { live: usize::from(live), restarted, ..KindStatus::default() };
        let (restarted, connected) = self.payments.restarts();
        let payments = self.payments.view().await;
        items.push(ActorKind {
            kind: "payment-actor".to_owned(),
            name: None,
            supervisor: "payments",
            status: status(connected, restarted),
            mailbox_depth: payments.queue_depth,
            mailbox_capacity: Some(payments.queue_capacity),
        });
        items.extend(self.services.census().into_iter().map(|((kind, name), service)| ActorKind {
            kind: kind.to_owned(),
            name: Some(name.to_owned()),
            supervisor: "services",
            status: status(service.live, service.restarts),
            mailbox_depth: 0,
            mailbox_capacity: None,
        }));
        Ok(ActorTree { items })
    }

    /// Returns the status of an entity's actor.
    ///
    /// # Errors
    /// [`ShopError::Ask`]
    pub async fn actor(&self, id: EntityId) -> Result<EntityStatus> {
        Ok(self.exchange.inspect(id).await?)
    }

    /// Takes an entity out of quarantine, and retries what is parked for it.
    ///
    /// # Errors
    /// [`ShopError::NotFound`] if it is not in quarantine.
    pub async fn revive(&self, id: EntityId) -> Result<EntityStatus> {
        if !self.exchange.revive(id).await? {
            return Err(ShopError::NotFound("entity in quarantine"));
        }
        self.contexts.retry_target(id);
        self.actor(id).await
    }

    /// Returns the state of all contexts.
    #[must_use]
    pub fn contexts(&self) -> Vec<ContextView> {
        Context::ALL.map(|context| self.context(context)).into()
    }

    fn context(&self, context: Context) -> ContextView {
        let state = self.contexts.state(context);
        let head = self.head().0;
        let backlog = head.saturating_sub(self.progress.of(context).position().0);
        ContextView { context, paused: state.paused, backlog, parked: state.parked.len() }
    }

    /// Pauses a context's reactions, durably. Orders are still taken.
    ///
    /// # Errors
    /// [`ShopError::Ask`]
    pub async fn pause(&self, context: Context, request: RequestContext) -> Result<Done<ContextView>> {
        self.maintain(context, ContextCommand::Pause, request).await
    }

    /// Resumes a context's reactions, in order.
    ///
    /// # Errors
    /// [`ShopError::Ask`]
    pub async fn resume(&self, context: Context, request: RequestContext) -> Result<Done<ContextView>> {
        self.maintain(context, ContextCommand::Resume, request).await
    }

    async fn maintain(
        &self,
        context: Context,
        command: ContextCommand,
        request: RequestContext,
    ) -> Result<Done<ContextView>> {
        let asked = self.asked_once::<Maintenance>(request, async |key_guard| {
            Ok(self.contexts.command(context, command, request, key_guard.of_state()).await?)
        });
        let Decided { state, position, replayed, .. } = asked.await?;
        // The backlog is a gauge, and always current.
        let value = ContextView { paused: state.paused, parked: state.parked.len(), ..self.context(context) };
        Ok(Done { value, position, replayed })
    }

    /// Returns all parked targets.
    #[must_use]
    pub fn parked(&self) -> Vec<ParkedView> {
        self.contexts.all_parked().into_iter().map(|(key, parked)| ParkedView { key, parked }).collect()
    }

    /// Handles the events that wait for a parked target again, in order.
    ///
    /// # Errors
    /// [`ShopError::NotParked`]
    pub fn retry_parked(&self, key: ParkedKey) -> Result<()> {
        if self.contexts.retry(key) { Ok(()) } else { Err(ShopError::NotParked) }
    }

    /// Discards the events that wait for a parked target.
    ///
    /// # Errors
    /// [`ShopError::NotParked`]
    pub async fn dismiss_parked(
        &self,
        key: ParkedKey,
        reason: String,
        request: RequestContext,
    ) -> Result<()> {
        if self.contexts.parked(key).is_none() {
            return Err(ShopError::NotParked);
        }
        let (context, command) = (key.group.context(), ContextCommand::Dismiss { key, reason });
        self.contexts.command(context, command, request, None).await?;
        if key.group == Group::Agenda {
            self.job_queue.remove_target(&self.journal, key.target).await?;
        }
        Ok(())
    }

    /// Returns the simulator's ledger; `None` with another provider.
    #[must_use]
    pub fn ledger(&self) -> Option<Vec<ledger::Entry>> {
        self.gateways.current().ledger()
    }

    /// Returns the gauges of the payment actor.
    pub async fn payment_actor(&self) -> PaymentActorView {
        self.payments.view().await
    }

    /// Sets the mode of the circuit breaker.
    pub fn set_breaker(&self, mode: BreakerMode) {
        self.payments.set_breaker(mode);
    }

    /// Injects a fault into an entity (by id), a service (by kind and name), an arbiter (by its number from
    /// 0), the payment actor, or the store's writer.
    ///
    /// # Errors
    /// [`ShopError::NotFound`] if faults are disabled or the actor does not exist.
    #[doc(hidden)]
    pub async fn inject_fault(&self, kind: &str, name: Option<&str>, mode: FaultMode) -> Result<()> {
        if !self.settings.faults_enabled {
            return Err(ShopError::NotFound("page"));
        }
        let missing = ShopError::NotFound("actor");
        match (kind, name) {
            ("payment", None) => Ok(self.payments.sabotage(mode)?),
            ("reactor" | "projection" | "errands" | "courier", Some(name)) => {
                if self.services.sabotage(kind, name, mode) { Ok(()) } else { Err(missing) }
            }
            ("store-writer", _) if self.journal.sabotage(mode) => Ok(()),
            ("arbiter", Some(index)) => self.sabotage_arbiter(index, mode).ok_or(missing),
            (kind, Some(id)) => match EntityId::parse(id) {
                Ok(id) if id.kind.as_str() == kind => {
                    Ok(self.exchange.sabotage(id, mode, self.correlation_of(id).await)?)
                }
                Ok(_) | Err(_) => Err(missing),
            },
            (_, None) => Err(missing),
        }
    }

    async fn correlation_of(&self, id: EntityId) -> Option<Correlation> {
        if !matches!(id.kind, EntityKind::Rental | EntityKind::Payment | EntityKind::Delivery) {
            return None;
        }
        let rental = reads::read::<Rental>(&self.journal, RentalId(id.id)).await.ok()?;
        rental.terms().ok().map(|terms| terms.correlation)
    }

    /// Makes a consistent copy of the store in a new or empty directory, while the shop is open. The copy is
    /// completed even if the caller goes away.
    ///
    /// # Errors
    /// [`ShopError::BackUp`]; no backup was made.
    pub async fn back_up(&self, to: PathBuf) -> Result<BackedUp> {
        info!(directory = %to.display(), "a backup begins");
        let made = self.journal.back_up(to, self.settings.beside.clone()).await?;
        info!(position = made.position.0, bytes = made.bytes, "the backup is complete");
        Ok(made)
    }

    /// Returns a page of messages, newest first, of one customer or of all.
    ///
    /// # Errors
    /// [`ShopError::BadCursor`]
    pub async fn notifications(
        &self,
        customer: Option<CustomerId>,
        page: &PageRequest,
    ) -> Result<Page<NotificationView>> {
        let cursor = page.cursor.as_deref().map(|cursor| bytes_of_hex(cursor).ok_or(ShopError::BadCursor));
        let (records, next) =
            notification::records(&self.journal, customer, cursor.transpose()?, page.limit).await?;
        let items = records.into_iter().map(|(record, phone)| {
            let Record { id, rental_id, event, text, status, attempts, created_at, sent_at, .. } = record;
            NotificationView { id, rental_id, event, phone, text, status, attempts, created_at, sent_at }
        });
        Ok(Page { items: items.collect(), next_cursor: next.map(|key| to_hex(&key)) })
    }
}
