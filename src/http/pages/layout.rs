//! What every page has: head, navigation and foot, headers that keep it safe, and a page instead of it when
//! it cannot be shown.

use actix_web::{HttpResponse, http::StatusCode};
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::{
    assets,
    response::{encoded, html_response},
    visitor::Visitor,
};
use crate::{domain::Timestamp, http::api::schema::Time};

/// A part of the site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Section {
    /// The shop.
    Shop,
    /// My Page.
    MyPage,
    /// The operator's pages.
    Admin,
    /// The operator's console.
    Console,
    /// None of these.
    Elsewhere,
}

/// A page to be shown.
pub(crate) struct Page<'a> {
    /// Who looks at it.
    pub visitor: &'a Visitor,
    /// Where it belongs.
    pub section: Section,
    /// What a tab is called.
    pub title: &'a str,
    /// A script of ours that it takes.
    pub script: Option<&'static str>,
    /// What it says.
    pub content: Markup,
}

impl Page<'_> {
    /// The answer.
    pub(crate) fn show(self) -> HttpResponse {
        self.show_as(StatusCode::OK)
    }

    /// The answer, with another status.
    pub(crate) fn show_as(self, status: StatusCode) -> HttpResponse {
        html_response(status, self.whole())
    }

    pub(super) fn whole(self) -> String {
        let Self { visitor, section, title, script, content } = self;
        let main = match section {
            Section::Shop if visitor.path == "/" => "flush",
            _ => "",
        };
        let page = html! {
            (DOCTYPE)
            html lang=(visitor.lang.code()) {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="theme-color" content="#0a6a8a";
                    title { (title) " · " (visitor.t("샘", "Saem")) }
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

/// A piece of a page, for a script that puts it into its section.
pub(crate) fn piece(content: Markup) -> HttpResponse {
    html_response(StatusCode::OK, content.into_string())
}

/// The drop that stands for the shop.
fn drop_mark() -> Markup {
    PreEscaped(include_str!("../../../ui/drop.svg").to_owned())
}

fn top(visitor: &Visitor, section: Section) -> Markup {
    let link = |to: &str, of: Section, name: &str| {
        html! { a href=(to) aria-current=[(section == of).then_some("page")] { (name) } }
    };
    html! {
        header class="top" {
            div class="wide" {
                a class="brand" href="/" {
                    (drop_mark()) span { "샘" } small lang="en" { "Saem" }
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
                            (hidden(visitor))
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
                p { (visitor.t("샘 · 정수기 렌탈", "Saem · water purifier rental")) }
                p {
                    a href="/docs" { (visitor.t("개발자 문서", "For developers")) }
                    " · "
                    a href="/admin" { (visitor.t("관리자", "Operator")) }
                }
            }
        }
    }
}

/// A moment, for people and for programs.
pub(crate) fn when(visitor: &Visitor, at: Timestamp) -> Markup {
    html! { time datetime=(Time(at)) { (visitor.lang.moment(at)) } }
}

/// What shows that a form is ours.
pub(crate) fn hidden(visitor: &Visitor) -> Markup {
    html! { input type="hidden" name="csrf" value=(visitor.csrf); }
}

/// A field of one line, with its label and what is wrong with it.
pub(crate) struct Field<'a> {
    /// Under which name it is sent.
    pub name: &'a str,
    /// What it is called.
    pub label: &'a str,
    /// What kind of text.
    pub kind: &'a str,
    /// What stands in it.
    pub value: &'a str,
    /// What a browser may fill in.
    pub autocomplete: &'a str,
    /// A word on what to write.
    pub hint: Option<&'a str>,
    /// What is wrong with it.
    pub wrong: Option<&'a str>,
    /// Whether it may be left empty.
    pub optional: bool,
    /// A rule that a browser checks.
    pub pattern: Option<&'a str>,
    /// The longest text.
    pub max: Option<u32>,
}

impl<'a> Field<'a> {
    /// A field that must be filled in.
    pub(crate) const fn new(name: &'a str, label: &'a str, value: &'a str) -> Self {
        Self {
            name,
            label,
            kind: "text",
            value,
            autocomplete: "off",
            hint: None,
            wrong: None,
            optional: false,
            pattern: None,
            max: None,
        }
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
