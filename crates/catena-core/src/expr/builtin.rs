//! One entry of the lists of filters, tests and functions, and what its code is given.

use std::fmt;

use minijinja::{Value as Jinja, value::ValueKind};

use super::{
    bounds::{Budget, Fault, Result, fault},
    convert::{iterate, what},
    operators::Number,
};

/// A filter, a test or a function of the expression language.
pub struct Builtin {
    pub name: &'static str,
    /// Names of the arguments behind the input; those with `?` may be left out.
    pub params: &'static [&'static str],
    pub doc: &'static str,
    /// An expression without names, and its value as JSON.
    pub example: &'static str,
    pub result: &'static str,
    pub(super) takes: Takes,
    pub(super) call: fn(&mut Call<'_>) -> Result<Jinja>,
}

/// Whether the input may be undefined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Takes {
    Defined,
    Anything,
}

impl Builtin {
    pub(super) const fn new(
        name: &'static str,
        params: &'static [&'static str],
        call: fn(&mut Call<'_>) -> Result<Jinja>,
    ) -> Self {
        Self { name, params, doc: "", example: "", result: "", takes: Takes::Defined, call }
    }

    pub(super) const fn doc(self, doc: &'static str) -> Self {
        Self { doc, ..self }
    }

    pub(super) const fn example(self, example: &'static str, result: &'static str) -> Self {
        Self { example, result, ..self }
    }

    pub(super) const fn anything(self) -> Self {
        Self { takes: Takes::Anything, ..self }
    }

    /// `replace(from, to)`, or the bare name.
    pub fn signature(&self) -> String {
        match self.params {
            [] => self.name.to_owned(),
            params => format!("{}({})", self.name, params.join(", ")),
        }
    }

    pub(super) fn place_of(&self, param: &str) -> Option<usize> {
        self.params.iter().position(|known| known.trim_end_matches('?') == param)
    }

    pub(super) fn needs(&self) -> usize {
        self.params.iter().filter(|param| !param.ends_with('?')).count()
    }
}

impl fmt::Debug for Builtin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// The word of a list that is nearest to one that is not in it.
pub(super) fn find(list: &'static [Builtin], name: &str) -> Option<&'static Builtin> {
    list.iter().find(|builtin| builtin.name == name)
}

/// ", did you mean `x`?", if something is near enough.
pub(super) fn did_you_mean(list: &'static [Builtin], typed: &str) -> String {
    let typed: Vec<char> = typed.chars().take(32).collect();
    let near = list
        .iter()
        .map(|builtin| (distance(&typed, &builtin.name.chars().collect::<Vec<_>>()), builtin.name))
        .filter(|(distance, name)| *distance <= name.len().max(3) / 3)
        .min();
    near.map(|(_, name)| format!(", did you mean `{name}`?")).unwrap_or_default()
}

/// Letters to insert, delete or replace.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1; b.len() + 1];
        for (j, y) in b.iter().enumerate() {
            row[j + 1] = (last[j] + usize::from(x != y)).min(last[j + 1] + 1).min(row[j] + 1);
        }
        last = row;
    }
    last[b.len()]
}

/// The input and arguments of one use; each argument is defined or left out.
pub(super) struct Call<'a> {
    pub(super) input: Jinja,
    pub(super) args: Vec<Option<Jinja>>,
    pub(super) budget: &'a mut Budget,
}

impl Call<'_> {
    pub(super) fn arg(&self, at: usize) -> Option<&Jinja> {
        self.args.get(at).and_then(Option::as_ref)
    }

    /// The input as text; numbers are not silently turned into one.
    pub(super) fn text(&mut self) -> Result<String> {
        match self.input.as_str() {
            Some(text) => {
                self.budget.text(text.len())?;
                Ok(text.to_owned())
            }
            None => fault(format!("it needs text, not {}", what(&self.input))),
        }
    }

    pub(super) fn number(&self) -> Result<Number> {
        Number::of(&self.input).ok_or_else(|| Fault(format!("it needs a number, not {}", what(&self.input))))
    }

    pub(super) fn list(&mut self) -> Result<Vec<Jinja>> {
        match self.input.kind() {
            ValueKind::Seq | ValueKind::Iterable => {
                self.budget.items(self.input.len().unwrap_or(0))?;
                Ok(iterate(&self.input)?.collect())
            }
            _ => fault(format!("it needs a list, not {}", what(&self.input))),
        }
    }

    pub(super) fn text_arg(&self, at: usize) -> Result<Option<String>> {
        match self.arg(at) {
            None => Ok(None),
            Some(value) => match value.as_str() {
                Some(text) => Ok(Some(text.to_owned())),
                None => fault(format!("argument {} must be text, not {}", at + 1, what(value))),
            },
        }
    }

    pub(super) fn int_arg(&self, at: usize) -> Result<Option<i64>> {
        match self.arg(at) {
            None => Ok(None),
            Some(value) => match Number::of(value) {
                Some(Number::Int(int)) if i64::try_from(int).is_ok() => Ok(i64::try_from(int).ok()),
                _ => fault(format!("argument {} must be an integer, not {}", at + 1, what(value))),
            },
        }
    }

    pub(super) fn flag(&self, at: usize) -> bool {
        self.arg(at).is_some_and(Jinja::is_true)
    }
}
