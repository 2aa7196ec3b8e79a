//! Values against a JSON Schema: of a parameter, of a step's result. The keywords that are checked are those of
//! [`KEYWORDS`]; the check of a definition warns of others, so that nobody relies on them.

use serde_json::Value as Json;

/// The keywords that restrict a value and are checked.
pub const KEYWORDS: &[&str] = &[
    "type",
    "enum",
    "const",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "items",
    "minItems",
    "maxItems",
    "uniqueItems",
    "properties",
    "required",
    "additionalProperties",
    "minProperties",
    "maxProperties",
    "anyOf",
    "allOf",
    "oneOf",
    "not",
];

/// The keywords that only describe.
pub const ANNOTATIONS: &[&str] = &[
    "title",
    "description",
    "default",
    "examples",
    "format",
    "deprecated",
    "readOnly",
    "writeOnly",
    "$comment",
];

/// How many mismatches of one value are listed.
const MISMATCHES_MAX: usize = 20;
/// Values within each other are looked at as deep as this; the definition of a schema is no deeper.
const DEPTH_MAX: usize = 64;

/// Where a value does not fit its schema, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// The path below the value: `.limits.low`, `[2]`; empty for the value itself.
    pub path: String,
    /// A sentence's end: `must be of type integer, not string`.
    pub message: String,
}

/// Everything in which the value does not fit, in its own order.
pub fn mismatches(schema: &Json, value: &Json) -> Vec<Mismatch> {
    let mut found = Found::default();
    found.check(schema, value, 0);
    found.list
}

#[derive(Default)]
struct Found {
    path: String,
    list: Vec<Mismatch>,
}

impl Found {
    fn say(&mut self, message: impl Into<String>) {
        if self.list.len() < MISMATCHES_MAX {
            self.list.push(Mismatch { path: self.path.clone(), message: message.into() });
        }
    }

    fn check(&mut self, schema: &Json, value: &Json, depth: usize) {
        if schema == &Json::Bool(false) {
            return self.say("must not be there");
        }
        let Some(keywords) = schema.as_object().filter(|_| depth < DEPTH_MAX) else { return };
        // What is of another type needs no further words.
        if let Some(types) = keywords.get("type")
            && !is_of_types(value, types)
        {
            return self.say(format!("must be of type {}, not {}", names(types), type_of(value)));
        }
        for (keyword, given) in keywords {
            self.keyword(keyword, given, value, keywords, depth);
        }
    }

    fn keyword(
        &mut self,
        keyword: &str,
        given: &Json,
        value: &Json,
        schema: &serde_json::Map<String, Json>,
        depth: usize,
    ) {
        match keyword {
            "enum" if given.as_array().is_some_and(|all| !all.iter().any(|one| equal(one, value))) => {
                let all: Vec<String> = given.as_array().into_iter().flatten().map(Json::to_string).collect();
                self.say(format!("must be one of {}, not {}", all.join(", "), short(value)));
            }
            "const" if !equal(given, value) => self.say(format!("must be {given}, not {}", short(value))),
            "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum" | "multipleOf" => {
                self.number(keyword, given, value);
            }
            "minLength" | "maxLength" | "minItems" | "maxItems" | "minProperties" | "maxProperties" => {
                self.length(keyword, given, value);
            }
            "uniqueItems" if given == &Json::Bool(true) => self.unique(value),
            "items" => {
                for (i, item) in value.as_array().into_iter().flatten().enumerate() {
                    self.below(&format!("[{i}]"), given, item, depth);
                }
            }
            "properties" => {
                for (name, field) in value.as_object().into_iter().flatten() {
                    if let Some(schema) = given.get(name) {
                        self.below(&format!(".{name}"), schema, field, depth);
                    }
                }
            }
            "additionalProperties" => {
                let known = schema.get("properties").and_then(Json::as_object);
                for (name, field) in value.as_object().into_iter().flatten() {
                    if known.is_none_or(|known| !known.contains_key(name)) {
                        self.below(&format!(".{name}"), given, field, depth);
                    }
                }
            }
            "required" => {
                let missing =
                    |name: &&str| value.as_object().is_some_and(|fields| !fields.contains_key(*name));
                let names = given.as_array().into_iter().flatten().filter_map(Json::as_str);
                names.filter(missing).for_each(|name| self.say(format!("must have `{name}`")));
            }
            "allOf" => {
                given.as_array().into_iter().flatten().for_each(|one| self.check(one, value, depth + 1));
            }
            "anyOf" | "oneOf" => {
                let fits =
                    given.as_array().into_iter().flatten().filter(|one| fits(one, value, depth)).count();
                if fits == 0 {
                    self.say(format!("fits none of the schemas of `{keyword}`"));
                } else if keyword == "oneOf" && fits > 1 {
                    self.say("fits more than one of the schemas of `oneOf`");
                }
            }
            "not" if fits(given, value, depth) => self.say("fits the schema of `not`"),
            _ => {}
        }
    }

    fn below(&mut self, step: &str, schema: &Json, value: &Json, depth: usize) {
        let length = self.path.len();
        self.path.push_str(step);
        self.check(schema, value, depth + 1);
        self.path.truncate(length);
    }

    fn number(&mut self, keyword: &str, given: &Json, value: &Json) {
        let (Some(value), Some(bound)) = (value.as_f64(), given.as_f64()) else { return };
        let (is_fine, words) = match keyword {
            "minimum" => (value >= bound, "at least"),
            "maximum" => (value <= bound, "at most"),
            "exclusiveMinimum" => (value > bound, "more than"),
            "exclusiveMaximum" => (value < bound, "less than"),
            _ => (bound == 0.0 || (value / bound).fract() == 0.0, "a multiple of"),
        };
        if !is_fine {
            self.say(format!("must be {words} {bound}, not {value}"));
        }
    }

    fn length(&mut self, keyword: &str, given: &Json, value: &Json) {
        let Some(bound) = given.as_u64().and_then(|bound| usize::try_from(bound).ok()) else { return };
        let (length, unit) = match (keyword, value) {
            ("minLength" | "maxLength", Json::String(text)) => (text.chars().count(), "characters"),
            ("minItems" | "maxItems", Json::Array(items)) => (items.len(), "items"),
            ("minProperties" | "maxProperties", Json::Object(fields)) => (fields.len(), "fields"),
            _ => return,
        };
        if keyword.starts_with("min") && length < bound {
            self.say(format!("must have at least {bound} {unit}, not {length}"));
        } else if keyword.starts_with("max") && length > bound {
            self.say(format!("must have at most {bound} {unit}, not {length}"));
        }
    }

    fn unique(&mut self, value: &Json) {
        let Some(items) = value.as_array() else { return };
        let mut texts: Vec<String> = items.iter().map(Json::to_string).collect();
        texts.sort();
        if texts.windows(2).any(|pair| pair[0] == pair[1]) {
            self.say("must not have an item twice");
        }
    }
}

fn fits(schema: &Json, value: &Json, depth: usize) -> bool {
    let mut found = Found::default();
    found.check(schema, value, depth + 1);
    found.list.is_empty()
}

/// `1` and `1.0` are one number.
fn equal(a: &Json, b: &Json) -> bool {
    match (a, b) {
        (Json::Number(a), Json::Number(b)) => {
            a == b || (a.as_f64() == b.as_f64() && (a.is_f64() != b.is_f64()))
        }
        _ => a == b,
    }
}

fn is_of_types(value: &Json, types: &Json) -> bool {
    let is = |name: &str| match name {
        "integer" => {
            value.as_i64().is_some()
                || value.as_u64().is_some()
                || value.as_f64().is_some_and(|n| n.fract() == 0.0)
        }
        other => type_of(value) == other,
    };
    match types {
        Json::String(one) => is(one),
        Json::Array(several) => several.iter().filter_map(Json::as_str).any(is),
        _ => true,
    }
}

fn names(types: &Json) -> String {
    match types {
        Json::Array(several) => several.iter().filter_map(Json::as_str).collect::<Vec<_>>().join(" or "),
        other => other.as_str().unwrap_or_default().to_owned(),
    }
}

fn type_of(value: &Json) -> &'static str {
    match value {
        Json::Null => "null",
        Json::Bool(_) => "boolean",
        Json::Number(_) => "number",
        Json::String(_) => "string",
        Json::Array(_) => "array",
        Json::Object(_) => "object",
    }
}

/// A value in a message.
fn short(value: &Json) -> String {
    let text = value.to_string();
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(schema: Json, value: Json, expected: &[&str]) {
        let found: Vec<String> =
            mismatches(&schema, &value).into_iter().map(|m| format!("{} {}", m.path, m.message)).collect();
        assert_eq!(found, expected, "{schema} {value}");
    }

    #[test]
    fn a_value_fits_its_schema_or_the_message_says_where_it_does_not() {
        check(json!({"type": "integer"}), json!(3.0), &[]);
        check(json!({"type": "integer"}), json!(u64::MAX), &[]);
        check(json!({"type": "integer"}), json!(3.5), &[" must be of type integer, not number"]);
        check(
            json!({"type": ["string", "null"]}),
            json!(1),
            &[" must be of type string or null, not number"],
        );
        check(json!({"enum": ["eu", "us"]}), json!("as"), &[r#" must be one of "eu", "us", not "as""#]);
        check(json!({"const": 1}), json!(1.0), &[]);
        check(json!({"minimum": 1, "exclusiveMaximum": 5}), json!(5), &[" must be less than 5, not 5"]);
        check(json!({"multipleOf": 0.5}), json!(1.25), &[" must be a multiple of 0.5, not 1.25"]);
        check(json!({"minLength": 2}), json!("ü"), &[" must have at least 2 characters, not 1"]);
        check(
            json!({"maxItems": 1, "uniqueItems": true}),
            json!([1, 1]),
            &[" must have at most 1 items, not 2", " must not have an item twice"],
        );
        let object = json!({
            "properties": {"low": {"type": "number"}, "tags": {"items": {"type": "string"}}},
            "required": ["low"],
            "additionalProperties": false,
        });
        check(object.clone(), json!({"low": 1, "tags": ["a"]}), &[]);
        check(
            object,
            json!({"tags": ["a", 2], "x": 1}),
            &[".tags[1] must be of type string, not number", " must have `low`", ".x must not be there"],
        );
        check(
            json!({"anyOf": [{"type": "string"}, {"type": "null"}]}),
            json!(1),
            &[" fits none of the schemas of `anyOf`"],
        );
        check(
            json!({"oneOf": [{"minimum": 1}, {"minimum": 2}]}),
            json!(3),
            &[" fits more than one of the schemas of `oneOf`"],
        );
        check(json!({"not": {"type": "null"}}), json!(null), &[" fits the schema of `not`"]);
        check(
            json!({"allOf": [{"minimum": 2}, {"maximum": 0}]}),
            json!(1),
            &[" must be at least 2, not 1", " must be at most 0, not 1"],
        );
    }
}
