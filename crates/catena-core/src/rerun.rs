//! Going on from an ended execution: which of its results stand for a new one, and what that runs again.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::{
    address::Openings,
    chain::{Part, Work},
    context::GivenContext,
    event::{Adopted, Duty, Event, Plan, Sight},
    ids::{FrameNo, StepIx, VisitNo},
    state::{Origin, Phase, ResultOrigin, State, UndoPhase, Visit, items_digest},
    value::Value,
};

/// From where an execution is run again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Again {
    /// All that has not completed.
    Failed,
    /// The state before the last visit of a step.
    From(StepIx),
    /// One step, and nothing else.
    Only(StepIx),
    /// All that has not completed, as far as a step.
    To(StepIx),
}

/// What a rerun takes over, runs and leaves out.
#[derive(Clone, Debug, PartialEq)]
pub struct Rerun {
    /// Visits whose results are kept.
    pub kept: Vec<VisitNo>,
    pub left_out: Vec<StepIx>,
    /// Of what is not kept, only this step runs.
    pub only: Option<StepIx>,
    pub results: Vec<Adopted>,
    /// Results that were given stay given.
    pub pinned: Vec<(StepIx, Value)>,
    /// Visits of tries of blocks that failed and were followed by others.
    pub superseded: Vec<VisitNo>,
    /// And what stood in for steps that were left out.
    pub context: GivenContext,
}

impl State {
    /// What a rerun of this execution takes over. `journal` is its own; at the addresses of `undone` an heir has taken
    /// back what this one has done.
    pub fn rerun<'e>(
        &self,
        again: Again,
        journal: impl Iterator<Item = &'e Event>,
        undone: &BTreeSet<String>,
    ) -> Rerun {
        let journal: Vec<&Event> = journal.collect();
        let gone = superseded(&journal);
        let last =
            |step: StepIx| self.visits().filter(|(_, visit)| visit.step == step).map(|(no, _)| no).last();
        let from = match again {
            Again::From(step) => last(step),
            Again::Failed | Again::Only(_) | Again::To(_) => None,
        };
        let is_again = |no: VisitNo| match again {
            Again::From(_) => from.is_some_and(|from| !self.comes_before(no, from)),
            Again::Only(step) => self.visit(no).step == step || self.is_visit_within(no, step),
            Again::Failed | Again::To(_) => false,
        };
        let kept: Vec<VisitNo> = self
            .visits()
            .map(|(no, _)| no)
            .filter(|no| {
                self.is_adoptable(*no, undone, &gone) && !is_again(*no) && !self.stands_in_any(*no, &gone)
            })
            .collect();
        let places: BTreeMap<VisitNo, u32> = self.undo_due().iter().copied().zip(1..).collect();
        let mut results: Vec<Adopted> = kept.iter().map(|no| self.adopted_of(*no, &places, &gone)).collect();
        results.extend(self.loops_of(&journal, &gone));
        // Of a part, only that part is run again, unless it is asked for what was left out.
        let part = || self.selection().left_out.iter().copied();
        let left_out = match again {
            Again::From(step) if self.selection().left_out.contains(&step) => Vec::new(),
            Again::Failed | Again::From(_) => part().collect(),
            Again::To(step) => {
                let all: BTreeSet<StepIx> =
                    self.chain().left_out(Part::To(step)).into_iter().chain(part()).collect();
                all.into_iter().filter(|left_out| *left_out != step).collect()
            }
            Again::Only(step) => {
                // What a kept result stands in has to be gone through to come to it.
                let ways = kept.iter().flat_map(|no| self.way_to(*no));
                let steps: BTreeSet<StepIx> = ways.map(|(_, visit)| self.visit(visit).step).collect();
                self.chain().left_out(Part::Only(step)).into_iter().filter(|ix| !steps.contains(ix)).collect()
            }
        };
        let kept = kept.into_iter().filter(|no| !left_out.contains(&self.visit(*no).step)).collect();
        let only = match again {
            Again::Only(step) => Some(step),
            Again::Failed | Again::From(_) | Again::To(_) => None,
        };
        let asked = match again {
            Again::From(step) | Again::Only(step) => Some(step),
            Again::Failed | Again::To(_) => None,
        };
        let pinned = self.selection().pinned.iter().filter(|(step, _)| asked != Some(**step));
        let pinned = pinned.map(|(step, value)| (*step, value.clone())).collect();
        let mut context = self.selection().context.clone();
        // A loop goes through one item where it is only a way to what is meant.
        if left_out.is_empty() {
            context.items.clear();
        }
        let superseded =
            self.visits().map(|(no, _)| no).filter(|no| self.stands_in_any(*no, &gone)).collect();
        Rerun { kept, left_out, only, results, pinned, superseded, context }
    }

    /// Whether a visit stands within one of some openings.
    fn stands_in_any(&self, no: VisitNo, openings: &Openings) -> bool {
        !openings.is_empty()
            && self.way_to(no).iter().any(|(frame, _)| match self.frame(*frame).origin {
                Origin::Group { visit } | Origin::Item { visit, .. } | Origin::Branch { visit, .. } => {
                    openings.contains(&(visit, self.frame(*frame).opening))
                }
                Origin::Root | Origin::Alternative { .. } | Origin::Undo { .. } | Origin::Handler { .. } => {
                    false
                }
            })
    }

    /// Whether another execution need not do again what the visit has done.
    fn is_adoptable(&self, no: VisitNo, undone: &BTreeSet<String>, gone: &Openings) -> bool {
        let (visit, way) = (self.visit(no), self.way_to(no));
        let work = &self.step_of(no).work;
        let is_work = work.makes_attempts() || matches!(work, Work::Set { .. } | Work::Wait { .. });
        let is_undone = |no: VisitNo| {
            self.visit(no).undo != UndoPhase::None || undone.contains(self.address_past(no, gone).as_str())
        };
        let stands = visit.result().is_some() && !way.iter().any(|(_, around)| is_undone(*around));
        // What an alternative has done depends on the failure, which may be another one now.
        let stands_in =
            way.iter().any(|(frame, _)| matches!(self.frame(*frame).origin, Origin::Alternative { .. }));
        let is_pinned = visit.origin == ResultOrigin::Pinned;
        is_work && stands && visit.alternative_to.is_none() && !stands_in && !is_pinned && !self.is_aside(no)
    }

    /// What a visit that has to be taken back leaves to another execution if this is its result, whatever it came to.
    pub fn adopted_as<'e>(
        &self,
        no: VisitNo,
        result: Value,
        journal: impl Iterator<Item = &'e Event>,
    ) -> Adopted {
        let gone = superseded(&journal.collect::<Vec<_>>());
        let places: BTreeMap<VisitNo, u32> = self.undo_due().iter().copied().zip(1..).collect();
        Adopted { result, ..self.adopted_of(no, &places, &gone) }
    }

    fn adopted_of(&self, no: VisitNo, places: &BTreeMap<VisitNo, u32>, gone: &Openings) -> Adopted {
        let visit = self.visit(no);
        let id = |step: StepIx| self.chain().step(step).id.clone();
        Adopted {
            address: self.address_past(no, gone).to_string(),
            result: visit.result().cloned().unwrap_or_else(Value::null),
            input: visit.input.clone(),
            children: visit.children.clone(),
            is_free: !visit.owes_undo(),
            place: places.get(&no).copied().unwrap_or(0),
            sight: Sight {
                names: visit.undo_sight.names.clone(),
                steps: self.steps_seen(visit).into_iter().map(|(step, value)| (id(step), value)).collect(),
            },
            items: None,
        }
    }

    /// What loops went over: results within them stand for the same items only.
    fn loops_of(&self, journal: &[&Event], gone: &Openings) -> Vec<Adopted> {
        let digests: BTreeMap<VisitNo, String> = journal
            .iter()
            .filter_map(|event| match event {
                Event::VisitEntered { visit, plan: Plan::Items(items), .. } => {
                    Some((*visit, items_digest(items)))
                }
                _ => None,
            })
            .collect();
        let adopted = |(no, items)| Adopted {
            address: self.address_past(no, gone).to_string(),
            result: Value::null(),
            input: crate::event::Input::default(),
            children: Vec::new(),
            is_free: false,
            place: 0,
            sight: Sight::default(),
            items: Some(items),
        };
        let loops = digests.into_iter().filter(|(no, _)| !self.stands_in_any(*no, gone));
        loops.map(adopted).collect()
    }

    /// The addresses of what this execution has taken back, or is about to.
    pub fn taken_back(&self) -> impl Iterator<Item = String> {
        let is_undoing = *self.phase() == Phase::Undoing;
        let due = self.undo_due().iter().copied().filter(move |_| is_undoing);
        let undone = self.visits().filter(|(_, visit)| visit.undo != UndoPhase::None).map(|(no, _)| no);
        let taken_up = &self.adopted().taken_up;
        due.chain(undone).map(|no| taken_up.get(&no).cloned().unwrap_or_else(|| self.address(no).to_string()))
    }

    /// Whether a visit is part of what another one starts from: entered before it where steps run in order, and not
    /// behind it where they run by what they depend on.
    fn comes_before(&self, no: VisitNo, from: VisitNo) -> bool {
        let (way, way_of_from) = (self.way_to(no), self.way_to(from));
        let common = way.iter().zip(&way_of_from).find(|((frame, visit), (frame_of_from, visit_of_from))| {
            frame == frame_of_from && visit != visit_of_from
        });
        let Some(((frame, visit), (_, visit_of_from))) = common else {
            // One is within the other, or they run side by side in the same step.
            return way.len() == way_of_from.len() && no != from || way.len() < way_of_from.len();
        };
        let block = self.frame(*frame).block;
        let place = |no: VisitNo| self.step_of(no).position;
        match self.chain().block(block).graph {
            None => visit < visit_of_from,
            Some(_) => !self.chain().downstream(block, place(*visit_of_from)).contains(&place(*visit)),
        }
    }

    /// The frames around a visit from the outermost in, with the visit that it is in each.
    fn way_to(&self, no: VisitNo) -> Vec<(FrameNo, VisitNo)> {
        let mut way = Vec::new();
        let mut at = Some(no);
        while let Some(visit) = at {
            let frame = self.visit(visit).frame;
            way.push((frame, visit));
            at = match self.frame(frame).origin {
                Origin::Root | Origin::Handler { .. } => None,
                Origin::Group { visit }
                | Origin::Item { visit, .. }
                | Origin::Branch { visit, .. }
                | Origin::Alternative { visit }
                | Origin::Undo { visit } => Some(visit),
            };
        }
        way.reverse();
        way
    }

    fn is_visit_within(&self, no: VisitNo, step: StepIx) -> bool {
        self.way_to(no).iter().any(|(_, visit)| self.visit(*visit).step == step)
    }

    /// What another execution needs to know to undo all that this one has done, in the order in which it was done.
    pub fn duties(&self) -> Vec<Duty> {
        let duty = |no: &VisitNo| {
            let visit = self.visit(*no);
            Duty {
                step: visit.step,
                result: visit.result().cloned().unwrap_or_else(Value::null),
                input: visit.input.clone(),
                names: visit.undo_sight.names.clone(),
                steps: self.steps_seen(visit),
                children: visit.standing_children().to_vec(),
            }
        };
        self.undo_due().iter().map(duty).collect()
    }

    /// What the undo of a visit means by `steps.<id>`.
    fn steps_seen(&self, visit: &Visit) -> BTreeMap<StepIx, Value> {
        let sight = &visit.undo_sight;
        let own = sight.steps.iter().map(|(step, no)| {
            let given = self.given_step(Some(*no), *step).cloned();
            (*step, given.unwrap_or_else(|| self.step_value(*no)))
        });
        own.chain(sight.foreign.clone()).collect()
    }

    /// Whose work the result of a visit is.
    pub fn result_origin(&self, no: VisitNo) -> ResultOrigin {
        self.visit(no).origin
    }
}

/// The openings of blocks that failed and were tried again: what they left is no part of what the block came to.
pub fn superseded(journal: &[&Event]) -> Openings {
    let (mut openings, mut gone) = (BTreeMap::<VisitNo, u32>::new(), Openings::new());
    for event in journal {
        match event {
            Event::VisitEntered { visit, plan: Plan::Blocks | Plan::Items(_), .. }
            | Event::IterationStarted { visit, plan: Plan::Blocks | Plan::Items(_) } => {
                *openings.entry(*visit).or_default() += 1;
            }
            Event::RetryScheduled { visit, .. } => {
                gone.extend(openings.get(visit).map(|opening| (*visit, *opening)));
            }
            _ => {}
        }
    }
    gone
}
