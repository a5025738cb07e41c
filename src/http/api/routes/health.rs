//! `/healthz` and `/readyz`: for whoever looks after the process.

use actix_web::{HttpResponse, web};

use crate::http::{
    App,
    api::resources::Health,
    problem::{Problem, ProblemKind},
};

/// Tells whether the process gets on: if it does not, only a new one helps.
#[utoipa::path(
    get, path = "/healthz", tag = "health", operation_id = "healthz",
    responses((status = 200, description = "It does", body = Health)),
    extensions(("x-problems" = json!(["not-alive"]))),
)]
pub(crate) async fn healthz(app: web::Data<App>) -> Result<HttpResponse, Problem> {
    let stuck = |what: String| Problem::new(ProblemKind::NotAlive, format!("no progress: {what}"));
    app.shop.alive().map_err(stuck)?;
    Ok(HttpResponse::Ok().json(Health { status: "ok" }))
}

/// Tells whether the server takes commands: not while it stops, or cannot commit.
#[utoipa::path(
    get, path = "/readyz", tag = "health", operation_id = "readyz",
    responses((status = 200, description = "It does", body = Health, example = json!({"status": "ready"}))),
    extensions(("x-problems" = json!(["not-ready"]))),
)]
pub(crate) async fn readyz(app: web::Data<App>) -> Result<HttpResponse, Problem> {
    if app.draining() {
        return Err(Problem::new(ProblemKind::NotReady, "the server is stopping"));
    }
    app.shop.alive().map_err(|_| Problem::new(ProblemKind::NotReady, "the process does not get on"))?;
    app.shop.ready().map_err(|_| Problem::new(ProblemKind::NotReady, "the store takes no commits"))?;
    Ok(HttpResponse::Ok().json(Health { status: "ready" }))
}
