//! What the rules look at: an execution, its journal, and what else is known.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use catena_core::{
    BlockIx, Event, ExecutionId, FrameNo, State, StepIx, Timestamp, VisitNo,
    event::{BlockEnd, Consequence},
    state::{FramePhase, Origin, Visit, VisitEnd},
    status::StepStatus,
};
use catena_store::Entry;

use crate::output;

/// The last line that an attempt wrote, by its visit and number.
pub(crate) type LastLines = BTreeMap<(VisitNo, u32), String>;

pub(crate) struct Case<'a> {
    pub(crate) state: &'a State,
    pub(crate) entries: &'a [Entry],
    pub(crate) now: Timestamp,
    pub(crate) subject: Subject,
    pub(crate) last_lines: LastLines,
    pub(crate) hosting: Hosting,
    /// The last execution of the same chain that went well before this one.
    pub(crate) good: Option<&'a State>,
    /// Steps that only an undo, an alternative or a handler would run.
    pub(crate) aside: BTreeSet<StepIx>,
}

/// Whether a process is there that brings executions on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hosting {
    Hosted,
    Nobody,
}

/// What is asked about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    Whole,
    /// All visits of a step, or one of them.
    Step(StepIx),
    Visit(VisitNo),
}

impl<'a> Case<'a> {
    pub(super) fn id(&self) -> ExecutionId {
        self.state.id()
    }

    pub(super) fn is_whole(&self) -> bool {
        self.subject == Subject::Whole
    }

    pub(super) fn is_about(&self, no: VisitNo) -> bool {
        match self.subject {
            Subject::Whole => true,
            Subject::Step(step) => self.state.visit(no).step == step,
            Subject::Visit(visit) => visit == no,
        }
    }

    /// The visits that are asked about.
    pub(super) fn visits(&self) -> impl Iterator<Item = (VisitNo, &'a Visit)> {
        self.state.visits().filter(|(no, _)| self.is_about(*no))
    }

    /// The steps that are asked about and were never entered, in order of definition.
    pub(super) fn unreached(&self) -> Vec<StepIx> {
        let visited: BTreeSet<StepIx> = self.state.visits().map(|(_, visit)| visit.step).collect();
        let is_meant = |ix: &StepIx| match self.subject {
            Subject::Whole => !self.aside.contains(ix),
            Subject::Step(step) => step == *ix,
            Subject::Visit(_) => false,
        };
        self.state
            .chain()
            .steps()
            .map(|(ix, _)| ix)
            .filter(|ix| !visited.contains(ix) && is_meant(ix))
            .collect()
    }

    pub(super) fn address(&self, no: VisitNo) -> String {
        self.state.address(no).to_string()
    }

    /// An address as a person can paste it into a shell.
    pub(super) fn word(&self, no: VisitNo) -> String {
        output::shell_word(Path::new(&self.address(no)))
    }

    pub(super) fn step_id(&self, step: StepIx) -> String {
        self.state.chain().step(step).id.to_string()
    }

    /// When a visit stopped costing time.
    pub(super) fn ended_or_now(&self, visit: &Visit) -> Timestamp {
        visit.ended_at.unwrap_or(self.now)
    }

    /// The visits in the frames that a visit has opened, those of its undo left out.
    pub(super) fn within(&self, no: VisitNo) -> Vec<VisitNo> {
        let frames: BTreeSet<FrameNo> = self
            .state
            .frames()
            .filter(|(_, frame)| match frame.origin {
                Origin::Group { visit }
                | Origin::Item { visit, .. }
                | Origin::Branch { visit, .. }
                | Origin::Alternative { visit } => visit == no,
                Origin::Root | Origin::Undo { .. } | Origin::Handler { .. } => false,
            })
            .map(|(no, _)| no)
            .collect();
        self.state.visits().filter(|(_, visit)| frames.contains(&visit.frame)).map(|(no, _)| no).collect()
    }

    /// The visit whose failure is behind that of this one: itself, or what failed deepest within it.
    pub(super) fn root_cause(&self, no: VisitNo) -> VisitNo {
        let failed = self.within(no).into_iter().filter(|no| is_stopped_by(self.state.visit(*no)));
        // Of several tries of a block, the last one decided.
        let deciding = failed.min_by_key(|no| {
            let visit = self.state.visit(*no);
            let opening = self.state.frame(visit.frame).opening;
            (std::cmp::Reverse(opening), visit.ended_at, *no)
        });
        deciding.map_or(no, |inner| self.root_cause(inner))
    }

    /// The failed visit that stopped a frame.
    pub(super) fn culprit(&self, frame: FrameNo) -> Option<VisitNo> {
        let in_frame = self.state.visits().filter(|(_, visit)| visit.frame == frame && is_stopped_by(visit));
        in_frame.min_by_key(|(no, visit)| (visit.ended_at, *no)).map(|(no, _)| no)
    }

    /// The visit that stopped the whole: one that rolls back from any depth, else one of the chain's own block.
    pub(super) fn root_culprit(&self) -> Option<VisitNo> {
        let rolls_back = |entry: &Entry| {
            let Event::VisitFailed { visit, consequence: Consequence::Rollback, .. } = entry.event else {
                return None;
            };
            Some(visit)
        };
        let of_undo = |no: &VisitNo| self.state.is_aside(*no);
        let first = self.entries.iter().filter_map(rolls_back).find(|no| !of_undo(no));
        first.or_else(|| self.culprit(FrameNo::ROOT))
    }

    /// How a block ended, or is about to.
    pub(super) fn frame_end(&self, frame: FrameNo) -> Option<&'a BlockEnd> {
        match &self.state.frame(frame).phase {
            FramePhase::Open => None,
            FramePhase::Closing(end) | FramePhase::Ended(end) => Some(end),
        }
    }

    /// The frame of a block that was opened last.
    pub(super) fn last_frame_of(&self, block: BlockIx) -> Option<FrameNo> {
        self.state.frames().filter(|(_, frame)| frame.block == block).map(|(no, _)| no).last()
    }

    pub(super) fn count(&self, status: StepStatus) -> usize {
        self.state.visits().filter(|(no, _)| self.state.step_status(*no) == status).count()
    }
}

/// Whether a failed visit stopped what is around it.
fn is_stopped_by(visit: &Visit) -> bool {
    match visit.end() {
        Some(VisitEnd::Failed { consequence, .. }) => match consequence {
            Consequence::Stop | Consequence::Rollback => true,
            Consequence::Continue => false,
        },
        Some(VisitEnd::Completed(_) | VisitEnd::Skipped(_) | VisitEnd::Cancelled) | None => false,
    }
}
