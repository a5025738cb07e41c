//! Examples of all bodies: the schema's own, or composed of those of its properties.

use serde_json::{Value, json};

use super::{Object, objects};

/// Adds an example to each media type that has none.
pub(crate) fn add(content: Option<&mut Value>, schemas: &Value) {
    for (_, media) in objects(content) {
        if media.get("example").is_none()
            && media.get("examples").is_none()
            && let Some(example) = of(&media["schema"], schemas)
        {
            media["example"] = example;
        }
    }
}

fn of(schema: &Value, schemas: &Value) -> Option<Value> {
    if let Some(name) = schema["$ref"].as_str() {
        return of(&schemas[name.rsplit('/').next()?], schemas);
    }
    let own = [&schema["example"], &schema["examples"][0], &schema["enum"][0]]
        .into_iter()
        .find(|example| !example.is_null());
    if let Some(example) = own {
        return Some(example.clone());
    }
    if let Some(variants) = schema["oneOf"].as_array() {
        return variants.iter().filter(|variant| variant["type"] != "null").find_map(|v| of(v, schemas));
    }
    if let Some(properties) = schema["properties"].as_object() {
        let example = |(name, property): (&String, &Value)| Some((name.clone(), of(property, schemas)?));
        return Some(Value::Object(properties.iter().filter_map(example).collect::<Object>()));
    }
    let of_type = |wanted: &str| match &schema["type"] {
        Value::Array(types) => types.iter().any(|of_type| of_type == wanted),
        of_type => of_type == wanted,
    };
    if of_type("array") {
        return Some(json!([of(&schema["items"], schemas)?]));
    }
    if of_type("object") {
        return Some(json!({}));
    }
    if of_type("boolean") {
        return Some(json!(true));
    }
    // The cursor of the last page.
    of_type("null").then_some(Value::Null).or_else(|| of_type("integer").then(|| json!(1)))
}
