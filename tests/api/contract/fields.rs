//! Values of each field that a schema accepts or refuses.

use serde_json::{Value, json};

use super::document::CONTRACT;

/// A body with one field changed.
#[derive(Debug)]
pub struct Variant {
    pub pointer: String,
    /// `None` leaves the field out.
    pub value: Option<Value>,
    /// True if the schema accepts it.
    pub fits: bool,
}

/// Variants of a body: each field, nested ones included, and an unknown one.
pub fn variants(schema: &Value, body: &Value) -> Vec<Variant> {
    let mut found = Vec::new();
    of_object(shape(schema, body), "", body, &mut found);
    found
}

/// The schema, or the one of its alternatives that `body` has the shape of.
fn shape<'a>(schema: &'a Value, body: &Value) -> &'a Value {
    let schema = CONTRACT.resolved(schema);
    let Some(shapes) = schema["oneOf"].as_array() else { return schema };
    let shapes = shapes.iter().map(|shape| CONTRACT.resolved(shape)).filter(|shape| shape["type"] != "null");
    let fits = |shape: &&Value| CONTRACT.violations(shape, body).is_empty();
    shapes.clone().find(fits).or_else(|| shapes.clone().next()).expect("a schema has a shape")
}

fn of_object(schema: &Value, at: &str, body: &Value, found: &mut Vec<Variant>) {
    let unknown = format!("{at}/unknownField");
    found.push(Variant { pointer: unknown, value: Some(json!("x")), fits: false });
    let required = schema["required"].as_array().cloned().unwrap_or_default();
    for (name, field) in schema["properties"].as_object().expect("an object has properties") {
        let pointer = format!("{at}/{name}");
        let field_schema = CONTRACT.resolved(field);
        let mut add = |value, fits| found.push(Variant { pointer: pointer.clone(), value, fits });
        add(None, !required.contains(&json!(name)));
        add(Some(Value::Null), nullable(field));
        for wrong in [json!(7), json!(1.5), json!(true), json!("x"), json!({}), json!([]), json!(["x"])] {
            let of_type = json!({"type": shape(field, &body[name])["type"]});
            if !CONTRACT.violations(&of_type, &wrong).is_empty() {
                add(Some(wrong), false);
            }
        }
        for (value, fits) in of_value(field_schema) {
            add(Some(value), fits);
        }
        let inner = shape(field, &body[name]);
        if inner["type"] == "object" {
            of_object(inner, &pointer, &body[name], found);
        }
    }
}

fn nullable(schema: &Value) -> bool {
    CONTRACT.violations(schema, &Value::Null).is_empty()
}

/// Values of the right type, at and beyond the bounds, each with whether the schema accepts it.
pub fn of_value(schema: &Value) -> Vec<(Value, bool)> {
    let mut values = Vec::new();
    if let Some(words) = schema["enum"].as_array() {
        values.extend(words.iter().cloned());
        values.extend([json!(""), json!("UNKNOWN")]);
        values.extend(words.iter().map(|word| json!(word.as_str().unwrap_or_default().to_lowercase())));
    }
    for bound in ["minimum", "maximum"] {
        if let Some(bound) = schema[bound].as_i64() {
            values.extend([json!(bound - 1), json!(bound), json!(bound + 1), json!(bound as f64 + 0.5)]);
        }
    }
    if schema.get("minimum").is_some() {
        values.extend([json!(i64::MIN), json!(1e300)]);
    }
    if schema.get("maximum").is_some() {
        values.push(json!(u64::MAX));
    }
    for bound in ["minLength", "maxLength"] {
        if let Some(length) = schema[bound].as_u64() {
            for length in [length.saturating_sub(1), length, length + 1] {
                values.extend(["a", "가", "😀"].map(|one| json!(one.repeat(length as usize))));
            }
        }
    }
    if let Some(pattern) = schema["pattern"].as_str() {
        let example = schema["example"].as_str().or_else(|| schema["examples"][0].as_str());
        let example = example.unwrap_or_else(|| panic!("{pattern}: the schema must have an example"));
        values.extend([json!(""), json!("가"), json!(format!("{example}x"))]);
        values.extend([json!(format!("{example}0")), json!(format!(" {example}")), json!(&example[1..])]);
    }
    let fits = |value: &Value| CONTRACT.violations(schema, value).is_empty();
    values.into_iter().map(|value| (value.clone(), fits(&value))).collect()
}
