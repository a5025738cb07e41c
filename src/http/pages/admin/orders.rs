//! `/admin/rentals` and `/admin/messages`.

use serde::Deserialize;

use super::{NUMBER, SHORT, Tab, WIDE, list, more, page, pills, wording::reason};
use crate::{
    domain::{
        Correlation, RentalId,
        delivery::DeliveryStatus,
        rental::{CancelReason, RentalStatus},
    },
    http::pages::{admin, my::may_cancel, prelude::*},
    shop::{NotificationStatus, PageRequest, RentalFilter, RentalView},
};

#[derive(Default, Deserialize)]
pub(crate) struct ListQuery {
    #[serde(default)]
    pub(crate) status: String,
    cursor: Option<String>,
}

impl ListQuery {
    pub(crate) fn page(&self) -> PageRequest {
        PageRequest { cursor: self.cursor.clone(), limit: 25 }
    }
}

const RENTALS: [(&str, Option<RentalStatus>); 6] = [
    ("", None),
    ("PLACED", Some(RentalStatus::Placed)),
    ("PAYMENT_DEFERRED", Some(RentalStatus::PaymentDeferred)),
    ("CONFIRMED", Some(RentalStatus::Confirmed)),
    ("DELIVERED", Some(RentalStatus::Delivered)),
    ("CANCELED", Some(RentalStatus::Canceled)),
];

pub(crate) async fn rentals(app: Data<App>, visitor: Visitor, wanted: Query<ListQuery>) -> PageResult {
    visitor.operator()?;
    let chosen = RENTALS.iter().find(|(name, _)| *name == wanted.status).unwrap_or(&RENTALS[0]);
    let filter = RentalFilter { status: chosen.1, ..RentalFilter::default() };
    let rentals = app.shop.rentals(filter, &wanted.page()).await.or_error_page(&visitor)?;
    let name = |status: Option<RentalStatus>| match status {
        None => visitor.t("전체", "All"),
        Some(RentalStatus::Confirmed) => visitor.t("배송 준비·배송 중", "Being prepared or on its way"),
        Some(status) => visitor.lang.rental(status, None),
    };
    let mut rows = Vec::with_capacity(rentals.items.len());
    for rental in &rentals.items {
        rows.push(rental_row(&visitor, rental, delivery_status(&app, rental.id).await));
    }
    let choices = RENTALS.map(|(status, of)| (status, name(of)));
    let title = visitor.t("렌탈", "Rentals");
    let columns = [
        (visitor.t("렌탈", "Rental"), WIDE),
        (visitor.t("상태", "State"), SHORT),
        (visitor.t("렌탈료", "Fee"), NUMBER),
        (visitor.t("신청", "Ordered"), SHORT),
        (visitor.t("할 일", "To do"), SHORT),
    ];
    let content = html! {
        div class="stack" {
            h1 { (title) }
            (admin::done(&visitor))
            (pills(&visitor, "/admin/rentals", chosen.0, &choices))
            (list(title, &columns, rows, visitor.t("해당하는 렌탈이 없습니다.", "No rentals match.")))
            (more(&visitor, "/admin/rentals", chosen.0, rentals.next_cursor.as_deref()))
        }
    };
    Ok(page(&visitor, Tab::Rentals, title, content).show())
}

fn name_of(rental: &RentalView) -> &str {
    rental.rental.terms.as_ref().map(|terms| terms.product_name.as_str()).unwrap_or_default()
}

pub(crate) async fn delivery_status(app: &App, rental: RentalId) -> Option<DeliveryStatus> {
    app.shop.my_page_row(rental).await.ok()?.delivery_status
}

fn rental_row(visitor: &Visitor, view: &RentalView, delivery: Option<DeliveryStatus>) -> Vec<Markup> {
    let RentalView { id, rental, address } = view;
    let (name, terms) = (name_of(view), rental.terms.as_ref());
    let what = html! {
        b { (visitor.marked(name)) } br;
        span class="small soft" { (address.as_ref().map(|to| to.recipient.as_str()).unwrap_or_default()) }
        br; span class="mono soft" { (id) }
    };
    let state = html! {
        (visitor.lang.rental(rental.status, delivery))
        @if let Some(cancel_reason) = rental.cancel_reason {
            br; span class="small soft" { (reason(visitor.lang, cancel_reason)) }
        }
    };
    let acts = html! {
        div class="row" {
            @if let Some(terms) = terms { (history_link(visitor, terms.correlation, name)) }
            @if may_cancel(rental.status) {
                a class="button quiet small" href={ "/admin/rentals/" (id) "/cancel" } {
                    (labelled(visitor.t("취소", "Cancel"), name))
                }
            }
        }
    };
    let fee = html! { @if let Some(terms) = terms { (visitor.lang.won(terms.fee)) } };
    vec![what, state, fee, when(visitor, rental.placed_at), acts]
}

pub(crate) fn history_link(visitor: &Visitor, correlation: Correlation, name: &str) -> Markup {
    let text = labelled(visitor.t("흐름 보기", "History"), name);
    html! { a href={ "/console/saga?correlation=" (correlation) } { (text) } }
}

fn rental_id(visitor: &Visitor, id: &str) -> Result<RentalId, PageError> {
    visitor.operator()?;
    RentalId::parse(id).map_err(|_| Problem::not_found("rental")).or_error_page(visitor)
}

pub(crate) async fn ask_cancel(app: Data<App>, visitor: Visitor, id: Path<String>) -> PageResult {
    let rental = app.shop.rental(rental_id(&visitor, &id)?).await.or_error_page(&visitor)?;
    if !may_cancel(rental.rental.status) {
        return Err(Problem::new(ProblemKind::RentalNotCancelable, "")).or_error_page(&visitor);
    }
    let recipient = rental.address.as_ref().map_or("–", |to| to.recipient.as_str());
    let question = admin::Question {
        title: visitor.t("이 렌탈을 취소할까요?", "Cancel this rental?"),
        about: &format!("{} · {recipient}", name_of(&rental)),
        consequences: &[visitor.t(
            "배송이 중단되고 결제된 금액은 모두 환불됩니다. 되돌릴 수 없습니다.",
            "The delivery stops, and any amount paid is refunded in full. This cannot be undone.",
        )],
        to: &format!("/admin/rentals/{}/cancel", rental.id),
        yes: visitor.t("네, 취소합니다", "Yes, cancel it"),
        no: visitor.t("아니요, 유지합니다", "No, keep it"),
        back: "/admin/rentals",
    };
    Ok(question.page(&visitor, Tab::Rentals).show())
}

pub(crate) async fn cancel(app: Data<App>, id: Path<String>, filled: Form) -> PageResult {
    let Form { visitor, context, .. } = filled;
    let id = rental_id(&visitor, &id)?;
    app.shop.cancel_rental(id, CancelReason::Operator, context).await.or_error_page(&visitor)?;
    Ok(see_other(&admin::with_done("/admin/rentals", "canceled")))
}

pub(crate) async fn messages(app: Data<App>, visitor: Visitor, wanted: Query<ListQuery>) -> PageResult {
    visitor.operator()?;
    let failed_only = wanted.status != "ALL";
    // Failed messages are few, and filtered out of this many.
    let limit = if failed_only { 100 } else { 25 };
    let part = PageRequest { limit, ..wanted.page() };
    let messages = app.shop.notifications(None, &part).await.or_error_page(&visitor)?;
    let shown = messages.items.iter().filter(|message| {
        let is_failing = message.status == NotificationStatus::Pending && message.attempts > 0;
        !failed_only || message.status == NotificationStatus::Failed || is_failing
    });
    let rows: Vec<_> = shown
        .map(|message| {
            let tries = html! {
                (visitor.lang.message(message.status)) br;
                span class="small soft num" { (message.attempts) (visitor.t("회 시도", " tries")) }
            };
            vec![
                html! { (visitor.marked(&message.text)) br; span class="mono soft" { (message.rental_id) } },
                html! { (message.phone.as_deref().unwrap_or("–")) },
                tries,
                when(&visitor, message.created_at),
            ]
        })
        .collect();
    let title = visitor.t("문자", "Messages");
    let columns = [
        (title, WIDE),
        (visitor.t("번호", "Number"), SHORT),
        (visitor.t("상태", "State"), SHORT),
        (visitor.t("작성 시각", "Written"), SHORT),
    ];
    let (listed, none) = if failed_only {
        ("FAILED", visitor.t("보내지 못한 문자가 없습니다.", "No failed messages."))
    } else {
        ("ALL", visitor.t("보낸 문자가 없습니다.", "No messages yet."))
    };
    let choices =
        [("FAILED", visitor.lang.message(NotificationStatus::Failed)), ("ALL", visitor.t("전체", "All"))];
    let content = html! {
        div class="stack" {
            h1 { (title) }
            (pills(&visitor, "/admin/messages", listed, &choices))
            (list(title, &columns, rows, none))
            (more(&visitor, "/admin/messages", listed, messages.next_cursor.as_deref()))
        }
    };
    Ok(page(&visitor, Tab::Messages, title, content).show())
}
