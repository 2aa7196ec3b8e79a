//! The chain itself: which of the four shapes it has, its own keys, and everything put together.

use std::collections::BTreeMap;
use std::sync::Arc;

use catena_core::chain::{
    ChainName, Concurrency, Draft, ExpectedEnd, Handlers, Overload, Param, ParamProblem, StepDraft,
};
use catena_core::ids::StepId;
use catena_core::retry::Retry;
use catena_core::status::End;
use catena_core::value::Value as CoreValue;

use super::context::{Context, Lowered};
use super::order::Here;
use super::outline::{ChainOutline, outline};
use super::policy::WrittenPolicy;
use super::process::lift;
use super::scope::{Declared, Frame};
use crate::code::Code;
use crate::files::Files;
use crate::language::{CHAIN_KEYS, Shape, Since, find};
use crate::node::{Entry, Node, Value};
use crate::preview::Preview;
use crate::problem::{Problem, Problems};
use crate::source::{Source, Span};
use crate::suggest::did_you_mean;

/// The keys of a chain whose blocks run after an outcome.
const HANDLERS: [&str; 3] = ["on_failure", "on_success", "finally"];

/// Lowers the tree. The chain is there only if nothing in it is wrong and all of it runs in this version.
pub(crate) fn lower(node: &Node, source: &Source, files: &dyn Files, problems: &mut Problems) -> Lowered {
    let mut ctx = Context::new(source, files, problems);
    let (draft, preview) = match &node.value {
        Value::Map(_) => ctx.chain(node),
        Value::Seq(steps) => ctx.bare_list(steps),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => (None, None),
    };
    let files = std::mem::take(&mut ctx.step_files).into_values().collect();
    let runs = !ctx.problems.has_error() && !ctx.problems.has_later();
    let chain = draft.filter(|_| runs).and_then(|draft| ctx.build(draft, node));
    Lowered { chain, preview, files }
}

impl Context<'_> {
    fn bare_list(&mut self, steps: &[Node]) -> (Option<Draft>, Option<Preview>) {
        let outline = outline(steps, &[], self);
        let name = self.file_stem();
        let preview = name.as_ref().map(|name| self.preview(name, Vec::new(), &outline.steps));
        let steps = self.block(&outline.steps);
        let draft = |steps| Some(Draft { workdir: self.default_workdir(), ..Draft::new(name?, steps) });
        (steps.and_then(draft), preview)
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
            if let ParamProblem::Unfit { name, at, message } = problem {
                let param = node.get("params").and_then(|params| params.value.get(&name));
                let default = param.and_then(|param| param.value.get("default"));
                let span = default.map_or(node.span, |default| default.value.span);
                let message = format!("the default of `{at}` {message}");
                self.say(Code::WrongType, span, message);
            }
        }
    }

    fn chain(&mut self, node: &Node) -> (Option<Draft>, Option<Preview>) {
        let Some(steps) = node.get("steps").and_then(|entry| entry.value.as_list()) else {
            return (None, None);
        };
        let handlers: Vec<_> =
            HANDLERS.into_iter().filter_map(|key| Some((key, &node.get(key)?.value))).collect();
        self.default_policy = node.get("error_policy").and_then(|entry| self.text(&entry.value));
        let mut outline = outline(steps, &handlers, self);
        outline.steps.flow = node.get("flow").map(|entry| &entry.value);
        let name = self.name(node);
        let schedules = self.schedules(node);
        let shown = schedules.clone().unwrap_or_default();
        let preview = name.as_ref().map(|name| self.preview(name, shown, &outline.steps));
        let draft = self.draft(node, name, &outline);
        (draft.and_then(|draft| Some(Draft { schedules: schedules?, ..draft })), preview)
    }

    fn draft(&mut self, node: &Node, name: Option<ChainName>, outline: &ChainOutline<'_>) -> Option<Draft> {
        let params = node.get("params").map(|entry| self.params(&entry.value));
        let variables = node.get("variables").map(|entry| self.variables(&entry.value));
        let description = node.get("description").map(|entry| self.text(&entry.value));
        let labels = node.get("labels").map(|entry| self.labels(&entry.value));
        let folder = node.get("workdir").or_else(|| node.get("local_path"));
        let workdir = folder.map(|entry| self.workdir(&entry.value));
        if let Some(Some(workdir)) = &workdir {
            self.workdir = Some(workdir.into());
        }
        let policy = node.get("error_policy").map(|entry| self.error_policy(&entry.value));
        let retry = node.get("retry_config").map(|entry| self.retry(&entry.value));
        let timeout = node.get("timeout").map(|entry| entry.value.as_duration_ms());
        let inputs = self.inputs(node);
        self.scope.enter(inputs);
        let env = node.get("env").map(|entry| self.env(&entry.value));
        let steps = self.block(&outline.steps);
        let (output, handlers) = self.at_the_end(node, outline);
        self.scope.leave();
        let concurrency = node.get("concurrency").map(|entry| self.concurrency(&entry.value));
        let max_parallel = node.get("max_parallel").map(|entry| entry.value.as_count());
        let on_cancel = node.get("on_cancel").and_then(|entry| self.text(&entry.value));
        let flow = node.get("flow").map(|entry| self.flow(&entry.value));
        let expected_ends = node.get("expect_ends").map(|entry| self.expected_ends(&entry.value));
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
            timeout_ms: lift(timeout)?,
            max_parallel: lift(max_parallel)?,
            concurrency: lift(concurrency)?,
            cancel_undoes: on_cancel.is_some_and(|text| text.eq_ignore_ascii_case("rollback")),
            expected_ends: lift(expected_ends)?.unwrap_or_default(),
            flow: lift(flow)?,
            lets_finish: node.get("fail_fast").is_some_and(|entry| entry.value.as_bool() == Some(false)),
            handlers: handlers?,
            ..Draft::new(name?, steps)
        })
    }

    fn expected_ends(&mut self, node: &Node) -> Option<Vec<ExpectedEnd>> {
        let ends: Vec<_> = node.as_list()?.iter().map(|end| self.expected_end(end)).collect();
        ends.into_iter().collect()
    }

    fn expected_end(&mut self, node: &Node) -> Option<ExpectedEnd> {
        let status = node.get("status").map_or(node, |entry| &entry.value);
        let status = match self.text(status)?.to_lowercase().as_str() {
            "completed" => End::Completed,
            "completed_with_errors" => End::CompletedWithErrors,
            "failed" => End::Failed,
            "cancelled" => End::Cancelled,
            "rolled_back" => End::RolledBack,
            _ => return None,
        };
        let undone = node.get("undone").and_then(|entry| entry.value.as_list()).unwrap_or_default();
        let undone: Vec<_> = undone.iter().map(|step| self.undone_step(step)).collect();
        Some(ExpectedEnd { status, undone: undone.into_iter().collect::<Option<_>>()? })
    }

    fn undone_step(&mut self, node: &Node) -> Option<StepId> {
        let text = self.full_text(node)?;
        if let Some((id, _)) = self.index.find(&text) {
            return Some(id.clone());
        }
        let help = did_you_mean(&text, self.index.ids());
        let problem = Problem::new(Code::UnknownStep, node.span, format!("there is no step `{text}`"));
        self.add(problem.label("no such step").maybe_help(help));
        None
    }

    /// What stands outside of the steps and sees what they leave: the output, the handlers, and what comes later.
    fn at_the_end(
        &mut self,
        node: &Node,
        outline: &ChainOutline<'_>,
    ) -> (Option<Option<catena_core::template::Template>>, Option<Handlers<Vec<StepDraft>>>) {
        let frame = self.frame_of(&outline.steps);
        self.scope.enter(frame);
        self.scope.at(Here::End);
        let output = node.get("output").map(|entry| self.template(&entry.value));
        for entry in node.as_object().unwrap_or_default() {
            let later = find(CHAIN_KEYS, &entry.key.text).filter(|key| key.since == Since::Later);
            if let Some(key) = later.filter(|key| !matches!(key.shape, Shape::Steps)) {
                self.check_within(&entry.value, &key.shape);
            }
        }
        let handlers = self.handlers(outline);
        self.scope.leave();
        (output, handlers)
    }

    fn handlers(&mut self, outline: &ChainOutline<'_>) -> Option<Handlers<Vec<StepDraft>>> {
        let lowered: Vec<_> = outline.handlers.iter().map(|(key, block)| (*key, self.block(block))).collect();
        let mut handlers = Handlers::default();
        for (key, steps) in lowered {
            let slot = match key {
                "on_failure" => &mut handlers.on_failure,
                "on_success" => &mut handlers.on_success,
                _ => &mut handlers.finally,
            };
            *slot = Some(steps?);
        }
        Some(handlers)
    }

    /// How many executions run at once, alone or with what becomes of one more.
    fn concurrency(&mut self, node: &Node) -> Option<Concurrency> {
        if let Some(limit) = node.as_count() {
            return Some(Concurrency { limit, policy: Overload::default() });
        }
        let policy = match node.get("policy") {
            None => Overload::default(),
            Some(entry) => match self.text(&entry.value)?.to_lowercase().as_str() {
                "skip" => Overload::Skip,
                "cancel_running" => Overload::CancelRunning,
                _ => Overload::Queue,
            },
        };
        Some(Concurrency { limit: node.get("limit")?.value.as_count()?, policy })
    }

    fn name(&mut self, node: &Node) -> Option<ChainName> {
        let Some(entry) = node.get("name") else { return self.file_stem() };
        let text = self.full_text(&entry.value)?;
        match ChainName::parse(&text) {
            Ok(name) => Some(name),
            Err(error) => {
                self.say(Code::BadName, entry.value.span, error.to_string());
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
        let label = |entry: &Entry| Some((entry.key.text.clone(), self.text(&entry.value)?));
        node.as_object()?.iter().map(label).collect()
    }

    fn params(&mut self, node: &Node) -> Option<BTreeMap<String, Param>> {
        let param = |entry: &Entry| {
            let schema = &entry.value;
            schema.as_object()?;
            let default = schema.get("default").map(|default| CoreValue::from(default.value.to_json()));
            Some((entry.key.text.clone(), Param { schema: schema.to_json(), default }))
        };
        node.as_object()?.iter().map(param).collect()
    }

    fn variables(&mut self, node: &Node) -> Option<BTreeMap<String, CoreValue>> {
        let variable = |entry: &Entry| (entry.key.text.clone(), CoreValue::from(entry.value.to_json()));
        Some(node.as_object()?.iter().map(variable).collect())
    }

    /// The names that are there from the start: params hide variables.
    fn inputs(&mut self, node: &Node) -> Frame {
        let entries = |key: &str| node.get(key).and_then(|entry| entry.value.as_object()).unwrap_or_default();
        let params = entries("params");
        let variables = entries("variables");
        let schema = |entry: &Entry| Declared::Schema(Arc::new(entry.value.to_json()));
        let constant = |entry: &Entry| Declared::Constant(Arc::new(entry.value.to_json()));
        self.params = params.iter().map(|entry| (entry.key.text.clone(), schema(entry))).collect();
        self.variables = variables.iter().map(|entry| (entry.key.text.clone(), constant(entry))).collect();
        let known = self.variables.iter().chain(&self.params);
        Frame::declared(known.map(|(name, declared)| (name.as_str(), Some(declared.clone()))))
    }
}

/// The chain's retry is the default of its top-level steps that make attempts and ask for nothing else.
fn retry_top_level(steps: &mut [StepDraft], policy: Option<WrittenPolicy>, retry: Option<Retry>) {
    let retry = retry.or_else(|| (policy == Some(WrittenPolicy::Retry)).then(Retry::default));
    for step in steps {
        if step.work.makes_attempts() && step.retry.is_none() {
            step.retry.clone_from(&retry);
        }
    }
}
