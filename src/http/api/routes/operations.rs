//! `/v1/operations`: actors, payment actor, ledger of the simulator, backups and fault injection.

use std::path::PathBuf;

use serde::Serialize;
use tracing::Instrument as _;

use super::prelude::*;
use crate::{
    domain::EntityId,
    http::api::resources::{
        Actor, ActorKind, Backup, FaultTarget, InjectedFault, LedgerEntry, PaymentActorState,
    },
    shop::BreakerMode,
    store::{BackedUp, FaultMode},
};

/// The supervision tree, or one actor of it.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum ActorTree {
    /// All kinds of actors.
    #[schema(title = "all")]
    All(Items<ActorKind>),
    /// The actor of one entity.
    #[schema(title = "one")]
    One(Actor),
}

/// Shows the supervision tree; with `id`, the actor of one entity.
#[utoipa::path(
    get, path = "/v1/operations/actors", tag = "operations", operation_id = "showActors",
    security(("bearer" = ["OPERATOR"])),
    params(
        ("kind" = Option<String>, Query, description = "Only actors of this kind", example = "rental"),
        ("id" = Option<String>, Query,
            description = "Only the actor of this entity, such as `rental_…` or `product_…`"),
    ),
    responses((status = 200, description = "The tree, or one actor", body = ActorTree)),
    extensions(("x-problems" = json!(["not-found"]))),
)]
pub(crate) async fn actors(app: Data<App>, _: Operator, mut query: Query) -> ApiResult {
    let tree = app.shop.actors().await?;
    let known =
        |text: &str| tree.items.iter().find(|actor| actor.kind == text).map(|actor| actor.kind.clone());
    let kind = query.get("kind", "must be a kind of actor of the tree", known);
    let id = query.get("id", "must be an id", |text| Some(text.to_owned()));
    query.end()?;
    if let Some(id) = id {
        let id = entity(kind.as_deref(), &id)?;
        let actor = Actor::from(&app.shop.actor(id).await?);
        return Ok(HttpResponse::Ok().json(ActorTree::One(actor)));
    }
    let wanted = tree.items.iter().filter(|actor| kind.as_ref().is_none_or(|kind| actor.kind == *kind));
    let items = wanted.map(ActorKind::from).collect();
    Ok(HttpResponse::Ok().json(ActorTree::All(Items { items })))
}

fn entity(kind: Option<&str>, id: &str) -> Result<EntityId, Problem> {
    let id = EntityId::parse(id).map_err(|_| Problem::not_found("actor"))?;
    let of_kind = kind.is_none_or(|kind| kind == id.kind.as_str());
    if of_kind { Ok(id) } else { Err(Problem::not_found("actor")) }
}

/// Takes an actor out of quarantine.
#[utoipa::path(
    post, path = "/v1/operations/actors/{kind}/{id}/revive", tag = "operations", operation_id = "reviveActor",
    security(("bearer" = ["OPERATOR"])),
    params(
        ("kind" = String, Path, example = "product"),
        ("id" = String, Path, example = "product_01kb3q5v8rf7k9x2m4n6p8q0st"),
    ),
    responses((status = 200, description = "Revived", body = Actor, headers(("Idempotency-Replayed")))),
)]
pub(crate) async fn revive(app: Data<App>, path: Path<(String, String)>, post: Post<Operator>) -> ApiResult {
    let (kind, id) = path.into_inner();
    let work = async { Ok(Actor::from(&app.shop.revive(entity(Some(&kind), &id)?).await?)) };
    respond_once(&app, post.context, HttpResponse::Ok(), work).await
}

/// Shows the simulator's own ledger; other providers have none.
#[utoipa::path(
    get, path = "/v1/operations/ledger", tag = "operations", operation_id = "showLedger",
    security(("bearer" = ["OPERATOR"])),
    responses((status = 200, description = "All entries", body = Items<LedgerEntry>)),
    extensions(("x-problems" = json!(["not-found"]))),
)]
pub(crate) async fn ledger(app: Data<App>, _: Operator) -> ApiResult {
    let entries = app.shop.ledger().ok_or_else(|| Problem::not_found("ledger"))?;
    let items = entries.into_iter().map(LedgerEntry::from).collect();
    Ok(HttpResponse::Ok().json(Items { items }))
}

/// Shows the state of the payment actor.
#[utoipa::path(
    get, path = "/v1/operations/payment", tag = "operations", operation_id = "showPaymentDesk",
    security(("bearer" = ["OPERATOR"])),
    responses((status = 200, description = "Breaker, permits and queue", body = PaymentActorState)),
)]
pub(crate) async fn payment(app: Data<App>, _: Operator) -> HttpResponse {
    HttpResponse::Ok().json(PaymentActorState::from(app.shop.payment_actor().await))
}

/// Mode of the circuit breaker.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SetBreaker {
    mode: BreakerMode,
}

/// Sets the mode of the circuit breaker: automatic, forced open, or disabled.
#[utoipa::path(
    put, path = "/v1/operations/payment/breaker", tag = "operations", operation_id = "setBreaker",
    security(("bearer" = ["OPERATOR"])),
    request_body = SetBreaker,
    responses((status = 200, description = "The new state", body = PaymentActorState)),
)]
pub(crate) async fn breaker(app: Data<App>, _: Operator, Json(body): Json<SetBreaker>) -> HttpResponse {
    app.shop.set_breaker(body.mode);
    HttpResponse::Ok().json(PaymentActorState::from(app.shop.payment_actor().await))
}

/// Destination of a backup.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct BackUp {
    /// Absolute path of a directory on the server's machine, new or empty.
    #[schema(min_length = 1, max_length = 1000, example = "/var/backups/saem/2026-11-25")]
    directory: String,
}

/// Copies all data as of one moment, while the server runs.
///
/// The response comes when the copy is complete and on disk, which may take minutes. The copy is made even if
/// the client disconnects; with an `Idempotency-Key`, the same call returns its result. The directory can be
/// served as it is (`store.path`), or copied to a new place by `saem restore`.
#[utoipa::path(
    post, path = "/v1/operations/backup", tag = "operations", operation_id = "backUp",
    security(("bearer" = ["OPERATOR"])),
    request_body = BackUp,
    responses((status = 200, description = "Complete", body = Backup, headers(("Idempotency-Replayed")))),
    extensions(("x-problems" = json!(["backup-refused", "backup-failed"]))),
)]
pub(crate) async fn back_up(app: Data<App>, post: Post<Operator, Json<BackUp>>) -> ApiResult {
    let mut rules = Rules::default();
    let directory = rules.line("/directory", &post.body.0.directory, 1, 1_000);
    let to = directory.as_deref().map(PathBuf::from).filter(|to| to.is_absolute());
    if directory.is_some() && to.is_none() {
        rules.broken("/directory", "must be an absolute path, beginning with /");
    }
    let (directory, to) = rules.all(directory.zip(to))?;
    // In a task of its own, so that the result is recorded even if the client disconnects.
    let made = async move {
        let work = async {
            let BackedUp { position, bytes } = app.shop.back_up(to).await?;
            Ok(Backup { directory, position: position.0, bytes })
        };
        respond_once(&app, post.context, HttpResponse::Ok(), work).await
    };
    let made = actix_web::rt::spawn(made.in_current_span());
    made.await.map_err(|_| Problem::new(ProblemKind::BackupFailed, "the backup failed"))?
}

/// A fault to inject.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Fault {
    target: FaultTarget,
    mode: FaultMode,
}

/// Makes an actor fail, for tests; only with `faults.enabled = true`.
#[utoipa::path(
    post, path = "/v1/operations/faults", tag = "operations", operation_id = "injectFault",
    security(("bearer" = ["OPERATOR"])),
    request_body = Fault,
    responses((status = 202, description = "Accepted", body = InjectedFault,
        headers(("Idempotency-Replayed")))),
    extensions(("x-problems" = json!(["not-found"]))),
)]
pub(crate) async fn fault(app: Data<App>, post: Post<Operator, Json<Fault>>) -> ApiResult {
    let Fault { target, mode } = post.body.0;
    let work = async {
        app.shop.inject_fault(&target.kind, target.id.as_deref(), mode).await?;
        Ok(InjectedFault { target, mode })
    };
    respond_once(&app, post.context, HttpResponse::Accepted(), work).await
}
