//! The chain itself: which of the four shapes it has, its own keys, and everything put together.

use std::collections::BTreeMap;

use catena_core::chain::{ChainName, Draft, Param, ParamProblem, StepDraft, Work};
use catena_core::retry::Retry;
use catena_core::value::Value as CoreValue;

use super::context::{Context, Lowered};
use super::outline::{BlockOutline, names_of, outline};
use super::policy::WrittenPolicy;
use super::process::lift;
use super::scope::Frame;
use crate::code::Code;
use crate::files::Files;
use crate::keys;
use crate::node::{Entry, Node, Value};
use crate::problem::{Problem, Problems};
use crate::source::{Source, Span};

/// Lowers the tree. The chain is there only if no error was found on the way.
pub(crate) fn lower(node: &Node, source: &Source, files: &dyn Files, problems: &mut Problems) -> Lowered {
    let mut ctx = Context::new(source, files, problems);
    let draft = match &node.value {
        Value::Map(_) => ctx.chain(node),
        Value::Seq(steps) => ctx.bare_list(steps),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            ctx.no_chain(node);
            None
        }
    };
    let files = std::mem::take(&mut ctx.step_files).into_values().collect();
    let sound = !ctx.problems.has_error();
    let chain = draft.filter(|_| sound).and_then(|draft| ctx.build(draft, node));
    Lowered { chain, files }
}

impl Context<'_> {
    fn no_chain(&mut self, node: &Node) {
        let message = format!("a definition is an object with `steps`, not {}", node.kind());
        let help = "the smallest chain is `steps: [{shell: echo hello}]`";
        self.add(Problem::new(Code::WrongType, node.span, message).help(help));
    }

    fn bare_list(&mut self, steps: &[Node]) -> Option<Draft> {
        let root = outline(steps, self);
        let steps = self.block(&root)?;
        Some(Draft { workdir: self.default_workdir(), ..Draft::new(self.file_stem()?, steps) })
    }

    /// What the checks here let through and the core still refuses would be a gap in the checks; it is reported, too.
    fn build(&mut self, draft: Draft, node: &Node) -> Option<catena_core::Chain> {
        match draft.build() {
            Ok(chain) => {
                self.check_defaults(&chain, node);
                Some(chain)
            }
            Err(error) => {
                self.say(Code::EmptyValue, Span::at(0), error.to_string());
                None
            }
        }
    }

    /// A start without parameters must not fail over the types of the defaults.
    fn check_defaults(&mut self, chain: &catena_core::Chain, node: &Node) {
        for problem in chain.resolve_params(BTreeMap::new()).err().unwrap_or_default() {
            if let ParamProblem::WrongType { name, expected, found } = problem {
                let param = node.get("params").and_then(|params| params.value.get(&name));
                let default = param.and_then(|param| param.value.get("default"));
                let span = default.map_or(node.span, |default| default.value.span);
                let message = format!("the default of `{name}` must be of type {expected}, not {found}");
                self.say(Code::WrongType, span, message);
            }
        }
    }

    fn chain(&mut self, node: &Node) -> Option<Draft> {
        self.chain_keys(node);
        let params = node.get("params").map(|entry| self.params(&entry.value));
        let variables = node.get("variables").map(|entry| self.variables(&entry.value));
        if let Some(version) = node.get("version") {
            self.text(&version.value, "`version`");
        }
        let name = match node.get("name") {
            Some(entry) => self.name(&entry.value),
            None => self.file_stem(),
        };
        let description = node.get("description").map(|entry| self.text(&entry.value, "`description`"));
        let labels = node.get("labels").map(|entry| self.labels(&entry.value));
        let workdir = node.get("workdir").map(|entry| self.workdir(&entry.value));
        if let Some(Some(workdir)) = &workdir {
            self.workdir = Some(workdir.into());
        }
        let policy = node.get("error_policy").map(|entry| self.error_policy(&entry.value));
        let retry = node.get("retry_config").map(|entry| self.retry(&entry.value));
        let root = self.steps(node);
        self.scope.enter(Frame::of(self.params.iter().chain(&self.variables).map(String::as_str)));
        let env = node.get("env").map(|entry| self.env(&entry.value));
        let steps = root.as_ref().and_then(|root| self.block(root));
        let output = node.get("output").map(|entry| self.output(&entry.value, root.as_ref()));
        self.scope.leave();
        let (policy, retry) = (lift(policy)?, lift(retry)?);
        let mut steps = steps?;
        retry_top_level(&mut steps, policy, retry);
        Some(Draft {
            description: lift(description)?,
            labels: lift(labels)?.unwrap_or_default(),
            params: lift(params)?.unwrap_or_default(),
            variables: lift(variables)?.unwrap_or_default(),
            env: lift(env)?.unwrap_or_default(),
            workdir: lift(workdir)?.or_else(|| self.default_workdir()),
            error_policy: policy.map(WrittenPolicy::last),
            output: lift(output)?,
            ..Draft::new(name?, steps)
        })
    }

    fn chain_keys(&mut self, node: &Node) {
        let kind_at_top = node.get("steps").is_none().then(|| kind_of_top(node)).flatten();
        if let Some(entry) = kind_at_top {
            let message = format!("`{}` is a step; a chain holds its steps under `steps`", entry.key.text);
            let help = format!("write `steps: [{{{}: …}}]`", entry.key.text);
            return self.add(Problem::new(Code::MissingKey, entry.key.span, message).help(help));
        }
        self.known_entries(node, "a chain", keys::CHAIN_KEYS);
        if node.get("steps").is_none() {
            let end = Span::at(node.span.end);
            let help = "add `steps: [{shell: echo hello}]`";
            self.add(Problem::new(Code::MissingKey, end, "a chain needs the key `steps`").help(help));
        }
    }

    fn steps<'n>(&mut self, node: &'n Node) -> Option<BlockOutline<'n>> {
        let entry = node.get("steps")?;
        let steps = self.list_of_steps(&entry.key, &entry.value)?;
        if steps.is_empty() {
            let problem = Problem::new(Code::EmptyValue, entry.key.span, "the chain has no step");
            self.add(problem.help("the smallest step is `shell: echo hello`"));
        }
        Some(outline(steps, self))
    }

    fn name(&mut self, node: &Node) -> Option<ChainName> {
        let text = self.full_text(node, "the chain's `name`")?;
        match ChainName::parse(&text) {
            Ok(name) => Some(name),
            Err(error) => {
                self.say(Code::NotAnIdentifier, node.span, error.to_string());
                None
            }
        }
    }

    /// A chain without a name is called like its file.
    fn file_stem(&self) -> Option<ChainName> {
        let path = std::path::Path::new(self.source.name());
        let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        ChainName::parse(stem).or_else(|_| ChainName::parse("chain")).ok()
    }

    fn default_workdir(&self) -> Option<String> {
        self.files.folder().map(|folder| folder.to_string_lossy().into_owned())
    }

    fn labels(&mut self, node: &Node) -> Option<BTreeMap<String, String>> {
        let entries = self.object(node, "`labels`")?;
        let label = |entry: &Entry| Some((entry.key.text.clone(), self.text(&entry.value, "a label")?));
        let labels: Vec<_> = entries.iter().map(label).collect();
        labels.into_iter().collect()
    }

    fn params(&mut self, node: &Node) -> Option<BTreeMap<String, Param>> {
        let entries = self.object(node, "`params`")?;
        let params: Vec<_> = entries.iter().map(|entry| self.param(entry)).collect();
        params.into_iter().collect()
    }

    fn param(&mut self, entry: &Entry) -> Option<(String, Param)> {
        let name = &entry.key.text;
        self.params.push(name.clone());
        let sound = self.check_name(name, entry.key.span, "the name of a param");
        if !matches!(entry.value.value, Value::Map(_)) {
            let message = format!("the param `{name}` must be a JSON Schema, not {}", entry.value.kind());
            let help = format!("write `{name}: {{type: string, default: …}}`");
            self.add(Problem::new(Code::WrongType, entry.value.span, message).help(help));
            return None;
        }
        if let Some(kind) = entry.value.get("type") {
            self.param_type(&kind.value)?;
        }
        let default = entry.value.get("default").map(|default| CoreValue::from(default.value.to_json()));
        sound.then(|| (name.clone(), Param { schema: entry.value.to_json(), default }))
    }

    fn param_type(&mut self, node: &Node) -> Option<()> {
        const TYPES: &[&str] = &["string", "number", "integer", "boolean", "array", "object", "null"];
        let one = std::slice::from_ref(node);
        let types = if let Value::Seq(types) = &node.value { types } else { one };
        let known: Vec<_> = types.iter().map(|item| self.word(item, "`type`", TYPES)).collect();
        known.into_iter().all(|word| word.is_some()).then_some(())
    }

    fn variables(&mut self, node: &Node) -> Option<BTreeMap<String, CoreValue>> {
        let entries = self.object(node, "`variables`")?;
        let mut sound = true;
        let mut variables = BTreeMap::new();
        for Entry { key, value } in entries {
            sound &= self.check_name(&key.text, key.span, "the name of a variable");
            self.variables.push(key.text.clone());
            variables.insert(key.text.clone(), CoreValue::from(value.to_json()));
        }
        sound.then_some(variables)
    }

    /// The output sees what the top-level steps leave.
    fn output(
        &mut self,
        node: &Node,
        root: Option<&BlockOutline<'_>>,
    ) -> Option<catena_core::template::Template> {
        self.scope.enter(root.map(names_of).unwrap_or_default());
        self.scope.at(usize::MAX);
        let output = self.template(node);
        self.scope.leave();
        output
    }
}

fn kind_of_top(node: &Node) -> Option<&Entry> {
    let Value::Map(entries) = &node.value else { return None };
    entries.iter().find(|entry| {
        keys::find_kind(&entry.key.text).is_some() && keys::find(keys::CHAIN_KEYS, &entry.key.text).is_none()
    })
}

/// The chain's retry is the default of its top-level steps that start a process and ask for nothing else.
fn retry_top_level(steps: &mut [StepDraft], policy: Option<WrittenPolicy>, retry: Option<Retry>) {
    let retry = retry.or_else(|| (policy == Some(WrittenPolicy::Retry)).then(Retry::default));
    for step in steps {
        let starts_process = match &step.work {
            Work::Shell { .. } | Work::Command { .. } | Work::File { .. } | Work::Function { .. } => true,
            Work::Set { .. } | Work::Group { .. } | Work::Parallel { .. } | Work::ForEach { .. } => false,
        };
        if starts_process && step.retry.is_none() {
            step.retry.clone_from(&retry);
        }
    }
}
