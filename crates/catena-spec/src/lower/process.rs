//! The kinds that start a process, and what they share: environment, folder, input, output, interpreter.

use std::collections::BTreeMap;
use std::path::Path;

use catena_core::chain::{Interpreter, Parse, Process, Work};
use catena_core::template::Template;

use super::context::Context;
use super::outline::StepOutline;
use super::script_argument::{Reads, script_arguments};
use crate::code::Code;
use crate::node::{Node, Value};
use crate::problem::Problem;

/// Variables that decide which code runs: data of the chain in them would become code.
const PROTECTED: &[&str] = &["PATH", "BASH_ENV", "NODE_OPTIONS"];
const PROTECTED_PREFIXES: &[&str] = &["LD_", "PYTHON", "GIT_"];

impl Context<'_> {
    pub(crate) fn shell<B>(&mut self, node: &Node, step: &StepOutline<'_>) -> Option<Work<B>> {
        let script = self.full_text(node);
        if let Some(script) = &script {
            self.check_script(script, node, Reads::Shell);
        }
        let interpreter = self.interpreter(step);
        let process = self.process(step);
        Some(Work::Shell { script: script?, interpreter: interpreter?, process: process? })
    }

    pub(crate) fn command<B>(&mut self, node: &Node, step: &StepOutline<'_>) -> Option<Work<B>> {
        let argv = self.argv(node);
        let allow_dash = step.get("allow_dash").and_then(|entry| entry.value.as_bool()).unwrap_or(false);
        let process = self.process(step);
        Some(Work::Command { argv: argv?, allow_dash, process: process? })
    }

    pub(crate) fn argv(&mut self, node: &Node) -> Option<Vec<Template>> {
        let items = node.as_list().filter(|items| !items.is_empty())?;
        let words: Vec<String> = items.iter().map(|item| self.text(item).unwrap_or_default()).collect();
        let scripts = script_arguments(&words.iter().map(String::as_str).collect::<Vec<_>>());
        let argument = |(at, item): (usize, &Node)| match scripts.iter().find(|(script, _)| *script == at) {
            Some((_, reads)) => self.script_argument(item, *reads),
            None => self.text_template(item),
        };
        let argv: Vec<_> = items.iter().enumerate().map(argument).collect();
        argv.into_iter().collect()
    }

    fn script_argument(&mut self, node: &Node, reads: Reads) -> Option<Template> {
        let text = self.text(node)?;
        self.check_script(&text, node, reads);
        Some(Template::constant(text))
    }

    pub(crate) fn process(&mut self, step: &StepOutline<'_>) -> Option<Process> {
        let env = step.get("env").map(|entry| self.env(&entry.value));
        let workdir = step.get("workdir").map(|entry| self.workdir(&entry.value));
        let stdin = step.get("stdin").map(|entry| self.with_secrets(|own| own.template(&entry.value)));
        let parse = step.get("parse").map(|entry| self.parse(&entry.value));
        Some(Process {
            env: env.unwrap_or_else(|| Some(BTreeMap::new()))?,
            workdir: lift(workdir)?,
            stdin: lift(stdin)?,
            parse: lift(parse)?,
            context: step.get("context").is_some_and(|entry| entry.value.as_bool() == Some(true)),
        })
    }

    pub(crate) fn with_secrets<T>(&mut self, read: impl FnOnce(&mut Self) -> T) -> T {
        let outside = std::mem::replace(&mut self.scope.takes_secrets, true);
        let value = read(self);
        self.scope.takes_secrets = outside;
        value
    }

    pub(crate) fn env(&mut self, node: &Node) -> Option<BTreeMap<String, Template>> {
        let mut env = BTreeMap::new();
        let mut sound = true;
        for entry in node.as_object()? {
            let name = &entry.key.text;
            let Some(value) = self.with_secrets(|own| own.text_template(&entry.value)) else {
                sound = false;
                continue;
            };
            if is_protected(name) && !value.is_constant() {
                self.protected(name, &entry.value);
                sound = false;
            }
            env.insert(name.clone(), value);
        }
        sound.then_some(env)
    }

    fn protected(&mut self, name: &str, node: &Node) {
        let message = format!("`{name}` decides which code runs, so it takes no data of the chain");
        let help = "write its value out, or give the data to the step in a variable of another name";
        self.add(Problem::new(Code::ProtectedVariable, node.span, message).label("data in here").help(help));
    }

    /// A folder as an absolute path, as far as the definition lies somewhere.
    pub(crate) fn workdir(&mut self, node: &Node) -> Option<String> {
        let text = self.full_text(node)?;
        let path = self.workdir.as_deref().unwrap_or(Path::new("")).join(text);
        Some(path.to_string_lossy().into_owned())
    }

    pub(crate) fn parse(&mut self, node: &Node) -> Option<Parse> {
        match self.text(node)?.to_lowercase().as_str() {
            "json" => Some(Parse::Json),
            "lines" => Some(Parse::Lines),
            "yaml" => Some(Parse::Yaml),
            _ => None,
        }
    }

    /// The interpreter that a step names, as a program or as a list with its arguments.
    pub(crate) fn interpreter(&mut self, step: &StepOutline<'_>) -> Option<Option<Interpreter>> {
        let Some(entry) = step.get("interpreter") else { return Some(None) };
        let words: Option<Vec<String>> = match &entry.value.value {
            Value::Seq(items) => items.iter().map(|item| self.full_text(item)).collect(),
            _ => self.full_text(&entry.value).map(|text| split_words(&text)),
        };
        words.filter(|words| !words.is_empty()).map(|words| Some(Interpreter(words)))
    }
}

/// An absent key is fine, a broken one is not.
pub(crate) fn lift<T>(value: Option<Option<T>>) -> Option<Option<T>> {
    match value {
        None => Some(None),
        Some(value) => value.map(Some),
    }
}

pub(crate) fn split_words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

fn is_protected(name: &str) -> bool {
    PROTECTED.contains(&name) || PROTECTED_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}
