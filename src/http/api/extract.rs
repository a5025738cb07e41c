//! What comes in: bodies, queries and path ids, each with an error that names the field and the rule.

use std::pin::Pin;

use actix_web::{FromRequest, HttpRequest, dev::Payload, http::header, web};
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};
use utoipa::IntoParams;

use super::repeats;
use crate::{
    domain::{
        Position,
        text::{bounded, line},
    },
    http::{
        body::Body,
        headers::POSITION,
        limits::Limits,
        problem::{FieldError, Problem, kinds::Kind},
    },
    shop::PageRequest,
};

/// A body in JSON.
const BODY: Body = Body { name: "body", max: (64 * 1_024, "64 KiB"), broken: Kind::MalformedJson };
/// How deep a body may be nested.
const DEPTH_MAX: usize = 16;

/// The same for bodies that say the same, whatever the order of their fields.
pub type Digest = [u8; 32];

/// A JSON body.
pub struct Json<T>(pub T);

impl<T: DeserializeOwned + 'static> FromRequest for Json<T> {
    type Error = Problem;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Problem>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let reading = read_json(request, payload, false);
        Box::pin(async move { reading.await.map(|(value, _)| Self(value)) })
    }
}

/// Reads a JSON body, and its digest if that is wanted.
///
/// # Errors
/// A problem: it is not JSON, too large, too late, or not what is expected.
pub fn read_json<T: DeserializeOwned>(
    request: &HttpRequest,
    payload: &mut Payload,
    digested: bool,
) -> impl Future<Output = Result<(T, Digest), Problem>> + use<T> {
    let media_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let is_json = media_type.is_some_and(|media_type| {
        media_type.split(';').next().is_some_and(|t| t.trim().eq_ignore_ascii_case("application/json"))
    });
    let encoded = request.headers().get(header::CONTENT_ENCODING).is_some_and(|value| value != "identity");
    let payload = payload.take();
    let within = Limits::body_timeout(request);
    async move {
        if !is_json || encoded {
            let rule = "the body must be application/json, not compressed";
            return Err(Problem::new(Kind::UnsupportedMediaType, rule));
        }
        parse(&BODY.read(payload, within).await?, digested)
    }
}

fn parse<T: DeserializeOwned>(body: &[u8], digested: bool) -> Result<(T, Digest), Problem> {
    if is_deep(body) {
        let rule = format!("must not be nested deeper than {DEPTH_MAX} levels");
        return Err(Problem::invalid_field("", rule));
    }
    let (mut value, repeated) = repeats::read(body).map_err(|error| {
        Problem::new(
            Kind::MalformedJson,
            format!("not JSON at line {}, column {}", error.line(), error.column()),
        )
    })?;
    if let Some(at) = repeated {
        return Err(Problem::invalid_field(&at, "is said twice"));
    }
    if let Some(at) = array_in(&value) {
        return Err(Problem::invalid_field(&at, "must not be an array"));
    }
    let digest = if digested {
        value.sort_all_objects();
        Sha256::digest(value.to_string()).into()
    } else {
        Digest::default()
    };
    serde_path_to_error::deserialize(value).map(|value| (value, digest)).map_err(|error| {
        let at = pointer(error.path());
        let reason = error.inner().to_string();
        // serde names a missing or an unknown field in the message, not in the path.
        let field = reason.strip_prefix("missing field `").or_else(|| reason.strip_prefix("unknown field `"));
        let field = field.and_then(|rest| rest.split('`').next());
        let at = match field {
            Some(field) if !at.ends_with(&format!("/{field}")) => format!("{at}/{field}"),
            Some(_) | None => at,
        };
        let missing = reason.starts_with("missing field");
        let rule = if missing { "is required".to_owned() } else { plainly(&reason) };
        Problem::invalid_field(&at, rule)
    })
}

/// Whether brackets nest too deep, outside of texts. It counts, so that depth costs no stack.
fn is_deep(body: &[u8]) -> bool {
    let (mut depth, mut in_text, mut escaped) = (0_usize, false, false);
    body.iter().any(|byte| {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            b'{' | b'[' if !in_text => depth += 1,
            b'}' | b']' if !in_text => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth > DEPTH_MAX
    })
}

/// The first array, if there is one: serde would take it for an object, and no request has any.
fn array_in(value: &serde_json::Value) -> Option<String> {
    match value {
        serde_json::Value::Array(_) => Some(String::new()),
        serde_json::Value::Object(fields) => fields.iter().find_map(|(name, value)| {
            array_in(value).map(|at| format!("/{}{at}", name.replace('~', "~0").replace('/', "~1")))
        }),
        _ => None,
    }
}

/// serde's words, without Rust's names for things.
fn plainly(reason: &str) -> String {
    let mut words = Vec::new();
    let mut skip = false;
    for word in reason.split(' ') {
        match word.trim_end_matches(',') {
            _ if skip => {
                skip = false;
                words.push("an object");
            }
            "struct" => skip = true,
            "u64" | "u32" => words.push("a whole number of 0 or more"),
            _ => words.push(word),
        }
    }
    words.join(" ")
}

fn pointer(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    path.iter()
        .filter_map(|segment| match segment {
            Segment::Map { key } => Some(format!("/{}", key.replace('~', "~0").replace('/', "~1"))),
            Segment::Seq { index } => Some(format!("/{index}")),
            Segment::Enum { .. } | Segment::Unknown => None,
        })
        .collect()
}

/// Collects every field that breaks its rule, before anything is done.
#[derive(Default)]
pub struct Rules {
    errors: Vec<FieldError>,
}

impl Rules {
    /// Notes a field that breaks its rule.
    pub fn broken(&mut self, pointer: &str, detail: impl Into<String>) {
        self.errors.push(FieldError { pointer: pointer.to_owned(), detail: detail.into() });
    }

    /// The value, or a note and nothing.
    pub fn check<T, E: std::fmt::Display>(&mut self, pointer: &str, value: Result<T, E>) -> Option<T> {
        value.map_err(|rule| self.broken(pointer, rule.to_string())).ok()
    }

    /// One line of `min..=max` characters, trimmed.
    pub fn line(&mut self, pointer: &str, text: &str, min: usize, max: usize) -> Option<String> {
        self.check(pointer, line(text, min, max))
    }

    /// A text of `min..=max` characters, trimmed; line breaks are welcome.
    pub fn text(&mut self, pointer: &str, text: &str, min: usize, max: usize) -> Option<String> {
        self.check(pointer, bounded(text, min, max))
    }

    /// A whole number within bounds.
    pub fn number(
        &mut self,
        pointer: &str,
        number: u64,
        bounds: std::ops::RangeInclusive<u64>,
    ) -> Option<u64> {
        let rule = format!("must be {} to {}", bounds.start(), bounds.end());
        self.check(pointer, if bounds.contains(&number) { Ok(number) } else { Err(rule) })
    }

    /// All of it, or every field that breaks its rule.
    ///
    /// # Errors
    /// A problem that names each of them.
    pub fn all<T>(self, value: Option<T>) -> Result<T, Problem> {
        match value {
            Some(value) if self.errors.is_empty() => Ok(value),
            Some(_) | None => Err(Problem::invalid(self.errors)),
        }
    }
}

/// Which part of a list is wanted.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "tells the document what `Query::page` reads")]
pub struct PageParameters {
    /// How many items at most.
    #[param(minimum = 1, maximum = 100, default = 20)]
    limit: Option<u32>,
    /// Where to go on: the `nextCursor` of the part before.
    cursor: Option<String>,
}

/// The query: each parameter is taken by name; one that nobody takes is an error.
pub struct Query {
    parameters: Vec<(String, String)>,
    rules: Rules,
}

impl FromRequest for Query {
    type Error = Problem;
    type Future = std::future::Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let parsed = web::Query::<Vec<(String, String)>>::from_query(request.query_string());
        let parsed = parsed.map_err(|_| Problem::invalid_field("/query", "is not a query string"));
        std::future::ready(
            parsed.map(|parsed| Self { parameters: parsed.into_inner(), rules: Rules::default() }),
        )
    }
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

    /// A parameter, read by `parse`; `rule` says what it must be.
    pub fn get<T>(&mut self, name: &str, rule: &str, parse: impl FnOnce(&str) -> Option<T>) -> Option<T> {
        let text = self.take(name)?;
        let value = parse(&text);
        if value.is_none() {
            self.rules.broken(&format!("/query/{name}"), rule);
        }
        value
    }

    /// Which part of a list is wanted.
    pub fn page(&mut self) -> PageRequest {
        let limit =
            self.get("limit", "must be 1 to 100", |text| text.parse().ok().filter(|n| (1..=100).contains(n)));
        let cursor = self.take("cursor");
        PageRequest { cursor, limit: limit.unwrap_or(20) }
    }

    /// Nothing else may stand in the query.
    ///
    /// # Errors
    /// A problem that names each parameter that breaks its rule, or is unknown.
    pub fn end(mut self) -> Result<(), Problem> {
        for (name, _) in std::mem::take(&mut self.parameters) {
            self.rules.broken(&format!("/query/{name}"), "is not a parameter of this call");
        }
        self.rules.all(Some(()))
    }
}

/// The position a reader has seen: what it reads must have got there.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub struct ReadAfter {
    /// As the answer to a command gave it: this read waits, a second at most, until it shows that command.
    #[param(rename = "Saem-Position", value_type = Option<String>, pattern = "^[0-9a-f]{1,16}$",
        example = "2a")]
    pub position: Option<Position>,
}

impl FromRequest for ReadAfter {
    type Error = Problem;
    type Future = std::future::Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let mut values = request.headers().get_all(POSITION);
        let first = values.next();
        let more = values.next().is_some();
        let position = first.map(|value| {
            // Only as it was given: `from_str_radix` would take a sign and capitals, too.
            let given = |text: &&str| text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) && !more;
            let text = value.to_str().ok().filter(given);
            let position = text.and_then(|text| u64::from_str_radix(text, 16).ok()).map(Position);
            position.ok_or_else(|| {
                Problem::invalid_field("/headers/Saem-Position", "must be one that an answer gave")
            })
        });
        std::future::ready(position.transpose().map(|position| Self { position }))
    }
}

/// A position, as the header tells it.
#[must_use]
pub fn position_header(position: Position) -> (header::HeaderName, String) {
    (POSITION, format!("{:x}", position.0))
}

#[cfg(test)]
#[path = "extract_tests.rs"]
mod tests;
