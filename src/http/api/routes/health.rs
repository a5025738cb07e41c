//! `/healthz` and `/readyz`: health of the process, for monitoring.

use actix_web::{HttpResponse, web};

use crate::http::{
    App,
    api::resources::Health,
    problem::{Problem, ProblemKind},
};

/// Checks that the process makes progress; if it does not, only a restart helps.
#[utoipa::path(
    get, path = "/healthz", tag = "health", operation_id = "healthz",
    responses((status = 200, description = "The process makes progress", body = Health)),
    extensions(("x-problems" = json!(["not-alive"]))),
)]
pub(crate) async fn healthz(app: web::Data<App>) -> Result<HttpResponse, Problem> {
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
pub(crate) async fn readyz(app: web::Data<App>) -> Result<HttpResponse, Problem> {
    if app.draining() {
        return Err(Problem::new(ProblemKind::NotReady, "the server is stopping"));
    }
    app.shop.alive().map_err(|_| Problem::new(ProblemKind::NotReady, "the process makes no progress"))?;
    app.shop.ready().map_err(|_| Problem::new(ProblemKind::NotReady, "the store accepts no commits"))?;
    Ok(HttpResponse::Ok().json(Health { status: "ready" }))
}
