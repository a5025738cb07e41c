//! Parked targets on the console: retry, or dismiss after a confirmation that names the consequences.

use crate::{
    domain::{EntityKind, ProductId, context::ParkedKey, text::line},
    http::pages::{
        admin::{self, HEAD, Table, WIDE, wording},
        prelude::*,
    },
    shop::ParkedView,
};

pub(crate) fn section(app: &App, visitor: &Visitor, held: &[ParkedView]) -> Markup {
    let label = visitor.t("보류된 대상", "Parked targets");
    let columns = [
        (visitor.t("대상", "Target"), HEAD),
        (visitor.t("사유", "Reason"), WIDE),
        (visitor.t("할 일", "To do"), WIDE),
    ];
    html! {
        section class="card stack" {
            h2 id="held-title" { (label) " " span class="num" { "(" (held.len()) ")" } }
            @if held.is_empty() {
                p class="soft" { (visitor.t(
                    "보류된 대상이 없습니다. 모두 정상적으로 처리되고 있습니다.",
                    "Nothing is parked. Everything is working.",
                )) }
            } @else {
                @let rows = held.iter().map(|held| row(app, visitor, held)).collect();
                (Table { label, dense: false, columns: &columns, rows })
            }
        }
    }
}

fn row(app: &App, visitor: &Visitor, held: &ParkedView) -> Vec<Markup> {
    let key = held.key;
    let acts = html! {
        div class="row" {
            form method="post" action={ "/console/held/" (key) "/retry" } {
                (csrf_field(visitor))
                button id={ "retry-" (key) } class="button small" {
                    (labelled(visitor.t("다시 시도", "Retry"), key))
                }
            }
            a id={ "dismiss-" (key) } class="button quiet small" href={ "/console/held/" (key) "/dismiss" } {
                (labelled(visitor.t("종결하기", "Dismiss"), key))
            }
        }
    };
    vec![target(app, visitor, held), reason_of(visitor, held), acts]
}

fn target(app: &App, visitor: &Visitor, held: &ParkedView) -> Markup {
    let ParkedKey { group, target, .. } = held.key;
    let product = (target.kind == EntityKind::Product).then(|| app.shop.product(ProductId(target.id)));
    html! {
        (wording::context(visitor.lang, group.context()))
        @if let Some(product) = product.flatten() { " · " (visitor.marked(&product.offer.name)) }
        br; span class="mono soft" { (held.key) }
    }
}

fn reason_of(visitor: &Visitor, ParkedView { parked, .. }: &ParkedView) -> Markup {
    let reason = wording::parked_reason(visitor.lang, parked);
    html! {
        (visitor.marked(&reason)) br;
        span class="small soft num" {
            (visitor.marked(&parked.event)) " · "
            (parked.attempts) (visitor.t("번 시도함", " tries"))
        }
    }
}

fn find(app: &App, visitor: &Visitor, id: &str) -> Result<ParkedView, PageError> {
    visitor.operator()?;
    let key = ParkedKey::parse(id);
    let found = app.shop.parked().into_iter().find(|held| Some(held.key) == key);
    found.ok_or_else(|| Problem::not_found("held target")).or_error_page(visitor)
}

pub(crate) async fn ask(app: Data<App>, visitor: Visitor, id: Path<String>) -> PageResult {
    let held = find(&app, &visitor, &id)?;
    Ok(question(&app, &visitor, &held, None).show())
}

fn question<'a>(app: &App, visitor: &'a Visitor, held: &ParkedView, wrong: Option<(&str, &str)>) -> Page<'a> {
    let ParkedView { key, parked } = held;
    let label = visitor.t("종결 사유", "Reason for dismissal");
    let hint = visitor.t("나중에 알아볼 수 있도록 기록에 남습니다.", "It is kept in the journal.");
    let content = html! {
        div class="wide narrow stack" {
            h1 { (visitor.t("보류 건을 종결할까요?", "Dismiss this parked target?")) }
            div class="card stack" {
                p { (target(app, visitor, held)) }
                p { (reason_of(visitor, held)) }
                div class="notice wait" {
                    b { (visitor.t("종결하면 다시 실행되지 않습니다", "It will never run again")) }
                    p { (wording::consequence(visitor.lang, key.group, &parked.event)) }
                    p { (visitor.t(
                        "같은 대상에서 뒤이어 대기 중인 작업도 모두 함께 종결되며, 되돌릴 수 없습니다. \
                         원인을 해결할 수 있다면 다시 시도해 주세요.",
                        "All other work that waits for the same target is dismissed with it. This cannot be \
                         undone. If the cause can be fixed, retry instead.",
                    )) }
                }
                form class="stack" method="post" action={ "/console/held/" (key) "/dismiss" } data-once {
                    (csrf_field(visitor))
                    (Field { max: Some(200), hint: Some(hint), wrong: wrong.map(|(_, rule)| rule),
                        ..Field::new("reason", label, wrong.map_or("", |(typed, _)| typed)) })
                    div class="row" {
                        button class="button danger" { (visitor.t("네, 종결합니다", "Yes, dismiss it")) }
                        a class="button quiet" href="/console" {
                            (visitor.t("아니요, 유지합니다", "No, keep it parked"))
                        }
                    }
                }
            }
        }
    };
    let title = visitor.t("보류 건 종결", "Dismiss a parked target");
    Page { visitor, section: Section::Console, title, script: Some("form.js"), content }
}

pub(crate) async fn dismiss(app: Data<App>, id: Path<String>, filled: Form) -> PageResult {
    let Form { visitor, context, fields } = filled;
    let held = find(&app, &visitor, &id)?;
    let Ok(reason) = line(fields.get("reason"), 1, 200) else {
        let problem = Problem::invalid_field("/reason", "1 to 200 characters");
        let rule = wording::error_text(visitor.lang, &problem).text;
        let page = question(&app, &visitor, &held, Some((fields.get("reason"), rule)));
        return Ok(page.show_as(problem.kind.status()));
    };
    app.shop.dismiss_parked(held.key, reason, context).await.or_error_page(&visitor)?;
    Ok(see_other(&admin::with_done("/console", "dismissed")))
}

pub(crate) async fn retry(app: Data<App>, id: Path<String>, filled: Form) -> PageResult {
    let held = find(&app, &filled.visitor, &id)?;
    app.shop.retry_parked(held.key).or_error_page(&filled.visitor)?;
    Ok(see_other(&admin::with_done("/console", "retried")))
}
