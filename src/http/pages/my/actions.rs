//! Actions of a customer on a rental: cancel it, or pay for it later.

use actix_web::http::StatusCode;

use super::{Banner, find, may_cancel, show};
use crate::{
    domain::rental::{CancelReason, RentalStatus},
    http::pages::{admin::Question, assets, prelude::*, shop::cards},
    shop::{PayOutcome, RentalRow},
};

pub(crate) async fn ask_cancel(app: Data<App>, visitor: Visitor, id: Path<String>) -> PageResult {
    let row = find(&app, &visitor, &id).await?;
    if row.rental_status == RentalStatus::Canceled {
        return Ok(see_other(&format!("/my/rentals/{}", row.rental_id)));
    }
    if !may_cancel(row.rental_status) {
        return failed(&app, &visitor, &row, &Problem::new(ProblemKind::RentalNotCancelable, "")).await;
    }
    let at = format!("/my/rentals/{}", row.rental_id);
    let question = Question {
        title: visitor.t("렌탈을 취소할까요?", "Cancel this rental?"),
        about: &format!("{} · {}", row.product_name, visitor.lang.won(row.fee)),
        consequences: &[visitor.t(
            "취소하면 배송이 중단되고 결제하신 금액은 모두 환불됩니다. 취소는 되돌릴 수 없습니다.",
            "The delivery stops, and any amount paid is refunded in full. This cannot be undone.",
        )],
        to: &format!("{at}/cancel"),
        yes: visitor.t("네, 취소합니다", "Yes, cancel it"),
        no: visitor.t("아니요, 유지합니다", "No, keep it"),
        back: &at,
    };
    let content = html! { div class="wide narrow stack" { (question.card(&visitor)) } };
    let title = visitor.t("렌탈 취소", "Cancel a rental");
    Ok(Page { visitor: &visitor, section: Section::MyPage, title, script: Some("form.js"), content }.show())
}

pub(crate) async fn cancel(app: Data<App>, id: Path<String>, filled: Form) -> PageResult {
    let Form { visitor, context, .. } = filled;
    let row = find(&app, &visitor, &id).await?;
    let canceled = app.shop.cancel_rental(row.rental_id, CancelReason::Customer, context).await;
    let Err(error) = canceled else {
        return Ok(see_other(&format!("/my/rentals/{}", row.rental_id)));
    };
    // The status has probably changed meanwhile, so the page shows the current rental.
    let (problem, row) = (Problem::from(error), find(&app, &visitor, &id).await?);
    failed(&app, &visitor, &row, &problem).await
}

/// Shows the rental with the error of an action.
async fn failed(app: &App, visitor: &Visitor, row: &RentalRow, problem: &Problem) -> PageResult {
    let page = show(app, visitor, row, Banner::Wrong(error_text(visitor.lang, problem))).await?;
    Ok(page.show_as(problem.kind.status()))
}

pub(crate) fn pay_form(app: &App, visitor: &Visitor, row: &RentalRow) -> Markup {
    html! {
        form id="pay" class="card stack" method="post" data-once
            action={ "/my/rentals/" (row.rental_id) "/pay" } {
            h2 { (visitor.t("결제하기", "Pay")) }
            (csrf_field(visitor))
            input type="hidden" name="key" value=(app.shop.nonce());
            (cards::choice(app, visitor, "", None))
            // The script disables the button until the retry time; without a script it is always enabled.
            p id="pay-wait" class="small soft num" hidden {}
            button class="button full" data-payable {
                span class="num" { (visitor.lang.won(row.fee)) } " " (visitor.t("지금 결제하기", "· pay now"))
            }
        }
        script src=(assets::url("form.js")) defer {}
    }
}

/// Returns the current rental. If its payment is deferred, it can be paid after `ms` at the earliest.
async fn after(app: &App, visitor: &Visitor, id: &str, ms: Option<u64>) -> Result<RentalRow, PageError> {
    let mut row = find(app, visitor, id).await?;
    if let Some(ms) = ms
        && row.rental_status == RentalStatus::PaymentDeferred
    {
        row.payment_retry_at = row.payment_retry_at.max(Some(app.shop.now().plus_ms(ms)));
    }
    Ok(row)
}

pub(crate) async fn pay(app: Data<App>, id: Path<String>, filled: Form) -> PageResult {
    let Form { visitor, context, fields } = filled;
    let row = find(&app, &visitor, &id).await?;
    let paid = match cards::chosen(&fields) {
        Some(method) => app.shop.pay_rental(row.rental_id, method, context).await.map_err(Problem::from),
        None => Err(Problem::new(ProblemKind::InvalidRequest, "no card was chosen")),
    };
    let paid_page = format!("/my/rentals/{}?new", row.rental_id);
    let problem = match paid.map(|placed| placed.outcome) {
        Ok(PayOutcome::Confirmed) => return Ok(see_other(&paid_page)),
        Ok(PayOutcome::Deferred { retry_after_ms }) => {
            let row = after(&app, &visitor, &id, Some(retry_after_ms)).await?;
            if row.rental_status != RentalStatus::PaymentDeferred {
                return Ok(see_other(&paid_page));
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
    failed(&app, &visitor, &row, &problem).await
}

/// Text for a payment that is still deferred. It holds even if the last attempt was charged.
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
