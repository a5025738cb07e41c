//! `/my`: a customer's rentals with their progress, and the messages sent to them.

pub(crate) mod actions;
pub(crate) mod steps;

use std::sync::Arc;

use self::actions::pay_form;
use super::shop::image;
use crate::{
    domain::{CustomerId, Recorded, RentalId, delivery::DeliveryStatus, rental::RentalStatus},
    http::{auth::AnyRole, pages::prelude::*},
    shop::{NotificationStatus, NotificationView, PageRequest, Principal, RentalRow},
};

const SHOWN_MAX: usize = 20;

pub(crate) async fn index(app: Data<App>, request: HttpRequest, visitor: Visitor) -> PageResult {
    let customer = visitor.customer()?;
    let cursor = Query::<Vec<(String, String)>>::from_query(request.query_string()).ok();
    let cursor = cursor.into_iter().flat_map(|query| query.into_inner());
    let cursor = cursor.into_iter().find(|(name, _)| name == "cursor").map(|(_, cursor)| cursor);
    // The script's stream starts at this position, so that it misses no change after the page.
    let position = app.shop.head();
    app.shop.my_page_at(position).await;
    let part = PageRequest { cursor, limit: SHOWN_MAX };
    let rows = app.shop.my_page(customer, &part).await.or_error_page(&visitor)?;
    let mut rentals = Vec::with_capacity(rows.items.len());
    for row in &rows.items {
        rentals.push(card(&app, &visitor, row, &events(&app, row).await.or_error_page(&visitor)?));
    }
    let name = app.shop.customer(customer).await.or_error_page(&visitor)?.name;
    let content = html! {
        div class="wide reading stack" data-stream=(position.0) data-at=(visitor.path) {
            div class="row apart" {
                h1 {
                    @match visitor.t("ko", "en") {
                        "ko" => { (name) "님의 렌탈" }
                        _ => { "Rentals of " (name) }
                    }
                }
                (live(&visitor))
            }
            p id="announcement" class="unseen" role="status" {}
            section id="rentals" class="stack" aria-label=(visitor.t("렌탈", "Rentals")) {
                @if rentals.is_empty() {
                    div class="card stack" id="none" {
                        p { (visitor.t("아직 렌탈한 정수기가 없습니다.", "You have no rentals yet.")) }
                        p { a class="button" href="/" { (visitor.t("정수기 보러 가기", "See the purifiers")) } }
                    }
                }
                @for rental in &rentals { (rental) }
            }
            @if let Some(next) = &rows.next_cursor {
                p { a class="button quiet" href={ "/my?cursor=" (next) } {
                    (visitor.t("이전 렌탈 더 보기", "Earlier rentals"))
                } }
            }
            section class="stack section" aria-labelledby="messages-title" {
                h2 id="messages-title" { (visitor.t("받은 문자", "Messages")) }
                div id="messages" { (messages_of(&app, &visitor, customer).await?) }
            }
        }
    };
    let title = visitor.t("마이페이지", "My Page");
    Ok(Page { visitor: &visitor, section: Section::MyPage, title, script: Some("my.js"), content }.show())
}

fn live(visitor: &Visitor) -> Markup {
    html! {
        span class="live" id="live" hidden data-on=(visitor.t("실시간", "Live"))
            data-off=(visitor.t("연결이 끊겨 다시 연결하는 중", "Disconnected; reconnecting")) {}
    }
}

async fn events(app: &App, row: &RentalRow) -> Result<Vec<Arc<Recorded>>, Problem> {
    Ok(app.shop.timeline(row.rental_id).await?)
}

/// Finds a rental of the visitor; the rental of another customer is not found.
pub(crate) async fn find(app: &App, visitor: &Visitor, id: &str) -> Result<RentalRow, PageError> {
    let customer = visitor.customer()?;
    let found = async {
        let id = RentalId::parse(id).map_err(|_| Problem::not_found("rental"))?;
        app.caught_up(Some(app.shop.head())).await;
        let row = app.shop.my_page_row(id).await?;
        AnyRole(Principal::Customer(customer)).may_see(row.customer_id, "rental")?;
        Ok::<_, Problem>(row)
    };
    found.await.or_error_page(visitor)
}

fn badge(visitor: &Visitor, row: &RentalRow) -> Markup {
    let class = match row.rental_status {
        RentalStatus::Confirmed | RentalStatus::Delivered => "good",
        RentalStatus::Canceled => "off",
        RentalStatus::PaymentDeferred | RentalStatus::Placed | RentalStatus::Absent => "wait",
    };
    let word = visitor.lang.rental(row.rental_status, row.delivery_status);
    html! { span class={ "tag " (class) } { (word) } }
}

pub(crate) const fn may_cancel(status: RentalStatus) -> bool {
    matches!(status, RentalStatus::Placed | RentalStatus::PaymentDeferred | RentalStatus::Confirmed)
}

fn announcement(visitor: &Visitor, row: &RentalRow, events: &[Arc<Recorded>]) -> String {
    format!("{}: {}", row.product_name, steps::summary(visitor.lang, row, events))
}

fn card(app: &App, visitor: &Visitor, row: &RentalRow, events: &[Arc<Recorded>]) -> Markup {
    let at = format!("/my/rentals/{}", row.rental_id);
    html! {
        article class="card rental" id=(row.rental_id) data-version=(row.version)
            data-announcement=(announcement(visitor, row, events)) {
            header {
                div class="thumb" { (image::rented(app, row.product_id, &row.product_name)) }
                div class="tight" {
                    h2 { a href=(at) { (visitor.marked(&row.product_name)) } }
                    p class="small soft num" {
                        (visitor.lang.won(row.fee)) " · " (when(visitor, row.placed_at))
                    }
                }
                (badge(visitor, row))
            }
            (steps::of(visitor, row, events))
            @if row.rental_status == RentalStatus::PaymentDeferred { (waiting(app, visitor, row, true)) }
            div class="row" {
                a class="button quiet small" href=(at) {
                    (labelled(visitor.t("자세히", "Details"), &row.product_name))
                }
                @if may_cancel(row.rental_status) {
                    a class="button quiet small" href={ (at) "/cancel" } {
                        (labelled(visitor.t("취소하기", "Cancel"), &row.product_name))
                    }
                }
            }
        }
    }
}

/// Notice of a deferred payment: when it can be paid, and until when.
fn waiting(app: &App, visitor: &Visitor, row: &RentalRow, with_link: bool) -> Markup {
    let (retry, due) = (row.payment_retry_at, row.payment_due_at);
    let now = visitor.t("지금 결제할 수 있습니다", "You can pay now");
    html! {
        div class="notice wait" {
            b { (visitor.t("결제 대기 중입니다", "Waiting for your payment")) }
            p { (visitor.t(
                "카드사와 연결이 원활하지 않아 결제가 보류되었습니다. 신청은 그대로 남아 있고, 중복 결제되지 않습니다. \
                 다만 정수기는 결제한 순서대로 배정합니다. 그사이 품절되면 렌탈이 취소되고 결제하신 금액은 모두 환불됩니다.",
                "The bank could not be reached, so your payment is deferred. Your order is kept and you are \
                 never charged twice. Units are assigned in order of payment: if they run out first, the \
                 rental is canceled and refunded in full.",
            )) }
            @if let Some(retry) = retry {
                p class="countdown num" data-left=(retry.ms_since(app.shop.now())) data-after=(now)
                    data-before=(visitor.t("{}초 뒤에 결제할 수 있습니다", "You can pay in {} s")) {
                    @if retry <= app.shop.now() { (now) } @else {
                        (visitor.t("결제 가능: ", "From ")) (when(visitor, retry))
                    }
                }
            }
            @if let Some(due) = due {
                p class="small" { (visitor.t("결제 기한: ", "Pay by ")) (when(visitor, due)) }
            }
            @if with_link {
                p class="act" data-payable {
                    a class="button small" href={ "/my/rentals/" (row.rental_id) "#pay" } {
                        (visitor.t("지금 결제하기", "Pay now"))
                    }
                }
            }
        }
    }
}

pub(crate) async fn rental(
    app: Data<App>,
    request: HttpRequest,
    visitor: Visitor,
    id: Path<String>,
) -> PageResult {
    let row = find(&app, &visitor, &id).await?;
    let above = if request.query_string() == "new" { Banner::New } else { Banner::Nothing };
    Ok(show(&app, &visitor, &row, above).await?.show())
}

pub(crate) enum Banner {
    Nothing,
    New,
    NotYet(ErrorText),
    Wrong(ErrorText),
}

pub(crate) async fn show<'a>(
    app: &App,
    visitor: &'a Visitor,
    row: &'a RentalRow,
    above: Banner,
) -> Result<Page<'a>, PageError> {
    let position = row.version;
    let detail = detail(app, visitor, row).await?;
    let content = html! {
        div class="wide reading stack" data-stream=(position) data-at={ "/my/rentals/" (row.rental_id) } {
            div class="row apart" {
                p class="small" { a href="/my" { "← " (visitor.t("내 렌탈", "My rentals")) } }
                (live(visitor))
            }
            h1 { (visitor.marked(&row.product_name)) }
            p id="announcement" class="unseen" role="status" {}
            @match above {
                Banner::Wrong(error) => (alert("bad", error, None)),
                Banner::NotYet(error) => (alert("wait", error, None)),
                // The script removes it once the purifier has left, or the rental is canceled.
                Banner::New if steps::just_confirmed(row) => div id="new" class="notice good" role="status" {
                    b { (visitor.t("렌탈이 확정되었습니다", "Your rental is confirmed")) }
                    p { (visitor.t(
                        "결제가 완료되었습니다. 배송 준비가 되면 문자로 알려 드립니다.",
                        "Your payment is complete. We will text you about your delivery.",
                    )) }
                },
                Banner::New | Banner::Nothing => {}
            }
            div id="rentals" class="stack" { (detail) }
            @if row.rental_status == RentalStatus::PaymentDeferred { (pay_form(app, visitor, row)) }
        }
    };
    Ok(Page { visitor, section: Section::MyPage, title: &row.product_name, script: Some("my.js"), content })
}

async fn detail(app: &App, visitor: &Visitor, row: &RentalRow) -> Result<Markup, PageError> {
    let events = events(app, row).await.or_error_page(visitor)?;
    let rental = app.shop.rental(row.rental_id).await.or_error_page(visitor)?;
    let delivery = match row.delivery_status {
        Some(_) => Some(app.shop.delivery(row.rental_id.delivery()).await.or_error_page(visitor)?),
        None => None,
    };
    let carrier = delivery.as_ref().and_then(|delivery| {
        let (carrier, number) = (&delivery.delivery.carrier, &delivery.delivery.tracking_number);
        let parts = [carrier.as_deref(), number.as_deref()];
        Some(parts.into_iter().flatten().collect::<Vec<_>>().join(" ")).filter(|text| !text.is_empty())
    });
    Ok(html! {
        article class="card rental" id=(row.rental_id) data-version=(row.version) data-whole
            data-announcement=(announcement(visitor, row, &events)) data-new[steps::just_confirmed(row)] {
            div class="row apart" {
                h2 { (visitor.t("진행 상황", "Progress")) } (badge(visitor, row))
            }
            (steps::of(visitor, row, &events))
            @if row.rental_status == RentalStatus::PaymentDeferred { (waiting(app, visitor, row, false)) }
            dl class="facts" {
                dt { (visitor.t("렌탈료", "Fee")) }
                dd class="num" {
                    (visitor.lang.won(row.fee)) " · " (steps::fee(visitor.lang, row, &events))
                }
                @if let Some(address) = &rental.address {
                    dt { (visitor.t("배송지", "Deliver to")) }
                    dd {
                        (address.recipient) ", (" (address.postal_code) ") " (address.line1) " "
                        (address.line2.as_deref().unwrap_or_default())
                    }
                }
                @if let Some(status) = row.delivery_status {
                    // The delivery of a canceled rental is canceled a moment later.
                    @let canceled = row.rental_status == RentalStatus::Canceled;
                    @let status = if canceled { DeliveryStatus::Canceled } else { status };
                    dt { (visitor.t("배송", "Delivery")) } dd { (visitor.lang.delivery(status)) }
                }
                @if let Some(carrier) = carrier {
                    dt { (visitor.t("설치 기사·방문 정보", "Technician and visit")) }
                    dd { (visitor.marked(&carrier)) }
                }
                dt { (visitor.t("렌탈 번호", "Number")) } dd { span class="mono" { (row.rental_id) } }
            }
            @if may_cancel(row.rental_status) {
                p {
                    a class="button quiet small" href={ "/my/rentals/" (row.rental_id) "/cancel" } {
                        (visitor.t("렌탈 취소하기", "Cancel this rental"))
                    }
                }
            }
        }
    })
}

/// A rental as `card` of the list or as `whole`, for the script.
pub(crate) async fn rental_piece(
    app: Data<App>,
    visitor: Visitor,
    path: Path<(String, String)>,
) -> PageResult {
    let (id, form) = path.into_inner();
    let row = find(&app, &visitor, &id).await?;
    let content = match form.as_str() {
        "card" => card(&app, &visitor, &row, &events(&app, &row).await.or_error_page(&visitor)?),
        "whole" => detail(&app, &visitor, &row).await?,
        _ => return Err(Problem::not_found("page")).or_error_page(&visitor),
    };
    Ok(piece(content))
}

async fn messages_of(app: &App, visitor: &Visitor, customer: CustomerId) -> Result<Markup, PageError> {
    let part = PageRequest { cursor: None, limit: SHOWN_MAX };
    let messages = app.shop.notifications(Some(customer), &part).await.or_error_page(visitor)?.items;
    let under_way = |message: &NotificationView| message.status == NotificationStatus::Pending;
    Ok(html! {
        @if messages.is_empty() {
            p class="soft" { (visitor.t("아직 보내 드린 문자가 없습니다.", "No messages yet.")) }
        } @else {
            // The script polls while messages are being sent, since no event reports their delivery.
            ul class="messages" data-sending[messages.iter().any(under_way)] {
                @for message in &messages {
                    li {
                        p { (visitor.marked(&message.text)) }
                        p class="small soft" {
                            (when(visitor, message.created_at))
                            span { (visitor.lang.message(message.status)) }
                        }
                    }
                }
            }
        }
    })
}

pub(crate) async fn messages(app: Data<App>, visitor: Visitor) -> PageResult {
    let customer = visitor.customer()?;
    Ok(piece(messages_of(&app, &visitor, customer).await?))
}
