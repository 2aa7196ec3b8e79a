//! Filters for lists.

use std::cmp::Ordering;

use minijinja::{Value as Jinja, value::ValueKind};

use super::{FILTERS, TESTS};
use crate::expr::{
    bounds::{Budget, Fault, Result, fault},
    builtin::{Builtin, Call, Takes, find},
    convert::{iterate, to_json, to_text, what},
    operators::{Number, Operator, binary, equal, int_value, item, order},
};

pub(super) fn length(call: &mut Call<'_>) -> Result<Jinja> {
    if let Some(text) = call.input.as_str() {
        call.budget.reading(text)?;
        return Ok(Jinja::from(text.chars().count()));
    }
    match call.input.kind() {
        ValueKind::Seq | ValueKind::Iterable | ValueKind::Map => {
            Ok(Jinja::from(call.input.len().unwrap_or(0)))
        }
        _ => fault(format!("{} has no length", what(&call.input))),
    }
}

pub(super) fn first(call: &mut Call<'_>) -> Result<Jinja> {
    at(call, 0)
}

pub(super) fn last(call: &mut Call<'_>) -> Result<Jinja> {
    at(call, -1)
}

fn at(call: &mut Call<'_>, place: i64) -> Result<Jinja> {
    match call.input.kind() {
        ValueKind::Seq | ValueKind::Iterable | ValueKind::String => {
            item(&call.input, &Jinja::from(place), call.budget)
        }
        _ => fault(format!("it needs a list or text, not {}", what(&call.input))),
    }
}

pub(super) fn list(call: &mut Call<'_>) -> Result<Jinja> {
    if let Some(text) = call.input.as_str() {
        let letters = text.chars().count();
        call.budget.items(letters)?;
        return Ok(text.chars().map(|letter| Jinja::from(letter.to_string())).collect());
    }
    match call.input.kind() {
        ValueKind::Map => {
            call.budget.items(call.input.len().unwrap_or(0))?;
            Ok(iterate(&call.input)?.collect())
        }
        _ => call.list().map(Jinja::from),
    }
}

pub(super) fn reverse(call: &mut Call<'_>) -> Result<Jinja> {
    if call.input.as_str().is_some() {
        return Ok(Jinja::from(call.text()?.chars().rev().collect::<String>()));
    }
    let mut items = call.list()?;
    items.reverse();
    Ok(Jinja::from(items))
}

pub(super) fn join(call: &mut Call<'_>) -> Result<Jinja> {
    let separator = call.text_arg(0)?.unwrap_or_default();
    let attribute = call.text_arg(1)?;
    let mut text = String::new();
    for (at, item) in call.list()?.into_iter().enumerate() {
        let item = attribute_of(item, attribute.as_deref(), call.budget)?;
        if at > 0 {
            call.budget.text(separator.len())?;
            text.push_str(&separator);
        }
        text.push_str(&to_text(&item, call.budget)?);
    }
    call.budget.text(text.len())?;
    Ok(Jinja::from(text))
}

/// `a.b.0` of a value, which must be there.
fn attribute_of(value: Jinja, attribute: Option<&str>, budget: &mut Budget) -> Result<Jinja> {
    let Some(attribute) = attribute else { return Ok(value) };
    let found = find_attribute(value, attribute, budget)?;
    if found.is_undefined() { fault(format!("an item has no `{attribute}`")) } else { Ok(found) }
}

fn find_attribute(mut value: Jinja, attribute: &str, budget: &mut Budget) -> Result<Jinja> {
    for part in attribute.split('.') {
        budget.steps(1)?;
        let key = match part.parse::<i64>() {
            Ok(index) if value.kind() != ValueKind::Map => Jinja::from(index),
            _ => Jinja::from(part),
        };
        value = item(&value, &key, budget)?;
    }
    Ok(value)
}

pub(super) fn sum(call: &mut Call<'_>) -> Result<Jinja> {
    let attribute = call.text_arg(0)?;
    let mut sum = int_value(0)?;
    for item in call.list()? {
        let item = attribute_of(item, attribute.as_deref(), call.budget)?;
        if Number::of(&item).is_none() {
            return fault(format!("it adds numbers, not {}", what(&item)));
        }
        sum = binary(Operator::Add, &sum, &item, call.budget)?;
    }
    Ok(sum)
}

pub(super) fn min(call: &mut Call<'_>) -> Result<Jinja> {
    extreme(call, Ordering::Less)
}

pub(super) fn max(call: &mut Call<'_>) -> Result<Jinja> {
    extreme(call, Ordering::Greater)
}

fn extreme(call: &mut Call<'_>, wanted: Ordering) -> Result<Jinja> {
    let attribute = call.text_arg(0)?;
    let mut best: Option<(Jinja, Jinja)> = None;
    for item in call.list()? {
        let by = attribute_of(item.clone(), attribute.as_deref(), call.budget)?;
        let better = match &best {
            None => true,
            Some((best, _)) => order(&by, best, call.budget)? == wanted,
        };
        if better {
            best = Some((by, item));
        }
    }
    Ok(best.map_or(Jinja::UNDEFINED, |(_, item)| item))
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Case {
    Matters,
    Ignored,
}

impl Case {
    pub(super) fn of(case_sensitive: bool) -> Self {
        if case_sensitive { Self::Matters } else { Self::Ignored }
    }

    fn fold(self, value: Jinja, budget: &mut Budget) -> Result<Jinja> {
        match value.as_str() {
            Some(text) if self == Self::Ignored => {
                budget.text(text.len().saturating_mul(3))?;
                Ok(Jinja::from(text.to_lowercase()))
            }
            _ => Ok(value),
        }
    }
}

/// What stands behind keys, in the order of the keys; equal keys stay as they were.
pub(super) fn sort_by<T>(keyed: Vec<(Jinja, T)>, case: Case, budget: &mut Budget) -> Result<Vec<T>> {
    let mut sorted = Vec::with_capacity(keyed.len());
    for (key, value) in keyed {
        sorted.push((case.fold(key, budget)?, value));
    }
    let mut failed = None;
    sorted.sort_by(|(a, _), (b, _)| {
        // The order of the rest does not matter any more once one comparison has failed.
        if failed.is_some() {
            return Ordering::Equal;
        }
        budget.steps(1).and_then(|()| order(a, b, budget)).unwrap_or_else(|fault| {
            failed = Some(fault);
            Ordering::Equal
        })
    });
    match failed {
        Some(fault) => Err(fault),
        None => Ok(sorted.into_iter().map(|(_, value)| value).collect()),
    }
}

fn keyed(call: &mut Call<'_>, attribute: Option<&str>) -> Result<Vec<(Jinja, Jinja)>> {
    let items = call.list()?;
    items.into_iter().map(|item| Ok((attribute_of(item.clone(), attribute, call.budget)?, item))).collect()
}

pub(super) fn sort(call: &mut Call<'_>) -> Result<Jinja> {
    let attribute = call.text_arg(2)?;
    let keyed = keyed(call, attribute.as_deref())?;
    let mut sorted = sort_by(keyed, Case::of(call.flag(1)), call.budget)?;
    if call.flag(0) {
        sorted.reverse();
    }
    Ok(Jinja::from(sorted))
}

pub(super) fn unique(call: &mut Call<'_>) -> Result<Jinja> {
    let attribute = call.text_arg(1)?;
    let case = Case::of(call.flag(0));
    let mut seen = std::collections::BTreeSet::new();
    let mut kept = Vec::new();
    for (key, item) in keyed(call, attribute.as_deref())? {
        let key = case.fold(key, call.budget)?;
        // JSON text tells values apart exactly, whatever they are.
        let key = match Number::of(&key) {
            Some(Number::Float(float)) if float.fract() == 0.0 => format!("{float}"),
            _ => to_json(&key, call.budget)?.to_string(),
        };
        if seen.insert(key) {
            kept.push(item);
        }
    }
    Ok(Jinja::from(kept))
}

pub(super) fn group_by(call: &mut Call<'_>) -> Result<Jinja> {
    let attribute = call.text_arg(0)?;
    let keyed = keyed(call, attribute.as_deref())?;
    let pairs = keyed.into_iter().map(|(key, item)| (key.clone(), (key, item))).collect();
    let mut groups: Vec<(Jinja, Vec<Jinja>)> = Vec::new();
    for (key, item) in sort_by(pairs, Case::Matters, call.budget)? {
        match groups.last_mut() {
            Some((last, items)) if equal(last, &key, call.budget)? => items.push(item),
            _ => groups.push((key, vec![item])),
        }
    }
    call.budget.items(groups.len() * 4)?;
    let group = |(key, items)| Jinja::from_pairs([("grouper", key), ("list", Jinja::from(items))]);
    Ok(groups.into_iter().map(group).collect())
}

pub(super) fn batch(call: &mut Call<'_>) -> Result<Jinja> {
    let size = positive(call.int_arg(0)?)?;
    let items = call.list()?;
    let mut batches: Vec<Vec<Jinja>> = items.chunks(size).map(<[Jinja]>::to_vec).collect();
    if let (Some(last), Some(fill)) = (batches.last_mut(), call.arg(1).cloned()) {
        call.budget.items(size)?;
        last.resize(size, fill);
    }
    call.budget.items(batches.len())?;
    Ok(batches.into_iter().map(Jinja::from).collect())
}

pub(super) fn slice(call: &mut Call<'_>) -> Result<Jinja> {
    let count = positive(call.int_arg(0)?)?;
    let items = call.list()?;
    call.budget.items(count)?;
    let (each, longer) = (items.len() / count, items.len() % count);
    let mut rest = items.into_iter();
    let mut slices = Vec::with_capacity(count);
    for at in 0..count {
        let mut slice: Vec<Jinja> = rest.by_ref().take(each + usize::from(at < longer)).collect();
        if let Some(fill) = call.arg(1).filter(|_| longer > 0 && at >= longer) {
            slice.push(fill.clone());
        }
        slices.push(Jinja::from(slice));
    }
    Ok(Jinja::from(slices))
}

fn positive(number: Option<i64>) -> Result<usize> {
    match number.and_then(|number| usize::try_from(number).ok()) {
        Some(number) if number > 0 => Ok(number),
        _ => fault("the number must be at least 1"),
    }
}

pub(super) fn zip(call: &mut Call<'_>) -> Result<Jinja> {
    let left = call.list()?;
    let right = call.arg(0).cloned().unwrap_or_default();
    let right = Call { input: right, args: Vec::new(), budget: call.budget }.list()?;
    call.budget.items(left.len().min(right.len()) * 2)?;
    Ok(left.into_iter().zip(right).map(|(a, b)| Jinja::from(vec![a, b])).collect())
}

pub(super) fn map(call: &mut Call<'_>) -> Result<Jinja> {
    let attribute = call.text_arg(4)?;
    let items = call.list()?;
    let mut mapped = Vec::with_capacity(items.len());
    if let Some(attribute) = attribute {
        for item in items {
            let found = find_attribute(item, &attribute, call.budget)?;
            mapped.push(match (found.is_undefined(), call.arg(5)) {
                (false, _) => found,
                (true, Some(default)) => default.clone(),
                (true, None) => return fault(format!("an item has no `{attribute}`")),
            });
        }
        return Ok(Jinja::from(mapped));
    }
    let Some(filter) = call.text_arg(0)? else { return fault("it needs a filter or an attribute") };
    let filter = find(FILTERS, &filter).ok_or_else(|| Fault(format!("there is no filter `{filter}`")))?;
    for item in items {
        let result = apply(filter, item, &call.args[1..4], call.budget)?;
        if result.is_undefined() {
            return fault(format!("`{}` of an item is not defined", filter.name));
        }
        mapped.push(result);
    }
    Ok(Jinja::from(mapped))
}

/// A filter or test by name, with arguments by place.
fn apply(builtin: &Builtin, input: Jinja, args: &[Option<Jinja>], budget: &mut Budget) -> Result<Jinja> {
    budget.steps(1)?;
    if input.is_undefined() && builtin.takes == Takes::Defined {
        return fault("an item is not defined");
    }
    let given = args.iter().flatten().count();
    if given < builtin.needs() || given > builtin.params.len() {
        return fault(format!("it is `{}`", builtin.signature()));
    }
    (builtin.call)(&mut Call { input, args: args.iter().flatten().cloned().map(Some).collect(), budget })
}

pub(super) fn select(call: &mut Call<'_>) -> Result<Jinja> {
    choose(call, None, 0, true)
}

pub(super) fn reject(call: &mut Call<'_>) -> Result<Jinja> {
    choose(call, None, 0, false)
}

pub(super) fn select_attribute(call: &mut Call<'_>) -> Result<Jinja> {
    let attribute = call.text_arg(0)?;
    choose(call, attribute, 1, true)
}

pub(super) fn reject_attribute(call: &mut Call<'_>) -> Result<Jinja> {
    let attribute = call.text_arg(0)?;
    choose(call, attribute, 1, false)
}

/// The items for which the test, named by the argument at `test`, gives `wanted`.
fn choose(call: &mut Call<'_>, attribute: Option<String>, test: usize, wanted: bool) -> Result<Jinja> {
    let test_args = call.args.get(test + 1..).unwrap_or_default().to_vec();
    let test = match call.text_arg(test)? {
        Some(name) => Some(find(TESTS, &name).ok_or_else(|| Fault(format!("there is no test `{name}`")))?),
        None => None,
    };
    let mut chosen = Vec::new();
    for item in call.list()? {
        let looked_at = match &attribute {
            Some(attribute) => find_attribute(item.clone(), attribute, call.budget)?,
            None => item.clone(),
        };
        let passes = match test {
            Some(test) => apply(test, looked_at, &test_args, call.budget)?.is_true(),
            None => looked_at.is_true(),
        };
        if passes == wanted {
            chosen.push(item);
        }
    }
    Ok(Jinja::from(chosen))
}
