//! The JSON Schema of definitions, read off the table of the language. It says what the structure check says, and
//! editors read it: `catena schema > chain.schema.json`.

use serde_json::{Map, Value, json};

use crate::duration;
use crate::language::{
    CHAIN_KEYS, JSON_TYPES, KINDS, Key, Keys, Kind, Object, On, RESERVED_NAMES, Rule, STEP_KEYS, Shape,
    Since, Word, find,
};
use crate::limits;
use crate::names;

/// Kinds that are one only where the step names no other: see the structure check.
const SOFT_KINDS: [&str; 2] = ["notify", "execution_mode"];

/// The schema of a definition in any of its shapes.
pub fn schema() -> Value {
    let plain_words =
        json!({"type": "string", "pattern": names::NOT_BLANK, "description": "a step in plain words"});
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A chain of Catena",
        "oneOf": [
            {"$ref": "#/$defs/chain"},
            {"type": "array", "minItems": 1, "items": {"oneOf": [plain_words, {"$ref": "#/$defs/step"}]}},
        ],
        "$defs": {
            "chain": object(&Object { what: "a chain", keys: CHAIN_KEYS, rules: &[] }),
            "step": step(false),
            "undo_step": step(true),
            "steps": {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/step"}},
            "undo": undo(),
            "name": name(),
            "id": id(),
            "duration": duration(0.0),
            "time": duration(f64::MIN_POSITIVE),
            "schema": json_schema(),
        },
    })
}

fn object(object: &Object) -> Value {
    let properties: Map<String, Value> =
        object.keys.iter().map(|key| (key.name.to_owned(), described(of(&key.shape), key))).collect();
    let required: Vec<&str> = object.keys.iter().filter(|key| key.is_required).map(|key| key.name).collect();
    let mut schema = json!({"type": "object", "properties": properties, "additionalProperties": false});
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    let rules: Vec<Value> = object.rules.iter().map(rule).collect();
    if !rules.is_empty() {
        schema["allOf"] = json!(rules);
    }
    schema
}

fn described(mut schema: Value, key: &Key) -> Value {
    let later = if key.since == Since::Later { " (not run by this version yet)" } else { "" };
    let default = key.default.map(|default| format!("; `{default}` where it is absent")).unwrap_or_default();
    schema["description"] = json!(format!("{}{default}{later}", key.doc));
    schema
}

fn rule(rule: &Rule) -> Value {
    let requires = |name: &&str| json!({"required": [name]});
    match rule {
        Rule::ExactlyOne(names) => json!({"oneOf": names.iter().map(requires).collect::<Vec<_>>()}),
        Rule::AtLeastOne(names) => json!({"anyOf": names.iter().map(requires).collect::<Vec<_>>()}),
        Rule::AtMostOne(names) => {
            let both = |(at, first): (usize, &&str)| {
                let first = *first;
                names[at + 1..]
                    .iter()
                    .map(move |second| json!({"required": [first, second]}))
                    .collect::<Vec<_>>()
            };
            let pairs: Vec<Value> = names.iter().enumerate().flat_map(both).collect();
            json!({"not": {"anyOf": pairs}})
        }
    }
}

/// The schema of a shape.
fn of(shape: &Shape) -> Value {
    match shape {
        Shape::Data | Shape::Constant => json!({}),
        Shape::Text | Shape::Script | Shape::Expr => {
            json!({"type": ["string", "number", "boolean"], "pattern": names::NOT_BLANK})
        }
        Shape::TextExpr => json!({"type": "string", "pattern": names::NOT_BLANK}),
        Shape::Note | Shape::Template => json!({"type": ["string", "number", "boolean"]}),
        Shape::Bool => json!({"type": "boolean"}),
        Shape::Count { least, most } => json!({"type": "integer", "minimum": least, "maximum": most}),
        Shape::Number { least } => json!({"type": "number", "minimum": least}),
        Shape::Duration => json!({"$ref": "#/$defs/duration"}),
        Shape::Time => json!({"$ref": "#/$defs/time"}),
        Shape::Word(words) => json!({"enum": spellings(words)}),
        Shape::Name => json!({"$ref": "#/$defs/name"}),
        Shape::Id => json!({"$ref": "#/$defs/id"}),
        Shape::List { of: item, least } => json!({"type": "array", "items": of(item), "minItems": least}),
        Shape::Map { of: value, keys, least } => map(value, *keys, *least),
        Shape::Object(shape) => object(shape),
        Shape::OneOf(shapes) => one_of(shapes),
        Shape::Steps => json!({"$ref": "#/$defs/steps"}),
        Shape::Step => json!({"$ref": "#/$defs/step"}),
        Shape::Undo => json!({"$ref": "#/$defs/undo"}),
        Shape::JsonSchema => json!({"$ref": "#/$defs/schema"}),
        Shape::Form => json!({
            "type": "object",
            "if": {
                "minProperties": 1,
                "properties": {"properties": false},
                "additionalProperties": {"type": "object"},
            },
            "then": {"additionalProperties": {"$ref": "#/$defs/schema"}},
            "else": {"$ref": "#/$defs/schema"},
        }),
    }
}

/// The first shape of a value's type is the one that is meant: a later one does not take that type.
fn one_of(shapes: &[Shape]) -> Value {
    let mut taken: Vec<&str> = Vec::new();
    let mut schemas = Vec::new();
    for shape in shapes {
        let types = types(shape);
        let mut schema = of(shape);
        let overlap: Vec<&str> = types.iter().copied().filter(|name| taken.contains(name)).collect();
        if !overlap.is_empty() {
            schema = json!({"allOf": [schema], "not": {"type": overlap}});
        }
        taken.extend(types);
        schemas.push(schema);
    }
    json!({"anyOf": schemas})
}

fn types(shape: &Shape) -> Vec<&'static str> {
    match shape {
        Shape::Data | Shape::Constant => vec!["null", "boolean", "number", "string", "array", "object"],
        Shape::Text
        | Shape::Note
        | Shape::Template
        | Shape::Script
        | Shape::Expr
        | Shape::Word(_)
        | Shape::Name
        | Shape::Id => {
            vec!["string", "number", "boolean"]
        }
        Shape::TextExpr => vec!["string"],
        Shape::Bool => vec!["boolean"],
        Shape::Count { .. } | Shape::Number { .. } => vec!["number"],
        Shape::Duration | Shape::Time => vec!["number", "string"],
        Shape::List { .. } | Shape::Steps => vec!["array"],
        Shape::Map { .. } | Shape::Object(_) | Shape::Step | Shape::JsonSchema | Shape::Form => {
            vec!["object"]
        }
        Shape::Undo => vec!["array", "object"],
        Shape::OneOf(shapes) => shapes.iter().flat_map(types).collect(),
    }
}

fn spellings(words: &[Word]) -> Vec<String> {
    words.iter().flat_map(|word| [word.name.to_owned(), word.name.to_uppercase()]).collect()
}

fn map(value: &Shape, keys: Keys, least: usize) -> Value {
    let mut schema = json!({"type": "object", "additionalProperties": of(value), "minProperties": least});
    match keys {
        Keys::Any => {}
        Keys::Names => schema["propertyNames"] = json!({"$ref": "#/$defs/name"}),
        Keys::Ids => schema["propertyNames"] = json!({"$ref": "#/$defs/id"}),
        Keys::Variables => schema["propertyNames"] = json!({"pattern": "^[^=\u{0}]+$"}),
    }
    schema
}

/// A name that is text: `true` and `1` can be no identifiers.
fn name() -> Value {
    let refused: Vec<&str> = RESERVED_NAMES.iter().chain(names::WORDS).copied().collect();
    json!({
        "type": "string",
        "pattern": "^[A-Za-z_][A-Za-z0-9_]*$",
        "maxLength": limits::MAX_NAME_BYTES,
        "not": {"enum": refused},
    })
}

fn id() -> Value {
    // Not by classes of letters: some validators have none. So large letters beyond ASCII are left to the check.
    let text = json!({
        "type": "string",
        "pattern": r"^[^\x00-/:-^`{-\x7f\s]+$",
        "maxLength": catena_core::ids::StepId::MAX_BYTES,
    });
    json!({"anyOf": [text, {"type": "integer", "minimum": 0, "maximum": u64::MAX}, {"type": "boolean"}]})
}

fn duration(least: f64) -> Value {
    // That it is shorter than ten years, a pattern could not say of the text.
    let number = match least > 0.0 {
        true => json!({"type": "number", "minimum": 0.001}),
        false => json!({"type": "number", "minimum": 0}),
    };
    let mut text = json!({"type": "string", "pattern": duration::PATTERN});
    if least > 0.0 {
        text["allOf"] = json!([{"pattern": "[1-9]"}]);
    }
    json!({"anyOf": [number, text]})
}

fn undo() -> Value {
    json!({
        "if": {"type": "object", "required": ["steps"]},
        "then": {
            "type": "object",
            "properties": {"steps": {"$ref": "#/$defs/steps"}, "if_started": {"type": "boolean"}},
            "additionalProperties": false,
        },
        "else": {"anyOf": [
            {"allOf": [{"type": "array"}, {"$ref": "#/$defs/steps"}]},
            {"allOf": [{"type": "object"}, {"$ref": "#/$defs/undo_step"}]},
        ]},
    })
}

fn json_schema() -> Value {
    let one = json!({"enum": JSON_TYPES});
    json!({
        "type": "object",
        "properties": {
            "type": {"anyOf": [one, {"type": "array", "minItems": 1, "items": one}]},
            "properties": {"type": "object", "additionalProperties": {"$ref": "#/$defs/schema"}},
            "items": {"anyOf": [{"$ref": "#/$defs/schema"}, {"not": {"type": "object"}}]},
            "enum": {"type": "array", "minItems": 1},
            "required": {"type": "array", "items": {"type": ["string", "number", "boolean"], "pattern": names::NOT_BLANK}},
        },
    })
}

/// A step has one kind, and the keys that fit it.
fn step(is_undo: bool) -> Value {
    let mut properties = Map::new();
    for key in STEP_KEYS {
        properties.insert(key.name.to_owned(), described(of(&key.shape), key));
    }
    for kind in KINDS.iter().filter(|kind| find(STEP_KEYS, kind.name).is_none()) {
        let mut schema = of(&kind.shape);
        let later = if kind.since == Since::Later { " (not run by this version yet)" } else { "" };
        schema["description"] = json!(format!("{}{later}", kind.doc));
        properties.insert(kind.name.to_owned(), schema);
    }
    // Beside `chain` it says how that one is run; alone it is a kind. Which one, the conditions below say.
    properties.insert("wait".to_owned(), json!({"description": "waits for a time, a signal or a person"}));
    if is_undo {
        properties.insert("if_started".to_owned(), json!({"type": "boolean"}));
    }
    let mut conditions = vec![one_kind(), wait(), orchestrated(), alternative()];
    conditions.extend(KINDS.iter().filter(|kind| kind.name != "execution_mode").filter_map(needs));
    conditions.extend(STEP_KEYS.iter().filter_map(belongs));
    json!({"type": "object", "properties": properties, "additionalProperties": false, "allOf": conditions})
}

fn requires(name: &str) -> Value {
    json!({"required": [name]})
}

fn hard_kinds() -> Vec<&'static str> {
    KINDS.iter().map(|kind| kind.name).filter(|name| !SOFT_KINDS.contains(name)).collect()
}

/// Whether a step has a kind of its own beside `notify` and `execution_mode`.
fn has_hard_kind() -> Value {
    json!({"anyOf": hard_kinds().into_iter().map(requires).collect::<Vec<_>>()})
}

fn one_kind() -> Value {
    let hard: Vec<Value> = hard_kinds()
        .into_iter()
        .map(|name| match name {
            "wait" => json!({"required": ["wait"], "not": {"required": ["chain"]}}),
            name => requires(name),
        })
        .collect();
    let soft = json!({"anyOf": SOFT_KINDS.map(requires)});
    json!({"if": has_hard_kind(), "then": {"oneOf": hard}, "else": soft})
}

fn wait() -> Value {
    let kind = KINDS.iter().find(|kind| kind.name == "wait").map_or(json!({}), |kind| of(&kind.shape));
    json!({
        "if": {"required": ["chain"]},
        "then": {"properties": {"wait": {"type": "boolean"}}},
        "else": {"properties": {"wait": kind}},
    })
}

fn alternative() -> Value {
    let words = spellings(&[Word { name: "alternative", since: Since::Later }]);
    json!({
        "if": {"required": ["error_policy"], "properties": {"error_policy": {"enum": words}}},
        "then": {"required": ["alternative"]},
    })
}

/// `execution_mode` alone is the kind of that name, and `notify` beside it a key.
fn orchestrated() -> Value {
    let words = spellings(&[Word { name: "orchestrated", since: Since::Later }]);
    json!({
        "if": {"required": ["execution_mode"], "not": has_hard_kind()},
        "then": {"properties": {"execution_mode": {"enum": words}}, "required": ["task_description"]},
    })
}

fn needs(kind: &Kind) -> Option<Value> {
    (!kind.needs.is_empty()).then(|| json!({"if": requires(kind.name), "then": {"required": kind.needs}}))
}

/// A key that belongs to some kinds is an error beside others.
fn belongs(key: &Key) -> Option<Value> {
    let On::Kinds(kinds) = key.on else { return None };
    if key.name == "wait" {
        return None;
    }
    let mut allowed: Vec<Value> =
        kinds.iter().filter(|name| !SOFT_KINDS.contains(name)).map(|name| requires(name)).collect();
    if kinds.contains(&"execution_mode") {
        allowed.push(json!({"required": ["execution_mode"], "not": has_hard_kind()}));
    }
    // Which step is meant, nobody can tell where it has no kind at all: that is said by itself.
    Some(json!({"if": requires(key.name), "then": {"anyOf": allowed}}))
}
