//! What is refused, and which field the refusal names.

use serde::Deserialize;

use super::*;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Outer {
    #[expect(dead_code, reason = "only its errors are looked at")]
    inner_part: Inner,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Inner {
    #[expect(dead_code, reason = "only its errors are looked at")]
    count: u32,
}

fn pointer_of(body: &str) -> String {
    let problem = parse::<Outer>(body.as_bytes(), true).map(|_| ()).unwrap_err();
    problem.errors.first().map_or_else(|| problem.kind.slug().to_owned(), |error| error.pointer.clone())
}

#[test]
fn the_field_at_fault_is_named_by_its_pointer() {
    for (body, expected) in [
        ("{", "malformed-json"),
        ("{}", "/innerPart"),
        (r#"{"innerPart":{}}"#, "/innerPart/count"),
        (r#"{"innerPart":{"count":"1"}}"#, "/innerPart/count"),
        (r#"{"innerPart":{"count":-1}}"#, "/innerPart/count"),
        (r#"{"innerPart":{"count":1,"more":2}}"#, "/innerPart/more"),
        (r#"{"innerPart":{"count":1},"other":2}"#, "/other"),
        (r#"{"innerPart":null}"#, "/innerPart"),
    ] {
        assert_eq!(pointer_of(body), expected, "{body}");
    }
}

#[test]
fn sixteen_levels_are_enough() {
    let nested = |levels: usize| format!("{}1{}", r#"{"a":"#.repeat(levels), "}".repeat(levels));
    let read = |body: &str| parse::<serde_json::Value>(body.as_bytes(), true).map(|_| ());
    assert_eq!(read(&nested(16)), Ok(()));
    for deep in [nested(17), "[".repeat(60_000), r#"{"\\":"#.repeat(17)] {
        let problem = read(&deep).unwrap_err();
        assert_eq!(problem, Problem::invalid_field("", "must not be nested deeper than 16 levels"));
    }
    for flat in [format!(r#"{{"a":"{}"}}"#, "{".repeat(50)), format!(r#"{{"a":"\"{}"}}"#, "[".repeat(50))] {
        assert_eq!(read(&flat), Ok(()), "{flat}");
    }
    let wide = format!(r#"{{{}"z":1}}"#, (0..50).map(|n| format!(r#""{n}":{{}},"#)).collect::<String>());
    assert_eq!(read(&wide), Ok(()));
}

#[test]
fn the_order_of_fields_does_not_change_the_digest() {
    let print = |body: &str| parse::<serde_json::Value>(body.as_bytes(), true).map(|(_, digest)| digest).ok();
    assert_eq!(print(r#"{"a":1,"b":2}"#), print(r#" {"b": 2, "a": 1}"#));
    assert_ne!(print(r#"{"a":1}"#), print(r#"{"a":2}"#));
}
