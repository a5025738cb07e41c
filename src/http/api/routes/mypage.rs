//! `/v1/mypage` and `/v1/notifications`: a customer's rentals and messages.

use super::prelude::*;
use crate::{domain::RentalId, http::api::extract::ReadAfter, shop::Principal};

/// Lists the rows of My Page, newest rental first.
#[utoipa::path(
    get, path = "/v1/mypage", tag = "my page", operation_id = "listMyPage",
    security(("bearer" = ["CUSTOMER"])),
    params(PageParameters, ReadAfter),
    responses((status = 200, description = "A page of the list", body = List<resources::MyPageRow>)),
)]
pub(crate) async fn list(
    app: Data<App>,
    Customer(id): Customer,
    after: ReadAfter,
    query: Query,
) -> ApiResult {
    let page = query.page()?;
    app.caught_up(after.position).await;
    let rows = app.shop.my_page(id, &page).await?;
    Ok(HttpResponse::Ok().json(List::<resources::MyPageRow>::of(&rows)))
}

/// Shows a rental's row of My Page.
#[utoipa::path(
    get, path = "/v1/mypage/{rentalId}", tag = "my page", operation_id = "showMyPageRow",
    security(("bearer" = ["CUSTOMER"])),
    params(("rentalId" = RentalId, Path), ReadAfter),
    responses((status = 200, description = "The row", body = resources::MyPageRow)),
)]
pub(crate) async fn get(
    app: Data<App>,
    Customer(customer): Customer,
    after: ReadAfter,
    id: Path<String>,
) -> ApiResult {
    let id = RentalId::parse(&id).map_err(|_| Problem::not_found("rental"))?;
    app.caught_up(after.position).await;
    let row = app.shop.my_page_row(id).await?;
    AnyRole(Principal::Customer(customer)).may_see(row.customer_id, "rental")?;
    Ok(HttpResponse::Ok().json(resources::MyPageRow::from(&row)))
}

/// Lists text messages, newest first: a customer's own, or all for the operator.
#[utoipa::path(
    get, path = "/v1/notifications", tag = "my page", operation_id = "listNotifications",
    security(("bearer" = ["CUSTOMER", "OPERATOR"])),
    params(PageParameters),
    responses((status = 200, description = "A page of the list", body = List<resources::Notification>)),
)]
pub(crate) async fn notifications(app: Data<App>, role: AnyRole, query: Query) -> ApiResult {
    let page = query.page()?;
    let messages = app.shop.notifications(role.customer(), &page).await?;
    Ok(HttpResponse::Ok().json(List::<resources::Notification>::of(&messages)))
}
