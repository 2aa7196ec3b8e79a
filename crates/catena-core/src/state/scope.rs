//! What expressions see from one place of an execution: a lazy view, in which only the names that an expression
//! refers to are built.

use minijinja::{Value as Jinja, value::Serde};
use serde_json::{Value as Json, json};

use super::{Origin, State};
use crate::{
    expr::{Scope, day_of, text_of_instant, to_jinja},
    ids::{FrameNo, StepIx, VisitNo},
    time::Timestamp,
    value::Value,
};

/// The names that are there in every chain and cannot be hidden.
pub const RESERVED_NAMES: [&str; 6] = ["params", "variables", "steps", "errors", "execution", "chain"];

/// The view from a frame.
pub struct VisitScope<'a> {
    state: &'a State,
    frame: FrameNo,
    now: Timestamp,
}

impl State {
    pub fn scope(&self, frame: FrameNo, now: Timestamp) -> VisitScope<'_> {
        VisitScope { state: self, frame, now }
    }
}

impl Scope for VisitScope<'_> {
    fn get(&self, root: &str, paths: &[&str]) -> Option<Jinja> {
        match root {
            "steps" => Some(self.steps(paths)),
            "params" => Some(to_jinja(&self.state.record.params)),
            "variables" => Some(Jinja::from(Serde(&self.state.chain.variables))),
            "errors" => Some(Jinja::from(Serde(&self.state.errors()))),
            "execution" => Some(Jinja::from(Serde(&json!({ "id": self.state.id })))),
            "chain" => Some(Jinja::from(Serde(&json!({ "name": self.state.chain.name })))),
            "now" => Some(Jinja::from(text_of_instant(self.now))),
            "date" => Some(Jinja::from(day_of(self.state.record.started_at.unwrap_or(self.now)))),
            name => self.named(name),
        }
    }
}

impl VisitScope<'_> {
    /// Names of the frames from the innermost out, then params, then variables.
    fn named(&self, name: &str) -> Option<Jinja> {
        if let Some(value) = self.state.name_in_frames(self.frame, name) {
            return Some(to_jinja(value));
        }
        let param = self.state.record.params.as_json().get(name);
        let variable = || self.state.chain.variables.get(name).map(|value| value.as_json());
        param.or_else(variable).map(|json| Jinja::from(Serde(json)))
    }

    /// `steps.<id>` for the ids that are asked for; all of them if the expression picks one while it runs.
    fn steps(&self, paths: &[&str]) -> Jinja {
        let chain = &self.state.chain;
        let asked: Vec<StepIx> = match paths.contains(&"") {
            true => chain.steps().map(|(ix, _)| ix).collect(),
            false => paths.iter().filter_map(|path| chain.step_by_id(path.split('.').next()?)).collect(),
        };
        Jinja::from_pairs(asked.into_iter().filter_map(|ix| {
            let visit = self.state.nearest_visit(self.frame, ix)?;
            let id = chain.step(ix).id.as_str().to_owned();
            Some((id, Jinja::from(Serde(&self.state.step_json(visit)))))
        }))
    }
}

impl State {
    /// The frame around a frame.
    pub(super) fn outer(&self, frame: FrameNo) -> Option<FrameNo> {
        match self.frame(frame).origin {
            Origin::Root => None,
            Origin::Group { visit }
            | Origin::Item { visit, .. }
            | Origin::Branch { visit, .. }
            | Origin::Undo { visit } => Some(self.visit(visit).frame),
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

    fn step_json(&self, no: VisitNo) -> Json {
        let visit = self.visit(no);
        json!({
            "status": self.step_status(no),
            "result": visit.result(),
            "error": visit.failure(),
            "attempts": visit.attempts,
        })
    }

    /// Failures that were let pass, by step id.
    pub fn errors(&self) -> serde_json::Map<String, Json> {
        self.record
            .passed
            .iter()
            .map(|no| {
                let failure = serde_json::to_value(self.visit(*no).failure()).unwrap_or_default();
                (self.step_of(*no).id.as_str().to_owned(), failure)
            })
            .collect()
    }
}
