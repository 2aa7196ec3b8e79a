//! Arithmetic, comparison and access. Numbers are exact: what does not fit is a fault, never a rounded value.

use std::cmp::Ordering;

use minijinja::{Value as Jinja, value::ValueKind};

use super::{
    bounds::{Budget, Fault, Result, fault},
    convert::{foreign, iterate, to_text, weigh, what},
};

#[derive(Clone, Copy, Debug)]
pub(super) enum Operator {
    Add,
    Sub,
    Mul,
    Div,
    FloorDiv,
    Rem,
    Pow,
    Concat,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Comparison {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    In,
    NotIn,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Number {
    Int(i128),
    Float(f64),
}

impl Number {
    pub(super) fn of(value: &Jinja) -> Option<Self> {
        if value.kind() != ValueKind::Number {
            return None;
        }
        match value.is_integer() {
            true => i128::try_from(value.clone()).ok().map(Self::Int),
            false => f64::try_from(value.clone()).ok().map(Self::Float),
        }
    }

    pub(super) fn as_float(self) -> f64 {
        match self {
            Self::Int(int) => int as f64,
            Self::Float(float) => float,
        }
    }

    pub(super) fn value(self) -> Result<Jinja> {
        match self {
            Self::Int(int) => int_value(int),
            Self::Float(float) => float_value(float),
        }
    }
}

pub(super) fn int_value(int: i128) -> Result<Jinja> {
    let signed = i64::try_from(int).ok().map(Jinja::from);
    let unsigned = || u64::try_from(int).ok().map(Jinja::from);
    signed.or_else(unsigned).ok_or_else(|| Fault(format!("{int} is too large for an integer")))
}

pub(super) fn float_value(float: f64) -> Result<Jinja> {
    if float.is_finite() { Ok(Jinja::from(float)) } else { fault("the number is too large") }
}

pub(super) fn binary(op: Operator, left: &Jinja, right: &Jinja, budget: &mut Budget) -> Result<Jinja> {
    match (op, left.kind(), right.kind()) {
        (Operator::Concat, _, _) => {
            let mut text = to_text(left, budget)?;
            text.push_str(&to_text(right, budget)?);
            budget.bytes(text.len() as u64)?;
            Ok(Jinja::from(text))
        }
        (Operator::Add, ValueKind::String, ValueKind::String) => {
            let (a, b) = (left.as_str().unwrap_or_default(), right.as_str().unwrap_or_default());
            budget.text(a.len() + b.len())?;
            Ok(Jinja::from([a, b].concat()))
        }
        (Operator::Add, ValueKind::Seq | ValueKind::Iterable, ValueKind::Seq | ValueKind::Iterable) => {
            budget.items(left.len().unwrap_or(0) + right.len().unwrap_or(0))?;
            Ok(iterate(left)?.chain(iterate(right)?).collect())
        }
        (Operator::Mul, ValueKind::String | ValueKind::Seq, ValueKind::Number) => repeat(left, right, budget),
        (Operator::Mul, ValueKind::Number, ValueKind::String | ValueKind::Seq) => repeat(right, left, budget),
        _ => match (Number::of(left), Number::of(right)) {
            (Some(a), Some(b)) => arithmetic(op, a, b)?.value(),
            _ => fault(format!("cannot calculate with {} and {}", what(left), what(right))),
        },
    }
}

fn repeat(value: &Jinja, times: &Jinja, budget: &mut Budget) -> Result<Jinja> {
    let Some(Number::Int(times)) = Number::of(times) else {
        return fault(format!("cannot repeat {} that many times", what(value)));
    };
    let times = usize::try_from(times.max(0)).unwrap_or(usize::MAX);
    if let Some(text) = value.as_str() {
        budget.text(text.len().saturating_mul(times))?;
        return Ok(Jinja::from(text.repeat(times)));
    }
    let items: Vec<Jinja> = iterate(value)?.collect();
    budget.items(items.len().saturating_mul(times))?;
    // An empty list costs nothing, however often it is repeated.
    let times = if items.is_empty() { 0 } else { times };
    Ok(std::iter::repeat_n(items, times).flatten().collect())
}

fn arithmetic(op: Operator, left: Number, right: Number) -> Result<Number> {
    if let (Number::Int(a), Number::Int(b)) = (left, right)
        && let Some(result) = of_integers(op, a, b)?
    {
        return Ok(Number::Int(result));
    }
    let (a, b) = (left.as_float(), right.as_float());
    let divides = matches!(op, Operator::Div | Operator::FloorDiv | Operator::Rem);
    if divides && b == 0.0 || matches!(op, Operator::Pow) && a == 0.0 && b < 0.0 {
        return fault("division by zero");
    }
    Ok(Number::Float(match op {
        Operator::Add => a + b,
        Operator::Sub => a - b,
        Operator::Mul => a * b,
        Operator::Div => a / b,
        Operator::FloorDiv => (a / b).floor(),
        Operator::Rem => a - b * (a / b).floor(),
        Operator::Pow => a.powf(b),
        Operator::Concat => return fault("numbers are joined as text"),
    }))
}

/// None where the result is no integer.
fn of_integers(op: Operator, a: i128, b: i128) -> Result<Option<i128>> {
    let result = match op {
        Operator::Add => a.checked_add(b),
        Operator::Sub => a.checked_sub(b),
        Operator::Mul => a.checked_mul(b),
        Operator::FloorDiv | Operator::Rem if b == 0 => return fault("division by zero"),
        Operator::FloorDiv => {
            a.checked_div_euclid(b).map(|q| if b < 0 && a.rem_euclid(b) != 0 { q - 1 } else { q })
        }
        Operator::Rem => a.checked_rem(b).map(|r| if r != 0 && (r < 0) != (b < 0) { r + b } else { r }),
        Operator::Pow if b < 0 => return Ok(None),
        Operator::Pow => u32::try_from(b).ok().and_then(|b| a.checked_pow(b)),
        Operator::Div | Operator::Concat => return Ok(None),
    };
    match result {
        Some(result) => Ok(Some(result)),
        None => fault("the number is too large for an integer"),
    }
}

pub(super) fn negative(value: &Jinja) -> Result<Jinja> {
    match Number::of(value) {
        Some(Number::Int(int)) => int_value(-int),
        Some(Number::Float(float)) => float_value(-float),
        None => fault(format!("{} has no negative", what(value))),
    }
}

pub(super) fn compare(op: Comparison, left: &Jinja, right: &Jinja, budget: &mut Budget) -> Result<bool> {
    Ok(match op {
        Comparison::Eq => equal(left, right, budget)?,
        Comparison::Ne => !equal(left, right, budget)?,
        Comparison::Lt => order(left, right, budget)?.is_lt(),
        Comparison::Le => order(left, right, budget)?.is_le(),
        Comparison::Gt => order(left, right, budget)?.is_gt(),
        Comparison::Ge => order(left, right, budget)?.is_ge(),
        Comparison::In => contains(right, left, budget)?,
        Comparison::NotIn => !contains(right, left, budget)?,
    })
}

pub(super) fn equal(left: &Jinja, right: &Jinja, budget: &mut Budget) -> Result<bool> {
    match (Number::of(left), Number::of(right)) {
        (Some(a), Some(b)) => Ok(order_numbers(a, b).is_eq()),
        (Some(_), None) | (None, Some(_)) => Ok(false),
        (None, None) if left.kind() != right.kind() => Ok(false),
        (None, None) => {
            weigh(left, budget)?;
            weigh(right, budget)?;
            Ok(left == right)
        }
    }
}

/// Only like is ordered with like: `"10" < 9` is a mistake, not false.
pub(super) fn order(left: &Jinja, right: &Jinja, budget: &mut Budget) -> Result<Ordering> {
    if let (Some(a), Some(b)) = (Number::of(left), Number::of(right)) {
        return Ok(order_numbers(a, b));
    }
    match (left.kind(), right.kind()) {
        (ValueKind::String, ValueKind::String) => {
            let (a, b) = (left.as_str().unwrap_or_default(), right.as_str().unwrap_or_default());
            budget.reading(if a.len() < b.len() { a } else { b })?;
            Ok(a.cmp(b))
        }
        (ValueKind::Bool, ValueKind::Bool) => Ok(left.is_true().cmp(&right.is_true())),
        (ValueKind::Seq | ValueKind::Iterable, ValueKind::Seq | ValueKind::Iterable) => {
            let (mut a, mut b) = (iterate(left)?, iterate(right)?);
            loop {
                match (a.next(), b.next()) {
                    (None, None) => return Ok(Ordering::Equal),
                    (None, Some(_)) => return Ok(Ordering::Less),
                    (Some(_), None) => return Ok(Ordering::Greater),
                    (Some(a), Some(b)) => match order(&a, &b, budget)? {
                        Ordering::Equal => budget.steps(1)?,
                        other => return Ok(other),
                    },
                }
            }
        }
        _ => fault(format!("cannot order {} and {}", what(left), what(right))),
    }
}

/// Exact, also where an integer has more digits than a float can hold.
fn order_numbers(left: Number, right: Number) -> Ordering {
    match (left, right) {
        (Number::Int(a), Number::Int(b)) => a.cmp(&b),
        (Number::Float(a), Number::Float(b)) => a.partial_cmp(&b).unwrap_or(Ordering::Equal),
        (Number::Int(a), Number::Float(b)) => order_mixed(a, b),
        (Number::Float(a), Number::Int(b)) => order_mixed(b, a).reverse(),
    }
}

fn order_mixed(int: i128, float: f64) -> Ordering {
    // A cast to an integer stays at its ends, and the part behind the point decides between equals.
    int.cmp(&(float.floor() as i128)).then(if float.fract() == 0.0 {
        Ordering::Equal
    } else {
        Ordering::Less
    })
}

fn contains(container: &Jinja, value: &Jinja, budget: &mut Budget) -> Result<bool> {
    match container.kind() {
        ValueKind::String => match value.as_str() {
            Some(part) => {
                let text = container.as_str().unwrap_or_default();
                budget.reading(text)?;
                Ok(text.contains(part))
            }
            None => fault(format!("{} cannot be in a text", what(value))),
        },
        ValueKind::Seq | ValueKind::Iterable => {
            for item in iterate(container)? {
                budget.steps(1)?;
                if equal(&item, value, budget)? {
                    return Ok(true);
                }
            }
            Ok(false)
        }
        ValueKind::Map => {
            budget.steps(1)?;
            Ok(value.kind() == ValueKind::String
                && !container.get_item(value).map_err(foreign)?.is_undefined())
        }
        _ => fault(format!("nothing can be in {}", what(container))),
    }
}

/// `value[key]`; undefined where there is none.
pub(super) fn item(value: &Jinja, key: &Jinja, budget: &mut Budget) -> Result<Jinja> {
    match value.kind() {
        ValueKind::Map if key.kind() == ValueKind::String => value.get_item(key).map_err(foreign),
        ValueKind::Seq | ValueKind::Iterable | ValueKind::String => {
            let Some(Number::Int(index)) = Number::of(key) else { return Ok(Jinja::UNDEFINED) };
            match value.as_str() {
                Some(text) => {
                    budget.reading(text)?;
                    let length = text.chars().count();
                    let letter = place(index, length).and_then(|at| text.chars().nth(at));
                    Ok(letter.map_or(Jinja::UNDEFINED, |letter| Jinja::from(letter.to_string())))
                }
                None => match place(index, value.len().unwrap_or(0)) {
                    Some(at) => value.get_item_by_index(at).map_err(foreign),
                    None => Ok(Jinja::UNDEFINED),
                },
            }
        }
        _ => Ok(Jinja::UNDEFINED),
    }
}

fn place(index: i128, length: usize) -> Option<usize> {
    let index = if index < 0 { index + length as i128 } else { index };
    usize::try_from(index).ok().filter(|at| *at < length)
}

/// `value[start:stop:step]`, by Python's rules.
pub(super) fn slice(
    value: &Jinja,
    [start, stop, step]: [Option<i128>; 3],
    budget: &mut Budget,
) -> Result<Jinja> {
    let step = step.unwrap_or(1);
    if step == 0 {
        return fault("the step of a slice cannot be 0");
    }
    if let Some(text) = value.as_str() {
        budget.text(text.len())?;
        let letters: Vec<char> = text.chars().collect();
        budget.bytes(letters.len() as u64 * 4)?;
        return Ok(Jinja::from(pick(&letters, start, stop, step).into_iter().collect::<String>()));
    }
    if !matches!(value.kind(), ValueKind::Seq | ValueKind::Iterable) {
        return fault(format!("{} cannot be sliced", what(value)));
    }
    budget.items(value.len().unwrap_or(0))?;
    let items: Vec<Jinja> = iterate(value)?.collect();
    Ok(Jinja::from(pick(&items, start, stop, step)))
}

fn pick<T: Clone>(items: &[T], start: Option<i128>, stop: Option<i128>, step: i128) -> Vec<T> {
    let length = items.len() as i128;
    let (low, high) = if step > 0 { (0, length) } else { (-1, length - 1) };
    let bound = |at: i128| (if at < 0 { at.saturating_add(length) } else { at }).clamp(low, high);
    let mut at = start.map_or(if step > 0 { low } else { high }, bound);
    let end = stop.map_or(if step > 0 { high } else { low }, bound);
    let mut picked = Vec::new();
    while if step > 0 { at < end } else { at > end } {
        picked.extend(usize::try_from(at).ok().and_then(|at| items.get(at)).cloned());
        at = at.saturating_add(step);
    }
    picked
}
