//! JSON to values of the expression language and back, nothing lost on the way.

use minijinja::{
    Value as Jinja,
    value::{Serde, ValueKind},
};
use serde_json::{Map, Number, Value as Json};

use super::bounds::{Budget, Fault, Result, fault};

/// A value deeper than this is refused, so that no walk over one needs much stack.
const DEPTH_MAX: usize = 400;

pub(super) fn from_json(json: &Json) -> Jinja {
    Jinja::from(Serde(json))
}

/// Exact, or a fault: what JSON cannot hold is never rounded or left out.
pub(super) fn to_json(value: &Jinja, budget: &mut Budget) -> Result<Json> {
    at_depth(value, budget, 0)
}

fn at_depth(value: &Jinja, budget: &mut Budget, depth: usize) -> Result<Json> {
    if depth > DEPTH_MAX {
        return fault("its value is nested too deep");
    }
    budget.items(1)?;
    match value.kind() {
        ValueKind::None => Ok(Json::Null),
        ValueKind::Bool => Ok(Json::Bool(value.is_true())),
        ValueKind::Number => number(value).map(Json::Number),
        ValueKind::String => {
            let text = value.as_str().unwrap_or_default();
            budget.text(text.len())?;
            Ok(Json::from(text))
        }
        ValueKind::Seq | ValueKind::Iterable => {
            let items: Result<Vec<Json>> =
                iterate(value)?.map(|item| at_depth(&item, budget, depth + 1)).collect();
            items.map(Json::Array)
        }
        ValueKind::Map => {
            let mut fields = Map::new();
            for key in iterate(value)? {
                let field = value.get_item(&key).map_err(foreign)?;
                let key = key_text(&key)?;
                budget.text(key.len())?;
                fields.insert(key, at_depth(&field, budget, depth + 1)?);
            }
            Ok(Json::Object(fields))
        }
        ValueKind::Undefined => fault("part of its value is not defined"),
        other => fault(format!("its value is of a kind that JSON has not: {other}")),
    }
}

fn number(value: &Jinja) -> Result<Number> {
    if value.is_integer() {
        let signed = i64::try_from(value.clone()).ok().map(Number::from);
        let unsigned = || u64::try_from(value.clone()).ok().map(Number::from);
        return signed.or_else(unsigned).ok_or_else(|| Fault(format!("{value} is too large for an integer")));
    }
    let float = f64::try_from(value.clone()).map_err(foreign)?;
    Number::from_f64(float).ok_or_else(|| Fault(format!("{float} is no number that JSON has")))
}

/// Keys of objects are texts; a literal may write a number.
pub(super) fn key_text(key: &Jinja) -> Result<String> {
    match key.kind() {
        ValueKind::String => Ok(key.as_str().unwrap_or_default().to_owned()),
        ValueKind::Number if key.is_integer() => Ok(key.to_string()),
        other => fault(format!("the key of an object must be text, not {}", kind_name(other))),
    }
}

pub(super) fn iterate(value: &Jinja) -> Result<impl Iterator<Item = Jinja> + use<>> {
    value.try_iter().map_err(foreign)
}

pub(super) fn foreign(error: impl std::fmt::Display) -> Fault {
    Fault(error.to_string())
}

/// The value as it stands in a text: text as it is, everything else as JSON.
pub(super) fn to_text(value: &Jinja, budget: &mut Budget) -> Result<String> {
    if let Some(text) = value.as_str() {
        budget.text(text.len())?;
        return Ok(text.to_owned());
    }
    let json = to_json(value, budget)?.to_string();
    budget.text(json.len())?;
    Ok(json)
}

/// Pays for a look at the whole of a value.
pub(super) fn weigh(value: &Jinja, budget: &mut Budget) -> Result<()> {
    weigh_at(value, budget, 0)
}

fn weigh_at(value: &Jinja, budget: &mut Budget, depth: usize) -> Result<()> {
    if depth > DEPTH_MAX {
        return fault("a value is nested too deep");
    }
    match value.kind() {
        ValueKind::String => budget.reading(value.as_str().unwrap_or_default()),
        ValueKind::Seq | ValueKind::Iterable => {
            budget.steps(1)?;
            iterate(value)?.try_for_each(|item| weigh_at(&item, budget, depth + 1))
        }
        ValueKind::Map => {
            budget.steps(1)?;
            for key in iterate(value)? {
                weigh_at(&key, budget, depth + 1)?;
                weigh_at(&value.get_item(&key).map_err(foreign)?, budget, depth + 1)?;
            }
            Ok(())
        }
        _ => budget.steps(1),
    }
}

pub(super) fn kind_name(kind: ValueKind) -> &'static str {
    match kind {
        ValueKind::Undefined => "nothing",
        ValueKind::None => "null",
        ValueKind::Bool => "a truth value",
        ValueKind::Number => "a number",
        ValueKind::String => "text",
        ValueKind::Seq | ValueKind::Iterable => "a list",
        ValueKind::Map => "an object",
        _ => "something else",
    }
}

pub(super) fn what(value: &Jinja) -> &'static str {
    kind_name(value.kind())
}
