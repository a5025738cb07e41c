//! `/console/saga`: the events of one rental, as a sequence diagram and as a table.
//!
//! The diagram has a life line per aggregate, a dot per event, and an arrow from each cause.

use std::{cmp::Ordering, collections::HashMap, sync::Arc};

use serde::Deserialize;

use super::history_form;
use crate::{
    domain::{Causation, Correlation, EntityKind, Position, Recorded, delivery::DeliveryStatus},
    http::pages::{
        admin::{HEAD, SHORT, Table, WIDE, orders::delivery_status},
        prelude::*,
        text::exact,
    },
    shop::{PageRequest, RentalFilter, RentalView},
};

/// Life lines from left to right; the first one stands for requests.
const LINES: [(&str, &str, Option<EntityKind>); 5] = [
    ("고객·운영자", "request", None),
    ("렌탈", "rental", Some(EntityKind::Rental)),
    ("결제", "payment", Some(EntityKind::Payment)),
    ("배송", "delivery", Some(EntityKind::Delivery)),
    ("제품", "product", Some(EntityKind::Product)),
];
/// Distances of life lines and of events, in px.
const LINE_DISTANCE: usize = 190;
const ROW_HEIGHT: usize = 44;
/// Position of the first life line and the first event, in px.
const FIRST_LINE_X: usize = 90;
const FIRST_ROW_Y: usize = 84;

#[derive(Deserialize)]
pub(crate) struct HistoryQuery {
    #[serde(default)]
    correlation: String,
}

pub(crate) async fn show(app: Data<App>, visitor: Visitor, wanted: Query<HistoryQuery>) -> PageResult {
    visitor.operator()?;
    let found = match Correlation::parse(wanted.correlation.trim()) {
        Some(correlation) => find(&app, correlation).await.or_error_page(&visitor)?,
        None => None,
    };
    let title = visitor.t("한 렌탈의 흐름", "One rental's history");
    let content = html! {
        div class="wide console stack" {
            p class="small" { a href="/console" { "← " (visitor.t("운영 콘솔", "Console")) } }
            h1 { (title) }
            (history_form(&visitor, &wanted.correlation))
            @match &found {
                None => p class="notice wait" role="status" {
                    (visitor.t("이 ID의 렌탈이 없습니다.", "No rental has this id."))
                },
                Some((rental, delivery, events)) => {
                    p class="soft" {
                        @if let Some(terms) = &rental.rental.terms {
                            (visitor.marked(&terms.product_name)) " · "
                        }
                        (visitor.lang.rental(rental.rental.status, *delivery)) " · "
                        span class="mono" { (rental.id) }
                    }
                    div class="stack" {
                        div class="scroll" tabindex="0" role="region" aria-label=(title) {
                            (diagram(&visitor, events))
                        }
                        p class="small soft" { (visitor.t("시각은 한국 시간입니다.", "Times are Korean time (KST).")) }
                    }
                    h2 { (visitor.t("이벤트", "Events")) }
                    (listed(&visitor, events))
                }
            }
        }
    };
    Ok(Page { visitor: &visitor, section: Section::Console, title, script: None, content }.show())
}

type History = (RentalView, Option<DeliveryStatus>, Vec<Arc<Recorded>>);

async fn find(app: &App, correlation: Correlation) -> Result<Option<History>, Problem> {
    let filter = RentalFilter { correlation: Some(correlation), ..RentalFilter::default() };
    let mut page = PageRequest { cursor: None, limit: 1 };
    loop {
        let part = app.shop.rentals(filter, &page).await?;
        if let Some(rental) = part.items.into_iter().next() {
            let events = app.shop.timeline(rental.id).await?;
            let delivery = delivery_status(app, rental.id).await;
            return Ok(Some((rental, delivery, events)));
        }
        match part.next_cursor {
            Some(next) => page.cursor = Some(next),
            None => return Ok(None),
        }
    }
}

fn line_of(recorded: &Recorded) -> usize {
    LINES.iter().position(|(_, _, of)| *of == Some(recorded.event.kind())).unwrap_or_default()
}

fn class_of(name: &str) -> &'static str {
    match name {
        "PaymentDeclined" | "RentalCanceled" | "StockShort" | "DeliveryCanceled" => "event bad",
        "PaymentApproved" | "RentalConfirmed" | "RentalDelivered" | "DeliveryCompleted" => "event good",
        _ => "event",
    }
}

fn diagram(visitor: &Visitor, events: &[Arc<Recorded>]) -> Markup {
    let x = |line: usize| FIRST_LINE_X + line * LINE_DISTANCE;
    let y = |row: usize| FIRST_ROW_Y + row * ROW_HEIGHT;
    let (width, height) = (x(LINES.len() - 1) + FIRST_LINE_X + 110, y(events.len()) + 10);
    let places: HashMap<u64, (usize, usize)> =
        events.iter().enumerate().map(|(row, e)| (e.position.0, (line_of(e), row))).collect();
    html! {
        svg class="saga" width=(width) height=(height) viewBox={ "0 0 " (width) " " (height) }
            aria-hidden="true" {
            defs {
                marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7"
                    orient="auto" { path d="M0 0l8 4-8 4z" fill="#54707c" {} }
            }
            @for (line, (korean, english, _)) in LINES.iter().enumerate() {
                line class="life" x1=(x(line)) y1="46" x2=(x(line)) y2=(height - 6) {}
                rect class="box" x=(x(line) - 62) y="12" width="124" height="34" rx="9" {}
                text class="head" x=(x(line)) y="34" text-anchor="middle" { (visitor.t(korean, english)) }
            }
            @for (row, recorded) in events.iter().enumerate() {
                (arrow(&recorded.meta.causation, &places, (line_of(recorded), row), &x, &y))
            }
            // Drawn above the arrows; texts stand on the side without an arrow.
            @for (row, recorded) in events.iter().enumerate() {
                @let line = line_of(recorded);
                @let (from, _) = cause_of(&recorded.meta.causation, &places, row);
                @let left = (x(line) - 13, "end");
                @let (beside, anchor) = if from > line { left } else { (x(line) + 13, "start") };
                circle class=(class_of(recorded.event.name())) cx=(x(line)) cy=(y(row)) r="6" {}
                text x=(beside) y=(y(row) - 3) text-anchor=(anchor) { (recorded.event.name()) }
                text class="soft" x=(beside) y=(y(row) + 12) text-anchor=(anchor) {
                    (exact(recorded.meta.at))
                }
            }
        }
    }
}

fn cause_of(cause: &Causation, places: &HashMap<u64, (usize, usize)>, row: usize) -> (usize, usize) {
    match cause {
        Causation::Event(position) => places.get(&position.0).copied().unwrap_or((0, row)),
        Causation::Request(_) | Causation::Schedule => (0, row),
    }
}

/// Arrow down the life line of the cause, then across to the event, so that it crosses no text.
fn arrow(
    cause: &Causation,
    places: &HashMap<u64, (usize, usize)>,
    (line, row): (usize, usize),
    x: &impl Fn(usize) -> usize,
    y: &impl Fn(usize) -> usize,
) -> Markup {
    let (from_line, from_row) = cause_of(cause, places, row);
    let (x1, y1, y2) = (x(from_line), y(from_row), y(row));
    // Ends at the dot's edge.
    let to = match from_line.cmp(&line) {
        Ordering::Less => format!("V{y2} H{}", x(line) - 8),
        Ordering::Equal => format!("V{}", y2 - 8),
        Ordering::Greater => format!("V{y2} H{}", x(line) + 8),
    };
    html! { path class="arrow" marker-end="url(#tip)" d={ "M" (x1) " " (y1) (to) } {} }
}

/// The same as a table, for screen readers and narrow screens.
fn listed(visitor: &Visitor, events: &[Arc<Recorded>]) -> Markup {
    let label = visitor.t("이벤트 표", "Events");
    let columns = [
        (visitor.t("이벤트", "Event"), HEAD),
        (visitor.t("기능", "Function"), SHORT),
        (visitor.t("원인", "Cause"), WIDE),
        (visitor.t("시각 (한국 시간)", "Time (KST)"), SHORT),
    ];
    let names: HashMap<u64, &str> = events.iter().map(|e| (e.position.0, e.event.name())).collect();
    let row = |recorded: &Arc<Recorded>| {
        let (korean, english, _) = LINES[line_of(recorded)];
        let cause = html! {
            @match recorded.meta.causation {
                Causation::Event(Position(at)) => {
                    (visitor.marked(names.get(&at).copied().unwrap_or_default())) " "
                    span class="soft num" { "#" (at) }
                }
                Causation::Request(_) => (visitor.t("요청", "A request")),
                Causation::Schedule => (visitor.t("예약된 일", "A schedule")),
            }
        };
        vec![
            html! {
                (visitor.marked(recorded.event.name())) " "
                span class="soft num" { "#" (recorded.position.0) }
            },
            html! { (visitor.t(korean, english)) },
            cause,
            html! { span class="num" { (exact(recorded.meta.at)) } },
        ]
    };
    html! { (Table { label, dense: true, columns: &columns, rows: events.iter().map(row).collect() }) }
}
