//! The parameters of a start, from `--input` and `--set`: where each came from, and all mistakes at once.

use std::{
    collections::BTreeMap,
    io::ErrorKind,
    path::{Path, PathBuf},
};

use catena_core::{Chain, Value, chain::ParamProblem};
use clap::Args;
use serde_json::Value as Json;

use crate::exit::{Code, Failure};

/// The options that give parameters.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct ParamArgs {
    /// Set a parameter: JSON, else text; @FILE is a file's content as text
    #[arg(long = "set", value_name = "NAME=VALUE")]
    set: Vec<String>,
    /// Parameters as a JSON object in a file, or - for standard input
    #[arg(long, value_name = "FILE")]
    input: Option<PathBuf>,
}

impl ParamArgs {
    pub(super) fn gives_none(&self) -> bool {
        self.input.is_none() && self.set.is_empty()
    }

    /// `--set` goes before `--input`, both before what is there; what is not given is left to the chain's defaults.
    pub(super) fn read_over(
        &self,
        values: BTreeMap<String, Value>,
        chain: &Chain,
    ) -> Result<BTreeMap<String, Value>, Failure> {
        let mut given = Given { values, ..Given::default() };
        if let Some(path) = &self.input {
            given.take_input(path);
        }
        for assignment in &self.set {
            given.take_set(assignment, chain);
        }
        given.checked(chain)
    }

    pub(super) fn read(&self, chain: &Chain) -> Result<BTreeMap<String, Value>, Failure> {
        self.read_over(BTreeMap::new(), chain)
    }
}

/// What was given on the command line.
#[derive(Debug, Default)]
struct Given {
    values: BTreeMap<String, Value>,
    /// For messages: the last place that gave each parameter.
    origins: BTreeMap<String, String>,
    /// What could not be read.
    unread: Vec<Failure>,
}

/// What `--set` gives, of which nothing need be all.
pub(super) fn read_some(set: &[String], chain: &Chain) -> Result<BTreeMap<String, Value>, Failure> {
    let mut given = Given::default();
    for assignment in set {
        given.take_set(assignment, chain);
    }
    match given.unread.into_iter().reduce(Failure::and) {
        Some(failure) => Err(failure),
        None => Ok(given.values),
    }
}

impl Given {
    fn take_input(&mut self, path: &Path) {
        let (name, text) = match path.as_os_str() == "-" {
            true => ("standard input".to_owned(), std::io::read_to_string(std::io::stdin())),
            false => (path.display().to_string(), std::fs::read_to_string(path)),
        };
        let object = text.map_err(|error| unreadable(&name, &error)).and_then(|text| object(&name, &text));
        match object {
            Err(failure) => self.unread.push(failure.next(INPUT_NEXT)),
            Ok(object) => {
                for (param, value) in object {
                    self.origins.insert(param.clone(), name.clone());
                    self.values.insert(param, Value::from(value));
                }
            }
        }
    }

    fn take_set(&mut self, assignment: &str, chain: &Chain) {
        let Some((param, text)) = assignment.split_once('=') else {
            let message = format!("`--set {assignment}` has no `=`");
            self.unread.push(Failure::new(Code::Usage, message).next(SET_NEXT));
            return;
        };
        if param.is_empty() {
            let message = format!("`--set {assignment}` has no name before its `=`");
            self.unread.push(Failure::new(Code::Usage, message).next(SET_NEXT));
            return;
        }
        let schema = chain.params.get(param).map(|param| &param.schema);
        let (origin, value) = match text.strip_prefix('@') {
            Some(path) => (format!("{path}, by --set"), text_file(param, path)),
            None => ("--set".to_owned(), Ok(value(text, is_text(text, schema)))),
        };
        match value {
            Err(failure) => self.unread.push(failure),
            Ok(value) => {
                self.origins.insert(param.to_owned(), origin);
                self.values.insert(param.to_owned(), value);
            }
        }
    }

    fn checked(self, chain: &Chain) -> Result<BTreeMap<String, Value>, Failure> {
        let problems = chain.resolve_params(self.values.clone()).err().unwrap_or_default();
        // What could not be read may well hold what is missing.
        let all_read = self.unread.is_empty();
        let told = problems.iter().filter(|p| all_read || !matches!(p, ParamProblem::Missing(_)));
        let messages: Vec<String> = told.map(|problem| self.message(problem)).collect();
        let mut failures = self.unread;
        if !messages.is_empty() {
            failures.push(Failure::of_all(Code::Usage, messages).next(next(&problems)));
        }
        match failures.into_iter().reduce(Failure::and) {
            Some(failure) => Err(failure),
            None => Ok(self.values),
        }
    }

    fn message(&self, problem: &ParamProblem) -> String {
        match self.origins.get(name(problem)) {
            Some(origin) => format!("{problem} (it comes from {origin})"),
            None => problem.to_string(),
        }
    }
}

const SET_NEXT: &str = "catena run … --set NAME=VALUE, or --set NAME=@FILE with a text file";
const INPUT_NEXT: &str = r#"catena run … --input FILE, with {"name": value, …}"#;

/// What the chain has no parameter for, no value can mend.
fn next(problems: &[ParamProblem]) -> String {
    match problems.iter().find(|problem| !matches!(problem, ParamProblem::Unknown { .. })) {
        Some(problem) => format!("catena run … --set {}=VALUE", name(problem)),
        None => SET_NEXT.to_owned(),
    }
}

fn name(problem: &ParamProblem) -> &str {
    match problem {
        ParamProblem::Missing(name) | ParamProblem::TooLarge(name) => name,
        ParamProblem::Unknown { name, .. } | ParamProblem::Unfit { name, .. } => name,
    }
}

fn is_text(text: &str, schema: Option<&Json>) -> bool {
    schema.is_some_and(|schema| schema["type"] == "string") && !text.starts_with('"')
}

/// JSON, else text; text outright where the parameter is one.
fn value(text: &str, is_text: bool) -> Value {
    match serde_json::from_str::<Json>(text) {
        Ok(json) if !is_text => Value::from(json),
        _ => Value::text(text),
    }
}

/// A value of an option: JSON, else text; `@FILE` is a file's text.
pub(super) fn given(text: &str, option: &str) -> Result<Value, Failure> {
    given_for(text, None, option)
}

/// The same for what has a schema: where that says text, it is text.
pub(super) fn given_for(text: &str, schema: Option<&Json>, option: &str) -> Result<Value, Failure> {
    match text.strip_prefix('@') {
        Some(path) => {
            let next = match option.starts_with('-') {
                true => format!("{option}=VALUE, or {option}=@FILE with a text file"),
                false => format!("{option} as JSON or text, or @FILE with a text file"),
            };
            std::fs::read_to_string(path)
                .map(Value::text)
                .map_err(|error| unreadable(path, &error).next(next))
        }
        None => Ok(value(text, is_text(text, schema))),
    }
}

/// A text of the command line as it stands there; `@FILE` is a file's.
pub(super) fn text(text: &str, what: &str) -> Result<String, Failure> {
    let Some(path) = text.strip_prefix('@') else { return Ok(text.to_owned()) };
    let next = format!("{what}, or @FILE with a text file");
    std::fs::read_to_string(path).map_err(|error| unreadable(path, &error).next(next))
}

/// The same where a file holds JSON, or text.
pub(super) fn given_json(text: &str, option: &str) -> Result<Value, Failure> {
    match given(text, option)? {
        read if text.starts_with('@') => Ok(value(&read.to_text(), false)),
        given => Ok(given),
    }
}

fn text_file(param: &str, path: &str) -> Result<Value, Failure> {
    if path == "-" {
        let message = format!("`--set {param}=@-`: standard input is for `--input -`");
        return Err(Failure::new(Code::Usage, message).next(SET_NEXT));
    }
    let text = std::fs::read_to_string(path).map_err(|error| unreadable(path, &error).next(SET_NEXT))?;
    Ok(Value::text(text))
}

fn unreadable(name: &str, error: &std::io::Error) -> Failure {
    let code = match error.kind() {
        ErrorKind::NotFound => Code::NotFound,
        // Not UTF-8: the wrong file, rather than one that cannot be read.
        ErrorKind::InvalidData => Code::Usage,
        _ => Code::Environment,
    };
    Failure::new(code, format!("cannot read {name}: {error}"))
}

fn object(name: &str, text: &str) -> Result<serde_json::Map<String, Json>, Failure> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let wrong = |line, column, what: &str| {
        Failure::new(Code::Usage, format!("{name}:{line}:{column}: no JSON object: {what}"))
    };
    match serde_json::from_str(text) {
        Ok(Json::Object(object)) => Ok(object),
        Ok(_) => {
            let before = &text[..text.len() - text.trim_start().len()];
            let line = before.matches('\n').count() + 1;
            let column = before.rsplit('\n').next().map_or(0, |line| line.chars().count()) + 1;
            Err(wrong(line, column, "parameters are given by name"))
        }
        Err(error) => {
            let message = error.to_string();
            let what = message.split(" at line ").next().unwrap_or(&message);
            Err(wrong(error.line(), column(text, &error), what))
        }
    }
}

/// In characters, from 1; the parser counts bytes.
fn column(text: &str, error: &serde_json::Error) -> usize {
    let line = text.split('\n').nth(error.line().saturating_sub(1)).unwrap_or_default();
    let bytes = &line.as_bytes()[..error.column().min(line.len())];
    String::from_utf8_lossy(bytes).chars().count().max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let failure = object("in.json", text).expect_err("it is no object");
        assert_eq!(failure.messages(), [expected]);
    }

    #[test]
    fn what_is_no_object_is_shown_at_its_place() {
        check("", "in.json:1:1: no JSON object: EOF while parsing a value");
        check("\n\n  [1]", "in.json:3:3: no JSON object: parameters are given by name");
        check("{\"a\": 1,\n \"größe\": x}", "in.json:2:11: no JSON object: expected value");
        check("{\"a\": 1", "in.json:1:7: no JSON object: EOF while parsing an object");
        assert_eq!(object("in.json", "\u{feff}{\"a\": 1}").expect("an object").len(), 1);
    }
}
