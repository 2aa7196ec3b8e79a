//! A value that a schema allows, for steps of which nothing else is said.

use serde_json::{Value as Json, json};

/// Deeper schemas describe nothing that a person wrote.
const DEPTH_MAX: usize = 16;

/// The plainest value that the schema describes: what it names itself, else the emptiest of its type.
pub fn sample(schema: &Json) -> Json {
    sample_at(schema, 0)
}

fn sample_at(schema: &Json, depth: usize) -> Json {
    let first = |key: &str| schema[key].as_array().and_then(|list| list.first());
    let named = schema.get("const").or_else(|| schema.get("default")).or_else(|| first("examples"));
    if let Some(value) = named.or_else(|| first("enum")) {
        return value.clone();
    }
    let kind = schema["type"].as_str().or_else(|| first("type").and_then(Json::as_str));
    match kind {
        _ if depth > DEPTH_MAX => Json::Null,
        Some("string") => json!("x".repeat(small(schema, "minLength", 1))),
        Some("integer" | "number") => schema.get("minimum").cloned().unwrap_or(json!(0)),
        Some("boolean") => json!(false),
        Some("array") => {
            let item = schema.get("items").map_or(Json::Null, |items| sample_at(items, depth + 1));
            Json::Array(vec![item; small(schema, "minItems", 0)])
        }
        Some("object") => object(schema, depth),
        None if schema.get("properties").is_some() => object(schema, depth),
        Some(_) | None => Json::Null,
    }
}

fn object(schema: &Json, depth: usize) -> Json {
    let properties = schema["properties"].as_object().into_iter().flatten();
    properties.map(|(name, property)| (name.clone(), sample_at(property, depth + 1))).collect()
}

/// A length that the schema asks for, within reason.
fn small(schema: &Json, key: &str, default: u64) -> usize {
    schema[key].as_u64().unwrap_or(default).min(1_000) as usize
}
