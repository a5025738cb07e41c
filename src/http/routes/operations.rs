//! `/v1/operations`, `/healthz`, `/readyz`: the operator's view of the works.

use actix_web::{HttpResponse, web};
use serde::Deserialize;
use serde_json::json as value;

use crate::{
    actors::{ask::FaultMode, shop::BreakerMode},
    domain::{
        EntityId,
        context::{Context, HeldKey},
    },
    http::{
        App,
        auth::Operator,
        correlation::Cause,
        extract::{Body, Query, Rules},
        json,
        problem::Problem,
        problem_kinds::Kind,
    },
};

/// Shows the supervision tree, or one actor.
///
/// # Errors
/// 400, 401, 403, 404
pub async fn actors(app: web::Data<App>, _: Operator, mut query: Query) -> Result<HttpResponse, Problem> {
    let kind = query.get("kind", "must be a kind of actor", |text| Some(text.to_owned()));
    let id = query.get("id", "must be an id", |text| Some(text.to_owned()));
    query.end()?;
    if let Some(id) = id {
        let id = entity(kind.as_deref(), &id)?;
        return Ok(HttpResponse::Ok().json(app.shop.actor(id).await?));
    }
    let mut tree = app.shop.actors().await?;
    tree.items.retain(|actor| kind.as_ref().is_none_or(|kind| actor.kind == *kind));
    Ok(HttpResponse::Ok().json(tree))
}

fn entity(kind: Option<&str>, id: &str) -> Result<EntityId, Problem> {
    let id = EntityId::parse(id).map_err(|_| Problem::not_found("actor"))?;
    let of_kind = kind.is_none_or(|kind| kind == id.kind.as_str());
    if of_kind { Ok(id) } else { Err(Problem::not_found("actor")) }
}

/// Takes an actor out of quarantine.
///
/// # Errors
/// 401, 403, 404
pub async fn revive(
    app: web::Data<App>,
    _: Operator,
    path: web::Path<(String, String)>,
) -> Result<HttpResponse, Problem> {
    let (kind, id) = path.into_inner();
    Ok(HttpResponse::Ok().json(app.shop.revive(entity(Some(&kind), &id)?).await?))
}

/// Shows every context.
///
/// # Errors
/// 401, 403
pub async fn contexts(app: web::Data<App>, _: Operator) -> Result<HttpResponse, Problem> {
    let items: Vec<_> = app.shop.contexts().iter().map(json::context).collect();
    Ok(HttpResponse::Ok().json(value!({"items": items})))
}

fn context(name: &str) -> Result<Context, Problem> {
    Context::parse(name).ok_or_else(|| Problem::not_found("context"))
}

/// Lets a context's reactions wait.
///
/// # Errors
/// 401, 403, 404
pub async fn pause(
    app: web::Data<App>,
    _: Operator,
    Cause(because): Cause,
    name: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    Ok(HttpResponse::Ok().json(json::context(&app.shop.pause(context(&name)?, because).await?.value)))
}

/// Lets them go on, in order.
///
/// # Errors
/// 401, 403, 404
pub async fn resume(
    app: web::Data<App>,
    _: Operator,
    Cause(because): Cause,
    name: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    Ok(HttpResponse::Ok().json(json::context(&app.shop.resume(context(&name)?, because).await?.value)))
}

/// Shows what is held.
///
/// # Errors
/// 401, 403
pub async fn held(app: web::Data<App>, _: Operator) -> Result<HttpResponse, Problem> {
    let items: Vec<_> = app.shop.held().iter().map(json::held).collect();
    Ok(HttpResponse::Ok().json(value!({"items": items, "nextCursor": null})))
}

fn held_key(id: &str) -> Result<HeldKey, Problem> {
    HeldKey::parse(id).ok_or_else(|| Problem::not_found("held target"))
}

/// Has what waits for a held target tried again, in order.
///
/// # Errors
/// 401, 403, 404
pub async fn retry(app: web::Data<App>, _: Operator, id: web::Path<String>) -> Result<HttpResponse, Problem> {
    app.shop.retry_held(held_key(&id)?)?;
    Ok(HttpResponse::Accepted().json(value!({"id": id.as_str()})))
}

/// `POST /v1/operations/held/{id}/dismiss`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dismiss {
    reason: String,
}

/// Gives up what waits for a held target.
///
/// # Errors
/// 400, 401, 403, 404
pub async fn dismiss(
    app: web::Data<App>,
    _: Operator,
    Cause(because): Cause,
    id: web::Path<String>,
    body: Body<Dismiss>,
) -> Result<HttpResponse, Problem> {
    let mut rules = Rules::default();
    let reason = rules.line("/reason", &body.value.reason, 1, 200);
    app.shop.dismiss_held(held_key(&id)?, rules.all(reason)?, because).await?;
    Ok(HttpResponse::Ok().json(value!({"id": id.as_str()})))
}

/// Shows the simulator's own ledger.
///
/// # Errors
/// 401, 403; 404 with another provider
pub async fn ledger(app: web::Data<App>, _: Operator) -> Result<HttpResponse, Problem> {
    let entries = app.shop.ledger().ok_or_else(|| Problem::not_found("ledger"))?;
    Ok(HttpResponse::Ok().json(value!({"items": entries})))
}

/// Shows how the payment actor is doing.
///
/// # Errors
/// 401, 403
pub async fn payment(app: web::Data<App>, _: Operator) -> Result<HttpResponse, Problem> {
    Ok(HttpResponse::Ok().json(app.shop.payment_desk().await))
}

/// `PUT /v1/operations/payment/breaker`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetBreaker {
    mode: BreakerMode,
}

/// Lets somebody else decide whether the breaker is open.
///
/// # Errors
/// 400, 401, 403
pub async fn breaker(
    app: web::Data<App>,
    _: Operator,
    body: Body<SetBreaker>,
) -> Result<HttpResponse, Problem> {
    app.shop.set_breaker(body.value.mode);
    Ok(HttpResponse::Ok().json(app.shop.payment_desk().await))
}

/// `POST /v1/operations/faults`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    target: Target,
    mode: FaultMode,
}

/// Who is to fail.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Target {
    kind: String,
    id: Option<String>,
}

/// Makes an actor fail, to see what happens.
///
/// # Errors
/// 400, 401, 403; 404 unless `faults.enabled`
pub async fn fault(app: web::Data<App>, _: Operator, body: Body<Fault>) -> Result<HttpResponse, Problem> {
    let Fault { target: Target { kind, id }, mode } = body.value;
    app.shop.inject_fault(&kind, id.as_deref(), mode)?;
    Ok(HttpResponse::Accepted().json(value!({"target": {"kind": kind, "id": id}, "mode": mode})))
}

/// Whether the process is alive.
pub async fn healthz() -> HttpResponse {
    HttpResponse::Ok().json(value!({"status": "ok"}))
}

/// Whether it takes commands.
///
/// # Errors
/// 503
pub async fn readyz(app: web::Data<App>) -> Result<HttpResponse, Problem> {
    if app.draining() {
        return Err(Problem::new(Kind::NotReady, "the server is stopping"));
    }
    app.shop.ready().map_err(|_| Problem::new(Kind::NotReady, "the store takes no commits"))?;
    Ok(HttpResponse::Ok().json(value!({"status": "ready"})))
}
