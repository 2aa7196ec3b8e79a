//! Filters for text.

use minijinja::{
    Value as Jinja,
    formatting::{FormatStyle, format as fill_in},
};

use crate::expr::{
    bounds::{Result, fault},
    builtin::Call,
    convert::{foreign, to_text, weigh},
};

/// Digits of a width or precision in `format`.
const WIDTH_MAX_DIGITS: usize = 3;

pub(super) fn lower(call: &mut Call<'_>) -> Result<Jinja> {
    changed(call, |text| text.to_lowercase())
}

pub(super) fn upper(call: &mut Call<'_>) -> Result<Jinja> {
    changed(call, |text| text.to_uppercase())
}

pub(super) fn capitalize(call: &mut Call<'_>) -> Result<Jinja> {
    changed(call, capitalized)
}

pub(super) fn title(call: &mut Call<'_>) -> Result<Jinja> {
    changed(call, |text| {
        text.split_inclusive(|c: char| !c.is_alphanumeric() && c != '\'').map(capitalized).collect()
    })
}

/// A letter has at most three letters in the other case.
fn changed(call: &mut Call<'_>, change: fn(&str) -> String) -> Result<Jinja> {
    let text = call.text()?;
    call.budget.text(text.len().saturating_mul(3))?;
    Ok(Jinja::from(change(&text)))
}

fn capitalized(text: &str) -> String {
    let mut letters = text.chars();
    match letters.next() {
        Some(first) => first.to_uppercase().chain(letters.as_str().to_lowercase().chars()).collect(),
        None => String::new(),
    }
}

pub(super) fn trim(call: &mut Call<'_>) -> Result<Jinja> {
    let text = call.text()?;
    let letters = call.text_arg(0)?;
    Ok(match letters {
        None => Jinja::from(text.trim()),
        Some(letters) => {
            call.budget.steps((text.len() as u64).saturating_mul(1 + letters.len() as u64) / 64)?;
            Jinja::from(text.trim_matches(|c| letters.contains(c)))
        }
    })
}

pub(super) fn replace(call: &mut Call<'_>) -> Result<Jinja> {
    let text = call.text()?;
    let (from, to) = (call.text_arg(0)?.unwrap_or_default(), call.text_arg(1)?.unwrap_or_default());
    let count = text.matches(from.as_str()).count();
    call.budget.steps(count as u64)?;
    call.budget.text(text.len().saturating_add(count.saturating_mul(to.len())))?;
    Ok(Jinja::from(text.replace(&from, &to)))
}

pub(super) fn split(call: &mut Call<'_>) -> Result<Jinja> {
    let text = call.text()?;
    let max = match call.int_arg(1)? {
        Some(max) => usize::try_from(max).unwrap_or(usize::MAX).saturating_add(1),
        None => usize::MAX,
    };
    let parts: Vec<&str> = match call.text_arg(0)? {
        Some(separator) if separator.is_empty() => return fault("the separator is empty"),
        Some(separator) => text.splitn(max, &separator).collect(),
        None => text.split_whitespace().collect(),
    };
    call.budget.items(parts.len())?;
    Ok(Jinja::from(parts.into_iter().map(Jinja::from).collect::<Vec<_>>()))
}

pub(super) fn lines(call: &mut Call<'_>) -> Result<Jinja> {
    let text = call.text()?;
    let lines: Vec<Jinja> = text.lines().map(Jinja::from).collect();
    call.budget.items(lines.len())?;
    Ok(Jinja::from(lines))
}

pub(super) fn string(call: &mut Call<'_>) -> Result<Jinja> {
    to_text(&call.input, call.budget).map(Jinja::from)
}

pub(super) fn format(call: &mut Call<'_>) -> Result<Jinja> {
    let pattern = call.text()?;
    let numbers = pattern.split(|c: char| !c.is_ascii_digit());
    if pattern.contains('*') || numbers.map(str::len).any(|digits| digits > WIDTH_MAX_DIGITS) {
        return fault(format!("a width in a pattern has at most {WIDTH_MAX_DIGITS} digits"));
    }
    let args: Vec<Jinja> = call.args.iter().flatten().cloned().collect();
    let mut largest = 1_000;
    for arg in &args {
        weigh(arg, call.budget)?;
        largest = largest.max(to_text(arg, call.budget)?.len().saturating_mul(4));
    }
    // Each place of the pattern takes an argument, or a field of the one object, at its whole length or width.
    call.budget.text(pattern.matches('%').count().saturating_mul(largest).saturating_add(pattern.len()))?;
    fill_in(FormatStyle::Printf, &pattern, &args).map(Jinja::from).map_err(foreign)
}
