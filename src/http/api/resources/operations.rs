//! Resources of the operations API.

use super::prelude::*;
use crate::{
    actors::entity::supervisor::EntityStatus,
    domain::context::{Context, Group},
    gateways::payment::ledger::{Entry, EntryStatus},
    shop::{self, BreakerMode, BreakerView, ContextView, ParkedView, PaymentActorView},
    store::FaultMode,
};

/// A complete backup on disk.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Backup {
    /// Path of the backup.
    #[schema(example = "/var/backups/saem/2026-11-25")]
    pub directory: String,
    /// Journal position of its newest event.
    #[schema(example = 48_112)]
    pub position: u64,
    /// Size in bytes.
    #[schema(example = 7_340_032)]
    pub bytes: u64,
}

/// A kind of actor, or a single named actor.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ActorKind {
    /// `rental`, `payment`, `delivery`, `product`, `customer` (entities), `payment-actor`, `reactor`,
    /// `projection`, `errands`, `courier` or `sweeper`.
    #[schema(example = "rental")]
    kind: String,
    /// Name of a single actor, such as a reactor's group.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "product")]
    name: Option<String>,
    /// Supervisor of the actors.
    #[schema(example = "entities")]
    supervisor: &'static str,
    /// Actors in memory.
    #[schema(example = 12)]
    live: usize,
    /// Restarts since the server started.
    #[schema(example = 0)]
    restarted: u64,
    /// Actors in quarantine until they are revived.
    #[schema(example = 0)]
    quarantined: usize,
    /// Ids of the quarantined actors.
    #[schema(example = json!([]))]
    quarantined_ids: Vec<String>,
    /// Messages waiting in all mailboxes, as far as known.
    #[schema(example = 0)]
    mailbox_depth: usize,
    /// Capacity of one mailbox; absent for readers of the journal.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = 1024)]
    mailbox_capacity: Option<usize>,
}

impl From<&shop::ActorKind> for ActorKind {
    fn from(kind: &shop::ActorKind) -> Self {
        Self {
            kind: kind.kind.clone(),
            name: kind.name.clone(),
            supervisor: kind.supervisor,
            live: kind.status.live,
            restarted: kind.status.restarted,
            quarantined: kind.status.quarantined,
            quarantined_ids: kind.status.quarantined_ids.clone(),
            mailbox_depth: kind.mailbox_depth,
            mailbox_capacity: kind.mailbox_capacity,
        }
    }
}

/// The actor of one entity.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Actor {
    /// Id of the entity.
    #[schema(example = "product_01kb3q5v8rf7k9x2m4n6p8q0st")]
    id: String,
    /// `LIVE`, `RESTARTING`, `QUARANTINED` or `PASSIVE` (not in memory).
    #[schema(example = "LIVE")]
    status: &'static str,
    /// Restarts since the server started.
    #[schema(example = 1)]
    restarted: u64,
    /// Reason of the last failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "injected fault")]
    last_failure: Option<String>,
}

impl From<&EntityStatus> for Actor {
    fn from(status: &EntityStatus) -> Self {
        let EntityStatus { id, status, restarted, last_failure } = status.clone();
        Self { id, status, restarted, last_failure }
    }
}

/// A context and its maintenance state.
#[derive(Serialize, ToSchema)]
pub(crate) struct ContextState {
    context: Context,
    /// True if its reactions are paused.
    paused: bool,
    /// Events that its group has not processed.
    #[schema(example = 0)]
    backlog: u64,
    /// Parked targets.
    #[schema(example = 0)]
    held: usize,
}

impl From<&ContextView> for ContextState {
    fn from(view: &ContextView) -> Self {
        let ContextView { context, paused, backlog, parked: held } = *view;
        Self { context, paused, backlog, held }
    }
}

/// A target whose reactions are parked after repeated failures.
#[derive(Serialize, ToSchema)]
#[schema(as = HeldTarget)]
pub(crate) struct ParkedTarget {
    /// Id for retry and dismiss.
    #[schema(example = "product.17.product_01kb3q5v8rf7k9x2m4n6p8q0st")]
    id: String,
    group: Group,
    /// Lane of the group.
    #[schema(example = 17)]
    lane: u8,
    /// Entity that could not be reached.
    #[schema(example = "product_01kb3q5v8rf7k9x2m4n6p8q0st")]
    target: String,
    /// `sequence` of the first waiting event.
    #[schema(example = 42)]
    position: u64,
    /// Type of that event.
    #[schema(example = "DeliveryStarted")]
    event: String,
    /// Reason of the last failure.
    #[schema(example = "the entity is in quarantine")]
    reason: String,
    /// Attempts so far.
    #[schema(example = 5)]
    attempts: u32,
}

impl From<&ParkedView> for ParkedTarget {
    fn from(ParkedView { key, parked }: &ParkedView) -> Self {
        Self {
            id: key.to_string(),
            group: key.group,
            lane: key.lane,
            target: key.target.to_string(),
            position: parked.position.0,
            event: parked.event.clone(),
            reason: parked.reason.clone(),
            attempts: parked.attempts,
        }
    }
}

/// The parked target that a command changed.
#[derive(Serialize, ToSchema)]
#[schema(as = Touched)]
pub(crate) struct ChangedTarget {
    #[schema(example = "product.17.product_01kb3q5v8rf7k9x2m4n6p8q0st")]
    pub id: String,
}

/// A payment in the simulator's own ledger.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LedgerEntry {
    payment_id: PaymentId,
    /// Amount of the first capture.
    amount: Money,
    /// Captures over all attempts.
    #[schema(example = 1)]
    captures: u32,
    /// Refunded captures.
    #[schema(example = 0)]
    refunds: u32,
    status: EntryStatus,
}

impl From<Entry> for LedgerEntry {
    fn from(entry: Entry) -> Self {
        let Entry { payment_id, amount, captures, refunds, status } = entry;
        Self { payment_id, amount, captures, refunds, status }
    }
}

/// Calls in the window of the circuit breaker.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BreakerWindow {
    #[schema(example = 50)]
    calls: usize,
    /// Calls without a definite answer.
    #[schema(example = 2)]
    failed_calls: usize,
    #[schema(example = 5)]
    slow_calls: usize,
    /// Percentage of failed calls.
    #[schema(example = 4)]
    failure_rate: usize,
    /// Percentage of slow calls.
    #[schema(example = 10)]
    slow_call_rate: usize,
}

/// State of the payment actor.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = PaymentDesk)]
pub(crate) struct PaymentActorState {
    /// `CLOSED`, `OPEN` or `HALF_OPEN`.
    #[schema(example = "CLOSED")]
    breaker: &'static str,
    mode: BreakerMode,
    /// Calls on which the breaker's next decision is based.
    window: BreakerWindow,
    /// Times that the breaker opened since the server started.
    #[schema(example = 0)]
    openings: u64,
    /// Calls refused by the breaker since the server started.
    #[schema(example = 0)]
    not_permitted: u64,
    /// Time until calls are allowed again, in ms; absent while they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = 4_200)]
    retry_after_ms: Option<u64>,
    /// Gateway calls in progress.
    #[schema(example = 3)]
    permits_in_use: usize,
    /// Current limit of concurrent calls; it adapts to the gateway.
    #[schema(example = 20)]
    permits: usize,
    /// Upper bound of that limit.
    #[schema(example = 64)]
    permits_max: usize,
    /// Requests waiting for a permit.
    #[schema(example = 0)]
    queue_depth: usize,
    /// Limit of waiting requests.
    #[schema(example = 256)]
    queue_capacity: usize,
    /// Requests refused because of overload since the server started.
    #[schema(example = 0)]
    shed: u64,
    /// Payment conversations in progress.
    #[schema(example = 3)]
    conversations: usize,
}

impl From<PaymentActorView> for PaymentActorState {
    fn from(view: PaymentActorView) -> Self {
        let BreakerView { state, mode, window, openings, not_permitted, retry_after_ms } = view.breaker;
        Self {
            breaker: state.as_str(),
            mode,
            window: BreakerWindow {
                calls: window.calls,
                failed_calls: window.failed,
                slow_calls: window.slow,
                failure_rate: window.failure_rate(),
                slow_call_rate: window.slow_call_rate(),
            },
            openings,
            not_permitted,
            retry_after_ms,
            permits_in_use: view.permits_in_use,
            permits: view.permits,
            permits_max: view.permits_max,
            queue_depth: view.queue_depth,
            queue_capacity: view.queue_capacity,
            shed: view.shed,
            conversations: view.conversations,
        }
    }
}

/// Target of an injected fault.
#[derive(Clone, serde::Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct FaultTarget {
    /// `rental`, `product`, `delivery`, `payment` or `customer` with an id; `reactor`, `projection`,
    /// `errands` or `courier` with a name as id; `arbiter` with a number from 0; `payment` without an id is
    /// the payment actor; `store-writer`.
    #[schema(example = "reactor")]
    pub kind: String,
    /// Id or name of the target.
    #[schema(example = "product")]
    pub id: Option<String>,
}

/// An accepted fault injection.
#[derive(Serialize, ToSchema)]
#[schema(as = Faulted)]
pub(crate) struct InjectedFault {
    pub target: FaultTarget,
    pub mode: FaultMode,
}

/// Health of the server.
#[derive(Serialize, ToSchema)]
pub(crate) struct Health {
    /// `ok` (alive) or `ready` (accepts commands).
    #[schema(example = "ok")]
    pub status: &'static str,
}
