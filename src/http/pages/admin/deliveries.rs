//! `/admin/deliveries`: dispatch and installation.

use super::{
    SHORT, Tab, WIDE, list, more,
    orders::{ListQuery, history_link},
    page, pills,
};
use crate::{
    domain::{DeliveryId, delivery::DeliveryStatus, text::line},
    http::pages::{admin, prelude::*},
    shop::{DeliveryView, RentalFilter, RentalRow},
};

const DELIVERIES: [(&str, Option<DeliveryStatus>); 5] = [
    ("STARTED", Some(DeliveryStatus::Started)),
    ("IN_TRANSIT", Some(DeliveryStatus::InTransit)),
    ("DELIVERED", Some(DeliveryStatus::Delivered)),
    ("CANCELED", Some(DeliveryStatus::Canceled)),
    ("ALL", None),
];

pub(crate) async fn index(app: Data<App>, visitor: Visitor, wanted: Query<ListQuery>) -> PageResult {
    visitor.operator()?;
    let chosen = DELIVERIES.iter().find(|(name, _)| *name == wanted.status).unwrap_or(&DELIVERIES[0]);
    let filter = RentalFilter { delivery_status: chosen.1, ..RentalFilter::default() };
    let deliveries = app.shop.deliveries(filter, &wanted.page()).await.or_error_page(&visitor)?;
    let name = |status: Option<DeliveryStatus>| match status {
        None => visitor.t("전체", "All"),
        Some(status) => visitor.lang.delivery(status),
    };
    let mut rows = Vec::with_capacity(deliveries.items.len());
    for delivery in &deliveries.items {
        // The rental's row has the product name as of the order.
        let rented = app.shop.my_page_row(delivery.id.rental()).await.or_error_page(&visitor)?;
        rows.push(delivery_row(&app, &visitor, delivery, &rented, chosen.0));
    }
    let choices = DELIVERIES.map(|(status, of)| (status, name(of)));
    let title = visitor.t("배송", "Deliveries");
    let columns = [
        (visitor.t("제품", "Purifier"), WIDE),
        (visitor.t("받는 분", "To"), WIDE),
        (visitor.t("상태", "State"), SHORT),
        (visitor.t("시작", "Begun"), SHORT),
        (visitor.t("할 일", "To do"), WIDE),
    ];
    let content = html! {
        div class="stack" {
            h1 { (title) }
            (admin::done(&visitor))
            (pills(&visitor, "/admin/deliveries", chosen.0, &choices))
            (list(title, &columns, rows, visitor.t("해당하는 배송이 없습니다.", "No rentals match.")))
            (more(&visitor, "/admin/deliveries", chosen.0, deliveries.next_cursor.as_deref()))
        }
    };
    Ok(page(&visitor, Tab::Deliveries, title, content).show())
}

fn delivery_row(
    app: &App,
    visitor: &Visitor,
    view: &DeliveryView,
    rented: &RentalRow,
    listed: &str,
) -> Vec<Markup> {
    let DeliveryView { delivery, address, .. } = view;
    let what = html! {
        b { (visitor.marked(&rented.product_name)) } br;
        span class="mono soft" { (rented.rental_id) } br;
        span class="small" { (history_link(visitor, rented.correlation, &rented.product_name)) }
    };
    let to = html! {
        b { (recipient(view)) }
        @if let Some(to) = address {
            br; span class="small soft" {
                "(" (to.postal_code) ") " (to.line1) " " (to.line2.as_deref().unwrap_or_default())
            }
        }
    };
    let state = html! {
        (visitor.lang.delivery(delivery.status))
        @if delivery.carrier.is_some() || delivery.tracking_number.is_some() {
            br; span class="small soft" {
                (delivery.carrier.as_deref().unwrap_or_default()) " "
                (delivery.tracking_number.as_deref().unwrap_or_default())
            }
        }
    };
    vec![what, to, state, when(visitor, delivery.started_at), next_step(app, visitor, view, listed)]
}

fn recipient(view: &DeliveryView) -> &str {
    view.address.as_ref().map_or("–", |to| to.recipient.as_str())
}

fn next_step(app: &App, visitor: &Visitor, view: &DeliveryView, listed: &str) -> Markup {
    let (at, recipient) = (format!("/admin/deliveries/{}", view.id), recipient(view));
    let (carrier, number) = (visitor.t("설치 기사", "Technician"), visitor.t("방문 예정일", "Visit date"));
    let ours = html! {
        (csrf_field(visitor))
        input type="hidden" name="key" value=(app.shop.nonce());
        input type="hidden" name="listed" value=(listed);
    };
    html! {
        @match view.delivery.status {
            DeliveryStatus::Started => form class="inline" method="post" data-once
                action={ (at) "/dispatch" } {
                (ours)
                div class="field" { input type="text" name="carrier" maxlength="100" placeholder=(carrier)
                    aria-label={ (carrier) ": " (recipient) }; }
                div class="field" { input type="text" name="trackingNumber" maxlength="100"
                    placeholder=(number) aria-label={ (number) ": " (recipient) }; }
                button class="button small" { (labelled(visitor.t("출고", "Send out"), recipient)) }
            },
            DeliveryStatus::InTransit => form method="post" action={ (at) "/complete" } data-once {
                (ours)
                button class="button small" { (labelled(visitor.t("설치 완료", "Installed"), recipient)) }
            },
            DeliveryStatus::Delivered | DeliveryStatus::Canceled | DeliveryStatus::Absent => {
                span class="soft" { "–" }
            }
        }
    }
}

fn delivery_id(visitor: &Visitor, id: &str) -> Result<DeliveryId, PageError> {
    visitor.operator()?;
    DeliveryId::parse(id).map_err(|_| Problem::not_found("delivery")).or_error_page(visitor)
}

fn back(filled: &Form, done: &str) -> HttpResponse {
    let listed = format!("/admin/deliveries?status={}", encoded(filled.fields.get("listed")));
    see_other(&admin::with_done(&listed, done))
}

fn optional(filled: &Form, name: &str) -> Result<Option<String>, Problem> {
    match filled.fields.get(name).trim() {
        "" => Ok(None),
        text => line(text, 1, 100)
            .map(Some)
            .map_err(|rule| Problem::invalid_field(&format!("/{name}"), rule.to_string())),
    }
}

pub(crate) async fn dispatch(app: Data<App>, id: Path<String>, filled: Form) -> PageResult {
    let id = delivery_id(&filled.visitor, &id)?;
    let text = |name: &str| optional(&filled, name).or_error_page(&filled.visitor);
    let (carrier, number) = (text("carrier")?, text("trackingNumber")?);
    app.shop.dispatch_delivery(id, carrier, number, filled.context).await.or_error_page(&filled.visitor)?;
    Ok(back(&filled, "dispatched"))
}

pub(crate) async fn complete(app: Data<App>, id: Path<String>, filled: Form) -> PageResult {
    let id = delivery_id(&filled.visitor, &id)?;
    app.shop.complete_delivery(id, filled.context).await.or_error_page(&filled.visitor)?;
    Ok(back(&filled, "completed"))
}
