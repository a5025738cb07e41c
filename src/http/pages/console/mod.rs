//! `/console`: live state of the server, and the operator's controls.
//!
//! A script reloads `/console/live` each second; every button is a plain form.

pub(crate) mod history;
pub(crate) mod parked;

use super::admin::{self, HEAD, NUMBER, SHORT, Table, wording};
use crate::{
    domain::{EntityId, context::Context},
    http::pages::prelude::*,
    shop::{ActorKind, BreakerMode, ContextView, PaymentActorView},
};

pub(crate) async fn index(app: Data<App>, visitor: Visitor) -> PageResult {
    visitor.operator()?;
    let parts = parts(&app, &visitor).await?;
    let content = html! {
        div class="wide console stack" {
            div class="row apart" {
                h1 { (visitor.t("운영 콘솔", "Console")) }
                span class="live" id="live-state" role="status" hidden
                    data-on=(visitor.t("실시간", "Live"))
                    data-off=(visitor.t("연결이 끊겨 다시 연결하고 있습니다", "Disconnected; reconnecting")) {}
                noscript { span class="small soft" {
                    (visitor.t("자동으로 갱신되지 않습니다. ", "This page does not refresh automatically. "))
                    a href="/console" { (visitor.t("새로 고침", "Reload")) }
                } }
            }
            (admin::done(&visitor))
            (plots(&visitor))
            div id="parts" class="stack" { (parts) }
            (history_form(&visitor, ""))
        }
    };
    let title = visitor.t("운영 콘솔", "Console");
    Ok(Page { visitor: &visitor, section: Section::Console, title, script: Some("console.js"), content }
        .show())
}

/// Id, title, series as (id, label), and unit.
type Plot<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)], &'a str);

fn plots(visitor: &Visitor) -> Markup {
    let (slow, failed) = (visitor.t("느림", "Slow"), visitor.t("실패", "Failed"));
    let slow_or_failed = visitor.t("결제 호출의 느림·실패", "Payment calls, slow and failed");
    let per_second = visitor.t("요청/초", "requests/s");
    let plots: [Plot<'_>; 4] = [
        ("requests", visitor.t("처리량", "Throughput"), &[("requests", "")], per_second),
        ("latency", visitor.t("응답 시간 (95%)", "Latency (95 %)"), &[("latency", "")], "ms"),
        ("window", slow_or_failed, &[("slow", slow), ("failed", failed)], "%"),
        ("backlog", visitor.t("대기 중인 이벤트", "Backlog"), &[("backlog", "")], visitor.t("건", "events")),
    ];
    html! {
        section class="gauges" aria-label=(visitor.t("그래프", "Plots")) {
            @for (name, title, values, unit) in plots {
                div class="card gauge" {
                    h2 class="small soft" { (title) }
                    p class="values" { @for (of, called) in values {
                        span {
                            @if !called.is_empty() { span class={ "key " (of) } { (called) } " " }
                            b id={ "value-" (of) } { "–" } " " small class="soft" { (unit) }
                        }
                    } }
                    div class="frame" {
                        svg class="plot" id={ "plot-" (name) } viewBox="0 0 120 100"
                            preserveAspectRatio="none" role="img" aria-label={ (title) ", " (unit) } {}
                        span class="most" { span id={ "most-" (name) } {} " " (unit) }
                        span class="least" { "0" }
                    }
                    p class="span small soft" {
                        span { (visitor.t("2분 전", "2 min ago")) } span { (visitor.t("지금", "now")) }
                    }
                }
            }
        }
    }
}

pub(crate) fn history_form(visitor: &Visitor, correlation: &str) -> Markup {
    html! {
        section class="card stack" {
            h2 { (visitor.t("렌탈 흐름 찾기", "Look up a rental's history")) }
            form class="inline" action="/console/saga" {
                div class="field" {
                    label for="correlation" { (visitor.t("추적 ID", "Correlation id")) }
                    input type="text" id="correlation" name="correlation" value=(correlation) required
                        pattern="[0-9a-f]{32}" autocomplete="off" class="mono";
                }
                button class="button" { (visitor.t("흐름 보기", "Show")) }
            }
            p class="small" {
                a href="/admin/rentals" { (visitor.t("렌탈 목록에서 고르기", "Choose from the rentals")) }
            }
        }
    }
}

pub(crate) async fn live(app: Data<App>, visitor: Visitor) -> PageResult {
    visitor.operator()?;
    Ok(piece(parts(&app, &visitor).await?))
}

async fn parts(app: &App, visitor: &Visitor) -> Result<Markup, PageError> {
    let (contexts, payments) = (app.shop.contexts(), app.shop.payment_actor().await);
    let tree = app.shop.actors().await.or_error_page(visitor)?;
    let backlog: u64 = contexts.iter().map(|context| context.backlog).sum();
    let window = payments.breaker.window;
    Ok(html! {
        div hidden id="figures" data-backlog=(backlog) data-slow=(window.slow_call_rate())
            data-failed=(window.failure_rate()) {}
        div class="two even" { (breaker(visitor, &payments)) (contexts_table(app, visitor, &contexts)) }
        (parked::section(app, visitor, &app.shop.parked()))
        (actors(visitor, &tree.items))
    })
}

fn breaker(visitor: &Visitor, payments: &PaymentActorView) -> Markup {
    let (class, state) = match payments.breaker.state.as_str() {
        "CLOSED" => ("good", visitor.t("닫힘 · 정상", "Closed: calls pass")),
        "OPEN" => ("bad", visitor.t("열림 · 차단 중", "Open: calls are refused")),
        _ => ("wait", visitor.t("반개방 · 시험 중", "Half-open: trying")),
    };
    let modes = [
        (BreakerMode::Auto, "AUTO", visitor.t("자동", "Automatic")),
        (BreakerMode::ForcedOpen, "FORCED_OPEN", visitor.t("강제 차단", "Force it open")),
        (BreakerMode::Disabled, "DISABLED", visitor.t("차단 사용 안 함", "Turn it off")),
    ];
    html! {
        section class="card stack" aria-labelledby="breaker-title" {
            div class="row apart" {
                h2 id="breaker-title" { (visitor.t("결제 차단기", "Payment breaker")) }
                span class={ "tag " (class) } { (state) }
            }
            (breaker_facts(visitor, payments))
            form class="row" method="post" action="/console/breaker" {
                (csrf_field(visitor))
                @for (mode, value, name) in modes {
                    button id={ "mode-" (value) } class="button quiet small" name="mode" value=(value)
                        aria-pressed=(if payments.breaker.mode == mode { "true" } else { "false" }) { (name) }
                }
            }
        }
    }
}

fn breaker_facts(visitor: &Visitor, payments: &PaymentActorView) -> Markup {
    let breaker = &payments.breaker;
    html! {
        dl class="facts num" {
            dt { (visitor.t("최근 호출", "Recent calls")) }
            dd { (breaker.window.calls) " · " (visitor.t("느림 ", "slow ")) (breaker.window.slow)
                " · " (visitor.t("실패 ", "failed ")) (breaker.window.failed) }
            dt { (visitor.t("진행 중인 호출", "Calls in progress")) }
            dd { (payments.permits_in_use) " / " (payments.permits) }
            dt { (visitor.t("대기열", "Queue")) }
            dd { (payments.queue_depth) " / " (payments.queue_capacity) }
            dt { (visitor.t("과부하로 거절", "Refused: overload")) } dd { (payments.shed) }
            dt { (visitor.t("차단기가 거절", "Refused by the breaker")) } dd { (breaker.not_permitted) }
            dt { (visitor.t("차단 횟수", "Times opened")) } dd { (breaker.openings) }
            @if let Some(ms) = breaker.retry_after_ms {
                dt { (visitor.t("다음 시도까지", "Next try in")) }
                dd { (ms.div_ceil(1_000)) (visitor.t("초", " s")) }
            }
        }
    }
}

fn contexts_table(app: &App, visitor: &Visitor, contexts: &[ContextView]) -> Markup {
    let label = visitor.t("기능", "Functions");
    let columns = [
        (label, HEAD),
        (visitor.t("대기", "Backlog"), NUMBER),
        (visitor.t("보류", "Parked"), NUMBER),
        (visitor.t("상태", "State"), SHORT),
    ];
    let rows = contexts.iter().map(|context| context_row(visitor, context)).collect();
    html! {
        section class="card stack" {
            div class="row apart" {
                h2 id="contexts-title" { (label) }
                span class="small soft num" { (visitor.t("실시간 화면 ", "Live pages ")) (app.shop.watchers()) }
            }
            (Table { label, dense: true, columns: &columns, rows })
        }
    }
}

fn context_row(visitor: &Visitor, view: &ContextView) -> Vec<Markup> {
    let (name, called) = (view.context.as_str(), wording::context(visitor.lang, view.context));
    let (class, state, verb, act) = if view.paused {
        ("wait", visitor.t("일시 중지", "Paused"), "resume", visitor.t("재개", "Resume"))
    } else {
        ("good", visitor.t("정상", "Running"), "pause", visitor.t("일시 중지", "Pause"))
    };
    let form = html! {
        form class="row" method="post" action={ "/console/contexts/" (name) "/" (verb) } {
            (csrf_field(visitor))
            span class={ "tag " (class) } { (state) }
            button id={ "context-" (name) } class="button quiet small" { (labelled(act, called)) }
        }
    };
    let head = html! { (called) " " span class="small soft" { (visitor.marked(name)) } };
    vec![head, html! { (view.backlog) }, html! { (view.parked) }, form]
}

fn actors(visitor: &Visitor, kinds: &[ActorKind]) -> Markup {
    let label = visitor.t("슈퍼바이저 트리", "Supervision tree");
    let columns = [
        (visitor.t("액터", "Actor"), HEAD),
        (visitor.t("활성", "Live"), NUMBER),
        (visitor.t("재시작", "Restarts"), NUMBER),
        (visitor.t("대기", "Queue"), NUMBER),
        (visitor.t("격리", "Quarantine"), NUMBER),
    ];
    let mut rows = Vec::new();
    for children in kinds.chunk_by(|one, next| one.supervisor == next.supervisor) {
        rows.push(supervisor_row(children));
        rows.extend(children.iter().map(|kind| actor_row(visitor, kind)));
    }
    html! {
        section class="card stack" {
            h2 id="actors-title" { (label) }
            (Table { label, dense: true, columns: &columns, rows })
        }
    }
}

fn supervisor_row(children: &[ActorKind]) -> Vec<Markup> {
    let sum = |count: fn(&ActorKind) -> u64| {
        let sum: u64 = children.iter().map(count).sum();
        html! { (sum) }
    };
    vec![
        html! { span lang="en" { (children[0].supervisor) } },
        sum(|kind| kind.status.live as u64),
        sum(|kind| kind.status.restarted),
        sum(|kind| kind.mailbox_depth as u64),
        sum(|kind| kind.status.quarantined as u64),
    ]
}

fn actor_row(visitor: &Visitor, kind: &ActorKind) -> Vec<Markup> {
    let capacity = kind.mailbox_capacity.map(|capacity| format!(" / {capacity}")).unwrap_or_default();
    let head = html! {
        span class="leaf" lang="en" { (kind.kind) @if let Some(name) = &kind.name { " · " (name) } }
    };
    let quarantine = html! {
        @if kind.status.quarantined == 0 { "0" } @else {
            @for id in &kind.status.quarantined_ids {
                form class="row" method="post" action={ "/console/revive/" (id) } {
                    (csrf_field(visitor))
                    span class="mono" { (id) }
                    button id={ "revive-" (id) } class="button small" {
                        (labelled(visitor.t("복구", "Revive"), id))
                    }
                }
            }
        }
    };
    let (live, restarted) = (html! { (kind.status.live) }, html! { (kind.status.restarted) });
    vec![head, live, restarted, html! { (kind.mailbox_depth) (capacity) }, quarantine]
}

pub(crate) async fn maintain(app: Data<App>, path: Path<(String, String)>, filled: Form) -> PageResult {
    let (name, verb) = path.into_inner();
    let Form { visitor, context, .. } = filled;
    visitor.operator()?;
    let named = Context::parse(&name).ok_or_else(|| Problem::not_found("context"));
    let named = named.or_error_page(&visitor)?;
    let changed = match verb.as_str() {
        "pause" => app.shop.pause(named, context).await,
        "resume" => app.shop.resume(named, context).await,
        _ => return Err(Problem::not_found("page")).or_error_page(&visitor),
    };
    changed.or_error_page(&visitor)?;
    Ok(see_other("/console"))
}

pub(crate) async fn revive(app: Data<App>, id: Path<String>, filled: Form) -> PageResult {
    filled.visitor.operator()?;
    let id = EntityId::parse(&id).map_err(|_| Problem::not_found("actor")).or_error_page(&filled.visitor)?;
    app.shop.revive(id).await.or_error_page(&filled.visitor)?;
    Ok(see_other(&admin::with_done("/console", "revived")))
}

pub(crate) async fn set_breaker(app: Data<App>, filled: Form) -> PageResult {
    filled.visitor.operator()?;
    let unknown = || Problem::invalid_field("/mode", "is none of the modes");
    app.shop.set_breaker(match filled.fields.get("mode") {
        "AUTO" => BreakerMode::Auto,
        "FORCED_OPEN" => BreakerMode::ForcedOpen,
        "DISABLED" => BreakerMode::Disabled,
        _ => return Err(unknown()).or_error_page(&filled.visitor),
    });
    Ok(see_other("/console"))
}
