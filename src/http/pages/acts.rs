//! What a customer does to a rental of theirs: cancels it, or pays it later.

use actix_web::{HttpResponse, web};
use maud::{Markup, html};

use super::{
    cards,
    layout::{Instead, OrPage as _, Page, Place, hidden, see_other},
    my::{find, may_cancel, show},
    session::{Filled, Visitor},
    trouble::{Told, told},
};
use crate::{
    actors::shop::{PayOutcome, Row},
    domain::rental::CancelReason,
    http::{App, problem::Problem, problem_kinds::Kind},
};

/// Asks whether a rental is really to be canceled.
pub async fn ask_cancel(
    app: web::Data<App>,
    visitor: Visitor,
    id: web::Path<String>,
) -> Result<HttpResponse, Instead> {
    let row = find(&app, &visitor, &id).await?;
    if !may_cancel(&row) {
        return Ok(see_other(&format!("/my/rentals/{}", row.rental_id)));
    }
    let content = html! {
        div class="wide narrow stack" {
            h1 { (visitor.t("렌탈을 취소할까요?", "Cancel this rental?")) }
            div class="card stack" {
                p { b { (row.product_name) } " · " span class="num" { (visitor.lang.won(row.fee)) } }
                p { (visitor.t(
                    "취소하면 배송이 중단되고 결제하신 금액은 모두 환불됩니다. 취소는 되돌릴 수 없습니다.",
                    "The delivery stops, and whatever you paid is refunded in full. This cannot be undone.",
                )) }
                div class="row" {
                    form method="post" action={ "/my/rentals/" (row.rental_id) "/cancel" } data-once {
                        (hidden(&visitor))
                        button class="button danger" { (visitor.t("네, 취소합니다", "Yes, cancel it")) }
                    }
                    a class="button quiet" href={ "/my/rentals/" (row.rental_id) } { (visitor.t(
                        "아니요, 그대로 둘게요",
                        "No, keep it",
                    )) }
                }
            }
        }
    };
    let title = visitor.t("렌탈 취소", "Cancel a rental");
    Ok(Page { visitor: &visitor, place: Place::MyPage, title, script: Some("form.js"), content }.show())
}

/// Cancels a rental.
pub async fn cancel(
    app: web::Data<App>,
    id: web::Path<String>,
    filled: Filled,
) -> Result<HttpResponse, Instead> {
    let Filled { visitor, because, .. } = filled;
    let row = find(&app, &visitor, &id).await?;
    app.shop.cancel_rental(row.rental_id, CancelReason::Customer, because).await.or_page(&visitor)?;
    Ok(see_other(&format!("/my/rentals/{}", row.rental_id)))
}

/// The form to pay a rental by that waits for it.
pub(super) fn pay_form(app: &App, visitor: &Visitor, row: &Row) -> Markup {
    html! {
        form id="pay" class="card stack" method="post" data-once
            action={ "/my/rentals/" (row.rental_id) "/pay" } {
            h2 { (visitor.t("결제하기", "Pay")) }
            (hidden(visitor))
            input type="hidden" name="key" value=(app.shop.nonce());
            (cards::choice(app, visitor, "", None))
            button class="button full" {
                span class="num" { (visitor.lang.won(row.fee)) } " " (visitor.t("지금 결제하기", "· pay now"))
            }
        }
    }
}

/// Pays a rental that waits for it.
pub async fn pay(
    app: web::Data<App>,
    id: web::Path<String>,
    filled: Filled,
) -> Result<HttpResponse, Instead> {
    let Filled { visitor, because, fields } = filled;
    let row = find(&app, &visitor, &id).await?;
    let paid = match cards::chosen(&fields) {
        Some(method) => app.shop.pay_rental(row.rental_id, method, because).await.map_err(Problem::from),
        None => Err(Problem::new(Kind::InvalidRequest, "no card was chosen")),
    };
    let problem = match paid.map(|placed| placed.outcome) {
        Ok(PayOutcome::Confirmed) => {
            return Ok(see_other(&format!("/my/rentals/{}?new", row.rental_id)));
        }
        // It may have been charged: what is said must be true then, too.
        Ok(PayOutcome::Deferred { .. }) => Problem::new(Kind::PaymentInProgress, ""),
        Ok(PayOutcome::Declined { .. }) => {
            let title = visitor.t("카드 승인이 거절되었습니다", "Your card was declined");
            let text = visitor.t(
                "결제되지 않았습니다. 예약은 그대로이니 다른 카드로 결제해 주세요.",
                "Nothing was charged. Your order is kept; please pay with another card.",
            );
            let row = find(&app, &visitor, &id).await?;
            let page = show(&app, &visitor, &row, false, Some(Told { title, text })).await?;
            return Ok(page.show_as(Kind::PaymentDeclined.status()));
        }
        Ok(PayOutcome::Canceled) => Problem::new(Kind::RentalCanceled, ""),
        Ok(PayOutcome::Unavailable { .. }) => Problem::new(Kind::PaymentUnavailable, ""),
        Err(problem) => problem,
    };
    let row = find(&app, &visitor, &id).await?;
    let page = show(&app, &visitor, &row, false, Some(told(visitor.lang, &problem))).await?;
    Ok(page.show_as(problem.kind.status()))
}
