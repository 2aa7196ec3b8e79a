//! What expressions see from one place of an execution: a lazy view, in which only the names that an expression
//! refers to are built.

use std::collections::BTreeMap;

use minijinja::{Value as Jinja, value::Serde};
use serde_json::json;

use super::{
    Iteration, Origin, Phase, State, VisitEnd, VisitPhase,
    reader::{Met, Reader},
};
use crate::{
    event::SkipReason,
    expr::{Reading, Scope, text_of_instant},
    failure::Failure,
    ids::{FrameNo, StepIx, VisitNo},
    path::{Path, Segment},
    schedule::Zone,
    status::StepStatus,
    time::Timestamp,
    value::{Loaded, Stored, Value},
};

/// The names that are there in every chain and cannot be hidden.
pub const RESERVED_NAMES: [&str; 6] = ["params", "variables", "steps", "errors", "execution", "chain"];

/// The view from a frame.
pub struct VisitScope<'a> {
    state: &'a State,
    frame: FrameNo,
    now: Timestamp,
    /// What `loop` means where a repeated step is looked at.
    own_loop: Option<Value>,
    reader: Reader,
}

/// What a repeated step, and all within it, see of its iterations.
pub(crate) fn loop_value(iteration: &Iteration) -> Value {
    let previous = iteration.previous.clone().unwrap_or_else(Value::null);
    Value::object([
        ("index".to_owned(), Value::from(json!(iteration.index))),
        ("previous".to_owned(), previous),
    ])
}

impl State {
    pub fn scope(&self, frame: FrameNo, now: Timestamp, loaded: &Loaded) -> VisitScope<'_> {
        VisitScope { state: self, frame, now, own_loop: None, reader: Reader::new(loaded) }
    }
}

impl State {
    /// What a step of a frame sees as it is entered.
    pub fn scope_of_step(
        &self,
        frame: FrameNo,
        step: StepIx,
        now: Timestamp,
        loaded: &Loaded,
    ) -> VisitScope<'_> {
        let first = self.chain.step(step).iterations.as_ref().map(|_| Iteration::default());
        self.scope(frame, now, loaded).in_iteration(first.as_ref())
    }

    /// The names that are seen from a frame, beside parameters and variables.
    pub fn names_seen(&self, frame: FrameNo) -> BTreeMap<String, Value> {
        let mut names = BTreeMap::new();
        let mut around = Some(frame);
        while let Some(no) = around {
            for (name, value) in &self.frame(no).names {
                names.entry(name.clone()).or_insert_with(|| value.clone());
            }
            around = self.outer(no);
        }
        for (name, value) in &self.selection().context.names {
            names.entry(name.clone()).or_insert_with(|| value.clone());
        }
        names
    }

    /// What `steps.<id>` is from a frame, of the steps that were come to or are given.
    pub fn steps_seen_from(&self, frame: FrameNo) -> impl Iterator<Item = (StepIx, Value)> {
        self.chain.steps().filter_map(move |(ix, _)| {
            let visit = self.nearest_visit(frame, ix);
            let given = self.given_step(visit, ix).or_else(|| self.foreign(frame, ix));
            Some((ix, given.cloned().or_else(|| Some(self.step_value(visit?)))?))
        })
    }
}

impl VisitScope<'_> {
    /// What the evaluations in this scope would read and have not at hand, or why they can never read it.
    pub fn needs(&self) -> Result<Vec<Stored>, Failure> {
        match self.met() {
            Met::Wholly => Ok(Vec::new()),
            Met::Not(needs) => Ok(needs),
            Met::Never(failure) => Err(failure),
        }
    }

    /// The same, seen by a repeated step in one of its iterations.
    #[must_use]
    pub(crate) fn in_iteration(mut self, iteration: Option<&Iteration>) -> Self {
        self.own_loop = iteration.map(loop_value);
        self
    }
}

impl Scope for VisitScope<'_> {
    fn get(&self, root: &str, paths: &[&str]) -> Option<Jinja> {
        match root {
            "steps" => Some(self.steps(paths)),
            "params" => Some(self.reader.jinja(&self.state.record.params)),
            "variables" => Some(self.variables()),
            "errors" => Some(Jinja::from(Serde(&self.state.errors()))),
            "execution" => Some(Jinja::from(Serde(&self.execution()))),
            "chain" => Some(Jinja::from(Serde(&json!({ "name": self.state.chain.name })))),
            "now" => Some(Jinja::from(text_of_instant(self.now))),
            "date" => Some(Jinja::from(self.state.day_of_start(self.now))),
            name => self.named(name),
        }
    }

    fn kept(&self, path: &Path) -> Option<Value> {
        let (mut value, way) = self.begin(path)?;
        if !value.has_references() {
            return None;
        }
        for segment in way {
            if let Some(stored) = value.stored() {
                match self.read(&stored) {
                    Some(read) => value = read,
                    // Whoever evaluates learns that it was not at hand.
                    None => return Some(Value::null()),
                }
            }
            value = segment.of(&value)?;
        }
        Some(value)
    }

    fn read(&self, stored: &Stored) -> Option<Value> {
        self.reader.read(stored)
    }

    fn reading(&self) -> Reading {
        self.reader.reading()
    }
}

impl VisitScope<'_> {
    /// How the evaluations in this scope came to stand with stored values.
    pub(crate) fn met(&self) -> Met {
        self.reader.met()
    }

    /// The value that a plain path begins with, if it can have references, and the way from there.
    fn begin<'p>(&self, path: &'p Path) -> Option<(Value, &'p [Segment])> {
        match path.root.as_str() {
            "steps" => match path.way.split_at_checked(2)? {
                ([Segment::Key(id), Segment::Key(field)], way) if field == "result" => {
                    let step = self.state.chain.step_by_id(id)?;
                    let visit = self.state.nearest_visit(self.frame, step);
                    if let Some(given) = self.state.given_step(visit, step) {
                        return Some((given.get("result")?, way));
                    }
                    let visit = self.state.visit(visit?);
                    Some((visit.result().or(visit.iterated())?.clone(), way))
                }
                _ => None,
            },
            "params" => Some((self.state.record.params.clone(), &path.way)),
            "variables" | "errors" | "execution" | "chain" | "now" | "date" => None,
            name => Some((
                self.name(name).cloned().or_else(|| {
                    let params = &self.state.record.params;
                    if params.has_references() { params.get(name) } else { None }
                })?,
                &path.way,
            )),
        }
    }

    fn name(&self, name: &str) -> Option<&Value> {
        match &self.own_loop {
            Some(value) if name == "loop" => Some(value),
            _ => self
                .state
                .name_in_frames(self.frame, name)
                .or_else(|| self.state.selection().context.names.get(name)),
        }
    }

    /// The chain's, and in their places those that were given.
    fn variables(&self) -> Jinja {
        let (own, given) = (&self.state.chain.variables, &self.state.selection().context.variables);
        if given.is_empty() {
            return Jinja::from(Serde(own));
        }
        let all = own.keys().filter_map(|name| Some((name, given.get(name).or_else(|| own.get(name))?)));
        Jinja::from_pairs(all.map(|(name, value)| (name.clone(), self.reader.jinja(value))))
    }

    /// What is known of the execution itself; for a handler also how it ends.
    fn execution(&self) -> serde_json::Value {
        match self.state.phase() {
            Phase::Handling(handling) => {
                let error = handling.error.as_ref().map(|error| error.to_value().as_json().clone());
                json!({ "id": self.state.id, "status": handling.end, "error": error })
            }
            Phase::Created | Phase::Running | Phase::Undoing | Phase::Ended { .. } => {
                json!({ "id": self.state.id })
            }
        }
    }

    /// Names of the frames from the innermost out, then params, then variables.
    fn named(&self, name: &str) -> Option<Jinja> {
        if let Some(value) = self.name(name) {
            return Some(self.reader.jinja(value));
        }
        let params = &self.state.record.params;
        if params.has_references()
            && let Some(param) = params.get(name)
        {
            return Some(self.reader.jinja(&param));
        }
        if let Some(param) = params.as_json().get(name) {
            return Some(Jinja::from(Serde(param)));
        }
        if let Some(given) = self.state.selection().context.variables.get(name) {
            return Some(self.reader.jinja(given));
        }
        self.state.chain.variables.get(name).map(|value| Jinja::from(Serde(value.as_json())))
    }

    /// `steps.<id>` for the ids that are asked for; all of them if the expression picks one while it runs.
    fn steps(&self, paths: &[&str]) -> Jinja {
        let chain = &self.state.chain;
        let asked: Vec<StepIx> = match paths.contains(&"") {
            true => chain.steps().map(|(ix, _)| ix).collect(),
            false => paths.iter().filter_map(|path| chain.step_by_id(path.split('.').next()?)).collect(),
        };
        Jinja::from_pairs(asked.into_iter().map(|ix| {
            let nearest = self.state.nearest_visit(self.frame, ix);
            let value = match nearest {
                None if let Some(value) = self.state.foreign(self.frame, ix) => value.clone(),
                visit if let Some(value) = self.state.given_step(visit, ix) => value.clone(),
                Some(visit) => self.state.step_value(visit),
                // Whoever can ask stands behind it: it was passed over.
                None => Value::from(json!({ "status": StepStatus::Skipped, "attempts": 0 })),
            };
            (chain.step(ix).id.as_str().to_owned(), self.reader.jinja(&value))
        }))
    }
}

impl State {
    /// The day of the start in the chain's zone, which is that of its first schedule; `now` before there is a start.
    pub fn day_of_start(&self, now: Timestamp) -> String {
        let at = self.record.started_at.unwrap_or(now);
        match self.chain.schedules.first() {
            Some(schedule) => schedule.zone.day(at),
            None => Zone::utc().day(at),
        }
    }

    /// The frame around a frame.
    pub(super) fn outer(&self, frame: FrameNo) -> Option<FrameNo> {
        match self.frame(frame).origin {
            Origin::Root => None,
            Origin::Group { visit }
            | Origin::Item { visit, .. }
            | Origin::Branch { visit, .. }
            | Origin::Alternative { visit }
            | Origin::Undo { visit } => Some(self.visit(visit).frame),
            // A handler sees what the chain's own block has left.
            Origin::Handler { .. } => Some(FrameNo::ROOT),
        }
    }

    /// What a name means in a frame and those around it.
    pub(super) fn name_in_frames(&self, frame: FrameNo, name: &str) -> Option<&Value> {
        let mut frame = Some(frame);
        while let Some(no) = frame {
            if let Some(value) = self.frame(no).names.get(name) {
                return Some(value);
            }
            frame = self.outer(no);
        }
        None
    }

    /// What `steps.<id>` means in a frame: the latest visit in the innermost opening around it of a block that
    /// the step stands in. An item sees its own visit or none, never that of its neighbour.
    pub(super) fn nearest_visit(&self, frame: FrameNo, step: StepIx) -> Option<VisitNo> {
        let mut around = Some(frame);
        while let Some(no) = around {
            let frame = self.frame(no);
            let is_home = self.chain.is_within(step, frame.block);
            let remembers = matches!(frame.origin, Origin::Undo { .. });
            match frame.seen.get(&step) {
                Some(visit) if is_home || remembers => return Some(*visit),
                None if is_home => return None,
                Some(_) | None => around = self.outer(no),
            }
        }
        None
    }

    /// What a step of an earlier execution has left, in the undo of what that has done.
    fn foreign(&self, frame: FrameNo, step: StepIx) -> Option<&Value> {
        let mut around = Some(frame);
        while let Some(no) = around {
            if let Some(value) = self.frame(no).foreign.get(&step) {
                return Some(value);
            }
            around = self.outer(no);
        }
        None
    }

    /// What was given for a step that is left out or was not come to.
    pub(crate) fn given_step(&self, visit: Option<VisitNo>, step: StepIx) -> Option<&Value> {
        let given = self.selection().context.steps.get(&step)?;
        let left_out = VisitPhase::Ended(VisitEnd::Skipped(SkipReason::LeftOut));
        visit.is_none_or(|no| self.visit(no).phase == left_out).then_some(given)
    }

    pub(crate) fn step_value(&self, no: VisitNo) -> Value {
        let visit = self.visit(no);
        let status = self.step_status(no);
        // What has not completed has no result, and one that has may have left nothing.
        let nothing = (status == StepStatus::Completed).then(Value::null);
        let fields = [
            ("status", Some(json!(status).into())),
            ("result", visit.result().or(visit.iterated()).cloned().or(nothing)),
            (
                "error",
                Some(
                    visit
                        .failure()
                        .or(visit.alternative_to.as_ref())
                        .map_or_else(Value::null, Failure::to_value),
                ),
            ),
            ("attempts", Some(json!(visit.attempts).into())),
        ];
        let there = fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
        Value::object(there)
    }

    /// Failures that were given as let pass, of steps that have not run here.
    pub fn given_errors(&self) -> impl Iterator<Item = (StepIx, Value)> {
        self.selection().context.errors.iter().filter_map(|(step, error)| {
            let left_out = VisitPhase::Ended(VisitEnd::Skipped(SkipReason::LeftOut));
            let has_run = self.visits().any(|(_, visit)| visit.step == *step && visit.phase != left_out);
            (!has_run).then(|| (*step, error.clone()))
        })
    }

    /// Failures that were let pass, by step id; those that were given come first.
    pub fn errors(&self) -> serde_json::Map<String, serde_json::Value> {
        let given = self
            .given_errors()
            .map(|(step, error)| (self.chain.step(step).id.as_str().to_owned(), error.as_json().clone()));
        let own = self.record.passed.iter().map(|no| {
            let failure = self.visit(*no).failure().map(Failure::to_value);
            let failure = failure.map_or(serde_json::Value::Null, |failure| failure.as_json().clone());
            (self.step_of(*no).id.as_str().to_owned(), failure)
        });
        given.chain(own).collect()
    }
}
