//! `/healthz` and `/readyz`: health of the process, for monitoring.

use super::prelude::*;
use crate::http::api::resources::Health;

/// Checks that the process makes progress; if it does not, only a restart helps.
#[utoipa::path(
    get, path = "/healthz", tag = "health", operation_id = "healthz",
    responses((status = 200, description = "The process makes progress", body = Health)),
    extensions(("x-problems" = json!(["not-alive"]))),
)]
pub(crate) async fn healthz(app: Data<App>) -> ApiResult {
    let stuck = |what: String| Problem::new(ProblemKind::NotAlive, format!("no progress: {what}"));
    app.shop.alive().map_err(stuck)?;
    Ok(HttpResponse::Ok().json(Health { status: "ok" }))
}

/// Checks that the server accepts commands: it is not stopping, and it can commit.
#[utoipa::path(
    get, path = "/readyz", tag = "health", operation_id = "readyz",
    responses((status = 200, description = "The server accepts commands",
        body = Health, example = json!({"status": "ready"}))),
    extensions(("x-problems" = json!(["not-ready"]))),
)]
pub(crate) async fn readyz(app: Data<App>) -> ApiResult {
    if app.draining() {
        return Err(Problem::new(ProblemKind::NotReady, "the server is stopping"));
    }
    app.shop.alive().map_err(|_| Problem::new(ProblemKind::NotReady, "the process makes no progress"))?;
    app.shop.ready().map_err(|_| Problem::new(ProblemKind::NotReady, "the store accepts no commits"))?;
    Ok(HttpResponse::Ok().json(Health { status: "ready" }))
}
