//! Queries and headers of requests, and rules of fields: an error names the field and the rule.

use actix_web::{http::header, web};
use utoipa::IntoParams;

use crate::{
    domain::{
        Position,
        text::{bounded, line},
    },
    http::{
        app::from_request,
        headers::{POSITION, only},
        problem::{FieldError, Problem},
    },
    shop::PageRequest,
};

/// Collects all violations of a request before anything is done.
#[derive(Default)]
pub(crate) struct Rules {
    errors: Vec<FieldError>,
}

impl Rules {
    pub(crate) fn broken(&mut self, pointer: &str, detail: impl Into<String>) {
        self.errors.push(FieldError { pointer: pointer.to_owned(), detail: detail.into() });
    }

    /// Unwraps the value, or records the violation.
    pub(crate) fn check<T, E: std::fmt::Display>(&mut self, pointer: &str, value: Result<T, E>) -> Option<T> {
        value.map_err(|rule| self.broken(pointer, rule.to_string())).ok()
    }

    /// Checks one line of `min..=max` characters, and trims it.
    pub(crate) fn line(&mut self, pointer: &str, text: &str, min: usize, max: usize) -> Option<String> {
        self.check(pointer, line(text, min, max))
    }

    /// Checks a text of `min..=max` characters, which may have several lines, and trims it.
    pub(crate) fn text(&mut self, pointer: &str, text: &str, min: usize, max: usize) -> Option<String> {
        self.check(pointer, bounded(text, min, max))
    }

    pub(crate) fn number(&mut self, pointer: &str, number: u64, min: u64, max: u64) -> Option<u64> {
        let fits = (min..=max).contains(&number);
        self.check(pointer, fits.then_some(number).ok_or_else(|| format!("must be {min} to {max}")))
    }

    /// Returns the value, or a problem with all violations.
    pub(crate) fn all<T>(self, value: Option<T>) -> Result<T, Problem> {
        match value {
            Some(value) if self.errors.is_empty() => Ok(value),
            Some(_) | None => Err(Problem::invalid(self.errors)),
        }
    }
}

/// Page of a list.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "tells the document what `Query::page` reads")]
pub(crate) struct PageParameters {
    /// Maximum number of items.
    #[param(minimum = 1, maximum = 100, default = 20)]
    limit: Option<u32>,
    /// `nextCursor` of the previous page.
    cursor: Option<String>,
}

/// The query string. Each parameter is taken by name; parameters that remain are errors.
pub(crate) struct Query {
    parameters: Vec<(String, String)>,
    rules: Rules,
}

impl Query {
    fn take(&mut self, name: &str) -> Option<String> {
        let mut values = self.parameters.extract_if(.., |(key, _)| key == name).map(|(_, value)| value);
        let (first, second) = (values.next(), values.next());
        drop(values);
        if second.is_some() {
            self.rules.broken(&format!("/query/{name}"), "must be given once");
        }
        first
    }

    /// Takes a parameter and parses it; `rule` is the error message.
    pub(crate) fn get<T>(
        &mut self,
        name: &str,
        rule: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let text = self.take(name)?;
        let value = parse(&text);
        if value.is_none() {
            self.rules.broken(&format!("/query/{name}"), rule);
        }
        value
    }

    /// Takes the parameters of a list's page, and ends.
    pub(crate) fn page(mut self) -> Result<PageRequest, Problem> {
        let limit =
            self.get("limit", "must be 1 to 100", |text| text.parse().ok().filter(|n| (1..=100).contains(n)));
        let cursor = self.take("cursor");
        self.end()?;
        Ok(PageRequest { cursor, limit: limit.unwrap_or(20) })
    }

    /// Rejects the request if a parameter violated its rule or is unknown.
    pub(crate) fn end(mut self) -> Result<(), Problem> {
        for (name, _) in std::mem::take(&mut self.parameters) {
            self.rules.broken(&format!("/query/{name}"), "is not a parameter of this operation");
        }
        self.rules.all(Some(()))
    }
}

/// Position that a read must have reached.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub(crate) struct ReadAfter {
    /// From the response to a command: the read waits until it reflects that command, at most 1 s.
    #[param(rename = "Saem-Position", value_type = Option<String>, pattern = "^[0-9a-f]{1,16}$",
        example = "2a")]
    pub position: Option<Position>,
}

from_request! {
    Query, Problem: request => {
        let parsed = web::Query::<Vec<(String, String)>>::from_query(request.query_string());
        let parsed = parsed.map_err(|_| Problem::invalid_field("/query", "is not a query string"));
        parsed.map(|parsed| Self { parameters: parsed.into_inner(), rules: Rules::default() })
    };
    ReadAfter, Problem: request => {
        let position = only(request, POSITION).map(|text| {
            // Only as it was issued: `from_str_radix` would also accept a sign and capitals.
            let text = text.filter(|text| text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')));
            let position = text.and_then(|text| u64::from_str_radix(text, 16).ok()).map(Position);
            let rule = "must be a value from a response";
            position.ok_or_else(|| Problem::invalid_field("/headers/Saem-Position", rule))
        });
        position.transpose().map(|position| Self { position })
    };
}

pub(crate) fn position_header(position: Position) -> (header::HeaderName, String) {
    (POSITION, format!("{:x}", position.0))
}
