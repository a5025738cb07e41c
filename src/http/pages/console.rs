//! `/console`: how the server does, live, and what an operator may do about it. A script gets the same parts
//! again and again; every button is a plain form.

use actix_web::{HttpResponse, web};
use maud::{Markup, html};

use super::{
    layout::{Instead, OrPage as _, Page, Place, hidden, piece, see_other},
    session::{Filled, Visitor},
};
use crate::{
    actors::shop::{ActorKind, BreakerMode, ContextView, HeldView, PaymentDeskView},
    domain::{
        EntityId,
        context::{Context, HeldKey},
        text::line,
    },
    http::{App, problem::Problem, schema::Time},
};

/// The console.
pub async fn index(app: web::Data<App>, visitor: Visitor) -> Result<HttpResponse, Instead> {
    visitor.operator()?;
    let parts = parts(&app, &visitor).await?;
    let plots = [
        ("requests", visitor.t("처리량", "Throughput"), visitor.t("요청/초", "requests/s")),
        ("latency", visitor.t("응답 시간 (95%)", "Latency (95 %)"), "ms"),
        ("window", visitor.t("느림·실패 비율", "Slow and failed"), "%"),
        ("backlog", visitor.t("밀린 이벤트", "Backlog"), visitor.t("건", "events")),
    ];
    let content = html! {
        div class="wide console stack" {
            div class="row apart" {
                h1 { (visitor.t("운영 콘솔", "Console")) }
                span class="live" id="live-state" { (visitor.t("실시간", "Live")) }
            }
            section class="gauges" aria-label=(visitor.t("그래프", "Plots")) {
                @for (name, title, unit) in plots {
                    div class="card gauge" {
                        h2 class="small soft" { (title) }
                        b { span id={ "value-" (name) } { "–" } " " small class="small soft" { (unit) } }
                        svg class="plot" id={ "plot-" (name) } viewBox="0 0 120 100"
                            preserveAspectRatio="none" role="img" aria-label={ (title) ", " (unit) } {}
                    }
                }
            }
            div id="parts" class="stack" { (parts) }
            (saga_form(&visitor, ""))
        }
    };
    let title = visitor.t("운영 콘솔", "Console");
    Ok(Page { visitor: &visitor, place: Place::Console, title, script: Some("console.js"), content }.show())
}

/// The form to look a rental's saga up by.
#[must_use]
pub fn saga_form(visitor: &Visitor, correlation: &str) -> Markup {
    html! {
        section class="card stack" {
            h2 { (visitor.t("렌탈 흐름 찾기", "Look a rental's saga up")) }
            form class="inline" action="/console/saga" {
                div class="field" {
                    label for="correlation" { (visitor.t("상관관계 ID", "Correlation id")) }
                    input type="text" id="correlation" name="correlation" value=(correlation) required
                        pattern="[0-9a-f]{32}" autocomplete="off" class="mono";
                }
                button class="button" { (visitor.t("흐름 보기", "Show")) }
            }
            p class="small" { a href="/admin/rentals" { (visitor.t(
                "렌탈 목록에서 고르기",
                "Choose from the rentals",
            )) } }
        }
    }
}

/// What changes, for the script.
pub async fn live(app: web::Data<App>, visitor: Visitor) -> Result<HttpResponse, Instead> {
    visitor.operator()?;
    Ok(piece(parts(&app, &visitor).await?))
}

async fn parts(app: &App, visitor: &Visitor) -> Result<Markup, Instead> {
    let (contexts, desk) = (app.shop.contexts(), app.shop.payment_desk().await);
    let tree = app.shop.actors().await.or_page(visitor)?;
    let backlog: u64 = contexts.iter().map(|context| context.backlog).sum();
    let window = desk.breaker.window;
    Ok(html! {
        div hidden id="figures" data-backlog=(backlog) data-slow=(window.slow_call_rate())
            data-failed=(window.failure_rate()) {}
        div class="two even" { (breaker(visitor, &desk)) (contexts_table(app, visitor, &contexts)) }
        (held(visitor, &app.shop.held()))
        (actors(visitor, &tree.items))
    })
}

fn breaker(visitor: &Visitor, desk: &PaymentDeskView) -> Markup {
    let PaymentDeskView { breaker, permits, permits_in_use, queue_depth, queue_capacity, shed, .. } = desk;
    let state = breaker.state.as_str();
    let class = match state {
        "CLOSED" => "good",
        "OPEN" => "bad",
        _ => "wait",
    };
    let modes = [
        (BreakerMode::Auto, "AUTO", visitor.t("자동", "Automatic")),
        (BreakerMode::ForcedOpen, "FORCED_OPEN", visitor.t("강제 차단", "Forced open")),
        (BreakerMode::Disabled, "DISABLED", visitor.t("해제", "Disabled")),
    ];
    html! {
        section class="card stack" aria-labelledby="breaker-title" {
            div class="row apart" {
                h2 id="breaker-title" { (visitor.t("결제 차단기", "Payment breaker")) }
                span class={ "tag " (class) } { (state) }
            }
            dl class="facts num" {
                dt { (visitor.t("관찰한 호출", "Calls in the window")) }
                dd { (breaker.window.calls) " · " (visitor.t("느림 ", "slow ")) (breaker.window.slow)
                    " · " (visitor.t("실패 ", "failed ")) (breaker.window.failed) }
                dt { (visitor.t("사용 중인 허가", "Permits in use")) } dd { (permits_in_use) " / " (permits) }
                dt { (visitor.t("대기열", "Queue")) } dd { (queue_depth) " / " (queue_capacity) }
                dt { (visitor.t("돌려보낸 요청", "Turned away")) } dd { (shed) }
                dt { (visitor.t("차단 횟수", "Times opened")) } dd { (breaker.openings) }
            }
            form class="row" method="post" action="/console/breaker" {
                (hidden(visitor))
                @for (mode, value, name) in modes {
                    button id={ "mode-" (value) } class="button quiet small" name="mode" value=(value)
                        aria-pressed=(if breaker.mode == mode { "true" } else { "false" }) { (name) }
                }
            }
        }
    }
}

fn contexts_table(app: &App, visitor: &Visitor, contexts: &[ContextView]) -> Markup {
    let label = visitor.t("컨텍스트", "Contexts");
    html! {
        section class="card stack" {
            div class="row apart" {
                h2 id="contexts-title" { (label) }
                span class="small soft num" { (visitor.t("실시간 화면 ", "Live pages ")) (app.shop.watchers()) }
            }
            div class="scroll" tabindex="0" role="region" aria-label=(label) {
                table {
                    thead { tr {
                        th scope="col" { (label) }
                        th scope="col" class="end" { (visitor.t("밀림", "Backlog")) }
                        th scope="col" class="end" { (visitor.t("보류", "Held")) }
                        th scope="col" { (visitor.t("상태", "State")) }
                    } }
                    tbody { @for context in contexts { (context_row(visitor, context)) } }
                }
            }
        }
    }
}

fn context_row(visitor: &Visitor, view: &ContextView) -> Markup {
    let name = view.context.as_str();
    let (class, state, verb, act) = if view.paused {
        ("wait", visitor.t("멈춤", "Paused"), "resume", visitor.t("다시 시작", "Resume"))
    } else {
        ("good", visitor.t("작동", "Running"), "pause", visitor.t("멈추기", "Pause"))
    };
    html! {
        tr {
            th scope="row" { (name) }
            td class="end" { (view.backlog) }
            td class="end" { (view.held) }
            td {
                form class="row" method="post" action={ "/console/contexts/" (name) "/" (verb) } {
                    (hidden(visitor))
                    span class={ "tag " (class) } { (state) }
                    button id={ "context-" (name) } class="button quiet small" { (act)
                        span class="unseen" { ": " (name) } }
                }
            }
        }
    }
}

fn held(visitor: &Visitor, held: &[HeldView]) -> Markup {
    let label = visitor.t("보류된 대상", "Held targets");
    html! {
        section class="card stack" {
            h2 id="held-title" { (label) " " span class="num" { "(" (held.len()) ")" } }
            @if held.is_empty() {
                p class="soft" { (visitor.t("모든 일이 제대로 진행되고 있습니다.", "Everything gets on.")) }
            } @else {
                div class="scroll" tabindex="0" role="region" aria-label=(label) {
                    table { tbody { @for HeldView { key, hold } in held { tr {
                        th scope="row" { span class="mono" { (key) } br;
                            span class="small soft" {
                                (hold.event) " · " (hold.reason) " · " (hold.attempts)
                            } }
                        td { div class="row" {
                            form method="post" action={ "/console/held/" (key) "/retry" } {
                                (hidden(visitor))
                                button id={ "retry-" (key) } class="button small" { (visitor.t(
                                    "다시 시도",
                                    "Retry",
                                )) }
                            }
                            form class="inline" method="post" action={ "/console/held/" (key) "/dismiss" } {
                                (hidden(visitor))
                                div class="field" { input id={ "reason-" (key) } name="reason" type="text"
                                    required maxlength="200"
                                    aria-label=(visitor.t("포기하는 이유", "Why it is given up"))
                                    placeholder=(visitor.t("이유", "Reason")); }
                                button class="button quiet small" { (visitor.t("포기", "Dismiss")) }
                            }
                        } }
                    } } } }
                }
            }
        }
    }
}

fn actors(visitor: &Visitor, kinds: &[ActorKind]) -> Markup {
    let label = visitor.t("감독 트리", "Supervision tree");
    let heads = [
        visitor.t("감독자", "Supervisor"),
        visitor.t("액터", "Actor"),
        visitor.t("활성", "Live"),
        visitor.t("재시작", "Restarts"),
        visitor.t("대기", "Queue"),
        visitor.t("격리", "Quarantine"),
    ];
    html! {
        section class="card stack" {
            h2 id="actors-title" { (label) }
            div class="scroll" tabindex="0" role="region" aria-label=(label) {
                table {
                    thead { tr { @for head in heads { th scope="col" { (head) } } } }
                    tbody class="num" { @for kind in kinds { (actor_row(visitor, kind)) } }
                }
            }
        }
    }
}

fn actor_row(visitor: &Visitor, kind: &ActorKind) -> Markup {
    let capacity = kind.mailbox_capacity.map(|capacity| format!(" / {capacity}")).unwrap_or_default();
    html! {
        tr {
            td class="soft" { (kind.supervisor) }
            th scope="row" { (kind.kind) @if let Some(name) = &kind.name { " · " (name) } }
            td { (kind.status.live) }
            td { (kind.status.restarted) }
            td { (kind.mailbox_depth) (capacity) }
            td {
                @if kind.status.quarantined == 0 { span class="soft" { "0" } } @else {
                    @for id in &kind.status.quarantined_ids {
                        form class="row" method="post" action={ "/console/revive/" (id) } {
                            (hidden(visitor))
                            span class="mono" { (id) }
                            button id={ "revive-" (id) } class="button small" { (visitor.t(
                                "되살리기",
                                "Revive",
                            )) }
                        }
                    }
                }
            }
        }
    }
}

/// Pauses or resumes a context.
pub async fn maintain(
    app: web::Data<App>,
    path: web::Path<(String, String)>,
    filled: Filled,
) -> Result<HttpResponse, Instead> {
    let (name, verb) = path.into_inner();
    let Filled { visitor, because, .. } = filled;
    visitor.operator()?;
    let context = Context::ALL.into_iter().find(|context| context.as_str() == name);
    let context = context.ok_or_else(|| Problem::not_found("context")).or_page(&visitor)?;
    match verb.as_str() {
        "pause" => app.shop.pause(context, because).await.map(drop),
        "resume" => app.shop.resume(context, because).await.map(drop),
        _ => return Err(Problem::not_found("page")).or_page(&visitor),
    }
    .or_page(&visitor)?;
    Ok(see_other("/console"))
}

/// Retries or dismisses a held target.
pub async fn settle(
    app: web::Data<App>,
    path: web::Path<(String, String)>,
    filled: Filled,
) -> Result<HttpResponse, Instead> {
    let (id, verb) = path.into_inner();
    let Filled { visitor, because, fields } = filled;
    visitor.operator()?;
    let key = HeldKey::parse(&id).ok_or_else(|| Problem::not_found("held target")).or_page(&visitor)?;
    match verb.as_str() {
        "retry" => app.shop.retry_held(key),
        "dismiss" => {
            let reason = line(fields.get("reason"), 1, 200);
            let reason = reason.map_err(|rule| Problem::invalid_field("/reason", rule.to_string()));
            app.shop.dismiss_held(key, reason.or_page(&visitor)?, because).await
        }
        _ => return Err(Problem::not_found("page")).or_page(&visitor),
    }
    .or_page(&visitor)?;
    Ok(see_other("/console"))
}

/// Takes an actor out of quarantine.
pub async fn revive(
    app: web::Data<App>,
    id: web::Path<String>,
    filled: Filled,
) -> Result<HttpResponse, Instead> {
    filled.visitor.operator()?;
    let id = EntityId::parse(&id).map_err(|_| Problem::not_found("actor")).or_page(&filled.visitor)?;
    app.shop.revive(id).await.or_page(&filled.visitor)?;
    Ok(see_other("/console"))
}

/// Decides who decides whether the breaker is open.
pub async fn set_breaker(app: web::Data<App>, filled: Filled) -> Result<HttpResponse, Instead> {
    filled.visitor.operator()?;
    app.shop.set_breaker(match filled.fields.get("mode") {
        "AUTO" => BreakerMode::Auto,
        "FORCED_OPEN" => BreakerMode::ForcedOpen,
        "DISABLED" => BreakerMode::Disabled,
        _ => return Err(Problem::invalid_field("/mode", "is none of the modes")).or_page(&filled.visitor),
    });
    Ok(see_other("/console"))
}

/// A moment with its milliseconds, for whoever compares.
#[must_use]
pub fn exact(at: crate::domain::Timestamp) -> String {
    Time(at).to_string().get(11..23).unwrap_or_default().to_owned()
}
