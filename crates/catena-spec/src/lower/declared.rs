//! What is declared of a value before anything runs, and the paths that it rules out.

use serde_json::Value as Json;

use super::scope::Declared;

/// A path that leads nowhere.
pub(crate) struct Miss {
    /// The path up to it.
    pub(crate) below: String,
    pub(crate) key: String,
    /// What stands there instead of an object.
    pub(crate) found: Option<String>,
    /// The keys that are there.
    pub(crate) known: Vec<String>,
}

impl Declared {
    /// Where a dotted path leaves what is declared. A list is entered by numbers, which paths do not show: what is
    /// behind it is not looked at.
    pub(crate) fn miss(&self, path: &str) -> Option<Miss> {
        // The value itself is there.
        if path.is_empty() {
            return None;
        }
        match self {
            Declared::Schema(schema) => miss_in_schema(schema, path),
            Declared::Constant(value) => miss_in_constant(value, path),
        }
    }
}

fn miss(parts: &[&str], at: usize, found: Option<&str>, known: Vec<String>) -> Option<Miss> {
    let below = parts[..at].join(".");
    Some(Miss { below, key: parts[at].to_owned(), found: found.map(str::to_owned), known })
}

fn miss_in_constant(value: &Json, path: &str) -> Option<Miss> {
    let parts: Vec<&str> = path.split('.').collect();
    let mut here = value;
    for (at, part) in parts.iter().enumerate() {
        let Json::Object(fields) = here else {
            return match here {
                Json::Array(_) => None,
                _ => miss(&parts, at, Some(kind_of(here)), Vec::new()),
            };
        };
        match fields.get(*part) {
            Some(next) => here = next,
            None => return miss(&parts, at, None, fields.keys().cloned().collect()),
        }
    }
    None
}

/// A schema with `properties` has those, unless it says that there may be others.
fn miss_in_schema(schema: &Json, path: &str) -> Option<Miss> {
    let parts: Vec<&str> = path.split('.').collect();
    let mut here = schema;
    for (at, part) in parts.iter().enumerate() {
        if let Some(found) = scalar_type(here) {
            return miss(&parts, at, Some(found), Vec::new());
        }
        if ["$ref", "anyOf", "oneOf", "allOf", "patternProperties"].iter().any(|key| here.get(key).is_some())
        {
            return None;
        }
        let properties = here.get("properties").and_then(Json::as_object)?;
        match properties.get(*part) {
            Some(next) => here = next,
            None if is_open(here) => return None,
            None => return miss(&parts, at, None, properties.keys().cloned().collect()),
        }
    }
    None
}

fn is_open(schema: &Json) -> bool {
    match schema.get("additionalProperties") {
        None | Some(Json::Bool(false)) => false,
        Some(_) => true,
    }
}

/// The type of a schema whose values have no parts.
fn scalar_type(schema: &Json) -> Option<&'static str> {
    match schema.get("type")?.as_str()? {
        "string" => Some("text"),
        "number" | "integer" => Some("a number"),
        "boolean" => Some("true or false"),
        "null" => Some("nothing"),
        _ => None,
    }
}

fn kind_of(value: &Json) -> &'static str {
    match value {
        Json::Null => "nothing",
        Json::Bool(_) => "true or false",
        Json::Number(_) => "a number",
        Json::String(_) => "text",
        Json::Array(_) => "a list",
        Json::Object(_) => "an object",
    }
}
