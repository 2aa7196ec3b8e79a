//! Filters for numbers. Text becomes a number only as a whole and without loss.

use minijinja::{Value as Jinja, value::ValueKind};

use crate::expr::{
    bounds::{Result, fault},
    builtin::Call,
    convert::what,
    operators::{Number, float_value, int_value},
};

/// A number's text, shown in a message, is cut here.
const SHOWN_MAX: usize = 40;

pub(super) fn abs(call: &mut Call<'_>) -> Result<Jinja> {
    match call.number()? {
        Number::Int(int) => int_value(int.abs()),
        Number::Float(float) => float_value(float.abs()),
    }
}

pub(super) fn floor(call: &mut Call<'_>) -> Result<Jinja> {
    whole(call.number()?, f64::floor)
}

pub(super) fn ceil(call: &mut Call<'_>) -> Result<Jinja> {
    whole(call.number()?, f64::ceil)
}

fn whole(number: Number, round: fn(f64) -> f64) -> Result<Jinja> {
    match number {
        Number::Int(int) => int_value(int),
        // The cast stays at the ends of i128, which are refused as too large.
        Number::Float(float) => int_value(round(float) as i128),
    }
}

pub(super) fn round(call: &mut Call<'_>) -> Result<Jinja> {
    let digits = call.int_arg(0)?.unwrap_or(0);
    let digits = match i32::try_from(digits) {
        Ok(digits) if digits.abs() <= 300 => digits,
        _ => return fault(format!("nothing is rounded to {digits} digits")),
    };
    match call.number()? {
        Number::Int(int) if digits >= 0 => int_value(int),
        Number::Int(int) => float_value(rounded(int as f64, digits)).map(|float| match Number::of(&float) {
            Some(Number::Float(float)) if float.abs() < 9e15 => Jinja::from(float as i64),
            _ => float,
        }),
        Number::Float(float) => float_value(rounded(float, digits)),
    }
}

fn rounded(float: f64, digits: i32) -> f64 {
    let factor = 10f64.powi(digits.abs());
    let result =
        if digits < 0 { (float / factor).round() * factor } else { (float * factor).round() / factor };
    // With more digits than the number has, there is nothing to round.
    if result.is_finite() { result } else { float }
}

pub(super) fn int(call: &mut Call<'_>) -> Result<Jinja> {
    let Some(text) = call.input.as_str() else {
        return match call.number() {
            Ok(Number::Float(float)) => int_value(float.trunc() as i128),
            Ok(Number::Int(int)) => int_value(int),
            Err(_) => fault(format!("{} is no integer", what(&call.input))),
        };
    };
    match text.trim_ascii().parse::<i128>() {
        Ok(int) => int_value(int),
        Err(_) => fault(format!("{} is no integer", shown(text))),
    }
}

pub(super) fn float(call: &mut Call<'_>) -> Result<Jinja> {
    let Some(text) = call.input.as_str() else {
        return match call.input.kind() {
            ValueKind::Number => float_value(call.number()?.as_float()),
            _ => fault(format!("{} is no number", what(&call.input))),
        };
    };
    // `inf` and `nan` are words, not numbers, and `1e400` is more than a number can hold.
    match text.trim_ascii().parse::<f64>() {
        Ok(float) if float.is_finite() => Ok(Jinja::from(float)),
        _ => fault(format!("{} is no number", shown(text))),
    }
}

/// A text in quotes, not more than a line of it.
pub(super) fn shown(text: &str) -> String {
    let start: String = text.chars().take(SHOWN_MAX).collect();
    let end = if start.len() < text.len() { "…" } else { "" };
    format!("{start:?}{end}")
}
