//! What the operator sees of the works.

use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    actors::entity::supervisor::EntityStatus,
    domain::{
        Money, PaymentId,
        context::{Context, Group},
    },
    gateways::payment::ledger::{Entry, EntryStatus},
    shop::{self, BreakerMode, BreakerView, ContextView, HeldView, PaymentActorView},
    store::FaultMode,
};

/// A backup that is complete, and on disk.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Backup {
    /// Where it is.
    #[schema(example = "/var/backups/saem/2026-11-25")]
    pub directory: String,
    /// Where its newest event stands in the journal.
    #[schema(example = 48_112)]
    pub position: u64,
    /// How many bytes it has.
    #[schema(example = 7_340_032)]
    pub bytes: u64,
}

/// One kind of actor, or a single one of which there is one.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ActorKind {
    /// `rental`, `payment`, `delivery`, `product`, `customer` (entities), `payment-actor`, `reactor`,
    /// `projection`, `errands`, `courier` or `sweeper`.
    #[schema(example = "rental")]
    kind: String,
    /// The name of a single actor, such as a reactor's group.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "product")]
    name: Option<String>,
    /// Who looks after it.
    #[schema(example = "entities")]
    supervisor: &'static str,
    /// How many there are in memory.
    #[schema(example = 12)]
    live: usize,
    /// How often one was restarted since the server started.
    #[schema(example = 0)]
    restarted: u64,
    /// How many are left alone until they are revived.
    #[schema(example = 0)]
    quarantined: usize,
    /// Which.
    #[schema(example = json!([]))]
    quarantined_ids: Vec<String>,
    /// What waits, as far as it is known.
    #[schema(example = 0)]
    mailbox_depth: usize,
    /// How much may wait for one; none where it reads the journal instead of a mailbox.
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

/// One actor.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Actor {
    /// Which entity it stands for.
    #[schema(example = "product_01kb3q5v8rf7k9x2m4n6p8q0st")]
    id: String,
    /// `LIVE`, `RESTARTING`, `QUARANTINED` or `PASSIVE` (not in memory).
    #[schema(example = "LIVE")]
    status: &'static str,
    /// How often it was restarted since the server started.
    #[schema(example = 1)]
    restarted: u64,
    /// What its last failure was.
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

/// A context, under maintenance or not.
#[derive(Serialize, ToSchema)]
pub(crate) struct ContextState {
    context: Context,
    /// Whether its reactions wait.
    paused: bool,
    /// How many events its group has not got to.
    #[schema(example = 0)]
    backlog: u64,
    /// How many targets are held.
    #[schema(example = 0)]
    held: usize,
}

impl From<&ContextView> for ContextState {
    fn from(view: &ContextView) -> Self {
        let ContextView { context, paused, backlog, held } = *view;
        Self { context, paused, backlog, held }
    }
}

/// A target that reactions wait for, since they kept failing.
#[derive(Serialize, ToSchema)]
pub(crate) struct HeldTarget {
    /// Names it for retry and dismiss.
    #[schema(example = "product.17.product_01kb3q5v8rf7k9x2m4n6p8q0st")]
    id: String,
    group: Group,
    /// Which of the group's lanes.
    #[schema(example = 17)]
    lane: u8,
    /// Which entity could not be reached.
    #[schema(example = "product_01kb3q5v8rf7k9x2m4n6p8q0st")]
    target: String,
    /// The first event that waits: its `sequence`.
    #[schema(example = 42)]
    position: u64,
    /// Its type.
    #[schema(example = "DeliveryStarted")]
    event: String,
    /// What went wrong.
    #[schema(example = "the entity is in quarantine")]
    reason: String,
    /// How often it was tried.
    #[schema(example = 5)]
    attempts: u32,
}

impl From<&HeldView> for HeldTarget {
    fn from(HeldView { key, parked }: &HeldView) -> Self {
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

/// What a command about a held target was done to.
#[derive(Serialize, ToSchema)]
pub(crate) struct Touched {
    /// The held target.
    #[schema(example = "product.17.product_01kb3q5v8rf7k9x2m4n6p8q0st")]
    pub id: String,
}

/// One payment in the simulator's own ledger.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LedgerEntry {
    /// Which payment.
    payment_id: PaymentId,
    /// How much its first capture took.
    amount: Money,
    /// How often it was captured, by whatever attempt.
    #[schema(example = 1)]
    captures: u32,
    /// How often a capture was given back.
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

/// Calls, and how they went.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BreakerWindow {
    /// How many.
    #[schema(example = 50)]
    calls: usize,
    /// How many of them had no definite answer.
    #[schema(example = 2)]
    failed_calls: usize,
    /// How many of them were slow.
    #[schema(example = 5)]
    slow_calls: usize,
    /// In percent.
    #[schema(example = 4)]
    failure_rate: usize,
    /// In percent.
    #[schema(example = 10)]
    slow_call_rate: usize,
}

/// How the payment actor is doing.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PaymentDesk {
    /// `CLOSED`, `OPEN` or `HALF_OPEN`.
    #[schema(example = "CLOSED")]
    breaker: &'static str,
    /// Who decides whether it is open.
    mode: BreakerMode,
    /// The calls that the breaker's next decision is made from.
    window: BreakerWindow,
    /// How often the breaker has opened since the server started.
    #[schema(example = 0)]
    openings: u64,
    /// Calls that the breaker has refused since the server started.
    #[schema(example = 0)]
    not_permitted: u64,
    /// For how much longer no calls are let through, in ms; only while none are.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = 4_200)]
    retry_after_ms: Option<u64>,
    /// Calls at the gateway now.
    #[schema(example = 3)]
    permits_in_use: usize,
    /// How many may be, as the gateway copes now.
    #[schema(example = 20)]
    permits: usize,
    /// How many may be at most.
    #[schema(example = 64)]
    permits_max: usize,
    /// Requests that wait for a permit.
    #[schema(example = 0)]
    queue_depth: usize,
    /// How many may wait.
    #[schema(example = 256)]
    queue_capacity: usize,
    /// Requests turned away since the server started.
    #[schema(example = 0)]
    shed: u64,
    /// Conversations with the gateway under way.
    #[schema(example = 3)]
    conversations: usize,
}

impl From<PaymentActorView> for PaymentDesk {
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

/// Who is to fail.
#[derive(Clone, serde::Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct FaultTarget {
    /// `rental`, `product`, `delivery`, `payment` or `customer` with an id; `reactor`, `projection`,
    /// `errands` or `courier` with a name as id; `arbiter` with a number from 0; `payment` without an id is
    /// the payment actor; `store-writer`.
    #[schema(example = "reactor")]
    pub kind: String,
    /// Which one.
    #[schema(example = "product")]
    pub id: Option<String>,
}

/// A fault that is on its way.
#[derive(Serialize, ToSchema)]
pub(crate) struct Faulted {
    /// Whom it hits.
    pub target: FaultTarget,
    /// What it does.
    pub mode: FaultMode,
}

/// How the server is.
#[derive(Serialize, ToSchema)]
pub(crate) struct Health {
    /// `ok` (alive) or `ready` (takes commands).
    #[schema(example = "ok")]
    pub status: &'static str,
}
