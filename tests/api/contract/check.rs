//! Checks an answer against the document: status, media type, body and headers.

use serde_json::Value;

use super::document::{CONTRACT, Operation};
use crate::kit::Answer;

/// Headers that not every answer of a status has.
const SOMETIMES: [&str; 1] = ["Idempotency-Replayed"];
/// Headers of the contract: an answer has none that is not documented for it.
const OURS: [&str; 6] =
    ["ETag", "Idempotency-Replayed", "Location", "Retry-After", "Saem-Position", "X-Correlation-Id"];

/// Returns what is wrong with an answer.
pub fn violations(operation: &Operation, url: &str, answer: &Answer) -> Vec<String> {
    let Some(response) = operation.responses.get(answer.status.to_string()) else {
        return vec![format!("{} is no status of this operation", answer.status)];
    };
    let mut wrong = headers(response, answer);
    let documented = response["content"].as_object();
    let sent = answer.header("content-type");
    let media_type = sent.split(';').next().unwrap_or_default();
    let documented = match documented {
        None if answer.body == "" => return wrong,
        None => return [wrong, vec!["a body, and none is documented".to_owned()]].concat(),
        Some(documented) => documented,
    };
    let Some(media) = documented.get(media_type) else {
        wrong.push(format!("{sent} is not documented"));
        return wrong;
    };
    wrong.extend(CONTRACT.violations(&media["schema"], &answer.body));
    if media_type == "application/problem+json" {
        wrong.extend(problem(media, url, answer));
    }
    wrong
}

fn headers(response: &Value, answer: &Answer) -> Vec<String> {
    let documented = |name: &str| !response["headers"][name].is_null();
    // Not every kind of problem of a status has all its headers.
    let always = |name: &&&str| match **name {
        "Retry-After" => matches!(answer.status, 202 | 429 | 503),
        "X-Correlation-Id" => true,
        name => answer.status < 400 && !SOMETIMES.contains(&name),
    };
    let missing = OURS.iter().filter(|name| documented(name)).filter(always);
    let missing = missing.filter(|name| answer.header(name).is_empty()).map(|name| format!("no {name}"));
    let extra = OURS.iter().filter(|name| !documented(name) && !answer.header(name).is_empty());
    let mut wrong: Vec<_> =
        missing.chain(extra.map(|name| format!("{name} is not documented for this status"))).collect();
    for name in OURS.iter().filter(|name| documented(name) && !answer.header(name).is_empty()) {
        let schema = &CONTRACT.resolved(&response["headers"][*name])["schema"];
        let text = answer.header(name);
        let value =
            if schema["type"] == "integer" { text.parse::<u64>().ok().map(Value::from) } else { None };
        let value = value.unwrap_or_else(|| Value::from(text));
        wrong.extend(CONTRACT.violations(schema, &value).iter().map(|why| format!("{name} {why}")));
    }
    wrong
}

/// Rules of a problem (RFC 9457) beyond its schema.
fn problem(media: &Value, url: &str, answer: &Answer) -> Vec<String> {
    let problem = &answer.body;
    let slug = problem["type"].as_str().and_then(|of| of.strip_prefix("/problems/")).unwrap_or_default();
    let path = url.split('?').next().unwrap_or_default();
    let must = [
        (media["examples"].get(slug).is_some(), "its kind is not among the operation's for this status"),
        (problem["status"] == answer.status, "its status is another"),
        (problem["instance"] == path, "its instance is not the path of the call"),
        (problem["correlationId"] == answer.header("x-correlation-id"), "its correlation id is another"),
        (answer.status != 401 || answer.header("www-authenticate") == "Bearer", "no WWW-Authenticate"),
        (slug != "invalid-request" || problem["errors"].is_array(), "it names no field"),
    ];
    must.into_iter().filter(|(holds, _)| !holds).map(|(_, why)| why.to_owned()).collect()
}
