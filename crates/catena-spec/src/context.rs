//! A context that an execution is given: an object with what its steps would else have from each other. What stands in
//! it is checked against the chain.

use std::collections::BTreeMap;

use catena_core::{
    BlockIx, Chain, GivenContext, StepIx, Value,
    chain::{Nested, Work, schema::mismatches},
    status::StepStatus,
};
use serde_json::{Map, Value as Json, json};

use crate::code::Code;
use crate::node::{Entry, Node};
use crate::parse::parse;
use crate::problem::{Problem, Problems};
use crate::source::{Source, Span};
use crate::suggest::did_you_mean;

/// What `catena ps context` and the context of a step's process say of the execution itself: it is no data.
const ABOUT: [&str; 10] = [
    "schema",
    "execution_id",
    "execution",
    "chain",
    "chain_id",
    "start_time",
    "current_step",
    "completed_steps",
    "date",
    "now",
];
/// Objects of names.
const NAMES: [&str; 2] = ["results", "names"];

/// A context as it was given.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ContextFile {
    pub params: BTreeMap<String, Value>,
    pub context: GivenContext,
}

impl ContextFile {
    /// Without the variables that are the chain's own.
    #[must_use]
    pub fn without_own(mut self, chain: &Chain) -> Self {
        self.context.variables.retain(|name, value| chain.variables.get(name) != Some(value));
        self
    }
}

/// Reads a context for a part of a chain that is told by a step. There is one exactly if nothing is wrong with it.
pub fn check_context(
    source: &Source,
    chain: &Chain,
    step: Option<StepIx>,
) -> (Option<ContextFile>, Vec<Problem>) {
    let mut problems = Problems::default();
    let file = parse(source, &mut problems).map(|node| read(&node, chain, step, &mut problems));
    let is_sound = !problems.has_error();
    let (problems, _) = problems.into_sorted();
    (file.filter(|_| is_sound), problems)
}

fn read(node: &Node, chain: &Chain, step: Option<StepIx>, problems: &mut Problems) -> ContextFile {
    let mut file = ContextFile::default();
    Reader { chain, step, problems, file: &mut file, listed: BTreeMap::new() }.context(node);
    file
}

/// The object that a text is, or what is wrong with it.
pub fn context_object(source: &Source) -> (Option<Map<String, Json>>, Vec<Problem>) {
    let mut problems = Problems::default();
    let object = parse(source, &mut problems).and_then(|node| match node.to_json() {
        Json::Object(object) => Some(object),
        _ => {
            let message = format!("a context is an object, and this is {}", node.kind());
            problems.add(Problem::new(Code::WrongType, node.span, message));
            None
        }
    });
    (object, problems.into_sorted().0)
}

/// The same of a tree that was read as a part of something else.
pub(crate) fn read_context(node: &Node, chain: &Chain, step: Option<StepIx>) -> (ContextFile, Vec<Problem>) {
    let mut problems = Problems::default();
    let file = read(node, chain, step, &mut problems);
    (file.without_own(chain), problems.into_sorted().0)
}

struct Reader<'a> {
    chain: &'a Chain,
    step: Option<StepIx>,
    problems: &'a mut Problems,
    file: &'a mut ContextFile,
    /// The steps of which something is said, and whether their results may stand elsewhere.
    listed: BTreeMap<StepIx, bool>,
}

impl Reader<'_> {
    fn context(&mut self, node: &Node) {
        let Some(entries) = node.as_object() else {
            return self.unfit(node.span, format!("a context is an object, and this is {}", node.kind()));
        };
        let part = |key: &str| entries.iter().find(|entry| entry.key.text == key);
        // Names that are said outright go before what follows from steps.
        for key in ["steps", "errors"] {
            if let Some(entry) = part(key) {
                self.object(entry, if key == "steps" { Self::step } else { Self::error });
            }
        }
        for key in NAMES.iter().chain(&["variables", "params"]) {
            if let Some(entry) = part(key) {
                let take = match *key {
                    "variables" => Self::variable,
                    "params" => Self::param,
                    _ => Self::name,
                };
                self.object(entry, take);
            }
        }
        let said = ["steps", "errors", "variables", "params"];
        let own = names_of(self.chain);
        let is_about = |key: &str| ABOUT.contains(&key) && !own.iter().any(|name| name == key);
        let is_name = |key: &str| !said.contains(&key) && !NAMES.contains(&key) && !is_about(key);
        entries.iter().filter(|entry| is_name(&entry.key.text)).for_each(|entry| self.name(entry));
    }

    fn object(&mut self, entry: &Entry, take: impl Fn(&mut Self, &Entry)) {
        match entry.value.as_object() {
            Some(entries) => entries.iter().for_each(|entry| take(self, entry)),
            None => {
                let message =
                    format!("`{}` is an object, and this is {}", entry.key.text, entry.value.kind());
                self.unfit(entry.value.span, message);
            }
        }
    }

    fn param(&mut self, entry: &Entry) {
        let name = &entry.key.text;
        if !self.chain.params.contains_key(name) {
            let known = self.chain.params.keys().map(String::as_str);
            return self.unknown(entry, "parameter", did_you_mean(name, known));
        }
        let before = self.file.params.insert(name.clone(), value_of(entry));
        self.expect_once(name, before, &value_of(entry), entry.key.span);
    }

    fn variable(&mut self, entry: &Entry) {
        let name = &entry.key.text;
        match self.chain.variables.get(name) {
            Some(_) => {
                let before = self.file.context.variables.insert(name.clone(), value_of(entry));
                self.expect_once(name, before, &value_of(entry), entry.key.span);
            }
            // The day of the start, which stands there for the code of steps.
            None if name == "date" => {}
            None => {
                let known = self.chain.variables.keys().map(String::as_str);
                self.unknown(entry, "variable", did_you_mean(name, known));
            }
        }
    }

    /// A name as the steps of the chain use it, wherever it comes from.
    fn name(&mut self, entry: &Entry) {
        let name = entry.key.text.as_str();
        let chain = self.chain;
        let is_set = |work: &Work<BlockIx>| match work {
            Work::Set { values } => values.iter().any(|(set, _)| set == name),
            _ => false,
        };
        let mut is_known = chain.steps().any(|(_, step)| is_set(&step.work));
        let leave_it: Vec<StepIx> = chain
            .steps()
            .filter(|(_, step)| step.output_key.as_deref() == Some(name))
            .map(|(ix, _)| ix)
            .collect();
        is_known |= !leave_it.is_empty();
        // It is the result of the step that left it, where there is one alone that may have.
        let may_have = |step: &&StepIx| self.listed.get(step).is_none_or(|listed| *listed);
        if let [step] = leave_it.iter().filter(may_have).collect::<Vec<_>>()[..] {
            self.result(*step, &entry.value);
        }
        for (ix, step) in chain.steps() {
            if let Some(Nested::ForEach(repeat, _)) = step.work.nested()
                && repeat.item == name
            {
                is_known = true;
                if self.step.is_some_and(|meant| chain.stands_in(meant, ix) && meant != ix) {
                    self.file.context.items.insert(ix, vec![value_of(entry)]);
                }
            }
        }
        if is_known {
            let before = self.file.context.names.insert(name.to_owned(), value_of(entry));
            self.expect_once(name, before, &value_of(entry), entry.key.span);
        } else if chain.params.contains_key(name) {
            self.param(entry);
        } else if chain.variables.contains_key(name) {
            self.variable(entry);
        } else if let Some(step) = chain.step_by_id(name) {
            // A step's id says the same as its result under `steps`.
            self.result(step, &entry.value);
            self.derive_names(step, &entry.value);
        } else {
            let known = names_of(chain);
            let help = did_you_mean(name, known.iter().map(String::as_str));
            let help = help.or_else(|| match known.as_slice() {
                [] => Some("the chain has no names; results stand under `steps`".to_owned()),
                known => Some(format!("the chain's names are {}", known.join(", "))),
            });
            self.unknown(entry, "name", help);
        }
    }

    /// The names that a step gives to its result.
    fn derive_names(&mut self, step: StepIx, result: &Node) {
        let chain = self.chain;
        if let Some(name) = &chain.step(step).output_key {
            self.derive_name(step, name, Value::from(result.to_json()));
        }
        if let Work::Set { values } = &chain.step(step).work {
            if result.as_object().is_none() {
                let id = &chain.step(step).id;
                let message = format!("step `{id}` sets names, and this is {}", result.kind());
                return self.unfit(result.span, message);
            }
            for entry in result.as_object().unwrap_or_default() {
                let name = entry.key.text.as_str();
                match values.iter().any(|(set, _)| set == name) {
                    true => self.derive_name(step, name, value_of(entry)),
                    false => {
                        let known = values.iter().map(|(set, _)| set.as_str());
                        self.unknown(entry, "name", did_you_mean(name, known));
                    }
                }
            }
        }
    }

    /// A name that a result gives, where the step that is meant would see it.
    fn derive_name(&mut self, of: StepIx, name: &str, value: Value) {
        let owner = self.chain.owner(self.chain.step(of).block);
        let is_seen =
            owner.is_none_or(|owner| self.step.is_some_and(|meant| self.chain.stands_in(meant, owner)));
        if is_seen {
            self.file.context.names.insert(name.to_owned(), value);
        }
    }

    /// One name has one value, wherever it is said.
    fn expect_once(&mut self, name: &str, before: Option<Value>, value: &Value, span: Span) {
        if before.is_some_and(|before| before != *value) {
            let message = format!("`{name}` is said twice, with different values");
            let help = "say it once: under `results` or `names`, or as the result of its step";
            self.problems.add(Problem::new(Code::WrongType, span, message).help(help));
        }
    }

    /// The result of a step that is not to be said a second time under the step itself.
    fn result(&mut self, step: StepIx, value: &Node) {
        let before = self.file.context.steps.get(&step).cloned();
        if before.as_ref().and_then(|given| given.get("result")).is_some() {
            return;
        }
        if let Some(schema) = &self.chain.step(step).output
            && let Some(wrong) = mismatches(schema, &value.to_json()).into_iter().next()
        {
            let id = &self.chain.step(step).id;
            let message = format!("the result of `{id}`{} {}", wrong.path, wrong.message);
            return self.unfit(value.span, message);
        }
        let mut given = match before.as_ref().map(Value::as_json) {
            Some(Json::Object(before)) => before.clone(),
            _ => Map::from_iter([
                ("status".to_owned(), json!(StepStatus::Completed)),
                ("error".to_owned(), Json::Null),
                ("attempts".to_owned(), json!(1)),
            ]),
        };
        given.insert("result".to_owned(), value.to_json());
        self.file.context.steps.insert(step, Value::from(Json::Object(given)));
    }

    fn step(&mut self, entry: &Entry) {
        let Some(step) = self.step_of(entry) else { return };
        let Some(fields) = entry.value.as_object() else {
            let message =
                format!("a step is an object such as {{\"result\": 1}}, and this is {}", entry.value.kind());
            return self.unfit(entry.value.span, message);
        };
        let allowed = ["status", "result", "error", "attempts"];
        for field in fields.iter().filter(|field| !allowed.contains(&field.key.text.as_str())) {
            self.unknown(field, "key", Some(format!("a step has {}", allowed.join(", "))));
        }
        let field = |key: &str| entry.value.get(key).map(|entry| entry.value.to_json());
        let error = field("error").filter(|error| !error.is_null());
        let status = field("status").unwrap_or_else(|| {
            json!(if error.is_some() { StepStatus::Failed } else { StepStatus::Completed })
        });
        if serde_json::from_value::<StepStatus>(status.clone()).is_err() {
            let span = entry.value.get("status").map_or(entry.value.span, |entry| entry.value.span);
            return self.unfit(span, format!("no step has the status {status}"));
        }
        if let Some(result) = entry.value.get("result") {
            self.result(step, &result.value);
            self.derive_names(step, &result.value);
        }
        let may_have_left = status == json!(StepStatus::Completed) && field("result").is_none();
        self.listed.insert(step, may_have_left);
        let mut given =
            json!({"status": status, "error": error, "attempts": field("attempts").unwrap_or(json!(1))});
        if let Some(result) = field("result") {
            given["result"] = result;
        }
        self.file.context.steps.insert(step, given.into());
    }

    /// A failure that was let pass.
    fn error(&mut self, entry: &Entry) {
        let Some(step) = self.step_of(entry) else { return };
        let error = match entry.value.to_json() {
            Json::String(message) => json!({"type": "failed", "message": message, "detail": null}),
            error @ Json::Object(_) => error,
            _ => {
                let message =
                    format!("an error is an object or its message, and this is {}", entry.value.kind());
                return self.unfit(entry.value.span, message);
            }
        };
        let given = json!({"status": StepStatus::Failed, "error": error, "attempts": 1});
        self.file.context.steps.entry(step).or_insert_with(|| given.into());
        self.file.context.errors.insert(step, error.into());
    }

    fn step_of(&mut self, entry: &Entry) -> Option<StepIx> {
        let word = entry.key.text.as_str();
        let chain = self.chain;
        let by_name = || chain.steps().find(|(_, step)| step.name == word).map(|(ix, _)| ix);
        let step = chain.step_by_id(word).or_else(by_name);
        if step.is_none() {
            let help = did_you_mean(word, chain.steps().map(|(_, step)| step.id.as_str()));
            let message = format!("the chain has no step `{word}`");
            let problem = Problem::new(Code::UnknownStep, entry.key.span, message).label("no such step");
            self.problems.add(problem.maybe_help(help));
        }
        step
    }

    fn unknown(&mut self, entry: &Entry, what: &str, help: Option<String>) {
        let (chain, name) = (&self.chain.name, &entry.key.text);
        let message = format!("chain `{chain}` has no {what} `{name}`");
        let code = if what == "key" { Code::UnknownKey } else { Code::UnknownName };
        let message = if what == "key" { format!("a step has no `{name}`") } else { message };
        self.problems.add(Problem::new(code, entry.key.span, message).maybe_help(help));
    }

    fn unfit(&mut self, span: Span, message: String) {
        self.problems.add(Problem::new(Code::WrongType, span, message));
    }
}

fn value_of(entry: &Entry) -> Value {
    Value::from(entry.value.to_json())
}

/// Every name that an expression of the chain can have from it.
pub fn names_of(chain: &Chain) -> Vec<String> {
    let mut names: Vec<String> = chain.params.keys().chain(chain.variables.keys()).cloned().collect();
    for (_, step) in chain.steps() {
        names.extend(step.output_key.clone());
        match &step.work {
            Work::Set { values } => names.extend(values.iter().map(|(name, _)| name.clone())),
            work => {
                if let Some(Nested::ForEach(repeat, _)) = work.nested() {
                    names.push(repeat.item.clone());
                }
            }
        }
    }
    names.sort_unstable();
    names.dedup();
    names
}
