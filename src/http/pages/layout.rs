//! Layout of every page: head, navigation, footer and form fields.

use actix_web::{HttpResponse, http::StatusCode};
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::{
    assets,
    response::{encoded, html_response},
    text::problems::ErrorText,
    visitor::Visitor,
};
use crate::{domain::Timestamp, http::api::schema::Time};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Section {
    Shop,
    MyPage,
    Admin,
    Console,
    Elsewhere,
}

pub(crate) struct Page<'a> {
    pub visitor: &'a Visitor,
    pub section: Section,
    pub title: &'a str,
    pub script: Option<&'static str>,
    pub content: Markup,
}

impl Page<'_> {
    pub(crate) fn show(self) -> HttpResponse {
        self.show_as(StatusCode::OK)
    }

    pub(crate) fn show_as(self, status: StatusCode) -> HttpResponse {
        html_response(status, self.whole())
    }

    pub(super) fn whole(self) -> String {
        let Self { visitor, section, title, script, content } = self;
        let main = if section == Section::Shop && visitor.path == "/" { "flush" } else { "" };
        let page = html! {
            (DOCTYPE)
            html lang=(visitor.lang.code()) {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="theme-color" content="#0a6a8a";
                    title { (title) " · " (visitor.shop_name()) }
                    link rel="icon" type="image/svg+xml" href=(assets::url("drop.svg"));
                    link rel="stylesheet" href=(assets::url("saem.css"));
                    @if let Some(script) = script {
                        script src=(assets::url(script)) defer {}
                    }
                }
                body data-csrf=(visitor.csrf) {
                    a class="skip" href="#main" { (visitor.t("본문으로 건너뛰기", "Skip to content")) }
                    (top(visitor, section))
                    main id="main" class=(main) tabindex="-1" { (content) }
                    (foot(visitor))
                }
            }
        };
        page.into_string()
    }
}

/// Renders a part of a page, which a script inserts.
pub(crate) fn piece(content: Markup) -> HttpResponse {
    html_response(StatusCode::OK, content.into_string())
}

fn top(visitor: &Visitor, section: Section) -> Markup {
    let link = |to: &str, of: Section, name: &str| {
        html! { a href=(to) aria-current=[(section == of).then_some("page")] { (name) } }
    };
    html! {
        header class="top" {
            div class="wide" {
                a class="brand" href="/" {
                    (PreEscaped(include_str!("../../../ui/drop.svg")))
                    @match &visitor.brand.name {
                        Some(name) => span { (visitor.marked(name)) },
                        None => { span { (visitor.marked("샘")) } small { (visitor.marked("Saem")) } }
                    }
                }
                nav aria-label=(visitor.t("주 메뉴", "Main")) {
                    (link("/", Section::Shop, visitor.t("정수기", "Purifiers")))
                    @if visitor.is_operator() {
                        (link("/admin", Section::Admin, visitor.t("관리", "Admin")))
                        (link("/console", Section::Console, visitor.t("콘솔", "Console")))
                    } @else {
                        (link("/my", Section::MyPage, visitor.t("마이페이지", "My Page")))
                    }
                }
                div class="side" {
                    (language(visitor))
                    @match visitor.principal {
                        Some(_) => form method="post" action="/log-out" {
                            (csrf_field(visitor))
                            button { (visitor.t("로그아웃", "Log out")) }
                        },
                        None => a href="/log-in" { (visitor.t("로그인", "Log in")) },
                    }
                }
            }
        }
    }
}

fn language(visitor: &Visitor) -> Markup {
    let (code, name) = match visitor.t("en", "ko") {
        "en" => ("en", "English"),
        _ => ("ko", "한국어"),
    };
    let to = encoded(&visitor.path);
    html! { a href={ "/language/" (code) "?to=" (to) } lang=(code) hreflang=(code) { (name) } }
}

fn foot(visitor: &Visitor) -> Markup {
    html! {
        footer class="foot" {
            div class="wide" {
                p {
                    (visitor.marked(visitor.shop_name()))
                    " · " (visitor.t("정수기 렌탈", "water purifier rental"))
                }
                p {
                    a href="/docs" { (visitor.t("개발자 문서", "For developers")) }
                    " · "
                    a href="/admin" { (visitor.t("관리자", "Operator")) }
                }
            }
        }
    }
}

pub(crate) fn when(visitor: &Visitor, at: Timestamp) -> Markup {
    html! { time datetime=(Time(at)) { (visitor.lang.moment(at)) } }
}

pub(crate) fn csrf_field(visitor: &Visitor) -> Markup {
    html! { input type="hidden" name="csrf" value=(visitor.csrf); }
}

pub(crate) fn alert(class: &str, error: ErrorText, wait: Option<String>) -> Markup {
    html! {
        div class={ "notice " (class) } role="alert" {
            b { (error.title) }
            p { (error.text) }
            @if let Some(wait) = wait { p { (wait) } }
        }
    }
}

/// Text of a button or link, and for screen readers what it acts on.
pub(crate) fn labelled(text: &str, of: impl std::fmt::Display) -> Markup {
    html! { (text) span class="unseen" { ": " (of) } }
}

#[derive(Default)]
pub(crate) struct Field<'a> {
    pub name: &'a str,
    pub label: &'a str,
    pub kind: &'a str,
    pub value: &'a str,
    pub autocomplete: &'a str,
    pub hint: Option<&'a str>,
    pub wrong: Option<&'a str>,
    pub optional: bool,
    pub pattern: Option<&'a str>,
    pub max: Option<u32>,
}

impl<'a> Field<'a> {
    pub(crate) fn new(name: &'a str, label: &'a str, value: &'a str) -> Self {
        Self { name, label, kind: "text", value, autocomplete: "off", ..Self::default() }
    }
}

impl maud::Render for Field<'_> {
    fn render(&self) -> Markup {
        let Self { name, label, kind, value, autocomplete, hint, wrong, optional, pattern, max } = self;
        let (hint_id, wrong_id) = (format!("{name}-hint"), format!("{name}-wrong"));
        let ids = [hint.map(|_| hint_id.as_str()), wrong.map(|_| wrong_id.as_str())];
        let ids = ids.into_iter().flatten().collect::<Vec<_>>().join(" ");
        let numeric = (*kind == "number" || pattern.is_some()).then_some("numeric");
        html! {
            div class="field" {
                label for=(name) { (label) }
                input id=(name) name=(name) type=(kind) value=(value) autocomplete=(autocomplete)
                    required[!*optional] pattern=[*pattern] maxlength=[*max] inputmode=[numeric]
                    min=[(*kind == "number").then_some("0")]
                    aria-describedby=[Some(ids.as_str()).filter(|ids| !ids.is_empty())]
                    aria-invalid=[wrong.map(|_| "true")];
                @if let Some(hint) = hint { span class="hint" id=(hint_id) { (hint) } }
                @if let Some(wrong) = wrong { span class="wrong" id=(wrong_id) { (wrong) } }
            }
        }
    }
}
