//! Filters for objects.

use minijinja::{Value as Jinja, value::ValueKind};

use super::lists::{Case, sort_by};
use crate::expr::{
    bounds::{Result, fault},
    builtin::Call,
    convert::{foreign, iterate, what},
};

fn pairs(call: &mut Call<'_>) -> Result<Vec<(Jinja, Jinja)>> {
    if call.input.kind() != ValueKind::Map {
        return fault(format!("it needs an object, not {}", what(&call.input)));
    }
    call.budget.items(call.input.len().unwrap_or(0).saturating_mul(2))?;
    iterate(&call.input)?.map(|key| Ok((key.clone(), call.input.get_item(&key).map_err(foreign)?))).collect()
}

fn as_lists(pairs: Vec<(Jinja, Jinja)>) -> Jinja {
    pairs.into_iter().map(|(key, value)| Jinja::from(vec![key, value])).collect()
}

pub(super) fn items(call: &mut Call<'_>) -> Result<Jinja> {
    pairs(call).map(as_lists)
}

pub(super) fn keys(call: &mut Call<'_>) -> Result<Jinja> {
    Ok(pairs(call)?.into_iter().map(|(key, _)| key).collect())
}

pub(super) fn values(call: &mut Call<'_>) -> Result<Jinja> {
    Ok(pairs(call)?.into_iter().map(|(_, value)| value).collect())
}

pub(super) fn dictsort(call: &mut Call<'_>) -> Result<Jinja> {
    let by_value = match call.text_arg(1)?.as_deref() {
        None | Some("key") => false,
        Some("value") => true,
        Some(_) => return fault("`by` is 'key' or 'value'"),
    };
    let pairs = pairs(call)?;
    let keyed = pairs.into_iter().map(|(key, value)| {
        let by = if by_value { value.clone() } else { key.clone() };
        (by, (key, value))
    });
    let mut sorted = sort_by(keyed.collect(), Case::of(call.flag(0)), call.budget)?;
    if call.flag(2) {
        sorted.reverse();
    }
    Ok(as_lists(sorted))
}
