//! `/admin`, continued: rentals by state, deliveries that leave and arrive, messages that did not.

use actix_web::{HttpResponse, web};
use maud::{Markup, html};
use serde::Deserialize;

use super::{
    account::encoded,
    admin::{Tab, page},
    layout::{Instead, OrPage as _, Page, hidden, see_other, when},
    session::{Filled, Visitor},
};
use crate::{
    actors::shop::{DeliveryView, NotificationStatus, PageRequest, RentalFilter, RentalView},
    domain::{
        DeliveryId, RentalId,
        delivery::DeliveryStatus,
        rental::{CancelReason, RentalStatus},
        text::line,
    },
    http::{App, problem::Problem},
};

/// Which part of a list is wanted.
#[derive(Default, Deserialize)]
pub struct Wanted {
    #[serde(default)]
    status: String,
    cursor: Option<String>,
}

impl Wanted {
    fn page(&self) -> PageRequest {
        PageRequest { cursor: self.cursor.clone(), limit: 25 }
    }
}

fn more(visitor: &Visitor, at: &str, status: &str, next: Option<&str>) -> Markup {
    html! {
        @if let Some(next) = next {
            p class="more" {
                @let to = format!("{at}?status={}&cursor={}", encoded(status), encoded(next));
                a class="button quiet small" href=(to) { (visitor.t("더 보기", "More")) }
            }
        }
    }
}

fn pills(visitor: &Visitor, at: &str, chosen: &str, all: &[(&str, &str)]) -> Markup {
    html! {
        nav class="pills" aria-label=(visitor.t("상태", "State")) {
            @for (status, name) in all {
                @let current = (*status == chosen).then_some("true");
                a href={ (at) "?status=" (status) } aria-current=[current] { (name) }
            }
        }
    }
}

fn table(label: &str, heads: &[&str], rows: &[Markup], none: &str) -> Markup {
    html! {
        @if rows.is_empty() {
            p class="card soft" { (none) }
        } @else {
            div class="scroll" tabindex="0" role="region" aria-label=(label) {
                table {
                    thead { tr { @for head in heads { th scope="col" { (head) } } } }
                    tbody { @for row in rows { tr { (row) } } }
                }
            }
        }
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

/// Rentals, by state.
pub async fn rentals(
    app: web::Data<App>,
    visitor: Visitor,
    wanted: web::Query<Wanted>,
) -> Result<HttpResponse, Instead> {
    visitor.operator()?;
    let status = RENTALS.iter().find(|(name, _)| *name == wanted.status).and_then(|(_, status)| *status);
    let filter = RentalFilter { status, ..RentalFilter::default() };
    let rentals = app.shop.rentals(filter, &wanted.page()).await.or_page(&visitor)?;
    let name = |status: Option<RentalStatus>| match status {
        None => visitor.t("전체", "All"),
        Some(status) => visitor.lang.rental(status),
    };
    let rows: Vec<_> = rentals.items.iter().map(|rental| rental_row(&visitor, rental)).collect();
    let choices = RENTALS.map(|(status, of)| (status, name(of)));
    let title = visitor.t("렌탈", "Rentals");
    let heads = [
        visitor.t("렌탈", "Rental"),
        visitor.t("상태", "State"),
        visitor.t("렌탈료", "Fee"),
        visitor.t("신청", "Ordered"),
        visitor.t("할 일", "To do"),
    ];
    let content = html! {
        div class="stack" {
            h1 { (title) }
            (pills(&visitor, "/admin/rentals", &wanted.status, &choices))
            (table(title, &heads, &rows, visitor.t("해당하는 렌탈이 없습니다.", "There are none.")))
            (more(&visitor, "/admin/rentals", &wanted.status, rentals.next_cursor.as_deref()))
        }
    };
    Ok(page(&visitor, Tab::Rentals, title, content).show())
}

fn rental_row(visitor: &Visitor, RentalView { id, rental, address }: &RentalView) -> Markup {
    let terms = rental.terms.as_ref();
    let name = terms.map(|terms| terms.product_name.as_str()).unwrap_or_default();
    let may_cancel = matches!(
        rental.status,
        RentalStatus::Placed | RentalStatus::PaymentDeferred | RentalStatus::Confirmed
    );
    html! {
        td {
            b { (name) } br;
            span class="small soft" { (address.as_ref().map(|to| to.recipient.as_str()).unwrap_or_default()) }
            br; span class="mono soft" { (id) }
        }
        td {
            (visitor.lang.rental(rental.status))
            @if let Some(reason) = rental.cancel_reason {
                br; span class="small soft" { (visitor.lang.reason(reason)) }
            }
        }
        td class="nowrap num" { @if let Some(terms) = terms { (visitor.lang.won(terms.fee)) } }
        td class="nowrap" { (when(visitor, rental.placed_at)) }
        td {
            div class="row" {
                @if let Some(terms) = terms {
                    a href={ "/console/saga?correlation=" (terms.correlation) } {
                        (visitor.t("흐름 보기", "Its saga")) span class="unseen" { ": " (name) }
                    }
                }
                @if may_cancel {
                    form method="post" action={ "/admin/rentals/" (id) "/cancel" } data-sure=(visitor.t(
                        "이 렌탈을 취소하고 환불할까요?", "Cancel this rental, and refund it?",
                    )) {
                        (hidden(visitor))
                        button class="button quiet small" { (visitor.t("취소", "Cancel"))
                            span class="unseen" { ": " (name) } }
                    }
                }
            }
        }
    }
}

/// Cancels a rental.
pub async fn cancel(
    app: web::Data<App>,
    id: web::Path<String>,
    filled: Filled,
) -> Result<HttpResponse, Instead> {
    let Filled { visitor, because, .. } = filled;
    visitor.operator()?;
    let id = RentalId::parse(&id).map_err(|_| Problem::not_found("rental")).or_page(&visitor)?;
    app.shop.cancel_rental(id, CancelReason::Operator, because).await.or_page(&visitor)?;
    Ok(see_other("/admin/rentals"))
}

const DELIVERIES: [(&str, Option<DeliveryStatus>); 5] = [
    ("STARTED", Some(DeliveryStatus::Started)),
    ("IN_TRANSIT", Some(DeliveryStatus::InTransit)),
    ("DELIVERED", Some(DeliveryStatus::Delivered)),
    ("CANCELED", Some(DeliveryStatus::Canceled)),
    ("ALL", None),
];

/// Deliveries: those that wait to leave, unless others are asked for.
pub async fn deliveries(
    app: web::Data<App>,
    visitor: Visitor,
    wanted: web::Query<Wanted>,
) -> Result<HttpResponse, Instead> {
    visitor.operator()?;
    let chosen = DELIVERIES.iter().find(|(name, _)| *name == wanted.status).unwrap_or(&DELIVERIES[0]);
    let filter = RentalFilter { delivery_status: chosen.1, ..RentalFilter::default() };
    let deliveries = app.shop.deliveries(filter, &wanted.page()).await.or_page(&visitor)?;
    let name = |status: Option<DeliveryStatus>| match status {
        None => visitor.t("전체", "All"),
        Some(status) => visitor.lang.delivery(status),
    };
    let rows: Vec<_> =
        deliveries.items.iter().map(|delivery| delivery_row(&app, &visitor, delivery, chosen.0)).collect();
    let choices = DELIVERIES.map(|(status, of)| (status, name(of)));
    let title = visitor.t("배송", "Deliveries");
    let heads = [
        visitor.t("받는 분", "To"),
        visitor.t("상태", "State"),
        visitor.t("시작", "Begun"),
        visitor.t("할 일", "To do"),
    ];
    let content = html! {
        div class="stack" {
            h1 { (title) }
            (pills(&visitor, "/admin/deliveries", chosen.0, &choices))
            (table(title, &heads, &rows, visitor.t("해당하는 배송이 없습니다.", "There are none.")))
            (more(&visitor, "/admin/deliveries", chosen.0, deliveries.next_cursor.as_deref()))
        }
    };
    Ok(page(&visitor, Tab::Deliveries, title, content).show())
}

fn delivery_row(app: &App, visitor: &Visitor, view: &DeliveryView, listed: &str) -> Markup {
    let DeliveryView { id, delivery, address, .. } = view;
    let recipient = address.as_ref().map_or("–", |to| to.recipient.as_str());
    let at = format!("/admin/deliveries/{id}");
    let form = html! {
        (hidden(visitor))
        input type="hidden" name="key" value=(app.shop.nonce());
        input type="hidden" name="listed" value=(listed);
    };
    let (carrier, number) = (visitor.t("택배사", "Carrier"), visitor.t("송장 번호", "Tracking number"));
    html! {
        td {
            b { (recipient) } br;
            @if let Some(to) = address {
                span class="small soft" {
                    "(" (to.postal_code) ") " (to.line1) " " (to.line2.as_deref().unwrap_or_default())
                }
            }
        }
        td {
            (visitor.lang.delivery(delivery.status))
            @if let Some(carrier) = &delivery.carrier {
                @let number = delivery.tracking_number.as_deref().unwrap_or_default();
                br; span class="small soft" { (carrier) " " (number) }
            }
        }
        td class="nowrap" { (when(visitor, delivery.started_at)) }
        td {
            @match delivery.status {
                DeliveryStatus::Started => form class="inline" method="post" data-once
                    action={ (at) "/dispatch" } {
                    (form)
                    div class="field" { input type="text" name="carrier" maxlength="100" placeholder=(carrier)
                        aria-label={ (carrier) ": " (recipient) }; }
                    div class="field" { input type="text" name="trackingNumber" maxlength="100"
                        placeholder=(number) aria-label={ (number) ": " (recipient) }; }
                    button class="button small" { (visitor.t("출발", "Send out"))
                        span class="unseen" { ": " (recipient) } }
                },
                DeliveryStatus::InTransit => form method="post" action={ (at) "/complete" } data-once {
                    (form)
                    button class="button small" { (visitor.t("설치 완료", "Installed"))
                        span class="unseen" { ": " (recipient) } }
                },
                DeliveryStatus::Delivered | DeliveryStatus::Canceled | DeliveryStatus::Absent => {
                    span class="soft" { "–" }
                }
            }
        }
    }
}

fn delivery_id(visitor: &Visitor, id: &str) -> Result<DeliveryId, Instead> {
    visitor.operator()?;
    DeliveryId::parse(id).map_err(|_| Problem::not_found("delivery")).or_page(visitor)
}

fn back(filled: &Filled) -> HttpResponse {
    see_other(&format!("/admin/deliveries?status={}", encoded(filled.fields.get("listed"))))
}

/// The courier leaves.
pub async fn dispatch(
    app: web::Data<App>,
    id: web::Path<String>,
    filled: Filled,
) -> Result<HttpResponse, Instead> {
    let id = delivery_id(&filled.visitor, &id)?;
    let text = |name: &str| line(filled.fields.get(name), 1, 100).ok();
    let dispatched = app.shop.dispatch_delivery(id, text("carrier"), text("trackingNumber"), filled.because);
    dispatched.await.or_page(&filled.visitor)?;
    Ok(back(&filled))
}

/// The purifier is installed.
pub async fn complete(
    app: web::Data<App>,
    id: web::Path<String>,
    filled: Filled,
) -> Result<HttpResponse, Instead> {
    let id = delivery_id(&filled.visitor, &id)?;
    app.shop.complete_delivery(id, filled.because).await.or_page(&filled.visitor)?;
    Ok(back(&filled))
}

/// Messages: those that could not be sent, or all.
pub async fn messages(
    app: web::Data<App>,
    visitor: Visitor,
    wanted: web::Query<Wanted>,
) -> Result<HttpResponse, Instead> {
    visitor.operator()?;
    Ok(messages_page(&app, &visitor, &wanted).await?.show())
}

async fn messages_page<'a>(app: &App, visitor: &'a Visitor, wanted: &Wanted) -> Result<Page<'a>, Instead> {
    let failed_only = wanted.status != "ALL";
    // Failures are few, and stand among all: a page looks at this many.
    let limit = if failed_only { 100 } else { 25 };
    let part = PageRequest { limit, ..wanted.page() };
    let messages = app.shop.notifications(None, &part).await.or_page(visitor)?;
    let status = |status| match status {
        NotificationStatus::Pending => visitor.t("보내는 중", "Being sent"),
        NotificationStatus::Sent => visitor.t("보냄", "Sent"),
        NotificationStatus::Delivered => visitor.t("도착", "Delivered"),
        NotificationStatus::Failed => visitor.t("실패", "Failed"),
    };
    let shown = messages.items.iter().filter(|message| {
        let tried_in_vain = message.status == NotificationStatus::Pending && message.attempts > 0;
        !failed_only || message.status == NotificationStatus::Failed || tried_in_vain
    });
    let rows: Vec<_> = shown
        .map(|message| {
            html! {
                td { (message.text) br; span class="mono soft" { (message.rental_id) } }
                td { (message.phone.as_deref().unwrap_or("–")) }
                td { (status(message.status)) br; span class="small soft num" { (message.attempts) (visitor.t(
                    "회 시도",
                    " tries",
                )) } }
                td class="nowrap" { (when(visitor, message.created_at)) }
            }
        })
        .collect();
    let title = visitor.t("문자", "Messages");
    let heads =
        [title, visitor.t("번호", "Number"), visitor.t("상태", "State"), visitor.t("작성", "Written")];
    let listed = if failed_only { "FAILED" } else { "ALL" };
    let choices = [("FAILED", visitor.t("실패", "Failed")), ("ALL", visitor.t("전체", "All"))];
    let content = html! {
        div class="stack" {
            h1 { (title) }
            (pills(visitor, "/admin/messages", listed, &choices))
            (table(title, &heads, &rows, visitor.t("보내지 못한 문자가 없습니다.", "None has failed.")))
            (more(visitor, "/admin/messages", listed, messages.next_cursor.as_deref()))
        }
    };
    Ok(page(visitor, Tab::Messages, title, content))
}
