//! Parts of the operator's pages: tabs, tables that become cards on a phone, confirmations and error pages.

pub(crate) mod deliveries;
pub(crate) mod orders;
pub(crate) mod products;
pub(crate) mod wording;

use super::prelude::*;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tab {
    Products,
    Rentals,
    Deliveries,
    Messages,
}

const TABS: [(Tab, &str, [&str; 2]); 4] = [
    (Tab::Products, "/admin", ["정수기", "Purifiers"]),
    (Tab::Rentals, "/admin/rentals", ["렌탈", "Rentals"]),
    (Tab::Deliveries, "/admin/deliveries", ["배송", "Deliveries"]),
    (Tab::Messages, "/admin/messages", ["문자", "Messages"]),
];

pub(crate) fn page<'a>(visitor: &'a Visitor, tab: Tab, title: &'a str, content: Markup) -> Page<'a> {
    let content = html! {
        div class="wide" {
            nav class="tabs" aria-label=(visitor.t("관리 메뉴", "Admin")) {
                @for (of, to, [korean, english]) in TABS {
                    a href=(to) aria-current=[(of == tab).then_some("page")] { (visitor.t(korean, english)) }
                }
            }
            (content)
        }
    };
    Page { visitor, section: Section::Admin, title, script: Some("admin.js"), content }
}

/// Name of a column, and class of its cells.
pub(crate) type Column<'a> = (&'a str, &'static str);

pub(crate) const SHORT: &str = "nowrap";
pub(crate) const NUMBER: &str = "end";
/// Several lines of text, or a form; words are never broken.
pub(crate) const WIDE: &str = "broad";
/// Heads its row.
pub(crate) const HEAD: &str = "";

/// A table; on a phone, each row is a card with the column's name beside each value.
pub(crate) struct Table<'a> {
    pub label: &'a str,
    /// True if the values of a card stand side by side.
    pub dense: bool,
    pub columns: &'a [Column<'a>],
    pub rows: Vec<Vec<Markup>>,
}

impl maud::Render for Table<'_> {
    // Laid out as cards, a table loses its semantics for screen readers, hence the roles.
    fn render(&self) -> Markup {
        let Self { label, dense, columns, rows } = self;
        let class = if *dense { "cards dense" } else { "cards" };
        html! {
            div class="scroll" tabindex="0" role="region" aria-label=(label) {
                table class=(class) role="table" {
                    thead role="rowgroup" { tr role="row" {
                        @for (name, class) in *columns {
                            th scope="col" role="columnheader" class=(class) { (name) }
                        }
                    } }
                    tbody role="rowgroup" {
                        @for row in rows {
                            tr role="row" {
                                @for (column, value) in columns.iter().zip(row) { (cell(*column, value)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn cell((name, class): Column<'_>, value: &Markup) -> Markup {
    html! {
        @if class == HEAD {
            th scope="row" role="rowheader" class=(class) { div { (value) } }
        } @else {
            td role="cell" class=(class) data-label=(name) { div { (value) } }
        }
    }
}

pub(crate) fn list(label: &str, columns: &[Column<'_>], rows: Vec<Vec<Markup>>, none: &str) -> Markup {
    html! {
        @if rows.is_empty() { p class="card soft" { (none) } }
        @else { (Table { label, dense: false, columns, rows }) }
    }
}

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

/// Confirmation page for an action that cannot be undone.
pub(crate) struct Question<'a> {
    pub title: &'a str,
    pub about: &'a str,
    pub consequences: &'a [&'a str],
    pub to: &'a str,
    pub yes: &'a str,
    pub no: &'a str,
    pub back: &'a str,
}

impl Question<'_> {
    pub(crate) fn page<'a>(&'a self, visitor: &'a Visitor, tab: Tab) -> Page<'a> {
        page(visitor, tab, self.title, html! { div class="narrow stack" { (self.card(visitor)) } })
    }

    pub(crate) fn card(&self, visitor: &Visitor) -> Markup {
        html! {
            h1 { (self.title) }
            div class="card stack" {
                p { b { (visitor.marked(self.about)) } }
                @for consequence in self.consequences { p { (consequence) } }
                div class="row" {
                    form method="post" action=(self.to) data-once {
                        (csrf_field(visitor))
                        button class="button danger" { (self.yes) }
                    }
                    a class="button quiet" href=(self.back) { (self.no) }
                }
            }
        }
    }
}

/// Adds the name of a finished action to `path`, whose page then confirms it.
pub(crate) fn with_done(path: &str, done: &str) -> String {
    let joint = if path.contains('?') { '&' } else { '?' };
    format!("{path}{joint}done={done}")
}

fn split_done(path: &str) -> (&str, &str) {
    path.split_once("?done=").or_else(|| path.split_once("&done=")).unwrap_or((path, ""))
}

pub(crate) fn done(visitor: &Visitor) -> Markup {
    let said = wording::done(visitor.lang, split_done(&visitor.path).1);
    html! { @if let Some(said) = said { p class="notice good" role="status" { (said) } } }
}

pub(crate) fn is_within(visitor: &Visitor) -> bool {
    let within = ["/admin", "/console"].iter().any(|part| visitor.path.starts_with(part));
    visitor.is_operator() && within
}

/// Error page for the operator, with a link back to the page that the form was sent from.
pub(crate) fn error_page_of<'a>(visitor: &'a Visitor, problem: &Problem) -> Page<'a> {
    let error = wording::error_text(visitor.lang, problem);
    let is_console = visitor.path.starts_with("/console");
    let (home, name) = if is_console {
        ("/console", visitor.t("콘솔로 가기", "To the console"))
    } else {
        ("/admin", visitor.t("관리로 가기", "To the shop's pages"))
    };
    let from = visitor.was_sent.then(|| split_done(&visitor.path).0);
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
    let tab = TABS.iter().rev().find(|(_, to, _)| visitor.path.starts_with(to));
    page(visitor, tab.map_or(Tab::Products, |(tab, ..)| *tab), error.title, content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn done_notice_is_shown_once() {
        for path in ["/admin", "/admin/deliveries?status=STARTED"] {
            assert_eq!(split_done(&with_done(path, "saved")), (path, "saved"));
            assert_eq!(split_done(path), (path, ""));
        }
    }
}
