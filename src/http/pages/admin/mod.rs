//! What the operator's pages share: tabs, lists that a phone can show, a word on what was done, and a page of
//! theirs when something went wrong.

pub(crate) mod deliveries;
pub(crate) mod orders;
pub(crate) mod products;
pub(crate) mod wording;

use maud::{Markup, html};

use super::{
    layout::{Page, Section, hidden},
    shop::product,
    text::problems::ErrorText,
};
use crate::{
    http::{
        pages::{response::encoded, visitor::Visitor},
        problem::Problem,
    },
    shop::ProductView,
};

/// A tab of the operator's pages.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tab {
    /// Purifiers.
    Products,
    /// Rentals.
    Rentals,
    /// Deliveries.
    Deliveries,
    /// Messages.
    Messages,
}

/// Every tab, and where it leads.
const TABS: [(Tab, &str); 4] = [
    (Tab::Products, "/admin"),
    (Tab::Rentals, "/admin/rentals"),
    (Tab::Deliveries, "/admin/deliveries"),
    (Tab::Messages, "/admin/messages"),
];

impl Tab {
    /// Which one a page of this path is under.
    fn of(path: &str) -> Self {
        let under = TABS.iter().rev().find(|(_, to)| path.starts_with(to));
        under.map_or(Self::Products, |(tab, _)| *tab)
    }

    const fn name(self, visitor: &Visitor) -> &'static str {
        match self {
            Self::Products => visitor.lang.t("정수기", "Purifiers"),
            Self::Rentals => visitor.lang.t("렌탈", "Rentals"),
            Self::Deliveries => visitor.lang.t("배송", "Deliveries"),
            Self::Messages => visitor.lang.t("문자", "Messages"),
        }
    }
}

/// A page of the operator's, below its tabs.
pub(crate) fn page<'a>(visitor: &'a Visitor, tab: Tab, title: &'a str, content: Markup) -> Page<'a> {
    let content = html! {
        div class="wide" {
            nav class="tabs" aria-label=(visitor.t("관리 메뉴", "Admin")) {
                @for (of, to) in TABS {
                    a href=(to) aria-current=[(of == tab).then_some("page")] { (of.name(visitor)) }
                }
            }
            (content)
        }
    };
    Page { visitor, section: Section::Admin, title, script: Some("admin.js"), content }
}

/// A column of a list.
#[derive(Clone, Copy)]
pub(crate) struct Column<'a> {
    name: &'a str,
    class: &'static str,
    heads_row: bool,
}

impl<'a> Column<'a> {
    /// Of a few words that stay on one line.
    pub(crate) const fn short(name: &'a str) -> Self {
        Self { name, class: "nowrap", heads_row: false }
    }

    /// Of numbers.
    pub(crate) const fn number(name: &'a str) -> Self {
        Self { name, class: "end", heads_row: false }
    }

    /// Of text that takes several lines, or of a form: never so narrow that words are broken.
    pub(crate) const fn wide(name: &'a str) -> Self {
        Self { name, class: "broad", heads_row: false }
    }

    /// What a row is about.
    pub(crate) const fn head(name: &'a str) -> Self {
        Self { name, class: "", heads_row: true }
    }
}

/// A list: a table, and on a phone a card for each row, with the column's name beside each value.
pub(crate) struct Table<'a> {
    /// What it lists.
    pub label: &'a str,
    /// Whether a row's card has its values side by side.
    pub dense: bool,
    /// Its columns.
    pub columns: &'a [Column<'a>],
    /// Its rows.
    pub rows: Vec<Vec<Markup>>,
}

impl maud::Render for Table<'_> {
    // A table that is laid out as cards is none any more for whoever hears it: hence the roles.
    fn render(&self) -> Markup {
        let Self { label, dense, columns, rows } = self;
        let class = if *dense { "cards dense" } else { "cards" };
        html! {
            div class="scroll" tabindex="0" role="region" aria-label=(label) {
                table class=(class) role="table" {
                    thead role="rowgroup" { tr role="row" {
                        @for column in *columns {
                            th scope="col" role="columnheader" class=(column.class) { (column.name) }
                        }
                    } }
                    tbody role="rowgroup" {
                        @for row in rows {
                            tr role="row" {
                                @for (column, value) in columns.iter().zip(row) { (cell(column, value)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn cell(column: &Column<'_>, value: &Markup) -> Markup {
    let Column { name, class, heads_row } = column;
    html! {
        @if *heads_row {
            th scope="row" role="rowheader" class=(class) { div { (value) } }
        } @else {
            td role="cell" class=(class) data-label=(name) { div { (value) } }
        }
    }
}

/// A list, or a word that there is nothing in it.
pub(crate) fn list(label: &str, columns: &[Column<'_>], rows: Vec<Vec<Markup>>, none: &str) -> Markup {
    html! {
        @if rows.is_empty() { p class="card soft" { (none) } }
        @else { (Table { label, dense: false, columns, rows }) }
    }
}

/// The way to the next part of a list.
pub(crate) fn more(visitor: &Visitor, at: &str, status: &str, next: Option<&str>) -> Markup {
    html! {
        @if let Some(next) = next {
            p class="more" {
                @let to = format!("{at}?status={}&cursor={}", encoded(status), encoded(next));
                a class="button quiet small" href=(to) { (visitor.t("더 보기", "More")) }
            }
        }
    }
}

/// The choice of a state.
pub(crate) fn pills(visitor: &Visitor, at: &str, chosen: &str, all: &[(&str, &str)]) -> Markup {
    html! {
        nav class="pills" aria-label=(visitor.t("상태", "State")) {
            @for (status, name) in all {
                @let current = (*status == chosen).then_some("true");
                a href={ (at) "?status=" (status) } aria-current=[current] { (name) }
            }
        }
    }
}

/// A question before something that cannot be undone.
pub(crate) struct Question<'a> {
    /// What is asked.
    pub title: &'a str,
    /// What it is about.
    pub about: &'a str,
    /// What follows from a yes.
    pub consequences: &'a [&'a str],
    /// Where a yes is sent.
    pub to: &'a str,
    /// Yes.
    pub yes: &'a str,
    /// No.
    pub no: &'a str,
    /// Where a no leads.
    pub back: &'a str,
}

impl Question<'_> {
    /// The page that asks it.
    pub(crate) fn page<'a>(&'a self, visitor: &'a Visitor, tab: Tab) -> Page<'a> {
        let content = html! {
            div class="narrow stack" {
                h1 { (self.title) }
                div class="card stack" {
                    p { b { (self.about) } }
                    @for consequence in self.consequences { p { (consequence) } }
                    div class="row" {
                        form method="post" action=(self.to) data-once {
                            (hidden(visitor))
                            button class="button danger" { (self.yes) }
                        }
                        a class="button quiet" href=(self.back) { (self.no) }
                    }
                }
            }
        };
        page(visitor, tab, self.title, content)
    }
}

/// What there is of a product, for the shop itself.
pub(crate) fn stock(visitor: &Visitor, product: &ProductView) -> Markup {
    if product.withdrawn {
        return html! { span class="tag off" { (visitor.t("신규 렌탈 중단", "Withdrawn")) } };
    }
    product::stock(visitor, product)
}

/// `path`, which then tells that this was done.
pub(crate) fn having(path: &str, done: &str) -> String {
    let joint = if path.contains('?') { '&' } else { '?' };
    format!("{path}{joint}done={done}")
}

/// What `path` says was done; and the path without that.
fn done_of(path: &str) -> (&str, &str) {
    path.split_once("?done=").or_else(|| path.split_once("&done=")).unwrap_or((path, ""))
}

/// That it was done, once somebody is led here after it.
pub(crate) fn done(visitor: &Visitor) -> Markup {
    let said = wording::done(visitor.lang, done_of(&visitor.path).1);
    html! { @if let Some(said) = said { p class="notice good" role="status" { (said) } } }
}

/// What went wrong, above a form.
pub(crate) fn alert(error: Option<ErrorText>) -> Markup {
    html! {
        @if let Some(ErrorText { title, text }) = error {
            div class="notice bad" role="alert" { b { (title) } p { (text) } }
        }
    }
}

/// Whether the operator is on a page of theirs.
pub(crate) fn is_within(visitor: &Visitor) -> bool {
    let within = ["/admin", "/console"].iter().any(|part| visitor.path.starts_with(part));
    visitor.is_operator() && within
}

/// What went wrong, as a page of the operator's that leads back to where they came from.
pub(crate) fn trouble<'a>(visitor: &'a Visitor, problem: &Problem) -> Page<'a> {
    let error = wording::error_text(visitor.lang, problem);
    let is_console = visitor.path.starts_with("/console");
    let (home, name) = if is_console {
        ("/console", visitor.t("콘솔로 가기", "To the console"))
    } else {
        ("/admin", visitor.t("관리로 가기", "To the shop's pages"))
    };
    let from = visitor.was_sent.then(|| done_of(&visitor.path).0);
    let content = html! {
        div class="narrow stack" {
            h1 { (error.title) }
            p { (error.text) }
            div class="row" {
                @if let Some(from) = from {
                    a class="button" href=(from) { (visitor.t("돌아가기", "Go back")) }
                }
                @if from != Some(home) { a class="button quiet" href=(home) { (name) } }
            }
        }
    };
    if is_console {
        let content = html! { div class="wide" { (content) } };
        return Page { visitor, section: Section::Console, title: error.title, script: None, content };
    }
    page(visitor, Tab::of(&visitor.path), error.title, content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn done_notice_is_shown_once() {
        for path in ["/admin", "/admin/deliveries?status=STARTED"] {
            assert_eq!(done_of(&having(path, "saved")), (path, "saved"));
            assert_eq!(done_of(path), (path, ""));
        }
    }
}
