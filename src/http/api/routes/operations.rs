//! `/v1/operations`: the works, the payment actor, the simulator's ledger, and faults on purpose.

use std::path::Path;

use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};
use tracing::Instrument as _;
use utoipa::ToSchema;

use crate::{
    domain::EntityId,
    http::{
        App,
        api::{
            extract::{Query, Rules},
            json::Json,
            post::{Post, respond_once},
            resources::{Actor, ActorKind, Backup, FaultTarget, Faulted, Items, LedgerEntry, PaymentDesk},
        },
        auth::Operator,
        problem::{Problem, ProblemKind},
    },
    shop::BreakerMode,
    store::{BackedUp, FaultMode},
};

/// The supervision tree, or one actor of it.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum ActorTree {
    /// Every kind of actor.
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
        ("kind" = Option<String>, Query, description = "Only this kind", example = "rental"),
        ("id" = Option<String>, Query, description = "Only this entity's actor: `rental_…`, `product_…`"),
    ),
    responses((status = 200, description = "The tree, or one actor", body = ActorTree)),
    extensions(("x-problems" = json!(["not-found"]))),
)]
pub(crate) async fn actors(
    app: web::Data<App>,
    _: Operator,
    mut query: Query,
) -> Result<HttpResponse, Problem> {
    let tree = app.shop.actors().await?;
    let known =
        |text: &str| tree.items.iter().find(|actor| actor.kind == text).map(|actor| actor.kind.clone());
    let kind = query.get("kind", "must be a kind of actor, as the whole tree shows them", known);
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
pub(crate) async fn revive(
    app: web::Data<App>,
    path: web::Path<(String, String)>,
    Post { context, .. }: Post<Operator>,
) -> Result<HttpResponse, Problem> {
    let (kind, id) = path.into_inner();
    let work = async { Ok(Actor::from(&app.shop.revive(entity(Some(&kind), &id)?).await?)) };
    respond_once(&app, context, HttpResponse::Ok(), work).await
}

/// Shows the simulator's own ledger; there is none with another provider.
#[utoipa::path(
    get, path = "/v1/operations/ledger", tag = "operations", operation_id = "showLedger",
    security(("bearer" = ["OPERATOR"])),
    responses((status = 200, description = "All of it", body = Items<LedgerEntry>)),
    extensions(("x-problems" = json!(["not-found"]))),
)]
pub(crate) async fn ledger(app: web::Data<App>, _: Operator) -> Result<HttpResponse, Problem> {
    let entries = app.shop.ledger().ok_or_else(|| Problem::not_found("ledger"))?;
    let items = entries.into_iter().map(LedgerEntry::from).collect();
    Ok(HttpResponse::Ok().json(Items { items }))
}

/// Shows how the payment actor is doing.
#[utoipa::path(
    get, path = "/v1/operations/payment", tag = "operations", operation_id = "showPaymentDesk",
    security(("bearer" = ["OPERATOR"])),
    responses((status = 200, description = "Breaker, permits, queue", body = PaymentDesk)),
)]
pub(crate) async fn payment(app: web::Data<App>, _: Operator) -> HttpResponse {
    HttpResponse::Ok().json(PaymentDesk::from(app.shop.payment_actor().await))
}

/// Who is to decide.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SetBreaker {
    mode: BreakerMode,
}

/// Decides who opens the circuit breaker: itself, or the operator.
#[utoipa::path(
    put, path = "/v1/operations/payment/breaker", tag = "operations", operation_id = "setBreaker",
    security(("bearer" = ["OPERATOR"])),
    request_body = SetBreaker,
    responses((status = 200, description = "As it is now", body = PaymentDesk)),
)]
pub(crate) async fn breaker(app: web::Data<App>, _: Operator, Json(body): Json<SetBreaker>) -> HttpResponse {
    app.shop.set_breaker(body.mode);
    HttpResponse::Ok().json(PaymentDesk::from(app.shop.payment_actor().await))
}

/// Where a backup goes.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct BackUp {
    /// A directory of the server's machine, by its whole path: new, or empty.
    #[schema(min_length = 1, max_length = 1000, example = "/var/backups/saem/2026-11-25")]
    directory: String,
}

/// Copies all data, as of one moment, while the server goes on.
///
/// The answer comes when the copy is complete and on disk, which may take minutes. It is made whether or not
/// the client waits; with an `Idempotency-Key`, the same call again tells how it ended. The directory can be
/// served as it is (`store.path`), or copied to a new place by `saem restore`.
#[utoipa::path(
    post, path = "/v1/operations/backup", tag = "operations", operation_id = "backUp",
    security(("bearer" = ["OPERATOR"])),
    request_body = BackUp,
    responses((status = 200, description = "Complete", body = Backup, headers(("Idempotency-Replayed")))),
    extensions(("x-problems" = json!(["backup-refused", "backup-failed"]))),
)]
pub(crate) async fn back_up(
    app: web::Data<App>,
    Post { context, body: Json(BackUp { directory }), .. }: Post<Operator, Json<BackUp>>,
) -> Result<HttpResponse, Problem> {
    let mut rules = Rules::default();
    let directory = rules.line("/directory", &directory, 1, 1_000);
    let to = directory.as_deref().map(Path::new).filter(|to| to.is_absolute()).map(Path::to_owned);
    if directory.is_some() && to.is_none() {
        rules.broken("/directory", "must be a whole path, beginning with /");
    }
    let (directory, to) = rules.all(directory.zip(to))?;
    // A task of its own, so that its outcome is remembered though the client may be gone.
    let made = async move {
        let work = async {
            let BackedUp { position, bytes } = app.shop.back_up(to).await?;
            Ok(Backup { directory, position: position.0, bytes })
        };
        respond_once(&app, context, HttpResponse::Ok(), work).await
    };
    let made = actix_web::rt::spawn(made.in_current_span());
    made.await.map_err(|_| Problem::new(ProblemKind::BackupFailed, "the backup failed"))?
}

/// What is to go wrong.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Fault {
    target: FaultTarget,
    mode: FaultMode,
}

/// Makes an actor fail, to see what happens; only with `faults.enabled = true`.
#[utoipa::path(
    post, path = "/v1/operations/faults", tag = "operations", operation_id = "injectFault",
    security(("bearer" = ["OPERATOR"])),
    request_body = Fault,
    responses((status = 202, description = "On its way", body = Faulted, headers(("Idempotency-Replayed")))),
    extensions(("x-problems" = json!(["not-found"]))),
)]
pub(crate) async fn fault(
    app: web::Data<App>,
    Post { context, body: Json(Fault { target, mode }), .. }: Post<Operator, Json<Fault>>,
) -> Result<HttpResponse, Problem> {
    let work = async {
        app.shop.inject_fault(&target.kind, target.id.as_deref(), mode).await?;
        Ok(Faulted { target, mode })
    };
    respond_once(&app, context, HttpResponse::Accepted(), work).await
}
