//! JSON text, truth and defaults.

use minijinja::Value as Jinja;
use serde::Serialize as _;
use serde_json::{Value as Json, ser::PrettyFormatter};

use crate::expr::{
    bounds::{Result, fault},
    builtin::Call,
    convert,
};

/// What a value of a parsed text may take in memory, for each place where one can stand.
const VALUE_BYTES: u64 = 160;
const INDENT_MAX: i64 = 16;

pub(super) fn to_json(call: &mut Call<'_>) -> Result<Jinja> {
    let json = convert::to_json(&call.input, call.budget)?;
    let indent = match call.int_arg(0)? {
        None => {
            let text = json.to_string();
            call.budget.text(text.len())?;
            return Ok(Jinja::from(text));
        }
        Some(indent @ 0..=INDENT_MAX) => " ".repeat(usize::try_from(indent).unwrap_or(0)),
        Some(_) => return fault(format!("an indentation has 0 to {INDENT_MAX} spaces")),
    };
    pay_for_indentation(&json, indent.len(), 1, call)?;
    let mut bytes = Vec::new();
    let format = PrettyFormatter::with_indent(indent.as_bytes());
    json.serialize(&mut serde_json::Serializer::with_formatter(&mut bytes, format))
        .map_err(convert::foreign)?;
    call.budget.text(bytes.len())?;
    String::from_utf8(bytes).map(Jinja::from).map_err(convert::foreign)
}

fn pay_for_indentation(json: &Json, indent: usize, depth: usize, call: &mut Call<'_>) -> Result<()> {
    let count = match json {
        Json::Array(items) => {
            items.iter().try_for_each(|item| pay_for_indentation(item, indent, depth + 1, call))?;
            items.len()
        }
        Json::Object(fields) => {
            fields.values().try_for_each(|field| pay_for_indentation(field, indent, depth + 1, call))?;
            fields.len()
        }
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => 0,
    };
    call.budget.text((count + 1) * (indent * depth + 4))
}

pub(super) fn from_json(call: &mut Call<'_>) -> Result<Jinja> {
    let Some(text) = call.input.as_str() else {
        return fault(format!("it needs text, not {}", convert::what(&call.input)));
    };
    call.budget.reading(text)?;
    let places = text.bytes().filter(|byte| matches!(byte, b',' | b'[' | b'{' | b':')).count() as u64;
    call.budget.steps(places)?;
    call.budget.bytes(places.saturating_mul(VALUE_BYTES).saturating_add(text.len() as u64))?;
    let json: Json = serde_json::from_str(text)
        .map_err(|error| convert::foreign(format!("the text is no JSON: {error}")))?;
    Ok(convert::from_json(&json))
}

pub(super) fn truth(call: &mut Call<'_>) -> Result<Jinja> {
    Ok(Jinja::from(call.input.is_true()))
}

pub(super) fn default(call: &mut Call<'_>) -> Result<Jinja> {
    let replace = call.input.is_undefined() || call.flag(1) && !call.input.is_true();
    match replace {
        true => Ok(call.arg(0).cloned().unwrap_or_else(|| Jinja::from(""))),
        false => Ok(call.input.clone()),
    }
}
