//! `/v1/payments`: shown to customers and the operator.

use super::prelude::*;
use crate::{
    domain::{PaymentId, RentalId},
    shop::{Page, RentalFilter, ShopError},
};

/// Shows a payment.
#[utoipa::path(
    get, path = "/v1/payments/{id}", tag = "payments", operation_id = "showPayment",
    security(("bearer" = ["CUSTOMER", "OPERATOR"])),
    params(("id" = PaymentId, Path)),
    responses((status = 200, description = "The payment", body = resources::Payment)),
)]
pub(crate) async fn get(app: Data<App>, role: AnyRole, id: Path<String>) -> ApiResult {
    let id = PaymentId::parse(&id).map_err(|_| Problem::not_found("payment"))?;
    let payment = app.shop.payment(id).await?;
    role.may_see(payment.customer_id, "payment")?;
    Ok(HttpResponse::Ok().json(resources::Payment::from(&payment)))
}

/// Lists payments, newest first: a customer's own, or all for the operator; or the one of a rental.
#[utoipa::path(
    get, path = "/v1/payments", tag = "payments", operation_id = "listPayments",
    security(("bearer" = ["CUSTOMER", "OPERATOR"])),
    params(("rentalId" = Option<RentalId>, Query,
        description = "Only the payment of this rental"), PageParameters),
    responses((status = 200, description = "A page of the list", body = List<resources::Payment>)),
)]
pub(crate) async fn list(app: Data<App>, role: AnyRole, mut query: Query) -> ApiResult {
    let rental = query.get("rentalId", "must be a rental's id", |text| RentalId::parse(text).ok());
    let page = query.page()?;
    let payments = match rental {
        Some(rental) => {
            let payment = match app.shop.payment(rental.payment()).await {
                Err(ShopError::NotFound(_)) => None,
                payment => Some(payment?),
            };
            let seen = payment.filter(|payment| role.may_see(payment.customer_id, "payment").is_ok());
            Page { items: seen.into_iter().collect(), next_cursor: None }
        }
        None => {
            let filter = RentalFilter { customer_id: role.customer(), ..RentalFilter::default() };
            app.shop.payments(filter, &page).await?
        }
    };
    Ok(HttpResponse::Ok().json(List::<resources::Payment>::of(&payments)))
}
