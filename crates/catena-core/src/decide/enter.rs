//! Entering a step: its condition, items and input are evaluated here, once, and stand in the event.

use super::{Decider, request::request, wait};
use crate::{
    chain::{Chain, Process, Step, VISITS_MAX, VISITS_TOTAL_MAX, Work},
    event::{BlockEnd, Event, Input, Plan, SkipReason},
    expr::Scope,
    failure::{Failure, FailureType},
    ids::{FrameNo, StepIx, VisitNo},
    state::Iteration,
    template::{Part, Template, read_whole},
    time::Timestamp,
    value::Value,
};

impl Decider<'_> {
    pub(super) fn enter(&mut self, frame: FrameNo, step: StepIx) {
        let visit = VisitNo::next_of(self.state.visit_count());
        let nth = self.state.frame(frame).latest.get(&step).map_or(0, |no| self.state.visit(*no).nth) + 1;
        // Not a failure of the step, which its policy could let pass: a loop would never end.
        if let Some(failure) = self.limit_reached(step, nth) {
            let cause = BlockEnd::Failed(failure);
            return self.emit(Event::BlockStopping { frame, cause });
        }
        let now = self.outside.now;
        let of_step = self.state.chain().step(step);
        if let Some(reason) = self.state.unmet(frame, of_step.position) {
            let plan = Plan::Skip(reason);
            return self.emit(Event::VisitEntered { visit, frame, step, nth, plan });
        }
        if let Some(plan) = self.settled_before(frame, step, nth) {
            return self.emit(Event::VisitEntered { visit, frame, step, nth, plan });
        }
        if let Some(plan) = self.items_given(step) {
            return self.emit(Event::VisitEntered { visit, frame, step, nth, plan });
        }
        let first = of_step.iterations.as_ref().map(|_| Iteration::default());
        let plan =
            self.evaluate_in(frame, first.as_ref(), |state, scope| plan(state.chain(), step, now, scope));
        let Some(plan) = plan else { return };
        let plan = match plan.and_then(|plan| self.keep_plan(plan)) {
            Ok(Plan::Raise(failure)) if self.state.is_frame_aside(frame) => Plan::Fail(failure),
            Ok(plan) => plan,
            Err(failure) => Plan::Fail(failure),
        };
        self.emit(Event::VisitEntered { visit, frame, step, nth, plan });
    }

    fn limit_reached(&self, step: StepIx, nth: u32) -> Option<Failure> {
        let step = self.state.chain().step(step);
        let (id, visits_max) = (&step.id, step.visits_max.unwrap_or(VISITS_MAX));
        let message = if nth > visits_max {
            format!("step `{id}` would be visited more than {visits_max} times")
        } else if self.state.visit_count() >= VISITS_TOTAL_MAX {
            format!("step `{id}` would be visit {} of the execution", VISITS_TOTAL_MAX + 1)
        } else {
            return None;
        };
        Some(Failure::lasting(FailureType::VisitLimit, message))
    }
}

fn plan(chain: &Chain, step: StepIx, now: Timestamp, scope: &dyn Scope) -> Result<Plan, Failure> {
    let step = chain.step(step);
    if let Some(when) = &step.when
        && !when.eval_condition(scope)?
    {
        return Ok(Plan::Skip(SkipReason::When));
    }
    plan_work(chain, step, now, scope)
}

pub(super) fn plan_work(
    chain: &Chain,
    step: &Step,
    now: Timestamp,
    scope: &dyn Scope,
) -> Result<Plan, Failure> {
    match &step.work {
        Work::Shell { process, .. } | Work::File { process, .. } => {
            Ok(Plan::Attempt(process_input(chain, process, scope)?))
        }
        Work::Command { argv, allow_dash, process } => {
            let mut input = process_input(chain, process, scope)?;
            if argv.iter().any(|argument| !argument.is_constant()) {
                let values: Result<Vec<Value>, Failure> =
                    argv.iter().map(|a| argument(a, *allow_dash, scope)).collect();
                input.argv = values?;
            }
            Ok(Plan::Attempt(input))
        }
        Work::Code { code, process } => {
            let mut input = process_input(chain, process, scope)?;
            if let Some(parameters) = code.parameters.as_ref().filter(|template| !template.is_constant()) {
                input.parameters = Some(parameters.eval(scope)?);
            }
            Ok(Plan::Attempt(input))
        }
        Work::Function { parameters, .. } => {
            let parameters = Some(parameters.eval(scope)?);
            Ok(Plan::Attempt(Input { parameters, ..Input::default() }))
        }
        Work::FileExists { paths } => {
            let mut input = Input::default();
            if paths.iter().any(|path| !path.is_constant()) {
                let values: Result<Vec<Value>, Failure> = paths.iter().map(|path| path.eval(scope)).collect();
                input.argv = values?;
            }
            Ok(Plan::Attempt(input))
        }
        Work::Http(step) => {
            let request = Some(Box::new(request(step, scope)?));
            Ok(Plan::Attempt(Input { request, ..Input::default() }))
        }
        Work::Set { values } => {
            let values: Result<Vec<(String, Value)>, Failure> =
                values.iter().map(|(name, value)| Ok((name.clone(), value.eval(scope)?))).collect();
            Ok(Plan::Values(values?))
        }
        Work::Wait { wait } => wait::plan(wait, now, scope),
        Work::Chain(call) => {
            let parameters = call.parameters.as_ref().map(|parameters| parameters.eval(scope)).transpose()?;
            Ok(Plan::Attempt(Input { parameters, ..Input::default() }))
        }
        Work::Group { .. } | Work::Parallel { .. } => Ok(Plan::Blocks),
        Work::ForEach { repeat, .. } => items(repeat.items.eval(scope)?, scope).map(Plan::Items),
        Work::End(end) => {
            let output = end.output.as_ref().map(|output| output.eval(scope)).transpose()?;
            Ok(Plan::End { status: end.status, output })
        }
        Work::Fail(fail) => {
            let message = read_whole(&fail.message.eval(scope)?, scope).to_text();
            Ok(Plan::Raise(Failure::lasting(FailureType::from(fail.kind.clone()), message)))
        }
    }
}

/// An argument. Data that begins with `-` would be an option to most programs: that must have been meant.
fn argument(template: &Template, allow_dash: bool, scope: &dyn Scope) -> Result<Value, Failure> {
    let value = template.eval(scope)?;
    let is_data = match template {
        // A secret stands in no argument.
        Template::Const(_) | Template::Secret(_) => false,
        // A text that begins with words of the definition is what those say.
        Template::Text(parts) => !matches!(parts.first(), Some(Part::Text(text)) if !text.is_empty()),
        Template::Expr(_) | Template::List(_) | Template::Map(_) => true,
    };
    if is_data && !allow_dash && read_whole(&value, scope).to_text().starts_with('-') {
        let message = "data begins an argument with `-`, which most programs take for an option; \
                       say `allow_dash: true` if that is meant, or put `--` or other text before it";
        return Err(Failure::lasting(FailureType::TemplateError, message));
    }
    Ok(value)
}

/// The parts of a process's input that expressions give. Constants stay in the version and out of the journal.
fn process_input(chain: &Chain, process: &Process, scope: &dyn Scope) -> Result<Input, Failure> {
    let mut input = Input::default();
    let own = chain.env.iter().filter(|(name, _)| !process.env.contains_key(*name));
    for (name, template) in own.chain(&process.env).filter(|(_, template)| !template.is_constant()) {
        input.env.insert(name.clone(), template.give(scope)?);
    }
    if let Some(stdin) = process.stdin.as_ref().filter(|stdin| !stdin.is_constant()) {
        input.stdin = Some(stdin.give(scope)?);
    }
    Ok(input)
}

/// The items of a list or an object; what they refer to is not read.
fn items(mut value: Value, scope: &dyn Scope) -> Result<Vec<Value>, Failure> {
    while let Some(stored) = value.stored() {
        // What is not at hand is no list; the scope knows of it.
        value = scope.read(&stored).unwrap_or_else(Value::null);
    }
    if let Some(items) = value.items() {
        return Ok(items);
    }
    let fields = value.fields().ok_or_else(|| {
        Failure::lasting(FailureType::TemplateError, "`items` is neither a list nor an object")
    })?;
    let item =
        |(key, value)| Value::object([("key".to_owned(), Value::text(key)), ("value".to_owned(), value)]);
    Ok(fields.into_iter().map(item).collect())
}
