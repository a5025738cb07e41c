//! `/v1/mypage` and `/v1/notifications`: what a customer watches.

use actix_web::{HttpResponse, web};

use crate::{
    domain::RentalId,
    http::{
        App,
        auth::{AnyRole, Customer},
        extract::{Query, ReadAfter},
        json,
        problem::Problem,
    },
};

/// Lists a customer's rows, newest first.
///
/// # Errors
/// 400, 401, 403
pub async fn list(
    app: web::Data<App>,
    Customer(customer): Customer,
    ReadAfter(position): ReadAfter,
    mut query: Query,
) -> Result<HttpResponse, Problem> {
    let page = query.page();
    query.end()?;
    app.caught_up(position).await;
    Ok(HttpResponse::Ok().json(json::page(&app.shop.my_page(customer, &page).await?, json::row)))
}

/// Shows the row of a rental.
///
/// # Errors
/// 401, 403, 404
pub async fn get(
    app: web::Data<App>,
    Customer(customer): Customer,
    ReadAfter(position): ReadAfter,
    id: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let id = RentalId::parse(&id).map_err(|_| Problem::not_found("rental"))?;
    app.caught_up(position).await;
    let row = app.shop.my_page_row(id).await?;
    AnyRole(crate::actors::shop::Principal::Customer(customer)).may_see(row.customer_id, "rental")?;
    Ok(HttpResponse::Ok().json(json::row(&row)))
}

/// Lists messages, newest first: a customer's own, or all.
///
/// # Errors
/// 400, 401
pub async fn notifications(
    app: web::Data<App>,
    role: AnyRole,
    mut query: Query,
) -> Result<HttpResponse, Problem> {
    let page = query.page();
    query.end()?;
    let messages = app.shop.notifications(role.customer(), &page).await?;
    Ok(HttpResponse::Ok().json(json::page(&messages, json::notification)))
}
