//! What a customer does to a rental of theirs: cancels it, or pays it later.

use actix_web::{HttpResponse, http::StatusCode, web};
use maud::{Markup, html};

use super::{Banner, find, may_cancel, show};
use crate::{
    domain::rental::{CancelReason, RentalStatus},
    http::{
        App,
        pages::{
            assets,
            form::Form,
            layout::{Page, Section, hidden},
            response::{PageError, see_other},
            shop::cards,
            text::problems::{ErrorText, error_text},
            visitor::Visitor,
        },
        problem::{Problem, ProblemKind},
    },
    shop::{PayOutcome, RentalRow},
};

/// Asks whether a rental is really to be canceled.
pub(crate) async fn ask_cancel(
    app: web::Data<App>,
    visitor: Visitor,
    id: web::Path<String>,
) -> Result<HttpResponse, PageError> {
    let row = find(&app, &visitor, &id).await?;
    if row.rental_status == RentalStatus::Canceled {
        return Ok(see_other(&format!("/my/rentals/{}", row.rental_id)));
    }
    if !may_cancel(&row) {
        return too_late(&app, &visitor, &row, &Problem::new(ProblemKind::RentalNotCancelable, "")).await;
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
                        "아니요, 유지합니다",
                        "No, keep it",
                    )) }
                }
            }
        }
    };
    let title = visitor.t("렌탈 취소", "Cancel a rental");
    Ok(Page { visitor: &visitor, section: Section::MyPage, title, script: Some("form.js"), content }.show())
}

/// Cancels a rental.
pub(crate) async fn cancel(
    app: web::Data<App>,
    id: web::Path<String>,
    filled: Form,
) -> Result<HttpResponse, PageError> {
    let Form { visitor, context, .. } = filled;
    let row = find(&app, &visitor, &id).await?;
    let canceled = app.shop.cancel_rental(row.rental_id, CancelReason::Customer, context).await;
    let Err(error) = canceled else {
        return Ok(see_other(&format!("/my/rentals/{}", row.rental_id)));
    };
    // Too late, as likely as not: the rental shows what happened to it.
    let (problem, row) = (Problem::from(error), find(&app, &visitor, &id).await?);
    too_late(&app, &visitor, &row, &problem).await
}

/// The rental as it is, under why it is not canceled.
async fn too_late(
    app: &App,
    visitor: &Visitor,
    row: &RentalRow,
    problem: &Problem,
) -> Result<HttpResponse, PageError> {
    let page = show(app, visitor, row, Banner::Wrong(error_text(visitor.lang, problem))).await?;
    Ok(page.show_as(problem.kind.status()))
}

/// The form to pay a rental by that waits for it.
pub(crate) fn pay_form(app: &App, visitor: &Visitor, row: &RentalRow) -> Markup {
    html! {
        form id="pay" class="card stack" method="post" data-once
            action={ "/my/rentals/" (row.rental_id) "/pay" } {
            h2 { (visitor.t("결제하기", "Pay")) }
            (hidden(visitor))
            input type="hidden" name="key" value=(app.shop.nonce());
            (cards::choice(app, visitor, "", None))
            // A script opens it when the time has come, and says when; without one it is always open.
            p id="pay-wait" class="small soft num" hidden {}
            button class="button full" data-payable {
                span class="num" { (visitor.lang.won(row.fee)) } " " (visitor.t("지금 결제하기", "· pay now"))
            }
        }
        script src=(assets::url("form.js")) defer {}
    }
}

/// The rental as it is now, to be paid again after `ms`, if it waits for its payment.
async fn after(app: &App, visitor: &Visitor, id: &str, ms: Option<u64>) -> Result<RentalRow, PageError> {
    let mut row = find(app, visitor, id).await?;
    if let Some(ms) = ms
        && row.rental_status == RentalStatus::PaymentDeferred
    {
        row.payment_retry_at = row.payment_retry_at.max(Some(app.shop.now().plus_ms(ms)));
    }
    Ok(row)
}

/// Pays a rental that waits for it.
pub(crate) async fn pay(
    app: web::Data<App>,
    id: web::Path<String>,
    filled: Form,
) -> Result<HttpResponse, PageError> {
    let Form { visitor, context, fields } = filled;
    let row = find(&app, &visitor, &id).await?;
    let paid = match cards::chosen(&fields) {
        Some(method) => app.shop.pay_rental(row.rental_id, method, context).await.map_err(Problem::from),
        None => Err(Problem::new(ProblemKind::InvalidRequest, "no card was chosen")),
    };
    let problem = match paid.map(|placed| placed.outcome) {
        Ok(PayOutcome::Confirmed) => {
            return Ok(see_other(&format!("/my/rentals/{}?new", row.rental_id)));
        }
        Ok(PayOutcome::Deferred { retry_after_ms }) => {
            let row = after(&app, &visitor, &id, Some(retry_after_ms)).await?;
            if row.rental_status != RentalStatus::PaymentDeferred {
                return Ok(see_other(&format!("/my/rentals/{}?new", row.rental_id)));
            }
            let page = show(&app, &visitor, &row, Banner::NotYet(not_yet(&visitor))).await?;
            return Ok(page.show_as(StatusCode::ACCEPTED));
        }
        Ok(PayOutcome::Declined { .. }) => {
            let title = visitor.t("카드 승인이 거절되었습니다", "Your card was declined");
            let text = visitor.t(
                "결제되지 않았습니다. 신청은 그대로 남아 있으니 다른 카드로 결제해 주세요.",
                "Nothing was charged. Your order is kept; please pay with another card.",
            );
            let row = find(&app, &visitor, &id).await?;
            let page = show(&app, &visitor, &row, Banner::Wrong(ErrorText { title, text })).await?;
            return Ok(page.show_as(ProblemKind::PaymentDeclined.status()));
        }
        Ok(PayOutcome::Canceled) => Problem::new(ProblemKind::RentalCanceled, ""),
        Ok(PayOutcome::Unavailable { .. }) => Problem::new(ProblemKind::PaymentUnavailable, ""),
        Err(problem) => problem,
    };
    let row = after(&app, &visitor, &id, problem.retry_after_ms).await?;
    let page = show(&app, &visitor, &row, Banner::Wrong(error_text(visitor.lang, &problem))).await?;
    Ok(page.show_as(problem.kind.status()))
}

/// That it waits for its payment still. It may have been charged: what is said is true then, too.
const fn not_yet(visitor: &Visitor) -> ErrorText {
    ErrorText {
        title: visitor.t("아직 결제를 마치지 못했습니다", "The payment has not gone through yet"),
        text: visitor.t(
            "카드사와 연결이 아직 원활하지 않습니다. 조금 뒤에 다시 결제해 주세요. 방금 한 결제가 뒤늦게 승인되더라도 중복 \
             결제되지 않습니다.",
            "The bank still cannot be reached. Please pay again a little later. Should this try be approved \
             after all, you are not charged twice.",
        ),
    }
}
