//! `/v1/operations/contexts` and `/v1/operations/held`: maintenance and parked targets.

use super::prelude::*;
use crate::{
    domain::context::{Context, ParkedKey},
    http::api::resources::{ChangedTarget, ContextState, ParkedTarget},
};

/// Lists all contexts.
#[utoipa::path(
    get, path = "/v1/operations/contexts", tag = "operations", operation_id = "listContexts",
    security(("bearer" = ["OPERATOR"])),
    responses((status = 200, description = "All contexts", body = Items<ContextState>)),
)]
pub(crate) async fn list(app: Data<App>, _: Operator) -> HttpResponse {
    let items = app.shop.contexts().iter().map(ContextState::from).collect();
    HttpResponse::Ok().json(Items { items })
}

fn named(name: &str) -> Result<Context, Problem> {
    Context::parse(name).ok_or_else(|| Problem::not_found("context"))
}

/// Pauses a context: its reactions wait, also across restarts.
#[utoipa::path(
    post, path = "/v1/operations/contexts/{context}/pause", tag = "operations", operation_id = "pauseContext",
    security(("bearer" = ["OPERATOR"])),
    params(("context" = Context, Path)),
    responses((status = 200, description = "Paused", body = ContextState,
        headers(("Saem-Position"), ("Idempotency-Replayed")))),
)]
pub(crate) async fn pause(app: Data<App>, name: Path<String>, post: Post<Operator>) -> ApiResult {
    let paused = app.shop.pause(named(&name)?, post.context).await?;
    Ok(respond::<ContextState, _>(HttpResponse::Ok(), &paused))
}

/// Resumes a context: reactions that waited run in order.
#[utoipa::path(
    post, path = "/v1/operations/contexts/{context}/resume", tag = "operations",
    operation_id = "resumeContext",
    security(("bearer" = ["OPERATOR"])),
    params(("context" = Context, Path)),
    responses((status = 200, description = "Resumed", body = ContextState,
        headers(("Saem-Position"), ("Idempotency-Replayed")))),
)]
pub(crate) async fn resume(app: Data<App>, name: Path<String>, post: Post<Operator>) -> ApiResult {
    let resumed = app.shop.resume(named(&name)?, post.context).await?;
    Ok(respond::<ContextState, _>(HttpResponse::Ok(), &resumed))
}

/// Lists the targets that were parked after repeated failures.
#[utoipa::path(
    get, path = "/v1/operations/held", tag = "operations", operation_id = "listHeld",
    security(("bearer" = ["OPERATOR"])),
    params(PageParameters),
    responses((status = 200, description = "A page of the list", body = List<ParkedTarget>)),
)]
pub(crate) async fn held(app: Data<App>, _: Operator, mut query: Query) -> ApiResult {
    let after = query.get("cursor", "must be a nextCursor of this list", ParkedKey::parse);
    let limit = query.page()?.limit;
    let held = app.shop.parked();
    let mut held = held.iter().filter(|held| after.is_none_or(|after| held.key > after));
    let part: Vec<_> = held.by_ref().take(limit).collect();
    let next_cursor = held.next().and(part.last()).map(|last| last.key.to_string());
    let items = part.into_iter().map(ParkedTarget::from).collect();
    Ok(HttpResponse::Ok().json(List { items, next_cursor }))
}

fn held_key(id: &str) -> Result<ParkedKey, Problem> {
    ParkedKey::parse(id).ok_or_else(|| Problem::not_found("held target"))
}

/// Retries what waits for a parked target, in order.
#[utoipa::path(
    post, path = "/v1/operations/held/{id}/retry", tag = "operations", operation_id = "retryHeld",
    security(("bearer" = ["OPERATOR"])),
    params(("id" = String, Path, example = "product.17.product_01kb3q5v8rf7k9x2m4n6p8q0st")),
    responses((status = 202, description = "Accepted", body = ChangedTarget,
        headers(("Idempotency-Replayed")))),
)]
pub(crate) async fn retry(app: Data<App>, id: Path<String>, post: Post<Operator>) -> ApiResult {
    let work = async {
        app.shop.retry_parked(held_key(&id)?)?;
        Ok(ChangedTarget { id: id.to_string() })
    };
    respond_once(&app, post.context, HttpResponse::Accepted(), work).await
}

/// Reason of a dismissal.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Dismiss {
    /// One line for the journal, without personal data.
    #[schema(min_length = 1, max_length = 200, example = "counted by hand and corrected")]
    reason: String,
}

/// Dismisses what waits for a parked target: it will never run.
#[utoipa::path(
    post, path = "/v1/operations/held/{id}/dismiss", tag = "operations", operation_id = "dismissHeld",
    security(("bearer" = ["OPERATOR"])),
    params(("id" = String, Path, example = "product.17.product_01kb3q5v8rf7k9x2m4n6p8q0st")),
    request_body = Dismiss,
    responses((status = 200, description = "Dismissed", body = ChangedTarget,
        headers(("Idempotency-Replayed")))),
)]
pub(crate) async fn dismiss(
    app: Data<App>,
    id: Path<String>,
    Post { context, body: Json(body), .. }: Post<Operator, Json<Dismiss>>,
) -> ApiResult {
    let mut rules = Rules::default();
    let reason = rules.line("/reason", &body.reason, 1, 200);
    let work = async {
        app.shop.dismiss_parked(held_key(&id)?, rules.all(reason)?, context).await?;
        Ok(ChangedTarget { id: id.to_string() })
    };
    respond_once(&app, context, HttpResponse::Ok(), work).await
}
