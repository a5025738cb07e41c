//! What every page has: head, navigation and foot, headers that keep it safe, and a page instead of it when
//! it cannot be shown.

use actix_web::{
    HttpResponse, ResponseError,
    http::{
        StatusCode,
        header::{self, HeaderName},
    },
};
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::{PAGE, admin, assets, text::problems};
use crate::{
    domain::Timestamp,
    http::{api::schema::Time, problem::Problem, session::Visitor},
};

/// Scripts, styles and pictures of this server alone, and none within a page.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
                      connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// What goes along with everything that is shown to one person.
const HEADERS: [(HeaderName, &str); 5] = [
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "same-origin"),
    (header::CACHE_CONTROL, "no-store"),
    (header::VARY, "Accept-Language, Cookie"),
];

/// A part of the site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
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
pub struct Page<'a> {
    /// Who looks at it.
    pub visitor: &'a Visitor,
    /// Where it belongs.
    pub place: Place,
    /// What a tab is called.
    pub title: &'a str,
    /// A script of ours that it takes.
    pub script: Option<&'static str>,
    /// What it says.
    pub content: Markup,
}

impl Page<'_> {
    /// The answer.
    #[must_use]
    pub fn show(self) -> HttpResponse {
        self.show_as(StatusCode::OK)
    }

    /// The answer, with another status.
    #[must_use]
    pub fn show_as(self, status: StatusCode) -> HttpResponse {
        written(status, self.whole())
    }

    fn whole(self) -> String {
        let Self { visitor, place, title, script, content } = self;
        let main = match place {
            Place::Shop if visitor.path == "/" => "flush",
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
                    (top(visitor, place))
                    main id="main" class=(main) tabindex="-1" { (content) }
                    (foot(visitor))
                }
            }
        };
        page.into_string()
    }
}

/// A piece of a page, for a script that puts it into its place.
#[must_use]
pub fn piece(content: Markup) -> HttpResponse {
    written(StatusCode::OK, content.into_string())
}

fn written(status: StatusCode, body: String) -> HttpResponse {
    let mut response = HttpResponse::build(status);
    for header in HEADERS {
        response.insert_header(header);
    }
    response.content_type(PAGE).body(body)
}

/// The drop that stands for the shop.
fn drop_mark() -> Markup {
    PreEscaped(include_str!("../../../ui/drop.svg").to_owned())
}

fn top(visitor: &Visitor, place: Place) -> Markup {
    let link = |to: &str, of: Place, name: &str| {
        html! { a href=(to) aria-current=[(place == of).then_some("page")] { (name) } }
    };
    html! {
        header class="top" {
            div class="wide" {
                a class="brand" href="/" {
                    (drop_mark()) span { "샘" } small lang="en" { "Saem" }
                }
                nav aria-label=(visitor.t("주 메뉴", "Main")) {
                    (link("/", Place::Shop, visitor.t("정수기", "Purifiers")))
                    @if visitor.is_operator() {
                        (link("/admin", Place::Admin, visitor.t("관리", "Admin")))
                        (link("/console", Place::Console, visitor.t("콘솔", "Console")))
                    } @else {
                        (link("/my", Place::MyPage, visitor.t("마이페이지", "My Page")))
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
    let to = super::shop::account::encoded(&visitor.path);
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
                    a href="/admin" { (visitor.t("매장 관리", "For the shop")) }
                }
            }
        }
    }
}

/// A moment, for people and for programs.
#[must_use]
pub fn when(visitor: &Visitor, at: Timestamp) -> Markup {
    html! { time datetime=(Time(at)) { (visitor.lang.moment(at)) } }
}

/// What shows that a form is ours.
#[must_use]
pub fn hidden(visitor: &Visitor) -> Markup {
    html! { input type="hidden" name="csrf" value=(visitor.csrf); }
}

/// A field of one line, with its label and what is wrong with it.
pub struct Field<'a> {
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
    #[must_use]
    pub const fn new(name: &'a str, label: &'a str, value: &'a str) -> Self {
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
        let told = [hint.map(|_| hint_id.as_str()), wrong.map(|_| wrong_id.as_str())];
        let told = told.into_iter().flatten().collect::<Vec<_>>().join(" ");
        let numeric = (*kind == "number" || pattern.is_some()).then_some("numeric");
        html! {
            div class="field" {
                label for=(name) { (label) }
                input id=(name) name=(name) type=(kind) value=(value) autocomplete=(autocomplete)
                    required[!*optional] pattern=[*pattern] maxlength=[*max] inputmode=[numeric]
                    min=[(*kind == "number").then_some("0")]
                    aria-describedby=[Some(told.as_str()).filter(|told| !told.is_empty())]
                    aria-invalid=[wrong.map(|_| "true")];
                @if let Some(hint) = hint { span class="hint" id=(hint_id) { (hint) } }
                @if let Some(wrong) = wrong { span class="wrong" id=(wrong_id) { (wrong) } }
            }
        }
    }
}

/// What is answered instead of a page.
#[derive(Debug)]
pub enum Instead {
    /// Another page.
    Page(StatusCode, String),
    /// The way to another page.
    SeeOther(String),
}

impl Instead {
    /// Where a customer logs in, to come back here.
    #[must_use]
    pub fn log_in(path: &str) -> Self {
        Self::SeeOther(format!("/log-in?to={}", super::shop::account::encoded(path)))
    }

    /// Where the operator logs in, to come back here.
    #[must_use]
    pub fn operator_log_in(path: &str) -> Self {
        Self::SeeOther(format!("/admin/log-in?to={}", super::shop::account::encoded(path)))
    }
}

impl std::fmt::Display for Instead {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("another page")
    }
}

impl ResponseError for Instead {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::Page(status, _) => *status,
            Self::SeeOther(_) => StatusCode::SEE_OTHER,
        }
    }

    fn error_response(&self) -> HttpResponse {
        match self {
            Self::Page(status, body) => written(*status, body.clone()),
            Self::SeeOther(to) => see_other(to),
        }
    }
}

/// The way to another page, to be got anew.
#[must_use]
pub fn see_other(to: &str) -> HttpResponse {
    HttpResponse::SeeOther().insert_header((header::LOCATION, to)).finish()
}

/// What went wrong, as a page that says so.
pub trait OrPage<T> {
    /// The value, or a page that says why there is none.
    ///
    /// # Errors
    /// That page.
    fn or_page(self, visitor: &Visitor) -> Result<T, Instead>;
}

impl<T, E: Into<Problem>> OrPage<T> for Result<T, E> {
    fn or_page(self, visitor: &Visitor) -> Result<T, Instead> {
        self.map_err(|error| {
            let problem: Problem = error.into();
            if admin::is_within(visitor) {
                let page = admin::trouble(visitor, &problem);
                return Instead::Page(problem.kind.status(), page.whole());
            }
            let told = problems::told(visitor.lang, &problem);
            let content = html! {
                div class="wide narrow stack" {
                    h1 { (told.title) }
                    p { (told.text) }
                    p { a class="button quiet" href="/" { (visitor.t("처음으로", "To the shop")) } }
                }
            };
            let page = Page { visitor, place: Place::Elsewhere, title: told.title, script: None, content };
            Instead::Page(problem.kind.status(), page.whole())
        })
    }
}
