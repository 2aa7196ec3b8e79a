//! Folding how an execution begins: held back, with steps left out, with what an earlier one has left.

use std::collections::{BTreeMap, BTreeSet};

use super::Misfit;
use crate::{
    context::GivenContext,
    event::{Adopted, Answer, BlockEnd, CacheHit, Duty, Input},
    ids::{BlockIx, ExecutionId, FrameNo, StepId, StepIx, VisitNo},
    state::{
        Frame, FramePhase, Origin, Phase, ResultOrigin, State, UndoPhase, UndoSight, Visit, VisitEnd,
        VisitPhase,
    },
    time::Timestamp,
    value::{Value, digest},
};

/// The digest of a loop's items, as they stand in the journal.
pub fn items_digest(items: &[Value]) -> String {
    digest(&serde_json::to_vec(items).expect("values are JSON"))
}

impl State {
    pub(super) fn set_held_back(&mut self, held: bool) -> Result<(), Misfit> {
        if self.record.phase != Phase::Created || self.record.held == held {
            return Err("the execution is not where it could be held back or admitted");
        }
        self.record.held = held;
        self.touch_execution();
        Ok(())
    }

    pub(super) fn steps_selected(
        &mut self,
        left_out: &[StepIx],
        pinned: &[(StepIx, Value)],
        only: Option<StepIx>,
        context: Option<&GivenContext>,
    ) -> Result<(), Misfit> {
        self.expect_new()?;
        self.record.selection.left_out.extend(left_out);
        self.record.selection.pinned.extend(pinned.iter().cloned());
        self.record.selection.only = only;
        self.record.selection.context = context.cloned().unwrap_or_default();
        Ok(())
    }

    pub(super) fn results_adopted(
        &mut self,
        from: ExecutionId,
        duty: bool,
        results: &[Adopted],
    ) -> Result<(), Misfit> {
        self.expect_new()?;
        let adopted = &mut self.record.adopted;
        adopted.from = Some(from);
        adopted.duty = duty;
        adopted.results.extend(results.iter().map(|one| (one.address.clone(), one.clone())));
        Ok(())
    }

    /// The visit stands for one of an earlier execution.
    pub(super) fn adopt(&mut self, at: Timestamp, no: VisitNo) -> Result<(), Misfit> {
        let address = self.address(no);
        let adopted = self.record.adopted.results.remove(address.as_str());
        let (Some(Adopted { result, input, children, is_free, .. }), Some(from)) =
            (adopted, self.record.adopted.from)
        else {
            return Err("there is no earlier result for the visit");
        };
        let duty = self.record.adopted.duty && !is_free;
        let visit = self.visit_mut(no);
        visit.origin = ResultOrigin::Adopted { from, duty };
        visit.input = input;
        visit.children = children;
        self.result_given(at, no, &result)
    }

    /// Takes the duties for earlier results that nothing has come to: they were done before all that this execution has.
    pub(super) fn take_up_duties(&mut self, at: Timestamp) {
        if !self.record.adopted.duty || self.record.frames.is_empty() {
            return;
        }
        let left = std::mem::take(&mut self.record.adopted.results).into_values();
        let mut left: Vec<Adopted> =
            left.filter(|adopted| !adopted.is_free && adopted.items.is_none()).collect();
        left.sort_by_key(|adopted| adopted.place);
        let mut due = Vec::new();
        for adopted in left {
            let Some(step) = self.chain.step_by_id(last_id(&adopted.address)) else { continue };
            let has_undo = self.chain.step(step).undo.is_some() || !adopted.children.is_empty();
            if !has_undo {
                continue;
            }
            let find = |(id, value): (StepId, Value)| Some((self.chain.step_by_id(id.as_str())?, value));
            let duty = Duty {
                step,
                result: adopted.result,
                input: adopted.input,
                names: adopted.sight.names,
                steps: adopted.sight.steps.into_iter().filter_map(find).collect(),
                children: adopted.children,
            };
            let no = self.done_before(at, &duty);
            self.record.adopted.taken_up.insert(no, adopted.address);
            due.push(no);
        }
        self.record.undo_due.splice(0..0, due);
    }

    /// What was done for other items means nothing for these.
    pub(super) fn drop_unfit_adoption(&mut self, no: VisitNo, items: &[Value]) {
        if self.record.adopted.results.is_empty() {
            return;
        }
        let address = self.address(no);
        let results = &mut self.record.adopted.results;
        let fits = results
            .remove(address.as_str())
            .is_some_and(|old| old.items.is_some_and(|digest| digest == items_digest(items)));
        if !fits {
            results.retain(|of, _| !is_below(of, address.as_str()));
        }
    }

    /// Makes the state of an execution whose steps have all been done, by another one.
    pub(super) fn duties_adopted(&mut self, at: Timestamp, duties: &[Duty]) -> Result<(), Misfit> {
        self.expect_new()?;
        self.record.only_undoes = true;
        if self.record.frames.is_empty() {
            self.record.frames.push(finished_root());
        }
        for duty in duties {
            let no = self.done_before(at, duty);
            self.record.undo_due.push(no);
        }
        Ok(())
    }

    /// A visit that another execution has made.
    fn done_before(&mut self, at: Timestamp, duty: &Duty) -> VisitNo {
        let no = VisitNo::next_of(self.record.visits.len());
        let nth = self.frame(FrameNo::ROOT).latest.get(&duty.step).map_or(0, |old| self.visit(*old).nth) + 1;
        self.record.visits.push(done_by_another(at, duty, nth));
        self.record.frames[0].latest.insert(duty.step, no);
        no
    }

    pub(super) fn cache_answered(
        &mut self,
        no: VisitNo,
        key: &str,
        hit: Option<&CacheHit>,
    ) -> Result<(), Misfit> {
        if self.known(no)?.phase != VisitPhase::Looking {
            return Err("the visit asks for no earlier result");
        }
        let visit = self.visit_mut(no);
        let next = match hit {
            None => {
                visit.cache_key = Some(key.to_owned());
                VisitPhase::Ready
            }
            Some(CacheHit { execution, result }) => {
                visit.origin = ResultOrigin::Cached { from: *execution };
                // In the serial form null and nothing are the same.
                let value = Some(result.clone()).filter(|result| !result.is_null());
                VisitPhase::Answered(Answer::Succeeded { value })
            }
        };
        self.set_phase(no, next);
        Ok(())
    }

    fn expect_new(&self) -> Result<(), Misfit> {
        let is_new = self.record.phase == Phase::Created && !self.has_begun();
        if is_new { Ok(()) } else { Err("the execution has begun") }
    }

    fn has_begun(&self) -> bool {
        !self.record.only_undoes && !self.record.frames.is_empty()
    }
}

/// Whether an address lies within what another one stands for.
fn is_below(address: &str, above: &str) -> bool {
    address.strip_prefix(above).is_some_and(|rest| rest.starts_with(['[', '/', '.']))
}

/// The id of the step that an address is of.
fn last_id(address: &str) -> &str {
    let last = address.rsplit('/').next().unwrap_or(address);
    last.split(['~', '.', '[']).next().unwrap_or(last)
}

fn finished_root() -> Frame {
    Frame { phase: FramePhase::Ended(BlockEnd::Completed), ..Frame::new(BlockIx::ROOT, Origin::Root) }
}

fn done_by_another(at: Timestamp, duty: &Duty, nth: u32) -> Visit {
    let Duty { step, result, input, names, steps, children } = duty.clone();
    let mut visit = Visit::new(step, FrameNo::ROOT, nth, at);
    visit.ended_at = Some(at);
    visit.input = input;
    visit.children = children;
    visit.undo = UndoPhase::None;
    visit.undo_sight = UndoSight { names, foreign: steps, ..UndoSight::default() };
    visit.phase = VisitPhase::Ended(VisitEnd::Completed(result));
    visit
}

impl Visit {
    /// A visit that has just been entered.
    pub(super) fn new(step: StepIx, frame: FrameNo, nth: u32, entered_at: Timestamp) -> Self {
        Self {
            step,
            frame,
            nth,
            entered_at,
            started_at: None,
            ended_at: None,
            attempts: 0,
            losses: 0,
            losses_forgiven: 0,
            last_failure: None,
            input: Input::default(),
            checkpoints: BTreeMap::new(),
            phase: VisitPhase::Ready,
            stopping: None,
            iteration: None,
            openings: 0,
            block_tries: 0,
            alternative_to: None,
            children: Vec::new(),
            child_halted: false,
            children_undone: 0,
            cache_key: None,
            origin: ResultOrigin::Own,
            undo: UndoPhase::None,
            undos: 0,
            undo_sight: UndoSight::default(),
        }
    }
}

impl Frame {
    /// A frame that has just been opened.
    pub(super) fn new(block: BlockIx, origin: Origin) -> Self {
        Self {
            block,
            origin,
            phase: FramePhase::Open,
            opening: 0,
            cursor: 0,
            graph: None,
            failure: None,
            deadline: None,
            asks_next: None,
            delayed_until: None,
            asks_delay: None,
            open: BTreeSet::new(),
            latest: BTreeMap::new(),
            seen: BTreeMap::new(),
            foreign: BTreeMap::new(),
            names: BTreeMap::new(),
            result: None,
        }
    }
}
