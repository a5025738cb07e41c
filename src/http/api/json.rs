//! JSON bodies, parsed once and straight into their type.

use std::pin::Pin;

use actix_web::{FromRequest, HttpRequest, dev::Payload, http::header, web::Bytes};
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_path_to_error::{Path, Segment};

use crate::http::{
    body::Body,
    limits::Limits,
    problem::{Problem, ProblemKind},
};

const BODY: Body = Body { name: "body", max: (64 * 1_024, "64 KiB"), broken: ProblemKind::MalformedJson };
/// Levels that a body may be nested.
const DEPTH_MAX: usize = 16;

pub(crate) struct Json<T>(pub T);

impl<T: DeserializeOwned + 'static> FromRequest for Json<T> {
    type Error = Problem;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Problem>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let reading = read(request, payload);
        Box::pin(async move { parse(&reading.await?).map(Self) })
    }
}

pub(crate) fn read(
    request: &HttpRequest,
    payload: &mut Payload,
) -> impl Future<Output = Result<Bytes, Problem>> + use<> {
    let media_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let is_json = media_type.is_some_and(|media_type| {
        media_type.split(';').next().is_some_and(|t| t.trim().eq_ignore_ascii_case("application/json"))
    });
    let encoded = request.headers().get(header::CONTENT_ENCODING).is_some_and(|value| value != "identity");
    let (payload, within) = (payload.take(), Limits::body_timeout(request));
    async move {
        if !is_json || encoded {
            let rule = "the body must be application/json, not compressed";
            return Err(Problem::new(ProblemKind::UnsupportedMediaType, rule));
        }
        BODY.read(payload, within).await
    }
}

pub(crate) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    let brackets = Brackets::of(body);
    if brackets.depth > DEPTH_MAX {
        let rule = format!("must not be nested deeper than {DEPTH_MAX} levels");
        return Err(Problem::invalid_field("", rule));
    }
    if brackets.array {
        let at = array_in(&json(body)?).unwrap_or_default();
        return Err(Problem::invalid_field(&at, "must not be an array"));
    }
    let mut parser = serde_json::Deserializer::from_slice(body);
    match serde_path_to_error::deserialize(&mut parser) {
        Ok(value) => parser.end().map(|()| value).map_err(|error| malformed(&error)),
        // JSON that breaks off after a wrong field is no JSON.
        Err(error) => Err(json(body).err().unwrap_or_else(|| wrong_field(&error))),
    }
}

fn json(body: &[u8]) -> Result<Value, Problem> {
    serde_json::from_slice(body).map_err(|error| malformed(&error))
}

fn malformed(error: &serde_json::Error) -> Problem {
    let at = format!("not JSON at line {}, column {}", error.line(), error.column());
    Problem::new(ProblemKind::MalformedJson, at)
}

/// The brackets of a body, outside of strings.
#[derive(Default)]
struct Brackets {
    depth: usize,
    array: bool,
}

impl Brackets {
    fn of(body: &[u8]) -> Self {
        let (mut found, mut depth, mut in_string, mut escaped) = (Self::default(), 0_usize, false, false);
        for byte in body {
            match byte {
                _ if escaped => escaped = false,
                b'\\' if in_string => escaped = true,
                b'"' => in_string = !in_string,
                b'{' | b'[' if !in_string => {
                    depth += 1;
                    found.depth = found.depth.max(depth);
                    found.array |= *byte == b'[';
                }
                b'}' | b']' if !in_string => depth = depth.saturating_sub(1),
                _ => {}
            }
        }
        found
    }
}

/// The pointer to the first array. serde would take an array for an object, and no body has any.
fn array_in(value: &Value) -> Option<String> {
    match value {
        Value::Array(_) => Some(String::new()),
        Value::Object(fields) => {
            fields.iter().find_map(|(name, value)| array_in(value).map(|at| step(name) + &at))
        }
        _ => None,
    }
}

/// One step of a JSON pointer (RFC 6901).
fn step(name: &str) -> String {
    format!("/{}", name.replace('~', "~0").replace('/', "~1"))
}

fn wrong_field(error: &serde_path_to_error::Error<serde_json::Error>) -> Problem {
    let at = pointer(error.path());
    let reason = error.inner().to_string();
    let reason = reason.rsplit_once(" at line ").map_or(reason.as_str(), |(reason, _)| reason);
    // serde names these fields in the message; the path may end at their object.
    let named = ["missing field `", "unknown field `", "duplicate field `"];
    let field = named.into_iter().find_map(|start| reason.strip_prefix(start)?.split('`').next()).map(step);
    let at = match field {
        Some(field) if !at.ends_with(&field) => at + &field,
        Some(_) | None => at,
    };
    let rule = match reason {
        _ if reason.starts_with("missing field") => "is required".to_owned(),
        _ if reason.starts_with("duplicate field") => "is a duplicate field".to_owned(),
        // An enumeration whose value is neither a string nor an object.
        "expected value" => "invalid type: expected a string".to_owned(),
        _ => plain(reason),
    };
    Problem::invalid_field(&at, rule)
}

/// A message of serde without the names of Rust types.
fn plain(reason: &str) -> String {
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

fn pointer(path: &Path) -> String {
    path.iter()
        .filter_map(|segment| match segment {
            Segment::Map { key } => Some(step(key)),
            Segment::Seq { index } => Some(format!("/{index}")),
            Segment::Enum { .. } | Segment::Unknown => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields, rename_all = "camelCase")]
    struct Outer {
        #[expect(dead_code, reason = "only errors are tested")]
        inner_part: Inner,
        #[expect(dead_code, reason = "only errors are tested")]
        note: Option<String>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Inner {
        #[expect(dead_code, reason = "only errors are tested")]
        count: u32,
    }

    fn pointer_of(body: &str) -> String {
        let problem = parse::<Outer>(body.as_bytes()).map(|_| ()).unwrap_err();
        problem.errors.first().map_or_else(|| problem.kind.slug().to_owned(), |error| error.pointer.clone())
    }

    #[test]
    fn wrong_fields_are_named_unless_the_json_is_broken() {
        for (body, expected) in [
            (r#"{"innerPart":{"count":1,"x/y~":2}}"#, "/innerPart/x~1y~0"),
            (r#"{"innerPart":{"count":1},"innerPart":{"count":1}}"#, "/innerPart"),
            (r#"{"innerPart":{"count":1,"count":1}}"#, "/innerPart/count"),
            (r#"{"innerPart":{"count":1,"\u0063ount":1}}"#, "/innerPart/count"),
            (r#"{"note":null,"note":"x","innerPart":{"count":1}}"#, "/note"),
            (r#"{"innerPart":{"count":1},"innerPart":{"count":1}"#, "malformed-json"),
            (r#"{"innerPart":{"count":"1"}"#, "malformed-json"),
            (r#"{"innerPart":{"count":01}}"#, "malformed-json"),
            ("[", "malformed-json"),
            ("{\"note\":\"\u{1}\"}", "malformed-json"),
        ] {
            assert_eq!(pointer_of(body), expected, "{body}");
        }
    }

    #[test]
    fn sixteen_levels_are_enough() {
        let deep = Problem::invalid_field("", "must not be nested deeper than 16 levels");
        let nested = |levels: usize| format!("{}1{}", r#"{"a":"#.repeat(levels), "}".repeat(levels));
        assert_eq!(parse::<Value>(nested(16).as_bytes()).map(drop), Ok(()));
        for body in [nested(17), "[".repeat(60_000), r#"{"\\":"#.repeat(17)] {
            assert_eq!(parse::<Value>(body.as_bytes()).unwrap_err(), deep);
        }
        let in_strings =
            [format!(r#"{{"a":"{}"}}"#, "{".repeat(50)), format!(r#"{{"a":"\"{}"}}"#, "[".repeat(50))];
        let wide = format!(r#"{{{}"z":1}}"#, (0..50).map(|n| format!(r#""{n}":{{}},"#)).collect::<String>());
        for body in in_strings.into_iter().chain([wide]) {
            assert_eq!(parse::<Value>(body.as_bytes()).map(drop), Ok(()), "{body}");
        }
    }
}
